package builtin

import (
	"context"
	"errors"
	"fmt"
	"math"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/raster"
)

// A layer is one clip while it is in view.
type layer struct {
	stage   *stage
	clip    *ove.Clip
	w, h    int
	length  ove.Frame // of the medium, in clip frames
	src     *source   // of a media clip that can be shown
	nest    *stage    // of a nesting clip
	effects []effect

	// Of the current frame.
	shape   shape
	opacity float64
	tint    float64

	proxied bool           // src has another size than the layer
	fitted  raster.Texture // its picture in the layer's size
	fittedN int            // version of src that fitted was made from

	work  [2]raster.Texture // results of passes, used in turn
	kept  *raster.Texture   // result of the last frame's passes while nothing changes
	keptN int               // base version that kept was made from
}

// shape is where and how a layer is drawn; effects change it in file order.
type shape struct {
	quad    raster.Quad
	matrix  raster.Affine
	opacity float64
}

func newLayer(ctx context.Context, s *stage, c *ove.Clip) (*layer, error) {
	l := &layer{stage: s, clip: c, w: s.seq.Width, h: s.seq.Height, length: math.MaxInt64}
	switch c.Kind {
	case ove.Media:
		if err := l.openMedia(ctx); err != nil {
			return nil, l.explain(c.TimelineIn(), err)
		}
	case ove.Nested:
		if err := l.openNest(); err != nil {
			return nil, err
		}
	case ove.Null:
	}
	for i, e := range c.Effects {
		if !e.Enabled {
			continue
		}
		build := registry(e.Name)
		if build == nil {
			continue
		}
		l.effects = append(l.effects, build(e, effectEnv{layer: l, index: i}))
		if o, ok := l.effects[len(l.effects)-1].pass.(opener); ok {
			if err := o.open(ctx); err != nil {
				return nil, l.explain(c.TimelineIn(), errors.Join(fmt.Errorf("%s: %w", e.Name, err), l.close()))
			}
		}
	}
	return l, nil
}

// openMedia prepares the clip's medium; a medium that the plan leaves out shows nothing.
func (l *layer) openMedia(ctx context.Context) error {
	c, sc := l.clip, l.stage.scene
	if c.Footage == nil {
		return nil
	}
	path := sc.Path(c.Footage)
	if path == "" {
		return nil
	}
	ix, err := sc.library.Video(ctx, path, c.Stream, c.Footage.StartNumber)
	if err != nil {
		return err
	}
	l.w, l.h = ix.Width, ix.Height
	l.length = c.MediaLength(ix.Duration)
	if proxy := sc.Proxy(c.Footage); proxy != "" { // other pixels, drawn as large as the original's
		if ix, err = sc.library.Video(ctx, proxy, c.Stream, 0); err != nil {
			return fmt.Errorf("proxy: %w", err)
		}
	}
	l.proxied = ix.Width != l.w || ix.Height != l.h
	l.src = newSource(sc, ix, c.Name, c.Footage.AlphaPremul || l.proxied)
	first, last := l.reach()
	l.src.plan(l.pick(first), l.pick(last))
	return nil
}

// openNest prepares the stage of the nested sequence for the playheads it will be asked for.
func (l *layer) openNest() (err error) {
	c := l.clip
	l.w, l.h = c.Nested.Width, c.Nested.Height
	l.length = c.MediaLength(0)
	first, last := l.reach()
	l.nest, err = newStage(l.stage.scene, c.Nested, render.Span{First: c.NestedFrame(first), End: c.NestedFrame(last) + 1})
	if err == nil {
		l.nest.canvas.Image = *raster.NewImage(l.w, l.h)
	}
	return err
}

// reach returns the first and the last playhead at which the clip may be asked for.
func (l *layer) reach() (first, last ove.Frame) {
	c, span := l.clip, l.stage.span
	first, last = max(span.First, c.TimelineIn()), min(span.End, c.TimelineOut())-1
	if l.length < math.MaxInt64 {
		last = min(last, l.length-1-c.TrueClipIn()+c.TimelineIn())
	}
	return first, max(first, last)
}

// pick returns the number of the medium's frame at playhead.
func (l *layer) pick(playhead ove.Frame) int {
	return l.src.index.Pick(l.clip.MediaSeconds(playhead, l.length))
}

