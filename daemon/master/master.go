// Package master owns jobs: it takes projects, lets the farm decide which worker renders what,
// verifies and joins the parts, and puts films where they belong.
//
// It connects rooms and holds no rule of its own. Nothing is answered before the events that the
// answer rests on are durable in the [Journal]; after a crash the jobs go on from there, and no
// range is rendered again whose part had been accepted. A film appears under its name only when
// it is complete and verified; a job that fails leaves nothing in the folder of its film.
package master

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"olive-distributed/daemon/durable"
	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/share"
	"olive-distributed/daemon/worker"
)

// Config is what a master needs to know. Library, Engine and Folder are required.
type Config struct {
	Library *media.Library
	Engine  render.Engine   // asked which effects it supports
	More    []render.Engine // others that a request may name
	Folder  string          // for the parts of unfinished jobs, a folder each
	Policy  farm.Policy     // zero: the farm's defaults

	Journal Journal       // nil: the state ends with the process
	Farm    *farm.Farm    // what the journal has kept; nil: nothing
	Keep    time.Duration // how long a job that has ended stays in the list; 0: for ever

	// Encoders returns, by preset, the mark of the encoder that all parts of a film must come
	// from; workers announce theirs in the same words. nil, or a preset without a mark: any will do.
	Encoders func(ctx context.Context) (map[string]string, error)

	// Verify checks a part that a worker has reported; nil: [render.Plan.Verify].
	Verify func(ctx context.Context, p *render.Plan, span render.Span, sound bool, path string) (film.Part, error)

	Ended   func(Ending)  // called for each job that has ended, durably; must not wait; nil: nobody listens
	Observe func(Event)   // called for each event, one at a time; nil: nobody listens
	Shares  *share.Shares // what workers on other machines see; nil: they see the master's own disk

	Stop func(worker string, r farm.RangeID) // tells a worker that its range is not wanted any more; nil: its next beat does
}

// A Journal keeps the farm's events.
type Journal interface {
	// Enqueue takes events, at once, and calls done when they are durable, in the order of the
	// calls. An error means that the journal is lost, and the master stops.
	Enqueue(events []farm.Event, done func(error))
	// Health says why events wait at the moment, as for space on the disk; nil: all is well.
	Health() error
	// SnapshotDue says that it is time for a Snapshot of the farm as all events so far have made it.
	SnapshotDue() bool
	Snapshot(f *farm.Farm, done func(error))
}

// An Event is something that a user may want to know of a job, or of a worker.
type Event struct {
	Time time.Time `json:"time"`
	Job  uint32    `json:"job,omitempty"`
	// Kind is "submitted", "range-done", "range-failed", "note", "joining", "done", "failed",
	// "cancelled", or without a job "worker-new", "worker-lost", "worker-left",
	// "worker-paused", "worker-drained", "worker-resumed".
	Kind   string `json:"event"`
	Text   string `json:"text"`
	Worker string `json:"worker,omitempty"`
	First  int64  `json:"first,omitempty"`
	End    int64  `json:"end,omitempty"`
}

// A Master runs a farm. Make it with [New], and let it [Master.Run].
type Master struct {
	cfg     Config
	written progress      // of the journal
	begun   chan struct{} // closed when Run serves
	stopped chan struct{} // closed when it serves no more
	wake    chan struct{} // has room for one: Run looks for work for those who wait
	desks   chan struct{} // a place for each project that is read
	joins   sync.WaitGroup
	disk    durable.Disk

	verifying turns // of workers whose parts are looked at

	ctx context.Context // of Run

	mu      sync.Mutex // held in each turn
	over    bool       // Run serves no more
	farm    *farm.Farm
	jobs    map[uint32]*job
	keys    map[string]*job // those that have one
	unsaved []farm.Event    // of this turn
	thens   []func()        // answers of this turn
	batches []batch         // on their way to the journal
	noted   []*job          // that have something new in their logs, in this turn
	waiters []*waiter       // workers without work
	hungry  bool            // there may be work for them
	fed     time.Time       // when they were last looked at
	tidied  time.Time
	closing bool   // no more jobs will come
	boot    string // ID of this machine's
}

// desks is how many projects are read and checked at a time; each may have hundreds of megabytes.
const desks = 16

// New returns a master with the jobs that the configuration's farm has. It makes the folder for
// parts and removes from it what belongs to no job.
func New(cfg Config) (*Master, error) {
	m := &Master{
		cfg: cfg, written: progress{news: make(chan struct{}, 1)}, desks: make(chan struct{}, desks),
		begun: make(chan struct{}), stopped: make(chan struct{}), wake: make(chan struct{}, 1),
		farm: cfg.Farm, jobs: map[uint32]*job{}, keys: map[string]*job{}, boot: worker.BootID(),
	}
	if m.farm == nil {
		m.farm = farm.New(cfg.Policy)
	}
	if m.cfg.Verify == nil {
		m.cfg.Verify = verify
	}
	if err := m.recall(); err != nil {
		return nil, err
	}
	m.introduceAll()
	if cfg.Journal == nil {
		return m, sweepStale(cfg.Folder)
	}
	return m, m.sweepStrangers()
}

// errStopped is what callers of a master get that runs no more. Workers of the same process go home.
var errStopped = fmt.Errorf("the master has stopped: %w", worker.ErrClosed)

// ErrCancelled is how a job ends that was cancelled.
var ErrCancelled = errors.New("cancelled")
