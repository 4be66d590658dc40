package worker

import (
	"context"
	"time"
)

// waitForTurn blocks while the worker is paused, and outside the hours.
func (w *Worker) waitForTurn(ctx context.Context) error {
	for {
		if paused, turned := w.control.paused(); paused {
			w.say(&activity{State: State{Activity: Paused, Text: "is paused"}})
			if err := w.wait(ctx, turned, nil); err != nil {
				return err
			}
			continue
		}
		if w.Hours == nil {
			return nil
		}
		open, until := w.Hours.Open(time.Now())
		if open {
			return nil
		}
		w.say(&activity{State: State{Activity: Resting, Text: "rests until " + until.Format(time.DateTime)}})
		if err := w.sleep(ctx, until); err != nil {
			return err
		}
	}
}

// sleep waits for a moment, at most some time: clocks are set.
func (w *Worker) sleep(ctx context.Context, until time.Time) error {
	const most = time.Minute
	wait := most
	if !until.IsZero() {
		wait = min(most, max(time.Until(until), time.Millisecond))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	_, turned := w.control.paused()
	return w.wait(ctx, turned, timer.C)
}

// wait waits for one of two channels.
func (w *Worker) wait(ctx context.Context, turned <-chan struct{}, timer <-chan time.Time) error {
	select {
	case <-turned:
		return nil
	case <-timer:
		return nil
	case <-w.control.draining():
		return errDrained
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
