// Package master owns jobs: it takes projects, lets the farm decide which worker renders what,
// verifies and joins the parts, and puts films where they belong.
//
// It connects rooms and holds no rule of its own. A film appears under its name only when it
// is complete and verified; a job that fails leaves nothing in the folder of its film.
package master

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/worker"
)

// Config is what a master needs to know. Library, Engine and Scratch are required.
type Config struct {
	Library *media.Library
	Engine  render.Engine // asked which effects it supports
	Scratch string        // folder for the parts of unfinished jobs
	Policy  farm.Policy   // zero: the farm's defaults
	Observe func(Event)   // called for each event, from one goroutine; nil: nobody listens
}

// An Event is something that a user may want to know of a job.
type Event struct {
	Time   time.Time `json:"time"`
	Job    uint32    `json:"job"`
	Kind   string    `json:"event"` // "submitted", "range-done", "range-failed", "note", "joining", "done", "failed"
	Text   string    `json:"text"`
	Worker string    `json:"worker,omitempty"`
	First  int64     `json:"first,omitempty"`
	End    int64     `json:"end,omitempty"`
}

// A Master runs a farm. Make it with [New], and let it [Master.Run].
type Master struct {
	cfg     Config
	calls   chan func(now time.Time)
	stopped chan struct{}

	// Owned by the goroutine of Run.
	ctx     context.Context
	farm    *farm.Farm
	jobs    map[uint32]*job
	changed chan struct{} // closed and made anew when there may be work
	closing bool          // no more jobs will come
	workers map[string]worker.Spec
	joins   sync.WaitGroup
}

// New returns a master without jobs. It makes the scratch folder, and removes there what has
// been left for too long.
func New(cfg Config) (*Master, error) {
	if err := sweep(cfg.Scratch); err != nil {
		return nil, err
	}
	return &Master{
		cfg: cfg, calls: make(chan func(time.Time)), stopped: make(chan struct{}),
		farm: farm.New(cfg.Policy), jobs: map[uint32]*job{}, workers: map[string]worker.Spec{}, changed: make(chan struct{}),
	}, nil
}

// errStopped is what callers of a master get that runs no more.
var errStopped = errors.New("the master has stopped")

// Run serves until the context ends, then waits for joins to stop and gives up what is
// unfinished.
func (m *Master) Run(ctx context.Context) error {
	m.ctx = ctx
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			close(m.stopped)
			m.joins.Wait()
			for _, j := range m.jobs {
				m.abandon(j, context.Cause(ctx))
			}
			return nil
		case f := <-m.calls:
			f(time.Now())
		case now := <-tick.C:
			m.record(m.farm.Expire(now))
		}
	}
}

// do runs f in the goroutine of Run.
func (m *Master) do(ctx context.Context, f func(now time.Time)) error {
	done := make(chan struct{})
	call := func(now time.Time) {
		defer close(done)
		f(now)
	}
	select {
	case m.calls <- call:
		<-done
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-m.stopped:
		return errStopped
	}
}

// Close says that no more jobs will be submitted: workers are sent home when all have ended.
func (m *Master) Close(ctx context.Context) error {
	return m.do(ctx, func(time.Time) {
		m.closing = true
		m.wake()
	})
}

// wake lets the workers that wait for work ask again.
func (m *Master) wake() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// record carries out what the farm has decided.
func (m *Master) record(events []farm.Event) {
	for i := range events {
		e := &events[i]
		j := m.jobs[e.Job]
		switch e.Kind {
		case farm.RangeCompleted:
			m.noteRange(j, "range-done", e, fmt.Sprintf("%s by %s", j.describe(e.Range), e.Worker))
		case farm.RangeFailed:
			m.noteRange(j, "range-failed", e, fmt.Sprintf("%s failed on %s: %s", j.describe(e.Range), e.Worker, e.Reason))
		case farm.JobFailed:
			m.end(j, errors.New(cmp.Or(e.Reason, "unknown reason")))
		}
		if e.Joins {
			m.startJoin(j)
		}
	}
	if len(events) > 0 {
		m.wake()
	}
}

func (m *Master) noteRange(j *job, kind string, e *farm.Event, text string) {
	n := Event{Kind: kind, Worker: e.Worker, Text: text}
	if t := j.tasks[e.Range]; t != nil {
		n.First, n.End = t.Span.First, t.Span.End
	}
	m.note(j, n)
}

// note adds an event to the job's log and tells the observer.
func (m *Master) note(j *job, e Event) {
	e.Time, e.Job = time.Now(), j.id
	j.log = append(j.log, e)
	if m.cfg.Observe != nil {
		m.cfg.Observe(e)
	}
}
