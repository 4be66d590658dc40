package master

import (
	"context"
	"errors"

	"olive-distributed/daemon/bus"
	"olive-distributed/daemon/worker"
)

// Handlers answer the messages of workers on other machines; the bus needs [worker.Codes] too. The
// name of a worker comes from its certificate: what it says of itself is not believed.
func (m *Master) Handlers() []bus.Handler {
	return []bus.Handler{
		onRequest(worker.KindHello, m.onHello),
		onRequest(worker.KindWork, m.onWork),
		onRequest(worker.KindBeat, m.onBeat),
		onRequest(worker.KindReport, m.onReport),
	}
}

// onRequest tells workers elsewhere that a master which stops will be back.
func onRequest[Q, R any](kind string, f func(ctx context.Context, worker string, q Q) (R, error)) bus.Handler {
	return bus.OnRequest(kind, func(ctx context.Context, worker string, q Q) (R, error) {
		answer, err := f(ctx, worker, q)
		if errors.Is(err, errStopped) {
			err = bus.ErrStopping
		}
		return answer, err
	})
}

// onHello takes a worker in, or lets it go.
func (m *Master) onHello(ctx context.Context, name string, h worker.HelloMessage) (worker.Answer, error) {
	if h.Leaving {
		return worker.Answer{}, m.Goodbye(ctx, name)
	}
	h.Spec.Name = name
	var holding *worker.Task
	if h.Holding != nil {
		holding = taskOf(*h.Holding)
	}
	return worker.Answer{}, m.Hello(ctx, h.Spec, holding)
}

// onWork hands out a task; it waits for one a while.
func (m *Master) onWork(ctx context.Context, name string, q worker.WorkMessage) (worker.WorkAnswer, error) {
	wait, cancel := context.WithTimeout(ctx, worker.Patience)
	defer cancel()
	o, err := m.next(wait, name, q.Drained)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return worker.WorkAnswer{Drained: q.Drained != nil && *q.Drained}, nil
	}
	return worker.WorkAnswer{Task: o.task.Without(q.Has), Drained: o.drained}, err
}

// onBeat notes how far a worker is.
func (m *Master) onBeat(ctx context.Context, name string, b worker.BeatMessage) (worker.Answer, error) {
	return worker.Answer{}, m.Beat(ctx, name, taskOf(b.RangeID), b.Done)
}

// onReport takes a part, or a range back.
func (m *Master) onReport(ctx context.Context, name string, r worker.ReportMessage) (worker.ReportAnswer, error) {
	switch t := taskOf(r.RangeID); {
	case r.Part != nil:
		next, err := m.deliver(ctx, name, t, worker.Delivery{Part: *r.Part, Notes: r.Notes}, r.More)
		return worker.ReportAnswer{Task: next.Without(r.Has)}, err
	case r.Failure != nil:
		return worker.ReportAnswer{}, m.Failed(ctx, name, t, *r.Failure)
	}
	return worker.ReportAnswer{}, errors.New("a report needs a part or a failure")
}

// taskOf is a task of which only the numbers are known; the master looks up the rest.
func taskOf(id worker.RangeID) *worker.Task { return &worker.Task{Job: id.Job, Range: id.Range} }
