package follow

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"olive-distributed/cmd/olivectl/exit"
	"olive-distributed/cmd/olivectl/screen"
	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

// A Watcher shows jobs until they have ended. A master that is away is waited for.
type Watcher struct {
	Client *dbus.Client
	Show   screen.Display
	All    bool                 // all jobs, without an end
	Open   map[uint32]time.Time // jobs that have not ended, and when their showing began
	Worst  exit.Error           // how the program is to end

	jobs    map[uint32]dbus.Job // to be shown
	workers map[string]dbus.Member
	ready   bool                  // what was there before has come
	ends    map[uint32]farm.State // outcomes that have been told
}

// Run shows what happens until nothing is open, ctx ends, or the bus is lost.
func (w *Watcher) Run(ctx context.Context) error {
	w.ends = map[uint32]farm.State{}
	w.begin()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := w.Client.Follow(ctx)
	if err != nil {
		return err
	}
	tick := time.NewTicker(screen.Refresh)
	defer tick.Stop()
	for w.All || len(w.Open) > 0 {
		select {
		case e, ok := <-events:
			if !ok {
				return lost(ctx)
			}
			if err := w.take(e); err != nil {
				return err
			}
		case <-tick.C:
			w.draw()
		}
	}
	w.draw()
	return w.Worst.OrNil()
}

// begin forgets what a master has told, since one that is back tells it anew.
func (w *Watcher) begin() {
	w.jobs, w.workers, w.ready = map[uint32]dbus.Job{}, map[string]dbus.Member{}, false
}

// take takes one event in.
func (w *Watcher) take(e dbus.Event) error {
	switch e.Kind {
	case dbus.JobAdded, dbus.JobChanged:
		w.job(e)
	case dbus.JobGone:
		delete(w.jobs, e.Job.ID)
		return w.gone(e.Job.ID)
	case dbus.WorkerAdded, dbus.WorkerChanged:
		w.workers[e.Worker.Name] = *e.Worker
	case dbus.WorkerGone:
		delete(w.workers, e.Worker.Name)
	case dbus.Logged:
		if w.wanted(e.Job.ID) && w.ready {
			w.log(e.Job.ID, e.Log)
		}
	case dbus.Ready:
		w.ready = true
		for id := range w.Open {
			if _, ok := w.jobs[id]; !ok {
				return w.gone(id)
			}
		}
	case dbus.MasterGone:
		w.Show.Say("the master is away; jobs go on when it is back")
		w.begin()
	}
	return nil
}

// log shows an event. The end of a job is told by its state too, by whichever comes first.
func (w *Watcher) log(id uint32, e *dbus.LogEntry) {
	switch state := farm.State(e.Event); state {
	case farm.Done, farm.Failed, farm.Cancelled:
		if w.ends[id] == state {
			return
		}
		w.ends[id] = state
	}
	w.Show.Log(id, *e)
}

func (w *Watcher) wanted(id uint32) bool {
	_, mine := w.Open[id]
	return mine || w.All
}

// gone is an error if the job's outcome is waited for.
func (w *Watcher) gone(id uint32) error {
	_, mine := w.Open[id]
	delete(w.Open, id)
	if mine && !w.All {
		return fmt.Errorf("job %d is not in the master's list any more: was it forgotten?", id)
	}
	return nil
}

// job takes a job's state in. When all are watched, one that had ended before is of no interest; one that is
// new and has ended already is.
func (w *Watcher) job(e dbus.Event) {
	j := *e.Job
	if !w.wanted(j.ID) {
		return
	}
	began, open := w.Open[j.ID]
	switch {
	case !screen.Over(&j):
		delete(w.ends, j.ID)
		if !open {
			w.Open[j.ID] = time.Now()
		}
	case open || e.Kind == dbus.JobAdded && w.ready:
		delete(w.Open, j.ID)
		w.tell(&j, began)
	default:
		return
	}
	w.jobs[j.ID] = j
}

// tell shows the outcome of a job, which its log may have told or not.
func (w *Watcher) tell(j *dbus.Job, began time.Time) {
	end := dbus.LogEntry{Time: j.Ended, Event: string(j.State), Text: cmp.Or(j.Error, string(j.State))}
	if j.State == farm.Done {
		end.Text = fmt.Sprintf("%s: %d frames", j.Output, j.FramesTotal)
	} else {
		w.Worst = *w.Worst.Worse(exit.Failed, nil)
	}
	w.log(j.ID, &end)
	if j.State == farm.Done {
		w.Show.Film(j.ID, screen.Film{Path: j.Output, Log: logOf(j.Output), Frames: j.FramesTotal, Took: j.Ended.Sub(cmp.Or(j.Submitted, began))})
	}
}

// draw shows the present state; jobs that have ended are shown so once.
func (w *Watcher) draw() {
	var v dbus.View
	for _, id := range slices.Sorted(maps.Keys(w.jobs)) {
		j := w.jobs[id]
		v.Jobs = append(v.Jobs, j)
		if screen.Over(&j) {
			delete(w.jobs, id)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.workers)) {
		v.Workers = append(v.Workers, w.workers[name])
	}
	w.Show.Update(v)
}

// logOf is where the master puts the log of a film.
func logOf(film string) string { return strings.TrimSuffix(film, filepath.Ext(film)) + ".log" }
