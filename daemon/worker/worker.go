// Package worker renders ranges for a master: it asks for a task, renders it with an engine,
// checks its own part and reports.
//
// A part that is reported has been verified, is durable and has its name. A task that fails is
// reported with the reason and leaves no file. A worker holds one task at a time; when it loses
// its master it goes on with that task and reports when the master is back.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/render"
)

// A Worker renders for one master. Spec, Engine and Master are required.
type Worker struct {
	Spec   Spec
	Engine render.Engine
	More   []render.Engine // others that a plan may name
	Master Master
	Beats  time.Duration // time between beats; 0: half a second
	Stall  time.Duration // time without a new frame after which a range is given up; 0: never
	Hours  Hours         // nil: always
	Files  Files         // nil: the tasks' paths are good here
	Escape time.Duration // time that a range which is given up may hang in its files; 0: 10 s
	// Trouble is told what a master answers that is neither a task nor one of this package's errors;
	// the worker asks again. nil: nobody listens.
	Trouble func(error)
	Poke    <-chan struct{} // asks for a beat at once, since the master has news; nil: never

	// Changed is called when the [Worker.State] has another Activity; it must not wait. nil: nobody listens.
	Changed func()

	control control
	now     atomic.Pointer[activity]
	scene   *render.Scene // of the last task: tasks of one job share its plan
	digest  string
}

// Hours say when a worker may work.
type Hours interface {
	// Open reports whether t is within the hours, and when that changes, zero for never.
	Open(t time.Time) (open bool, until time.Time)
}

// farewell is how long a worker that ends waits for its master to hear of it.
const farewell = 2 * time.Second

// Run works until the context ends, the worker is drained, or the master has no more work and
// never will. When the context ends it gives the task in hand back.
func (w *Worker) Run(ctx context.Context) error {
	for {
		if err := w.waitForTurn(ctx); err != nil {
			return w.finish(ctx, err)
		}
		if err := w.hello(ctx); err != nil {
			return w.finish(ctx, err)
		}
		err := w.shift(ctx)
		w.leave(ctx)
		if !errors.Is(err, errHours) && !errors.Is(err, errPaused) {
			return w.finish(ctx, err)
		}
	}
}

// errDrained ends a worker that was asked to end, the others one shift of it.
var (
	errDrained = errors.New("drained")
	errHours   = errors.New("the hours are over")
	errPaused  = errors.New("paused")
)

// finish turns the reason why Run ends into its answer.
func (w *Worker) finish(ctx context.Context, err error) error {
	if errors.Is(err, errDrained) || errors.Is(err, ErrClosed) {
		return nil
	}
	return err
}

// hello introduces the worker.
func (w *Worker) hello(ctx context.Context) error {
	err := w.unlessDrained(ctx, 0, func(ctx context.Context) error { return w.Master.Hello(ctx, w.Spec, nil) })
	if err != nil {
		return fmt.Errorf("say hello to the master: %w", err)
	}
	return nil
}

// leave says goodbye, if that can be heard.
func (w *Worker) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	_ = w.Master.Goodbye(ctx, w.Spec.Name) // otherwise the lease runs out
}

// shift does tasks until something ends it.
func (w *Worker) shift(ctx context.Context) error {
	var t *Task // that came with the answer to the one before
	for {
		err := w.willing()
		if err == nil && t == nil {
			t, err = w.ask(ctx)
		}
		if err == nil {
			t, err = w.do(ctx, t)
		}
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil, errors.Is(err, errDrained), errors.Is(err, errHours), errors.Is(err, errPaused), errors.Is(err, ErrClosed):
			return err
		case !errors.Is(err, ErrStranger):
			if w.Trouble != nil {
				w.Trouble(err)
			}
			if err := w.sleep(ctx, time.Now().Add(troublePause)); err != nil {
				return err
			}
		}
		if err := w.hello(ctx); err != nil {
			return err
		}
	}
}

// troublePause is the time between a fault of the master and the next question.
const troublePause = 2 * time.Second

// willing says why the worker wants no task, if it does not. One that it has been given and has
// not begun goes back with its goodbye.
func (w *Worker) willing() error {
	select {
	case <-w.control.draining():
		return errDrained
	default:
	}
	if w.Hours != nil {
		if open, _ := w.Hours.Open(time.Now()); !open {
			return errHours
		}
	}
	if paused, _ := w.control.paused(); paused {
		return errPaused
	}
	return nil
}

// ask waits for the next task, no longer than the worker wants one.
func (w *Worker) ask(ctx context.Context) (*Task, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if w.Hours != nil {
		open, until := w.Hours.Open(time.Now())
		if !open {
			return nil, errHours
		}
		if !until.IsZero() {
			stop := time.AfterFunc(time.Until(until), func() { cancel(errHours) })
			defer stop.Stop()
		}
	}
	paused, turned := w.control.paused()
	if paused {
		return nil, errPaused
	}
	watched := make(chan struct{})
	defer func() { <-watched }()
	defer cancel(nil)
	go func() {
		defer close(watched)
		select {
		case <-turned:
			cancel(errPaused)
		case <-ctx.Done():
		}
	}()
	w.sayWaiting()
	var t *Task
	err := w.unlessDrained(ctx, 0, func(ctx context.Context) (err error) {
		t, err = w.Master.Next(ctx, w.Spec.Name)
		return err
	})
	return t, err
}

