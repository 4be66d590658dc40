// Package olive is the engine that has the patched Olive 0.1 editor draw the pictures.
//
//	olive-editor PROJECT -e NAME --export-start A --export-end B
//
// writes NAME.mp4 into its working folder, as Olive's default export: H.264 with CRF 36 in yuv420p,
// BT.601 without tags, its times rounded. Preset h264 with colour olive and no arguments of one's
// own takes these coded pictures as they are; the job's CRF then counts for nothing. For every
// other encoding they are decoded and encoded once more, so nothing gets better than CRF 36. Sound
// comes from another engine, in one pass: the editor's ranges click where they meet.
//
// The editor is a stranger. It gets a folder of its own to work in, to call home and to be killed
// with; what it does not write in time, or writes otherwise than the plan says, is an error with
// the last of what it said. No call leaves a process or a file behind, but the part.
package olive

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
)

// Name is the engine's.
const Name = "olive"

// DefaultEditor is the editor's program.
const DefaultEditor = "olive-editor"

// plugin is the one effect that is not supported: it sounds, and the sound is another engine's.
const plugin = "/VST Plugin 2.x"

// An Other engine makes what the editor does not.
type Other interface {
	render.Engine
	// CheckFonts refuses a machine with other fonts than the plan's.
	CheckFonts(ctx context.Context, want []render.Font) error
}

// Options of [New]. The zero value is fine.
type Options struct {
	Editor  string // program or path; "": DefaultEditor
	Folder  string // for temporary folders; "": the system's
	Threads int    // for decoding and converting

	Startup  time.Duration // that an export may take besides its frames; 0: a minute
	PerFrame time.Duration // that a frame may take; 0: 5 s
	Idle     time.Duration // without work or output after which the editor is taken to wait for somebody; 0: a minute
}

// Engine is the editor. Make it with [New].
type Engine struct {
	other Other
	opt   Options

	trying chan struct{} // full while the editor is tried out
	known  *Trial        // nil before that

	mu    sync.Mutex
	after ove.Frame     // what is added to a half-open end to make the editor's
	pace  time.Duration // of the last range, for a frame
}

// New returns the engine. It does not need the editor before it renders: a master only asks what
// is supported.
func New(other Other, opt Options) *Engine {
	opt.Editor = cmp.Or(opt.Editor, DefaultEditor)
	opt.Startup = cmp.Or(opt.Startup, time.Minute)
	opt.PerFrame = cmp.Or(opt.PerFrame, 5*time.Second)
	opt.Idle = cmp.Or(opt.Idle, time.Minute)
	return &Engine{other: other, opt: opt, after: -1, trying: make(chan struct{}, 1)}
}

// Name implements [render.Engine].
func (*Engine) Name() string { return Name }

// Supports implements [render.Engine]: all that the editor can draw.
func (*Engine) Supports(effect string) bool { return effect != plugin }

// Fonts implements [render.Engine].
func (e *Engine) Fonts(ctx context.Context, effect *ove.Effect) ([]render.Font, error) {
	return e.other.Fonts(ctx, effect)
}

// Sound implements [render.Engine] with the other engine.
func (e *Engine) Sound(ctx context.Context, s *render.Scene, span render.Span, out string, progress func(int64)) ([]string, error) {
	return e.other.Sound(ctx, s, span, out, progress)
}

// copies reports whether the editor's coded pictures are taken as they are.
func copies(e film.Encoding) bool {
	return e.Preset == "h264" && e.Colour == film.ColourOlive && len(e.Args) == 0
}

// Video implements [render.Engine]. The editor does not tell how far it is: until it ends, the
// frames that are called done are an estimate.
func (e *Engine) Video(ctx context.Context, s *render.Scene, span render.Span, out string, progress func(int64)) ([]string, error) {
	if err := e.other.CheckFonts(ctx, s.Plan.Fonts); err != nil {
		return nil, err
	}
	t, err := e.Try(ctx)
	if err != nil {
		return nil, err
	}
	p := newPacer(span.Len(), e.expected(span.Len()), progress)
	x := &export{engine: e, trial: t, encoding: s.Plan.Encoding, span: span, tick: p.tick}
	if x.folder, err = newFolder(e.opt.Folder); err != nil {
		return nil, fmt.Errorf("folder for the editor: %w", err)
	}
	defer x.folder.remove()
	if err := x.writeProject(s); err != nil {
		return nil, fmt.Errorf("project for the editor: %w", err)
	}
	began := time.Now()
	if err := x.run(ctx, out, p.finish); err != nil {
		return nil, fmt.Errorf("frames %d to %d by %s: %w", span.First, span.End, e.opt.Editor, err)
	}
	e.learnPace(time.Since(began) / time.Duration(span.Len()))
	progress(span.Len())
	return nil, nil
}

// end is the editor's number for a half-open end.
func (e *Engine) end(span render.Span) ove.Frame {
	e.mu.Lock()
	defer e.mu.Unlock()
	return span.End + e.after
}

func (e *Engine) learnEnd(after ove.Frame) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.after = after
}

// expected is how long a range will take, by the last one.
func (e *Engine) expected(frames ove.Frame) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Duration(frames) * cmp.Or(e.pace, time.Second/5)
}

func (e *Engine) learnPace(pace time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pace = max(pace, time.Millisecond)
}

// program finds the editor.
func (e *Engine) program() (string, error) {
	path, err := exec.LookPath(e.opt.Editor)
	if err != nil {
		return "", fmt.Errorf("%w: %w; install it, or name its program in the configuration", ErrNoEditor, err)
	}
	return path, nil
}
