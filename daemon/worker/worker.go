// Package worker renders ranges for a master: it asks for a task, renders it with an engine,
// checks its own part and reports.
//
// A part that is reported has been verified and renamed into place. A task that fails is
// reported with the reason and leaves no file. A worker holds one task at a time.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/render"
)

// A Task is one range of one job, with all that is needed to render it.
type Task struct {
	Job   uint32
	Range uint32 // number of the range in the job: what beats and reports refer to
	Sound bool   // the sound of the span instead of its pictures
	Span  render.Span
	Plan  *render.Plan
	Part  string // path of the part to write
}

// ErrGone is a master's answer for a task that nobody needs any more: the job was cancelled,
// or another worker was faster.
var ErrGone = errors.New("the range is not needed any more")

// ErrClosed is a master's answer when it has no work and never will have.
var ErrClosed = errors.New("the master has ended")

// A Spec is how a worker introduces itself.
type Spec struct {
	Name    string
	Engines []string
	Threads int
}

// A Master hands out tasks and takes the results. Its methods fail only when the context ends,
// or with [ErrGone] and [ErrClosed].
type Master interface {
	// Hello takes the worker in, Goodbye lets it go.
	Hello(ctx context.Context, s Spec) error
	Goodbye(ctx context.Context, worker string) error
	// Next waits for a task.
	Next(ctx context.Context, worker string) (*Task, error)
	// Beat tells how many frames of the task are done.
	Beat(ctx context.Context, worker string, t *Task, done int64) error
	// Done delivers a part. ErrGone: it came too late and can be deleted.
	Done(ctx context.Context, worker string, t *Task, p media.Part) error
	// Failed gives a task back.
	Failed(ctx context.Context, worker string, t *Task, reason error) error
}

// A Worker renders for one master.
type Worker struct {
	Name    string
	Engine  render.Engine
	Master  Master
	Threads int           // that it may use; only told to the master
	Beats   time.Duration // time between beats; 0 is half a second

	scene *render.Scene // of the last task: tasks of one job share its plan
}

// Run works until the context ends or the master has no more work. It gives the task in hand
// back when the context ends.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.Master.Hello(ctx, Spec{Name: w.Name, Engines: []string{w.Engine.Name()}, Threads: w.Threads}); err != nil {
		return err
	}
	defer w.Master.Goodbye(context.WithoutCancel(ctx), w.Name)
	for {
		t, err := w.Master.Next(ctx, w.Name)
		switch {
		case errors.Is(err, ErrClosed):
			return nil
		case err != nil:
			return err
		}
		if err := w.do(ctx, t); err != nil {
			return err
		}
	}
}

// do renders one task and reports. Only an error of the master, or the end of the context, is
// an error of do.
func (w *Worker) do(ctx context.Context, t *Task) error {
	part, err := w.render(ctx, t)
	if err == nil {
		err = w.Master.Done(ctx, w.Name, t, part)
		if errors.Is(err, ErrGone) {
			os.Remove(t.Part)
			return nil
		}
		return err
	}
	if errors.Is(err, ErrGone) {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := w.Master.Failed(ctx, w.Name, t, err); !errors.Is(err, ErrGone) {
		return err
	}
	return nil
}

// render makes the task's part. The part appears under its name only when it is right.
func (w *Worker) render(ctx context.Context, t *Task) (media.Part, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var done atomic.Int64
	var beats sync.WaitGroup
	beats.Go(func() { w.beat(ctx, cancel, t, &done) })
	defer beats.Wait()
	defer cancel(nil)

	temp := fmt.Sprintf("%s.%s.tmp", t.Part, w.Name)
	defer os.Remove(temp) // gone after the rename
	part, err := w.make(ctx, t, temp, done.Store)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return media.Part{}, cause
		}
		return media.Part{}, err
	}
	if err := os.Rename(temp, t.Part); err != nil {
		return media.Part{}, fmt.Errorf("keep part: %w", err)
	}
	part.Path = t.Part
	return part, nil
}

// make renders and verifies.
func (w *Worker) make(ctx context.Context, t *Task, out string, progress func(int64)) (media.Part, error) {
	if w.scene == nil || w.scene.Plan != t.Plan {
		s, err := t.Plan.Open()
		if err != nil {
			return media.Part{}, err
		}
		w.scene = s
	}
	draw := w.Engine.Video
	if t.Sound {
		draw = w.Engine.Sound
	}
	if err := guard(func() error { return draw(ctx, w.scene, t.Span, out, progress) }); err != nil {
		return media.Part{}, err
	}
	return t.Plan.Verify(ctx, t.Span, t.Sound, out)
}

// guard turns a panic into an error: a fault of an engine costs its range, not the other ranges,
// jobs and workers of the process.
func guard(draw func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the engine panicked, which is a bug in it: %v\n%s", p, debug.Stack())
		}
	}()
	return draw()
}

// beat reports progress until the context ends, and ends it when the task is not needed.
func (w *Worker) beat(ctx context.Context, cancel context.CancelCauseFunc, t *Task, done *atomic.Int64) {
	tick := time.NewTicker(cmp.Or(w.Beats, time.Second/2))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := w.Master.Beat(ctx, w.Name, t, done.Load()); errors.Is(err, ErrGone) {
			cancel(ErrGone)
			return
		}
	}
}