// do renders one task and reports. It returns the next task if the master had one at once. Only what
// the worker cannot go on after is an error.
func (w *Worker) do(ctx context.Context, t *Task) (next *Task, err error) {
	d, part, err := w.render(ctx, t)
	switch {
	case err == nil:
		next, err = w.deliver(ctx, t, d)
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case !errors.Is(err, ErrGone):
		// A medium that does not hold what it promises will not do so the next time.
		var short *media.ShortError
		failure := Failure{Reason: err.Error(), Fatal: errors.As(err, &short)}
		err = w.report(ctx, t, func(ctx context.Context) error { return w.Master.Failed(ctx, w.Spec.Name, t, failure) })
	}
	if errors.Is(err, ErrGone) {
		os.Remove(part) // nobody wants it
		return nil, nil
	}
	return next, err
}

// deliver reports a part, and asks for the next task if the worker wants one.
func (w *Worker) deliver(ctx context.Context, t *Task, d Delivery) (next *Task, err error) {
	err = w.report(ctx, t, func(ctx context.Context) (err error) {
		if w.willing() != nil {
			return w.Master.Done(ctx, w.Spec.Name, t, d)
		}
		next, err = w.Master.DoneNext(ctx, w.Spec.Name, t, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	return next, nil
}

// render makes the task's part, and says where it lies here. The part appears under its name only when it is right.
func (w *Worker) render(ctx context.Context, t *Task) (d Delivery, part string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var p progress
	w.say(&activity{State: State{Activity: Rendering, Text: "renders " + t.String(), Task: t}, progress: &p})
	var beats sync.WaitGroup
	beats.Go(func() { w.beat(ctx, cancel, t, &p) })
	defer beats.Wait()
	defer cancel(nil)
	defer w.escape(ctx, t)()

	here, done, err := w.reach(ctx, t)
	if err == nil {
		defer done()
		part = here.Part
		d, err = w.produce(ctx, here, p.done.Store)
		d, err = inMasterWords(here, t, d, err)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return d, part, err
}

// produce makes a part that is right, under its name.
func (w *Worker) produce(ctx context.Context, t *Task, progress func(int64)) (Delivery, error) {
	draft := DraftName(t.Part, w.Spec.Name)
	defer os.Remove(draft) // gone after the rename
	d, err := w.make(ctx, t, draft, progress)
	if err != nil {
		return Delivery{}, err
	}
	if err := keep(draft, t.Part); err != nil {
		return Delivery{}, fmt.Errorf("keep part: %w", err)
	}
	d.Part.Path = t.Part
	return d, nil
}

// keep gives a finished file its name for good.
func keep(temp, path string) error {
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// make renders and verifies. What was rendered from files that have changed meanwhile is not right.
func (w *Worker) make(ctx context.Context, t *Task, out string, progress func(int64)) (d Delivery, err error) {
	if err := w.open(t.Plan); err != nil {
		return Delivery{}, err
	}
	engine, err := w.engine(t.Plan.Engine)
	if err != nil {
		return Delivery{}, err
	}
	draw := engine.Video
	if t.Sound {
		draw = engine.Sound
	}
	err = guard(func() (err error) {
		d.Notes, err = draw(ctx, w.scene, t.Span, out, progress)
		return err
	})
	// A medium that was replaced or taken away meanwhile is the reason, whatever became of the range.
	if changed := w.scene.Unchanged(); changed != nil {
		return Delivery{}, changed
	}
	if err == nil {
		d.Part, err = t.Plan.Verify(ctx, t.Span, t.Sound, out)
	}
	if ctx.Err() != nil {
		return d, err
	}
	if changed := w.scene.Unchanged(); changed != nil {
		w.scene = nil
		return Delivery{}, changed
	}
	return d, err
}

// open opens the scene of a plan, or looks whether the one that is open still holds.
func (w *Worker) open(p *render.Plan) error {
	if digest := p.Fingerprint(); w.scene == nil || w.digest != digest {
		w.scene = nil
		s, err := p.Open()
		if err != nil {
			return err
		}
		w.scene, w.digest = s, digest
		return nil
	}
	return w.scene.Unchanged()
}

// engine finds the engine of a plan.
func (w *Worker) engine(name string) (render.Engine, error) {
	for _, e := range w.More {
		if e.Name() == name {
			return e, nil
		}
	}
	if name != "" && name != w.Engine.Name() {
		return nil, fmt.Errorf("this worker has no engine %q", name)
	}
	return w.Engine, nil
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

// beat reports progress until the context ends. It ends the context when the task is not needed
// any more, or does not move.
func (w *Worker) beat(ctx context.Context, cancel context.CancelCauseFunc, t *Task, p *progress) {
	pause := cmp.Or(w.Beats, time.Second/2)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for n := 0; ; n++ {
		poked := false
		select {
		case <-ctx.Done():
			return
		case <-w.Poke:
			poked = true
		case <-tick.C:
		}
		if w.Stall > 0 && p.still(time.Now()) > w.Stall {
			cancel(fmt.Errorf("no new frame for %v after %d frames: given up", w.Stall, p.done.Load()))
			return
		}
		send := w.Master.Note
		if poked || w.Poke == nil || n%asked == 0 { // the poke may have been lost
			send = w.Master.Beat
		}
		err := w.tell(ctx, t, p.done.Load(), pause, send)
		if errors.Is(err, ErrGone) {
			cancel(ErrGone)
			return
		}
	}
}

// asked is how many beats there are for each one that wants an answer, unless the master has news.
const asked = 8

// tell sends one beat; a master that does not answer gets the next one.
func (w *Worker) tell(ctx context.Context, t *Task, done int64, pause time.Duration, send func(context.Context, string, *Task, int64) error) error {
	ctx, cancel := context.WithTimeout(ctx, max(pause, 2*time.Second))
	defer cancel()
	err := send(ctx, w.Spec.Name, t, done)
	if errors.Is(err, ErrStranger) {
		err = w.Master.Hello(ctx, w.Spec, t)
	}
	return err
}
