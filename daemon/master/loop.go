package master

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"olive-distributed/daemon/farm"
)

// tick is the time between two looks at what only time changes: workers that went silent, ranges
// that are worth a copy, jobs that are old.
const tick = 250 * time.Millisecond

// Run serves until the context ends or the journal is lost; then it waits for joins to stop and
// gives up what is unfinished: for this process only, when there is a journal. Calls wait for it to begin.
func (m *Master) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m.ctx = ctx
	close(m.begun)
	m.turn(m.resumeJoins)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		var again <-chan time.Time
		m.turn(func() {
			if pause := m.feed(time.Now()); pause > 0 {
				again = time.After(pause)
			}
		})
		select {
		case <-again:
		case <-m.wake:
		case <-ctx.Done():
			m.stop(context.Cause(ctx))
			return nil
		case <-m.written.news:
			n, err := m.written.take()
			m.turn(func() {
				for range n {
					m.confirm()
				}
			})
			if err != nil {
				cancel()
				m.stop(err)
				return fmt.Errorf("write to the journal: %w", err)
			}
		case now := <-ticker.C:
			m.turn(func() { m.pass(now) })
		}
	}
}

// pass does what only time asks for.
func (m *Master) pass(now time.Time) {
	m.hungry = true
	m.record(m.farm.Expire(now))
	m.tidy(now)
	if m.cfg.Journal != nil && m.cfg.Journal.SnapshotDue() {
		m.commit()
		m.cfg.Journal.Snapshot(m.farm, nil)
	}
}

// turn runs f alone, commits what it has changed, and writes down what was noted.
func (m *Master) turn(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
	m.commit()
	m.writeLogs()
}

// stop sends everybody home.
func (m *Master) stop(cause error) {
	m.turn(func() {
		m.over = true
		close(m.stopped)
	})
	m.joins.Wait()
	m.turn(func() {
		for _, j := range m.jobs {
			m.abandon(j, cause)
		}
	})
}

