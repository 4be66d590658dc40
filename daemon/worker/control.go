package worker

import (
	"sync"
	"sync/atomic"
)

// An Activity is what a worker does, in a word.
type Activity string

const (
	Starting  Activity = "starting"
	Resting   Activity = "resting" // outside its hours
	Paused    Activity = "paused"
	Drained   Activity = "drained" // by its master: it gets nothing more until it is resumed there
	Waiting   Activity = "waiting" // for work
	Rendering Activity = "rendering"
)

// A State is what a worker does at one moment.
type State struct {
	Activity Activity
	Text     string // for people: "renders frames 0 to 270 of job 3"
	Task     *Task  // of [Rendering]
	Frames   int64  // done of it
}

// An activity is a State that goes on.
type activity struct {
	State
	progress *progress
}

// say tells what the worker does from now on.
func (w *Worker) say(a *activity) {
	old := w.now.Swap(a)
	if w.Changed != nil && (old == nil || old.Activity != a.Activity || old.Task != a.Task) {
		w.Changed()
	}
}

// State is what the worker does now.
func (w *Worker) State() State {
	a := w.now.Load()
	if a == nil {
		return State{Activity: Starting, Text: "starts"}
	}
	s := a.State
	if a.progress != nil {
		s.Frames = a.progress.done.Load()
	}
	return s
}

// Drain lets Run end after the task in hand.
func (w *Worker) Drain() {
	w.control.draining()
	w.control.end.Do(func() { close(w.control.drained) })
}

// Pause has the worker take no task after the one in hand until it is resumed. Its master takes
// it for one that has left.
func (w *Worker) Pause() { w.control.turn(true) }

// Resume ends a pause.
func (w *Worker) Resume() { w.control.turn(false) }

// Drained notes what the master says: that it hands nothing more to the worker, or that it does again.
// It is for [NewRemote].
func (w *Worker) Drained(drained bool) {
	w.control.master.Store(drained)
	w.sayWaiting()
}

// sayWaiting tells that the worker has nothing to do, and why.
func (w *Worker) sayWaiting() {
	if w.control.master.Load() {
		w.say(&activity{State: State{Activity: Drained, Text: "is drained by its master, until it is resumed there"}})
		return
	}
	w.say(&activity{State: State{Activity: Waiting, Text: "waits for work"}})
}

// A control is what a worker has been told from outside.
type control struct {
	master     atomic.Bool // drains the worker
	begin, end sync.Once
	drained    chan struct{}

	mu     sync.Mutex
	pause  bool
	turned chan struct{} // closed when pause changes
}

// draining is closed when the worker is to end.
func (c *control) draining() chan struct{} {
	c.begin.Do(func() { c.drained = make(chan struct{}) })
	return c.drained
}

// paused says whether the worker is paused; the channel is closed when that changes.
func (c *control) paused() (bool, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.turned == nil {
		c.turned = make(chan struct{})
	}
	return c.pause, c.turned
}

func (c *control) turn(pause bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pause == pause {
		return
	}
	c.pause = pause
	if c.turned != nil {
		close(c.turned)
		c.turned = nil
	}
}
