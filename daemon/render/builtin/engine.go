// Package builtin is the engine that needs no editor: Olive's picture computed in Go, with
// ffmpeg as decoder and encoder on the ends of raw-video pipes.
//
// A render either writes every frame of its range or returns an error. A medium that ends before it
// promised is an error; where one is damaged inside, what can be seen is shown, frames that do not
// decode repeat the one before, and the notes of the range say so.
package builtin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/audio"
	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader"
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
func (e *Engine) Sound(ctx context.Context, s *render.Scene, span render.Span, out string, progress func(int64)) ([]string, error) {
	samples := float64(s.Sequence.AudioRate) / s.Sequence.FPS
	return nil, audio.Render(ctx, s.Sequence, span.First, span.End, out, audio.Options{
		Library:  e.library,
		Path:     s.Path,
		Progress: func(done, _ int64) { progress(int64(float64(done) / samples)) },
	})
}

// Video implements [render.Engine].
func (e *Engine) Video(ctx context.Context, s *render.Scene, span render.Span, out string, progress func(int64)) (notes []string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := e.CheckFonts(ctx, s.Plan.Fonts); err != nil {
		return nil, err
	}
	pool := raster.NewPool(e.threads)
	defer pool.Close()
	sc := &scene{Scene: s, library: e.library, fonts: e.fonts, pool: pool, runner: shader.NewRunner(pool), threads: e.threads}
	top, err := newStage(sc, s.Sequence, span)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, top.close()) }()
	w, err := film.NewWriter(ctx, s.Plan.Encoding, out, e.threads)
	if err != nil {
		return nil, err
	}
	frames := newOutput(w, cancel, top.canvas.W, top.canvas.H)
	defer frames.abort() // when a frame fails or panics
	for playhead := span.First; playhead < span.End; playhead++ {
		canvas, err := frames.free(ctx)
		if err != nil {
			break // the writer failed, or the context ended: close tells which
		}
		top.canvas.Image = *canvas
		top.scene.top = playhead
		if _, err := top.compose(ctx, playhead); err != nil {
			return nil, fmt.Errorf("render frame %d: %w", playhead, err)
		}
		frames.put(canvas)
		progress(playhead - span.First + 1)
	}
	return sc.notes, frames.close(ctx)
}

// scene is what all stages of one render share.
type scene struct {
	*render.Scene
	library *media.Library
	fonts   *font.Finder
	pool    *raster.Pool
	runner  *shader.Runner
	threads int
	top     ove.Frame // playhead of the outermost sequence
	notes   []string  // for the user
}

// maxNotes bounds what is told of one range.
const maxNotes = 20

// note tells the user something, once.
func (s *scene) note(text string) {
	if len(s.notes) < maxNotes && !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
}
