package worker

import (
	"context"
	"errors"
	"time"

	"olive-distributed/daemon/media"
)

// A Conn carries requests to a master on another machine.
type Conn interface {
	// Request asks and waits for the answer, through outages, until ctx ends. An error of the
	// master that is [ErrGone], [ErrStranger] or [ErrClosed] there is so here.
	Request(ctx context.Context, kind string, request, answer any) error
}

// Kinds of requests, as they stand in the bus's subjects.
const (
	KindHello  = "hello"
	KindWork   = "work"
	KindBeat   = "beat"
	KindReport = "report"
)

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
	WorkMessage struct{}
	// A WorkAnswer has the task, nil when there is none now: ask again.
	WorkAnswer struct {
		Task *Task `json:"task,omitempty"`
	}
	// A BeatMessage tells how far a range is.
	BeatMessage struct {
		RangeID
		Done int64 `json:"done"` // frames
	}
	// A ReportMessage delivers a part, or gives the range back.
	ReportMessage struct {
		RangeID
		Part    *media.Part `json:"part,omitempty"`
		Failure *Failure    `json:"failure,omitempty"`
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

// Remote is a master on another machine. The name of the worker is the connection's.
type Remote struct{ conn Conn }

var _ Master = Remote{}

// NewRemote returns the master at the other end of a connection.
func NewRemote(c Conn) Remote { return Remote{c} }

// Hello implements [Master].
func (r Remote) Hello(ctx context.Context, s Spec, holding *Task) error {
	m := HelloMessage{Spec: s}
	if holding != nil {
		id := holding.ID()
		m.Holding = &id
	}
	return r.conn.Request(ctx, KindHello, m, &Answer{})
}

// Goodbye implements [Master].
func (r Remote) Goodbye(ctx context.Context, _ string) error {
	return r.conn.Request(ctx, KindHello, HelloMessage{Leaving: true}, &Answer{})
}

// Next implements [Master]. An answer that does not come in time was lost with the master: it
// is asked again.
func (r Remote) Next(ctx context.Context, _ string) (*Task, error) {
	for {
		var a WorkAnswer
		once, cancel := context.WithTimeout(ctx, 2*Patience)
		err := r.conn.Request(once, KindWork, WorkMessage{}, &a)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err == nil && a.Task != nil && a.Task.Plan != nil:
			return a.Task, nil
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return nil, err
		}
	}
}

// Beat implements [Master].
func (r Remote) Beat(ctx context.Context, _ string, t *Task, done int64) error {
	return r.conn.Request(ctx, KindBeat, BeatMessage{t.ID(), done}, &Answer{})
}

// Done implements [Master].
func (r Remote) Done(ctx context.Context, _ string, t *Task, p media.Part) error {
	return r.conn.Request(ctx, KindReport, ReportMessage{RangeID: t.ID(), Part: &p}, &Answer{})
}

// Failed implements [Master].
func (r Remote) Failed(ctx context.Context, _ string, t *Task, f Failure) error {
	return r.conn.Request(ctx, KindReport, ReportMessage{RangeID: t.ID(), Failure: &f}, &Answer{})
}
