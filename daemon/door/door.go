// Package door connects a master with its two doors to users: it is the [dbus.Master] of the
// service on the bus, and the [spool.Intake] of the hot folder.
//
// Whoever submits gives the master no more than he could read himself: the project is read from
// the file that was opened for him, and each of its media must be readable for him. What a call has
// answered is durable. The outcome of a dropped project's job reaches the hot folder after it is
// durable; after a crash in between the hot folder asks again, under the same key.
package door

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
	"olive-distributed/daemon/spool"
	"olive-distributed/dbus"
)

// Members are the workers that may join.
type Members interface {
	// Invite returns a secret with which a machine can join once, and the HOST:PORT of the master;
	// lifetime 0 is the configured one.
	Invite(worker string, lifetime time.Duration) (token, address string, err error)
	// Revoke ends a worker's certificates and connections.
	Revoke(ctx context.Context, worker string) error
	Enrolled() []Enrolled
}

// An Enrolled worker may connect until its certificate ends.
type Enrolled struct {
	Name    string
	Expires time.Time
	Revoked bool
}

// A Door is one master's. Make it with [New], and let it [Door.Run].
type Door struct {
	log     *slog.Logger
	members Members
	again   func(context.Context) error
	endings chan struct{} // there are some

	// Set by Open, before anybody calls.
	master *master.Master
	spool  *spool.Spool // nil: there is no hot folder

	mu    sync.Mutex
	ended []master.Ending // to be told to the hot folder
	taken map[string]bool // names that were given to films of unfinished jobs
}

// New returns a door to nowhere yet. reload reads the configuration again.
func New(members Members, reload func(context.Context) error, log *slog.Logger) *Door {
	return &Door{log: log, members: members, again: reload, endings: make(chan struct{}, 1), taken: map[string]bool{}}
}

// Open connects the door with a master that runs. The names of films that were promised before a
// restart are kept from others.
func (d *Door) Open(ctx context.Context, m *master.Master, s *spool.Spool) error {
	d.master, d.spool = m, s
	v, err := m.Overview(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range v.Jobs {
		if !over(j.State) {
			d.taken[j.Output] = true
			if s != nil {
				s.Keep(j.Output)
			}
		}
	}
	return nil
}

func over(s farm.State) bool { return s == farm.Done || s == farm.Failed || s == farm.Cancelled }

// Ended is for [master.Config]. It may be called before Open.
func (d *Door) Ended(e master.Ending) {
	d.mu.Lock()
	delete(d.taken, e.Output)
	d.ended = append(d.ended, e)
	d.mu.Unlock()
	select {
	case d.endings <- struct{}{}:
	default:
	}
}

// Run tells the hot folder how jobs have ended, until ctx ends.
func (d *Door) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.endings:
		}
		d.mu.Lock()
		list := d.ended
		d.ended = nil
		d.mu.Unlock()
		for i := range list {
			if ctx.Err() != nil {
				return // the next start asks for these
			}
			d.finish(&list[i])
		}
	}
}

func (d *Door) finish(e *master.Ending) {
	switch {
	case d.spool == nil:
	case e.Key == "":
		d.spool.Free(e.Output)
	default:
		if err := d.spool.Finish(e.Key, outcome(e)); err != nil {
			d.log.Warn("put away a dropped project, it is tried again", "job", e.Job, "error", err)
		}
	}
}

// outcome tells the hot folder of an end.
func outcome(e *master.Ending) spool.Outcome {
	o := spool.Outcome{Result: spool.Done, Film: e.Output}
	switch {
	case errors.Is(e.Err, master.ErrCancelled):
		o = spool.Outcome{Result: spool.Cancelled}
	case e.Err != nil:
		o = spool.Outcome{Result: spool.Failed, Reason: e.Err.Error()}
	}
	for _, l := range e.Log {
		o.Story = append(o.Story, l.Time.Format(time.DateTime)+"  "+l.Text)
	}
	return o
}

var (
	_ dbus.Master  = (*Door)(nil)
	_ spool.Intake = Intake{}
)
