package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"olive-distributed/cmd/olivectl/screen"
	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

func (a *app) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "watch [JOB…]", Short: "Show live how jobs go",
		Long: `Show live how jobs go and what the workers are at: as bars on a terminal, as lines elsewhere.
With jobs, until these have ended; without, all jobs until ^C, which ends nothing but the showing.

Exit codes: 0 all jobs are done; 1 one has failed or was cancelled; 130 interrupted.`,
		ValidArgsFunction: a.completeJobs(many, unfinished),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := jobIDs(args)
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(client *dbus.Client) error {
				w := watcher{client: client, show: a.shown(c.OutOrStdout()), all: len(ids) == 0, open: map[uint32]time.Time{}, worst: &exitError{}}
				defer w.show.Close()
				for _, id := range ids {
					if _, err := client.Job(c.Context(), id); err != nil {
						return err
					}
					w.open[id] = time.Now()
				}
				err := w.run(c.Context())
				if c.Context().Err() != nil {
					return &exitError{code: exitInterrupted}
				}
				return err
			})
		},
	}
}

// shown is a display whose progress is what is asked for, and belongs on standard output.
func (a *app) shown(out io.Writer) screen.Display {
	if a.json {
		return screen.New(out, io.Discard, true)
	}
	return screen.New(io.Discard, out, false)
}

// A watcher shows jobs until they have ended. A master that is away is waited for.
type watcher struct {
	client *dbus.Client
	show   screen.Display
	all    bool                 // all jobs, without an end
	open   map[uint32]time.Time // jobs that have not ended, and when their showing began

	jobs    map[uint32]dbus.Job // to be shown
	workers map[string]dbus.Member
	ready   bool                  // what was there before has come
	ends    map[uint32]farm.State // outcomes that have been told
	worst   *exitError
}

// run shows what happens until nothing is open, ctx ends, or the bus is lost.
func (w *watcher) run(ctx context.Context) error {
	w.ends = map[uint32]farm.State{}
	w.begin()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := w.client.Follow(ctx)
	if err != nil {
		return err
	}
	tick := time.NewTicker(screen.Refresh)
	defer tick.Stop()
	for w.all || len(w.open) > 0 {
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
	return w.worst.orNil()
}

// begin forgets what a master has told, since one that is back tells it anew.
func (w *watcher) begin() {
	w.jobs, w.workers, w.ready = map[uint32]dbus.Job{}, map[string]dbus.Member{}, false
}

// take takes one event in.
func (w *watcher) take(e dbus.Event) error {
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
		for id := range w.open {
			if _, ok := w.jobs[id]; !ok {
				return w.gone(id)
			}
		}
	case dbus.MasterGone:
		w.show.Say("the master is away; jobs go on when it is back")
		w.begin()
	}
	return nil
}

// log shows an event. The end of a job is told by its state too, by whichever comes first.
func (w *watcher) log(id uint32, e *dbus.LogEntry) {
	switch state := farm.State(e.Event); state {
	case farm.Done, farm.Failed, farm.Cancelled:
		if w.ends[id] == state {
			return
		}
		w.ends[id] = state
	}
	w.show.Log(id, *e)
}

func (w *watcher) wanted(id uint32) bool {
	_, mine := w.open[id]
	return mine || w.all
}

// gone is an error if the job's outcome is waited for.
func (w *watcher) gone(id uint32) error {
	_, mine := w.open[id]
	delete(w.open, id)
	if mine && !w.all {
		return fmt.Errorf("job %d is not in the master's list any more: was it forgotten?", id)
	}
	return nil
}

// job takes a job's state in. When all are watched, one that had ended before is of no interest; one that is
// new and has ended already is.
func (w *watcher) job(e dbus.Event) {
	j := *e.Job
	if !w.wanted(j.ID) {
		return
	}
	began, open := w.open[j.ID]
	switch {
	case !screen.Over(&j):
		delete(w.ends, j.ID)
		if !open {
			w.open[j.ID] = time.Now()
		}
	case open || e.Kind == dbus.JobAdded && w.ready:
		delete(w.open, j.ID)
		w.tell(&j, began)
	default:
		return
	}
	w.jobs[j.ID] = j
}

// tell shows the outcome of a job, which its log may have told or not.
func (w *watcher) tell(j *dbus.Job, began time.Time) {
	end := dbus.LogEntry{Time: j.Ended, Event: string(j.State), Text: cmp.Or(j.Error, string(j.State))}
	if j.State == farm.Done {
		end.Text = fmt.Sprintf("%s: %d frames", j.Output, j.FramesTotal)
	} else {
		w.worst = worse(w.worst, exitFailed, nil)
	}
	w.log(j.ID, &end)
	if j.State == farm.Done {
		w.show.Film(j.ID, screen.Film{Path: j.Output, Log: logOf(j.Output), Frames: j.FramesTotal, Took: j.Ended.Sub(cmp.Or(j.Submitted, began))})
	}
}

// draw shows the present state; jobs that have ended are shown so once.
func (w *watcher) draw() {
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
	w.show.Update(v)
}

// logOf is where the master puts the log of a film.
func logOf(film string) string { return strings.TrimSuffix(film, filepath.Ext(film)) + ".log" }
