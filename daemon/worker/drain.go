package worker

import (
	"context"
	"errors"
	"sync"
	"time"
)

// unlessDrained calls the master, and gives up when the worker is drained and patience is over.
func (w *Worker) unlessDrained(ctx context.Context, patience time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	answered := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-w.control.draining():
		case <-answered:
			return
		}
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(errDrained)
		case <-answered:
		}
	})
	err := call(ctx)
	close(answered)
	watch.Wait()
	cause := context.Cause(ctx)
	cancel(nil)
	if err != nil && cause != nil {
		return cause
	}
	return err
}

// lastReport is how long a worker that is to end waits for a master that is away to take its last
// range; then the range is rendered again by somebody else.
const lastReport = 15 * time.Second

// report delivers; to a master that has forgotten the worker, after an introduction: what is
// rendered is not thrown away.
func (w *Worker) report(ctx context.Context, t *Task, deliver func(context.Context) error) error {
	return w.unlessDrained(ctx, lastReport, func(ctx context.Context) error {
		err := deliver(ctx)
		if errors.Is(err, ErrStranger) {
			if err = w.Master.Hello(ctx, w.Spec, t); err == nil {
				err = deliver(ctx)
			}
		}
		return err
	})
}
