package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"olive-distributed/daemon/config"
	"olive-distributed/daemon/pki"
	"olive-distributed/daemon/worker"
	"olive-distributed/dbus"
)

// A door is the [dbus.Worker] of this process.
type door struct {
	path      string // of the configuration
	hours     schedule
	cfg       config.Worker
	identity  *pki.Identity
	threads   int
	log       *slog.Logger
	worker    *worker.Worker
	connected atomic.Bool
	service   atomic.Pointer[dbus.WorkerService]
}

// open puts the worker on the bus, unless the configuration wants none. A bus that is lost ends
// the process by cancel. shut takes it off again.
func (d *door) open(ctx context.Context, cancel context.CancelCauseFunc) (shut func(), err error) {
	address := d.cfg.Bus
	switch address {
	case config.NoBus:
		return func() {}, nil
	case config.SystemBus:
		address = ""
	}
	s, err := dbus.ServeWorker(ctx, address, d)
	if err != nil {
		return nil, fmt.Errorf("%w: is the bus there, or else set bus = \"none\" in the configuration", err)
	}
	d.service.Store(s)
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil {
			cancel(err)
		}
	})
	return func() {
		stop()
		running.Wait()
		s.Close()
	}, nil
}

// changed has signals sent.
func (d *door) changed() {
	if s := d.service.Load(); s != nil {
		s.Changed()
	}
}

// drained passes on what the master says.
func (d *door) drained(drained bool) {
	if drained {
		d.log.Info("the master hands this worker nothing more, until it is resumed there")
	} else {
		d.log.Info("the master hands this worker work again")
	}
	d.worker.Drained(drained)
}

// Status implements [dbus.Worker].
func (d *door) Status(context.Context) (dbus.WorkerStatus, error) {
	now := d.worker.State()
	s := dbus.WorkerStatus{
		Name: d.identity.Name(), Master: address(d.cfg, d.identity), Threads: uint32(d.threads), FramesDone: now.Frames,
		Status: string(now.Activity), // the same words
	}
	switch {
	case now.Activity == worker.Rendering:
		s.Current = dbus.CurrentRange{Job: now.Task.Job, Number: now.Task.Range, Content: dbus.Picture, First: now.Task.Span.First, End: now.Task.Span.End}
		if now.Task.Sound {
			s.Current.Content = dbus.Sound
		}
	case now.Activity == worker.Starting, (now.Activity == worker.Waiting || now.Activity == worker.Drained) && !d.connected.Load():
		s.Status = dbus.Away
	}
	return s, nil
}

// Pause implements [dbus.Worker]: what is in hand is finished.
func (d *door) Pause(context.Context) error {
	d.log.Info("paused over D-Bus")
	d.worker.Pause()
	return nil
}

// Resume ends a pause.
func (d *door) Resume(context.Context) error {
	d.log.Info("resumed over D-Bus")
	d.worker.Resume()
	return nil
}

// Drain lets the process end after what is in hand.
func (d *door) Drain(context.Context) error {
	d.log.Info("ending after the range in hand, as asked over D-Bus")
	d.worker.Drain()
	return nil
}

// Reload reads the configuration again; of it, only the hours can change in a worker that runs.
func (d *door) Reload(context.Context) error {
	cfg, err := config.LoadWorker(d.path)
	if err != nil {
		return fmt.Errorf("nothing has changed: %w", err)
	}
	d.hours.now.Store(&cfg.Hours)
	d.log.Info("the hours were read again; all other settings count after a restart", "file", d.path)
	return nil
}
