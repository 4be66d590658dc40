// Package builtin is the engine that needs no editor: Olive's picture computed in Go, with
// ffmpeg as decoder and encoder on the ends of raw-video pipes.
//
// A render either writes every frame of its range or returns an error; a medium that yields
// fewer frames than it promised is an error, never a repeated picture.
package builtin

import (
	"context"
	"errors"
	"fmt"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/audio"
	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/text/font"
)

// Engine is the built-in renderer.
type Engine struct {
	library *media.Library
	fonts   *font.Finder
	digests digests
	threads int
}

// New returns an engine that decodes through library and uses up to threads goroutines and
// decoder threads for each range it renders.
func New(library *media.Library, threads int) *Engine {
	return &Engine{library: library, fonts: font.NewFinder(), threads: max(threads, 1)}
}

// Name implements [render.Engine].
func (*Engine) Name() string { return "builtin" }

// Supports implements [render.Engine].
func (*Engine) Supports(effect string) bool { return known(effect) || audio.Known(effect) }

// Sound implements [render.Engine].
func (e *Engine) Sound(ctx context.Context, s *render.Scene, span render.Span, out string, progress func(int64)) error {
	samples := float64(s.Sequence.AudioRate) / s.Sequence.FPS
	return audio.Render(ctx, s.Sequence, span.First, span.End, out, audio.Options{
		Library:  e.library,
		Path:     s.Path,
		Progress: func(done, _ int64) { progress(int64(float64(done) / samples)) },
	})
}

// Video implements [render.Engine].
func (e *Engine) Video(ctx context.Context, s *render.Scene, span render.Span, out string, progress func(int64)) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := e.CheckFonts(ctx, s.Plan.Fonts); err != nil {
		return err
	}
	pool := raster.NewPool(e.threads)
	defer pool.Close()
	top, err := e.stage(s, pool, span)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, top.close()) }()
	w, err := media.NewWriter(ctx, s.Plan.Encoding, out, e.threads)
	if err != nil {
		return err
	}
	out2 := newOutput(w, top.canvas.W, top.canvas.H)
	for playhead := span.First; playhead < span.End; playhead++ {
		canvas, err := out2.free(ctx)
		if err != nil {
			break // the writer failed, or the context ended: close tells which
		}
		top.canvas.Image = *canvas
		top.scene.top = playhead
		if _, err := top.compose(ctx, playhead); err != nil {
			cancel()
			out2.abort()
			return fmt.Errorf("render frame %d: %w", playhead, err)
		}
		out2.put(canvas)
		progress(playhead - span.First + 1)
	}
	return out2.close(ctx)
}

// An output hands finished frames to the encoder while the next one is composed.
type output struct {
	w      *media.Writer
	empty  chan *raster.Image
	full   chan *raster.Image
	failed chan struct{} // closed after err is set
	err    error
	done   chan struct{}
}

func newOutput(w *media.Writer, width, height int) *output {
	o := &output{
		w: w, empty: make(chan *raster.Image, 2), full: make(chan *raster.Image, 2),
		failed: make(chan struct{}), done: make(chan struct{}),
	}
	for range cap(o.empty) {
		o.empty <- raster.NewImage(width, height)
	}
	go func() {
		defer close(o.done)
		for frame := range o.full {
			if err := w.Write(frame.Bytes()); err != nil {
				o.err = err
				close(o.failed)
				return
			}
			o.empty <- frame
		}
	}()
	return o
}

// free waits for a frame buffer.
func (o *output) free(ctx context.Context) (*raster.Image, error) {
	select {
	case f := <-o.empty:
		return f, nil
	case <-o.failed:
		return nil, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// put never blocks: full has room for every buffer there is.
func (o *output) put(f *raster.Image) { o.full <- f }

// close waits until the encoder has everything and has ended well.
func (o *output) close(ctx context.Context) error {
	close(o.full)
	<-o.done
	if o.err == nil {
		o.err = context.Cause(ctx)
	}
	if o.err != nil {
		o.w.Abort()
		return o.err
	}
	return o.w.Close()
}

// abort gives the part up.
func (o *output) abort() {
	close(o.full)
	o.w.Abort()
	<-o.done
}

// stage builds the stage of the whole scene.
func (e *Engine) stage(s *render.Scene, pool *raster.Pool, span render.Span) (*stage, error) {
	return newStage(&scene{Scene: s, library: e.library, fonts: e.fonts, pool: pool, threads: e.threads}, s.Sequence, span)
}

// scene is what all stages of one render share.
type scene struct {
	*render.Scene
	library *media.Library
	fonts   *font.Finder
	pool    *raster.Pool
	threads int
	top     ove.Frame // playhead of the outermost sequence
}
