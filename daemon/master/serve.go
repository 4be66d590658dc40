package master

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/worker"
)

// The master as workers of the same process see it.
var _ worker.Master = (*Master)(nil)

// idle is how long a worker without work waits before it asks again although nothing has
// happened: time alone can make work, as when a copy of a slow range becomes worth it.
const idle = 250 * time.Millisecond

// Hello implements [worker.Master].
func (m *Master) Hello(ctx context.Context, s worker.Spec) error {
	return m.do(ctx, func(now time.Time) {
		m.workers[s.Name] = s
		m.greet(now, s.Name, farm.RangeID{})
	})
}

// greet takes a worker in, again if it was lost: a process that was frozen for a while.
func (m *Master) greet(now time.Time, name string, holds farm.RangeID) {
	s := m.workers[name]
	events, err := m.farm.Hello(now, farm.WorkerSpec{Name: s.Name, Engines: s.Engines, Threads: s.Threads}, holds)
	if err == nil {
		m.record(events)
	}
}

// Goodbye implements [worker.Master].
func (m *Master) Goodbye(ctx context.Context, name string) error {
	return m.do(ctx, func(now time.Time) {
		delete(m.workers, name)
		if events, err := m.farm.Goodbye(now, name); err == nil {
			m.record(events)
		}
	})
}

// Next implements [worker.Master].
func (m *Master) Next(ctx context.Context, name string) (*worker.Task, error) {
	for {
		var t *worker.Task
		var changed <-chan struct{}
		over := false
		err := m.do(ctx, func(now time.Time) {
			t = m.assign(now, name)
			changed, over = m.changed, m.closing && m.allOver()
		})
		switch {
		case err != nil:
			return nil, err
		case t != nil:
			return t, nil
		case over:
			return nil, worker.ErrClosed
		}
		timer := time.NewTimer(idle)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

func (m *Master) allOver() bool {
	for _, j := range m.jobs {
		if !j.over() {
			return false
		}
	}
	return true
}

// assign returns the worker's next task, nil when there is none.
func (m *Master) assign(now time.Time, name string) *worker.Task {
	a, events, err := m.farm.Next(now, name)
	if errors.Is(err, farm.ErrNoWorker) {
		m.greet(now, name, farm.RangeID{})
		a, events, err = m.farm.Next(now, name)
	}
	if err != nil {
		return nil
	}
	m.record(events)
	j := m.jobs[a.ID.Job]
	t := &worker.Task{
		Job: a.ID.Job, Range: a.ID.Range, Sound: a.Content == farm.Sound,
		Span: render.Span{First: a.First, End: a.End}, Plan: j.plan,
	}
	t.Part = j.scratch.part(t, name)
	j.tasks[t.Range] = t
	return t
}

// Beat implements [worker.Master].
func (m *Master) Beat(ctx context.Context, name string, t *worker.Task, done int64) (err error) {
	doErr := m.do(ctx, func(now time.Time) {
		err = m.farm.Beat(now, name, rangeOf(t), done)
		if errors.Is(err, farm.ErrNoWorker) {
			m.greet(now, name, rangeOf(t))
			err = m.farm.Beat(now, name, rangeOf(t), done)
		}
	})
	return errors.Join(doErr, gone(err))
}

func rangeOf(t *worker.Task) farm.RangeID { return farm.RangeID{Job: t.Job, Range: t.Range} }

// gone turns the farm's refusal of a report into the worker's word for it.
func gone(err error) error {
	var stale *farm.StaleError
	if errors.As(err, &stale) {
		return fmt.Errorf("%w: %w", worker.ErrGone, err)
	}
	return err
}

// Done implements [worker.Master]: the part is verified once more before it counts.
func (m *Master) Done(ctx context.Context, name string, t *worker.Task, p media.Part) error {
	again, err := t.Plan.Verify(ctx, t.Span, t.Sound, p.Path)
	if err == nil && again.SHA256 != p.SHA256 {
		err = fmt.Errorf("part %s is not what the worker has written: checksum differs", filepath.Base(p.Path))
	}
	if err != nil {
		os.Remove(p.Path)
		return m.Failed(ctx, name, t, fmt.Errorf("verification: %w", err))
	}
	k := kept{Range: t.Range, Sound: t.Sound, Span: t.Span, Part: again, Worker: name}
	doErr := m.do(ctx, func(now time.Time) {
		j := m.jobs[t.Job]
		_, had := j.parts[t.Range]
		if !had {
			j.parts[t.Range] = k
		}
		var events []farm.Event
		events, err = m.farm.Complete(now, name, rangeOf(t), farm.Result{Part: p.Path, Frames: t.Span.Len(), Size: p.Size, SHA256: p.SHA256})
		if err != nil {
			if !had {
				delete(j.parts, t.Range)
			}
			return
		}
		if err := j.scratch.remember(k); err != nil { // only costs a resume
			m.note(j, Event{Kind: "note", Text: err.Error()})
		}
		m.record(events)
	})
	return errors.Join(doErr, gone(err))
}

// Failed implements [worker.Master].
func (m *Master) Failed(ctx context.Context, name string, t *worker.Task, reason error) (err error) {
	// A medium that does not hold what it promises will not do so the next time.
	var short *media.ShortError
	fatal := errors.As(reason, &short)
	doErr := m.do(ctx, func(now time.Time) {
		var events []farm.Event
		events, err = m.farm.Fail(now, name, rangeOf(t), reason.Error(), fatal)
		m.record(events)
	})
	return errors.Join(doErr, gone(err))
}
