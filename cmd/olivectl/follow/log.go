// Package follow goes along with jobs of the farm over D-Bus, as long as they last: a [Watcher] shows how
// they go, a [Log] writes what has happened to one. Both end with the jobs, with their context, or when the
// bus is lost; a master that is away is waited for. The jobs themselves go on, whatever becomes of these.
package follow

import (
	"context"
	"fmt"

	"olive-distributed/cmd/olivectl/screen"
	"olive-distributed/dbus"
)

// A Log reads a job's log as it grows. Signals only tell when to look: the master leaves some out
// when the bus is far behind, its log has all.
type Log struct {
	Client *dbus.Client
	Job    uint32
	Write  func(job uint32, log []dbus.LogEntry) error
	read   int // entries
}

// More writes what has come since the last time.
func (l *Log) More(ctx context.Context) error {
	log, err := l.Client.Log(ctx, l.Job)
	if err != nil || len(log) <= l.read {
		return err
	}
	news := log[l.read:]
	l.read = len(log)
	return l.Write(l.Job, news)
}

// Follow writes until the job has ended.
func (l *Log) Follow(ctx context.Context) error {
	events, err := l.Client.Follow(ctx)
	if err != nil {
		return err
	}
	if err := l.More(ctx); err != nil { // a job that is not there, before all
		return err
	}
	for e := range events {
		switch {
		case e.Job == nil || e.Job.ID != l.Job:
			continue
		case e.Kind == dbus.JobGone:
			return nil
		}
		if err := l.More(ctx); err != nil {
			return err
		}
		if (e.Kind == dbus.JobAdded || e.Kind == dbus.JobChanged) && screen.Over(e.Job) {
			return nil
		}
	}
	return lost(ctx)
}

// lost is how following ends when nobody has ended it.
func lost(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: the bus has gone", dbus.ErrNoMaster)
}