// picture returns what the clip shows at playhead and sets shape, opacity and tint. Nil means
// that there is nothing to draw.
func (l *layer) picture(ctx context.Context, playhead ove.Frame) (*raster.Texture, error) {
	if !l.clip.Visible(playhead, l.length) {
		return nil, nil
	}
	base, version, err := l.base(ctx, playhead)
	if err != nil || base == nil && l.clip.Kind != ove.Null {
		return nil, err
	}
	frame := l.clip.EffectFrame(playhead)
	now := moment{frame: frame, seconds: float64(frame) / l.stage.seq.FPS, top: l.stage.scene.top}
	l.shape = shape{quad: raster.Centred(l.w, l.h), matrix: raster.Identity, opacity: 1}
	tex := l.apply(base, version, now)
	l.opacity = l.shape.opacity * l.clip.Dissolve(playhead)
	return tex, nil
}

// base returns the picture before effects, nil for a clip without one, and a number that
// changes whenever its pixels do.
func (l *layer) base(ctx context.Context, playhead ove.Frame) (*raster.Texture, int, error) {
	l.tint = 1
	switch {
	case l.src != nil:
		tex, err := l.src.frame(ctx, l.pick(playhead))
		if err == nil && l.proxied {
			tex = l.fit(tex)
		}
		return tex, l.src.version, err
	case l.nest != nil:
		last, err := l.nest.compose(ctx, l.clip.NestedFrame(playhead))
		l.tint = last
		return &l.nest.canvas, int(playhead), err
	default:
		return nil, 0, nil
	}
}

// apply runs the effects over base.
func (l *layer) apply(base *raster.Texture, version int, now moment) *raster.Texture {
	reuse := l.kept != nil && l.keptN == version
	tex, turn, constant := base, 0, true
	for _, e := range l.effects {
		if e.shape != nil {
			e.shape.shape(&l.shape, now)
		}
		if e.pass == nil {
			continue
		}
		constant = constant && e.pass.constant()
		if reuse {
			continue
		}
		out := &l.work[turn]
		out.Resize(l.w, l.h)
		out.Touch()
		out.Opaque, out.Flat = false, false
		e.pass.run(tex, out, now, &l.shape)
		tex, turn = out, 1-turn
	}
	if reuse {
		return l.kept
	}
	l.kept = nil
	if constant {
		l.kept, l.keptN = tex, version
	}
	return tex
}

// fit scales a proxy's picture to the original's size. Olive does that in the pass that
// premultiplies, so the edges, which fade to transparent, are darkened once more.
func (l *layer) fit(tex *raster.Texture) *raster.Texture {
	if l.fittedN == l.src.version {
		return &l.fitted
	}
	l.fittedN = l.src.version
	l.fitted.Resize(l.w, l.h)
	l.fitted.Clear(0, l.h)
	l.fitted.Touch()
	var d raster.Draw
	d.Set(tex, raster.Quad{{}, {X: l.w}, {X: l.w, Y: l.h}, {Y: l.h}}, raster.Identity, 1, 1)
	d.Rows(&l.fitted.Image, 0, l.h, make([]uint32, l.w))
	if !l.clip.Footage.AlphaPremul {
		l.fitted.Premultiply(0, l.h)
	}
	return &l.fitted
}

// matrix is the layer's whole map into the world: the effects', then autoscale, which Olive
// applies only when both sides differ (effects notes 8.1).
func (l *layer) matrix() raster.Affine {
	m := l.shape.matrix
	if seq := l.stage.seq; l.clip.Autoscale && l.w != seq.Width && l.h != seq.Height {
		f := min(float64(seq.Width)/float64(l.w), float64(seq.Height)/float64(l.h))
		m = m.Mul(raster.Scale(f, f))
	}
	return m
}

// explain names the clip in an error.
func (l *layer) explain(playhead ove.Frame, err error) error {
	return fmt.Errorf("clip %q on video track %d of %q at frame %d: %w", l.clip.Name, -l.clip.Track, l.stage.seq.Name, playhead, err)
}

func (l *layer) close() error {
	switch {
	case l.src != nil:
		return l.src.close()
	case l.nest != nil:
		return l.nest.close()
	default:
		return nil
	}
}
