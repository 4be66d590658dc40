package worker

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"olive-distributed/daemon/bus"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/render"
)

// Codes name a master's answers on the wire.
func Codes() []bus.Code {
	return []bus.Code{{Name: "gone", Err: ErrGone}, {Name: "stranger", Err: ErrStranger}, {Name: "closed", Err: ErrClosed}}
}

// Kinds of requests, as they stand in the bus's subjects.
const (
	KindHello  = "hello"
	KindWork   = "work"
	KindBeat   = "beat"
	KindReport = "report"
)

// NoticeNews is the kind of the notice that tells a worker to send a beat at once: its answer has
// news about the range in hand.
const NoticeNews = "news"

// A NewsNotice has no content.
type NewsNotice struct{}

// Patience is how long a master lets a worker wait for work before it answers that there is none.
const Patience = 25 * time.Second

// Messages. Who the worker is, the connection tells. Fields that are unknown are ignored.
type (
	// A HelloMessage introduces a worker, or takes its leave.
	HelloMessage struct {
		Spec    Spec     `json:"spec"`
		Holding *RangeID `json:"holding,omitempty"`
		Leaving bool     `json:"leaving,omitempty"`
	}
	// A WorkMessage asks for a task.
	WorkMessage struct {
		// Drained is what the worker thinks of itself. When that is wrong it is told at once, and does not
		// wait for work; nil: it does not want to know.
		Drained *bool  `json:"drained,omitempty"`
		Has     string `json:"has,omitempty"` // PlanSum of the plan that the worker has
	}
	// A WorkAnswer has the task, nil when there is none now: ask again.
	WorkAnswer struct {
		Task    *Task `json:"task,omitempty"`
		Drained bool  `json:"drained,omitempty"` // it gets nothing more until it is resumed
	}
	// A BeatMessage tells how far a range is.
	BeatMessage struct {
		RangeID
		Done int64 `json:"done"` // frames
	}
	// A ReportMessage delivers a part, or gives the range back.
	ReportMessage struct {
		RangeID
		Part    *film.Part `json:"part,omitempty"`
		Notes   []string   `json:"notes,omitempty"` // about the part
		Failure *Failure   `json:"failure,omitempty"`
		More    bool       `json:"more,omitempty"` // the worker wants the next task with the answer to its part
		Has     string     `json:"has,omitempty"`  // as in a WorkMessage
	}
	// A ReportAnswer says that the report counts, and has the next task if one was asked for and there is one.
	ReportAnswer struct {
		Task *Task `json:"task,omitempty"`
	}
	// An Answer says nothing but that the message has arrived, and counts.
	Answer struct{}
)

// A RangeID names a range of a job.
type RangeID struct {
	Job   uint32 `json:"job"`
	Range uint32 `json:"range"`
}

// ID is the range that the task is about.
func (t *Task) ID() RangeID { return RangeID{t.Job, t.Range} }

// Remote is a master on another machine. The name of the worker is the connection's. While there is
// no connection its methods wait; what they ask may be asked twice, which does no harm.
type Remote struct {
	client *bus.Client
	tell   func(drained bool)
	told   *atomic.Bool
	plan   *memory
}

// A memory holds the plan of the last task.
type memory struct {
	mu    sync.Mutex
	sum   string
	plan  *render.Plan
	media []string // of the share
}

// has is the sum of the plan in memory.
func (m *memory) has() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sum
}

// complete returns a task that has come with its plan, nil if that is neither in it nor in memory.
func (m *memory) complete(t *Task) *Task {
	if t == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case t.Plan != nil:
		m.sum, m.plan, m.media = t.PlanSum, t.Plan, nil
		if t.Share != nil {
			m.media = t.Share.Media
		}
	case t.PlanSum == "" || t.PlanSum != m.sum:
		m.sum = ""
		return nil
	default:
		t.Plan = m.plan
		if t.Share != nil {
			t.Share.Media = m.media
		}
	}
	return t
}

var _ Master = Remote{}

// NewRemote returns the master at the other end of a connection, which needs [Codes]. Next calls tell when the
// master begins or ceases to drain the worker; nil: nobody wants to know.
func NewRemote(c *bus.Client, tell func(drained bool)) Remote {
	return Remote{c, tell, new(atomic.Bool), new(memory)}
}

// ask asks until there is an answer: nobody knows what became of a request that was interrupted.
func (r Remote) ask(ctx context.Context, kind string, request, answer any) error {
	for {
		err := r.client.Request(ctx, kind, request, answer)
		if !errors.Is(err, bus.ErrInterrupted) && !errors.Is(err, bus.ErrStopping) || ctx.Err() != nil {
			return err
		}
		if err := pause(ctx, rand.N(time.Second)); err != nil {
			return err
		}
	}
}

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Hello implements [Master].
func (r Remote) Hello(ctx context.Context, s Spec, holding *Task) error {
	m := HelloMessage{Spec: s}
	if holding != nil {
		id := holding.ID()
		m.Holding = &id
	}
	return r.ask(ctx, KindHello, m, &Answer{})
}

// Goodbye implements [Master].
func (r Remote) Goodbye(ctx context.Context, _ string) error {
	return r.ask(ctx, KindHello, HelloMessage{Leaving: true}, &Answer{})
}

// Next implements [Master]. An answer that does not come in time was lost with the master: it
// is asked again.
func (r Remote) Next(ctx context.Context, _ string) (*Task, error) {
	for {
		var a WorkAnswer
		q := WorkMessage{Has: r.plan.has()}
		thinks := r.told.Load()
		if r.tell != nil {
			q.Drained = &thinks
		}
		once, cancel := context.WithTimeout(ctx, 2*Patience)
		err := r.ask(once, KindWork, q, &a)
		cancel()
		if err == nil && r.tell != nil && a.Drained != thinks {
			r.told.Store(a.Drained)
			r.tell(a.Drained)
		}
		task := r.plan.complete(a.Task)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err == nil && task != nil:
			return task, nil
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return nil, err
		}
	}
}

// Beat implements [Master].
func (r Remote) Beat(ctx context.Context, _ string, t *Task, done int64) error {
	return r.ask(ctx, KindBeat, BeatMessage{t.ID(), done}, &Answer{})
}

// Note implements [Master]: it is sent, and no answer wanted.
func (r Remote) Note(_ context.Context, _ string, t *Task, done int64) error {
	return r.client.Send(KindBeat, BeatMessage{t.ID(), done})
}

// DoneNext implements [Master], with one request. One that was interrupted is made again: the master
// then finds the part accepted, and hands out the same task.
func (r Remote) DoneNext(ctx context.Context, _ string, t *Task, d Delivery) (*Task, error) {
	var a ReportAnswer
	err := r.ask(ctx, KindReport, ReportMessage{RangeID: t.ID(), Part: &d.Part, Notes: d.Notes, More: true, Has: r.plan.has()}, &a)
	if err != nil {
		return nil, err
	}
	return r.plan.complete(a.Task), nil
}

// Done implements [Master].
func (r Remote) Done(ctx context.Context, _ string, t *Task, d Delivery) error {
	return r.ask(ctx, KindReport, ReportMessage{RangeID: t.ID(), Part: &d.Part, Notes: d.Notes}, &Answer{})
}

// Failed implements [Master].
func (r Remote) Failed(ctx context.Context, _ string, t *Task, f Failure) error {
	return r.ask(ctx, KindReport, ReportMessage{RangeID: t.ID(), Failure: &f}, &Answer{})
}
