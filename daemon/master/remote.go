package master

import (
	"context"
	"errors"

	"olive-distributed/daemon/worker"
)

// A Remote answers the messages of workers on other machines. The name of the worker comes from
// its certificate; whatever it says of itself is not believed.
type Remote struct{ master *Master }

// Remote returns the master as workers on other machines reach it.
func (m *Master) Remote() Remote { return Remote{m} }

// Hello takes a worker in, or lets it go.
func (r Remote) Hello(ctx context.Context, name string, h worker.HelloMessage) (worker.Answer, error) {
	if h.Leaving {
		return worker.Answer{}, r.master.Goodbye(ctx, name)
	}
	h.Spec.Name = name
	var holding *worker.Task
	if h.Holding != nil {
		holding = taskOf(*h.Holding)
	}
	return worker.Answer{}, r.master.Hello(ctx, h.Spec, holding)
}

// Work hands out a task; it waits for one a while.
func (r Remote) Work(ctx context.Context, name string, _ worker.WorkMessage) (worker.WorkAnswer, error) {
	wait, cancel := context.WithTimeout(ctx, worker.Patience)
	defer cancel()
	t, err := r.master.Next(wait, name)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return worker.WorkAnswer{}, nil
	}
	return worker.WorkAnswer{Task: t}, err
}

// Beat notes how far a worker is.
func (r Remote) Beat(ctx context.Context, name string, b worker.BeatMessage) (worker.Answer, error) {
	return worker.Answer{}, r.master.Beat(ctx, name, taskOf(b.RangeID), b.Done)
}

// Report takes a part, or a range back.
func (r Remote) Report(ctx context.Context, name string, m worker.ReportMessage) (worker.Answer, error) {
	switch t := taskOf(m.RangeID); {
	case m.Part != nil:
		return worker.Answer{}, r.master.Done(ctx, name, t, *m.Part)
	case m.Failure != nil:
		return worker.Answer{}, r.master.Failed(ctx, name, t, *m.Failure)
	}
	return worker.Answer{}, errors.New("a report needs a part or a failure")
}

// taskOf is a task of which only the numbers are known; the master looks up the rest.
func taskOf(id worker.RangeID) *worker.Task { return &worker.Task{Job: id.Job, Range: id.Range} }
