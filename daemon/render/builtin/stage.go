package builtin

import (
	"context"
	"errors"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/raster"
)

// A stage plays one sequence: the one that is exported, or one nested in a clip of it. Each
// nesting clip has a stage of its own.
type stage struct {
	scene    *scene
	seq      *ove.Sequence
	span     render.Span // playheads that will be asked for, at most
	timeline *ove.Timeline
	canvas   raster.Texture
	view     raster.Affine
	layers   map[*ove.Clip]*layer // the open ones
	active   []*ove.Clip
	draws    []*raster.Draw
	drawn    int
	lines    [][]uint32 // scratch of each pool worker
}

func newStage(sc *scene, seq *ove.Sequence, span render.Span) (*stage, error) {
	s := &stage{
		scene: sc, seq: seq, span: span, timeline: seq.Timeline(),
		view:   raster.Viewport(seq.Width, seq.Height),
		layers: map[*ove.Clip]*layer{},
		lines:  make([][]uint32, sc.pool.Workers()),
	}
	s.canvas.W, s.canvas.H = seq.Width, seq.Height
	for i := range s.lines {
		s.lines[i] = make([]uint32, seq.Width)
	}
	return s, nil
}

// compose paints the canvas at playhead. It returns the opacity of the last clip that was
// drawn, 1 when there was none: Olive forgets to reset it before it draws the picture of a
// nested sequence (olive-0.1.md 10).
func (s *stage) compose(ctx context.Context, playhead ove.Frame) (last float64, err error) {
	s.active = s.timeline.VideoAt(s.active, playhead)
	if err := s.closeEnded(playhead); err != nil {
		return 0, err
	}
	last, s.drawn = 1, 0
	for _, c := range s.active {
		l, err := s.layer(ctx, c)
		if err != nil {
			return 0, err
		}
		tex, err := l.picture(ctx, playhead)
		if err != nil {
			return 0, l.explain(playhead, err)
		}
		if tex == nil {
			continue
		}
		last = l.opacity
		s.draw().Set(tex, l.shape.quad, s.view.Mul(l.matrix()), l.tint, l.opacity)
	}
	s.canvas.Touch()
	s.scene.pool.Run(s.canvas.H, s)
	return last, nil
}

// draw returns the next draw of this frame.
func (s *stage) draw() *raster.Draw {
	if s.drawn == len(s.draws) {
		s.draws = append(s.draws, &raster.Draw{})
	}
	s.drawn++
	return s.draws[s.drawn-1]
}

// Rows implements [raster.Rower]: one band of the canvas, all layers.
func (s *stage) Rows(y0, y1, worker int) {
	s.canvas.Clear(y0, y1)
	for _, d := range s.draws[:s.drawn] {
		d.Rows(&s.canvas.Image, y0, y1, s.lines[worker])
	}
}

// layer returns the open layer of a clip, opening it when it comes into view.
func (s *stage) layer(ctx context.Context, c *ove.Clip) (*layer, error) {
	if l, ok := s.layers[c]; ok {
		return l, nil
	}
	l, err := newLayer(ctx, s, c)
	if err != nil {
		return nil, err
	}
	s.layers[c] = l
	return l, nil
}

// closeEnded gives back the decoders of clips that have passed.
func (s *stage) closeEnded(playhead ove.Frame) error {
	var errs []error
	for c, l := range s.layers {
		if playhead >= c.TimelineOut() {
			errs = append(errs, l.close())
			delete(s.layers, c)
		}
	}
	return errors.Join(errs...)
}

func (s *stage) close() error {
	var errs []error
	for _, l := range s.layers {
		errs = append(errs, l.close())
	}
	clear(s.layers)
	return errors.Join(errs...)
}
