package master

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/worker"
)

// The master as workers of the same process see it.
var _ worker.Master = (*Master)(nil)

// Hello implements [worker.Master].
func (m *Master) Hello(ctx context.Context, s worker.Spec, holding *worker.Task) error {
	_, err := ask(ctx, m, func(now time.Time) (struct{}, error) {
		return struct{}{}, m.greet(now, farmSpec(s), rangeOf(holding))
	})
	return err
}

func farmSpec(s worker.Spec) farm.WorkerSpec {
	return farm.WorkerSpec{Name: s.Name, Boot: s.Boot, Engines: s.Engines, Presets: s.Presets, Threads: s.Threads, Speed: s.Speed}
}

// greet takes a worker in.
func (m *Master) greet(now time.Time, s farm.WorkerSpec, holds farm.RangeID) error {
	events, err := m.farm.Hello(now, s, holds)
	m.record(events)
	return err
}

// greetAgain takes a worker in that was lost, as when its process was frozen for a while.
func (m *Master) greetAgain(now time.Time, name string, holds farm.RangeID) error {
	v, ok := m.farm.Worker(name)
	if !ok {
		return fmt.Errorf("%w: %q", worker.ErrStranger, name)
	}
	return m.greet(now, v.Spec, holds)
}

// Goodbye implements [worker.Master].
func (m *Master) Goodbye(ctx context.Context, name string) error {
	_, err := ask(ctx, m, func(now time.Time) (struct{}, error) {
		events, err := m.farm.Goodbye(now, name)
		m.record(events)
		return struct{}{}, err
	})
	return err
}

// A waiter is a worker that has asked for work.
type waiter struct {
	ctx    context.Context
	name   string
	thinks *bool      // whether it is drained: a wrong belief is an answer at once; nil: it does not want to know
	got    chan offer // has room for one
}

// An offer answers a waiter: with a task, or with the reason why there will be none.
type offer struct {
	task    *worker.Task
	drained bool
	err     error
}

// Next implements [worker.Master].
func (m *Master) Next(ctx context.Context, name string) (*worker.Task, error) {
	o, err := m.next(ctx, name, nil)
	return o.task, err
}

// next waits for an answer to a worker that has asked for work.
func (m *Master) next(ctx context.Context, name string, thinks *bool) (offer, error) {
	w := &waiter{ctx, name, thinks, make(chan offer, 1)}
	err := m.call(ctx, func(now time.Time) {
		if !m.serve(now, w) {
			m.waiters = append(m.waiters, w)
		}
	})
	if err != nil {
		return offer{}, err
	}
	select {
	case o := <-w.got:
		return o, o.err
	case <-ctx.Done():
		return offer{}, context.Cause(ctx)
	case <-m.stopped:
		return offer{}, errStopped
	}
}

// feedPause is the shortest time between two looks at all the workers that wait.
const feedPause = 20 * time.Millisecond

// feed looks whether there is work for the workers that wait, now or after the pause that it
// returns.
func (m *Master) feed(now time.Time) (pause time.Duration) {
	if !m.hungry || len(m.waiters) == 0 {
		return 0
	}
	if since := now.Sub(m.fed); since >= 0 && since < feedPause {
		return feedPause - since
	}
	m.hungry, m.fed = false, now
	kept := m.waiters[:0]
	for _, w := range m.waiters {
		if w.ctx.Err() == nil && !m.serve(now, w) {
			kept = append(kept, w)
		}
	}
	clear(m.waiters[len(kept):])
	m.waiters = kept
	m.commit()
	return 0
}

// serve answers a waiter if there is an answer.
func (m *Master) serve(now time.Time, w *waiter) bool {
	task, err := m.assign(now, w.name)
	drained := m.farm.Drained(w.name)
	switch {
	case task == nil && err == nil && w.thinks != nil && *w.thinks != drained: // it is told
	case task == nil && err == nil && m.closing && m.allOver():
		err = worker.ErrClosed
	case task == nil && err == nil:
		return false
	}
	m.thens = append(m.thens, func() { w.got <- offer{task, drained, err} })
	return true
}

func (m *Master) allOver() bool {
	for _, j := range m.jobs {
		if !j.over() {
			return false
		}
	}
	return true
}

// assign returns the worker's next task, nil when there is none now.
func (m *Master) assign(now time.Time, name string) (*worker.Task, error) {
	if m.cfg.Journal != nil && m.cfg.Journal.Health() != nil {
		return nil, nil // what is handed out now could not be accepted
	}
	a, events, err := m.farm.Next(now, name)
	if errors.Is(err, farm.ErrNoWorker) {
		if err := m.greetAgain(now, name, farm.RangeID{}); err != nil {
			return nil, err
		}
		a, events, err = m.farm.Next(now, name)
	}
	if errors.Is(err, farm.ErrNoWork) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m.record(events)
	j := m.jobs[a.ID.Job]
	r, _ := m.farm.Range(a.ID)
	part := j.partName(r, name)
	if err := j.folder.openInbox(name); err != nil {
		return nil, err
	}
	return &worker.Task{
		Job: a.ID.Job, Range: a.ID.Range, Sound: a.Content == farm.Sound,
		Span: render.Span{First: a.First, End: a.End}, Plan: j.Plan, PlanSum: j.planSum(),
		Part: filepath.Join(j.folder.inbox(name), part), Share: m.shareOf(j, part),
	}, nil
}

// Note implements [worker.Master].
func (m *Master) Note(ctx context.Context, name string, t *worker.Task, done int64) error {
	return m.Beat(ctx, name, t, done)
}

// Beat implements [worker.Master].
func (m *Master) Beat(ctx context.Context, name string, t *worker.Task, done int64) error {
	// A beat that is as expected rests on nothing that could be lost, and changes nothing.
	err, stopped := peek(ctx, m, func(now time.Time) error { return m.farm.Beat(now, name, rangeOf(t), done) })
	if err == nil {
		return stopped
	}
	_, err = ask(ctx, m, func(now time.Time) (struct{}, error) {
		err := m.farm.Beat(now, name, rangeOf(t), done)
		if errors.Is(err, farm.ErrNoWorker) {
			if err := m.greetAgain(now, name, rangeOf(t)); err != nil {
				return struct{}{}, err
			}
			err = m.farm.Beat(now, name, rangeOf(t), done)
		}
		return struct{}{}, gone(err)
	})
	return err
}

func rangeOf(t *worker.Task) farm.RangeID {
	if t == nil {
		return farm.RangeID{}
	}
	return farm.RangeID{Job: t.Job, Range: t.Range}
}

// gone turns the farm's refusal of a report into the worker's word for it.
func gone(err error) error {
	var stale *farm.StaleError
	switch {
	case errors.As(err, &stale):
		return fmt.Errorf("%w: %w", worker.ErrGone, err)
	case errors.Is(err, farm.ErrNoWorker):
		return fmt.Errorf("%w: %w", worker.ErrStranger, err)
	}
	return err
}

// Failed implements [worker.Master].
func (m *Master) Failed(ctx context.Context, name string, t *worker.Task, f worker.Failure) error {
	_, err := ask(ctx, m, func(now time.Time) (struct{}, error) {
		events, err := m.farm.Fail(now, name, rangeOf(t), paragraph(f.Reason), f.Fatal)
		m.record(events)
		return struct{}{}, gone(err)
	})
	return err
}