// call runs f in a turn of its own. That is no business of the goroutine of Run, which thousands of workers
// would wake thousands of times a second, unless there is work now for workers that wait.
func (m *Master) call(ctx context.Context, f func(now time.Time)) error {
	select {
	case <-m.begun:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	err, hungry := errStopped, false
	m.turn(func() {
		if m.over {
			return
		}
		f(time.Now())
		err, hungry = nil, m.hungry && len(m.waiters) > 0
	})
	if hungry {
		select {
		case m.wake <- struct{}{}:
		default:
		}
	}
	return err
}

// ask runs f in a turn and gives its answer when everything that it rests on is durable.
func ask[T any](ctx context.Context, m *Master, f func(now time.Time) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	got := make(chan answer, 1)
	var none T
	err := m.call(ctx, func(now time.Time) {
		v, err := f(now)
		m.thens = append(m.thens, func() { got <- answer{v, err} })
	})
	if err != nil {
		return none, err
	}
	select {
	case a := <-got:
		return a.value, a.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case <-m.stopped:
		return none, errStopped
	}
}

// peek is ask for what may be seen before it is durable.
func peek[T any](ctx context.Context, m *Master, f func(now time.Time) T) (T, error) {
	var got T
	err := m.call(ctx, func(now time.Time) { got = f(now) })
	return got, err
}

// A batch is what a turn has changed, with the answers that wait for it.
type batch struct {
	events []farm.Event
	thens  []func()
}

// record takes down what the farm has decided.
func (m *Master) record(events []farm.Event) { m.unsaved = append(m.unsaved, events...) }

// commit ends a turn: its events go to the journal, its answers out when these and all before
// them are durable.
func (m *Master) commit() {
	for len(m.unsaved) > 0 {
		m.batches = append(m.batches, batch{m.unsaved, m.thens})
		events := m.unsaved
		m.unsaved, m.thens = nil, nil
		if m.cfg.Journal == nil {
			m.confirm()
			continue
		}
		m.cfg.Journal.Enqueue(events, m.written.put)
	}
	if n := len(m.batches); n > 0 {
		m.batches[n-1].thens = append(m.batches[n-1].thens, m.thens...)
	} else {
		answer(m.thens)
	}
	m.thens = nil
}

// A progress is what the journal has told of the batches, which it gets in order.
type progress struct {
	news chan struct{} // has room for one

	mu   sync.Mutex
	done int   // batches that are durable and not confirmed yet
	lost error // why no more will be
}

// put is called by the journal and does not block.
func (p *progress) put(err error) {
	p.mu.Lock()
	if err == nil && p.lost == nil {
		p.done++
	} else {
		p.lost = cmp.Or(p.lost, err)
	}
	p.mu.Unlock()
	select {
	case p.news <- struct{}{}:
	default:
	}
}

func (p *progress) take() (done int, lost error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	done, p.done = p.done, 0
	return done, p.lost
}

// confirm carries out the oldest batch, which is durable now.
func (m *Master) confirm() {
	b := m.batches[0]
	m.batches = m.batches[1:]
	for i := range b.events {
		m.carryOut(&b.events[i])
	}
	answer(b.thens)
}

func answer(thens []func()) {
	for _, then := range thens {
		then()
	}
}

// carryOut does what an event asks for.
func (m *Master) carryOut(e *farm.Event) {
	m.hungry = true
	j := m.jobs[e.Job]
	m.publish(e)
	switch e.Kind {
	case farm.JobSubmitted:
		m.announce(j)
	case farm.RangeCompleted:
		m.noteRange(j, "range-done", e, fmt.Sprintf("%s rendered by %s", m.describe(e.ID()), e.Worker))
	case farm.RangeFailed:
		m.noteRange(j, "range-failed", e, fmt.Sprintf("%s failed on %s: %s", m.describe(e.ID()), e.Worker, e.Reason))
	case farm.JobFailed:
		m.end(j, errors.New(e.Reason))
	case farm.JobCancelled:
		m.end(j, ErrCancelled)
	case farm.JobDone:
		m.end(j, nil)
	case farm.JobRetried:
		j.reopen()
	case farm.JobForgotten:
		m.drop(j)
	case farm.WorkerHello:
		m.tell(Event{Kind: "worker-new", Worker: e.Worker, Text: fmt.Sprintf("worker %s is here: %d threads", e.Worker, e.Hello.Threads)})
	case farm.WorkerDrained:
		m.tell(Event{Kind: "worker-drained", Worker: e.Worker, Text: fmt.Sprintf("worker %s gets nothing more after the range in its hands, until it is resumed", e.Worker)})
	case farm.WorkerPaused:
		m.tell(Event{Kind: "worker-paused", Worker: e.Worker, Text: fmt.Sprintf("worker %s is paused: it gets nothing more until it is resumed", e.Worker)})
	case farm.WorkerResumed:
		m.tell(Event{Kind: "worker-resumed", Worker: e.Worker, Text: fmt.Sprintf("worker %s gets ranges again", e.Worker)})
	case farm.WorkerLost:
		m.tell(Event{Kind: "worker-lost", Worker: e.Worker, Text: fmt.Sprintf("worker %s is silent: what it had goes to others", e.Worker)})
	case farm.WorkerLeft, farm.WorkerDismissed:
		m.tell(Event{Kind: "worker-left", Worker: e.Worker, Text: fmt.Sprintf("worker %s has left", e.Worker)})
	}
	if m.cfg.Stop != nil {
		for _, name := range e.Stop {
			m.cfg.Stop(name, e.ID())
		}
	}
	if e.Joins {
		m.startJoin(j)
	}
}

func (m *Master) noteRange(j *job, kind string, e *farm.Event, text string) {
	n := Event{Kind: kind, Worker: e.Worker, Text: text}
	if r, ok := m.farm.Range(e.ID()); ok {
		n.First, n.End = r.First, r.End
	}
	m.note(j, n)
}

// note adds an event to the job's log and tells the observer.
func (m *Master) note(j *job, e Event) {
	if j == nil { // forgotten in the meantime
		return
	}
	e.Time, e.Job = time.Now(), j.id
	j.log = append(j.log, e)
	if j.unlogged++; j.unlogged == 1 {
		m.noted = append(m.noted, j)
	}
	m.tell(e)
}

// writeLogs writes what was noted in this turn, beyond this process if that is possible.
func (m *Master) writeLogs() {
	for _, j := range m.noted {
		j.folder.appendLog(j.log[len(j.log)-j.unlogged:]...)
		j.unlogged = 0
	}
	m.noted = m.noted[:0]
}

// tell tells the observer.
func (m *Master) tell(e Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if m.cfg.Observe != nil {
		m.cfg.Observe(e)
	}
}
