package main

import (
	"context"
	"fmt"
	"log/slog"

	"olive-distributed/daemon/door"
	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
)

// observe writes what happens to jobs into the log, and tells the bus.
func (d *daemon) observe(e master.Event) {
	level := slog.LevelInfo
	if e.Kind == "failed" || e.Kind == "range-failed" || e.Kind == "worker-lost" {
		level = slog.LevelWarn
	}
	args := []any{"event", e.Kind}
	if e.Job != 0 {
		args = append(args, "job", e.Job)
	}
	if e.Worker != "" {
		args = append(args, "worker", e.Worker)
	}
	if e.End != 0 {
		args = append(args, "range", fmt.Sprintf("%d-%d", e.First, e.End))
	}
	d.log.Log(context.Background(), level, e.Text, args...)
	if s := d.service.Load(); s != nil {
		if e.Job != 0 {
			s.Log(e.Job, door.Entry(e))
		}
		s.Changed()
	}
}

// summary is the farm in a line, asked from the master's loop.
func (d *daemon) summary(ctx context.Context) (string, error) {
	v, err := d.master.Overview(ctx)
	if err != nil {
		return "", err
	}
	if v.Degraded != "" {
		return "Nothing is taken now: " + v.Degraded, nil
	}
	running, waiting, speed := 0, 0, 0.0
	for _, j := range v.Jobs {
		switch j.State {
		case farm.Running, farm.Joining:
			running++
			speed += j.Speed
		case farm.Queued, farm.Paused:
			waiting++
		}
	}
	workers, busy := 0, 0
	for _, w := range v.Workers {
		if w.Live {
			workers++
		}
		if w.Holds.Job != 0 {
			busy++
		}
	}
	return fmt.Sprintf("%d jobs running, %d waiting; %d workers, %d of them at work; %.1f frames/s", running, waiting, workers, busy, speed), nil
}

// tellHealth writes into the log that the journal stops or goes on.
func (d *daemon) tellHealth(err error) {
	if err != nil {
		d.log.Error("nothing can be written down, so nothing is taken or handed out", "error", err, "event", "degraded")
		return
	}
	d.log.Info("the journal goes on")
}
