package worker

import (
	"context"
	"errors"
	"fmt"

	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/render"
)

// A Task is one range of one job, with all that is needed to render it.
type Task struct {
	Job   uint32       `json:"job"`
	Range uint32       `json:"range"` // number of the range in the job: what beats and reports refer to
	Sound bool         `json:"sound,omitempty"`
	Span  render.Span  `json:"span"`
	Plan  *render.Plan `json:"plan,omitempty"`
	Part  string       `json:"part"`            // path of the part to write
	Share *Share       `json:"share,omitempty"` // how other machines reach all that; nil: not at all

	// PlanSum names the plan, with the names of its media in the share: a worker that has it is not sent it again with
	// each range of a job.
	PlanSum string `json:"plan_sum,omitempty"`
}

// Without returns the task as it goes to a worker that has the plan of this sum.
func (t *Task) Without(sum string) *Task {
	if t == nil || sum == "" || t.PlanSum != sum {
		return t
	}
	rest := *t
	rest.Plan = nil
	if t.Share != nil {
		share := *t.Share
		share.Media, rest.Share = nil, &share
	}
	return &rest
}

// String names the task for people.
func (t *Task) String() string {
	if t.Sound {
		return fmt.Sprintf("the sound of job %d", t.Job)
	}
	return fmt.Sprintf("frames %d to %d of job %d", t.Span.First, t.Span.End, t.Job)
}

// A Spec is how a worker introduces itself.
type Spec struct {
	Name    string   `json:"name"`
	Boot    string   `json:"boot,omitempty"` // another one each time the worker's process starts
	Engines []string `json:"engines"`
	Presets []string `json:"presets,omitempty"` // marks of the encoders it has
	Threads int      `json:"threads"`
	Memory  int64    `json:"memory,omitempty"` // bytes, 0: unknown
	Speed   float64  `json:"speed,omitempty"`  // frames per second of its own benchmark, 0: unknown
}

// A Delivery is what came of a task.
type Delivery struct {
	Part  film.Part `json:"part"`
	Notes []string  `json:"notes,omitempty"` // for the user, see [render.Engine]
}

// A Failure is why a task could not be done.
type Failure struct {
	Reason string `json:"reason"`
	Fatal  bool   `json:"fatal,omitempty"` // it is the project's fault: others will fare no better
}

var (
	// ErrGone is a master's answer for a task that nobody needs any more: the job was cancelled,
	// or another worker was faster.
	ErrGone = errors.New("the range is not needed any more")
	// ErrStranger is a master's answer for a worker that it does not know: say hello.
	ErrStranger = errors.New("the master does not know this worker")
	// ErrClosed is a master's answer when it has no work and never will have.
	ErrClosed = errors.New("the master has ended")
)

// A Master hands out tasks and takes the results. Its methods fail when the context ends, or
// with the errors above; a master that is away for a while only lets them wait.
type Master interface {
	// Hello takes the worker in; holding is a task that it is still at, nil for none.
	Hello(ctx context.Context, s Spec, holding *Task) error
	// Goodbye lets it go.
	Goodbye(ctx context.Context, worker string) error
	// Next waits for a task.
	Next(ctx context.Context, worker string) (*Task, error)
	// Beat tells how many frames of the task are done.
	Beat(ctx context.Context, worker string, t *Task, done int64) error
	// Note is Beat without waiting for an answer, if there is a way to be waited for: what Beat would
	// have answered, the next one does.
	Note(ctx context.Context, worker string, t *Task, done int64) error
	// Done delivers a part, and what the engine has noted. ErrGone: it came too late and can be deleted.
	Done(ctx context.Context, worker string, t *Task, d Delivery) error
	// DoneNext is Done and asks for the next task, nil when there is none at once.
	DoneNext(ctx context.Context, worker string, t *Task, d Delivery) (*Task, error)
	// Failed gives a task back.
	Failed(ctx context.Context, worker string, t *Task, f Failure) error
}
