package farm

import (
	"fmt"
	"time"
)

// Kind says what an event did.
type Kind string

// Kinds of events. The fields which each sets, beside Kind and At, stand behind it.
const (
	JobSubmitted   Kind = "job-submitted"   // Job, Spec
	JobPrioritised Kind = "job-prioritised" // Job, Priority
	JobPaused      Kind = "job-paused"      // Job
	JobResumed     Kind = "job-resumed"     // Job
	JobRetried     Kind = "job-retried"     // Job; Joins
	JobCancelled   Kind = "job-cancelled"   // Job; Stop
	JobFailed      Kind = "job-failed"      // Job, Reason; Stop
	JobDone        Kind = "job-done"        // Job
	JobForgotten   Kind = "job-forgotten"   // Job

	RangeAssigned  Kind = "range-assigned"  // Job, Range, First, End, Worker; cuts the range if it is new
	RangeReclaimed Kind = "range-reclaimed" // Job, Range, Worker; a lost worker is back and still renders it
	RangeCompleted Kind = "range-completed" // Job, Range, Worker, Result; Stop, Joins
	RangeFailed    Kind = "range-failed"    // Job, Range, Worker, Reason, Fatal

	WorkerHello     Kind = "worker-hello"     // Worker, Hello
	WorkerLeft      Kind = "worker-left"      // Worker; its range is pending again
	WorkerLost      Kind = "worker-lost"      // Worker; silent for too long, its range is pending again
	WorkerDismissed Kind = "worker-dismissed" // Worker; Stop
	WorkerPaused    Kind = "worker-paused"    // Worker
	WorkerDrained   Kind = "worker-drained"   // Worker; it may finish what it has
	WorkerResumed   Kind = "worker-resumed"   // Worker; ends a pause and a drain
)

// An Event is one transition, as it stands in the log. Fields that do not matter to its kind are
// zero and left out of the JSON; fields which this version does not know are ignored.
type Event struct {
	Kind     Kind        `json:"kind"`
	At       time.Time   `json:"at"` // UTC, whole milliseconds
	Job      uint32      `json:"job,omitempty"`
	Range    uint32      `json:"range,omitempty"`
	First    int64       `json:"first,omitempty"`
	End      int64       `json:"end,omitempty"`
	Worker   string      `json:"worker,omitempty"`
	Spec     *JobSpec    `json:"spec,omitempty"`
	Hello    *WorkerSpec `json:"hello,omitempty"`
	Result   *Result     `json:"result,omitempty"`
	Reason   string      `json:"reason,omitempty"`
	Fatal    bool        `json:"fatal,omitempty"`
	Priority int         `json:"priority,omitempty"`

	// Consequences, for whoever carries them out; [Farm.Apply] does not look at them.

	// Stop names the workers whose leases this event has ended: they are to be told.
	Stop []string `json:"stop,omitempty"`
	// Joins is set when the job's last range is completed: its parts are to be joined now.
	Joins bool `json:"joins,omitempty"`
}

// ID is the range that the event is about.
func (e *Event) ID() RangeID { return RangeID{e.Job, e.Range} }

// Apply folds an event from the log into the state. It accepts what the commands have written, in
// that order, and refuses everything else with [ErrBadEvent] or the error of the command; a
// refused event has changed nothing.
func (f *Farm) Apply(e Event) error {
	if err := f.apply(&e); err != nil {
		return fmt.Errorf("apply %s of %s: %w", e.Kind, e.At.Format(time.RFC3339), err)
	}
	return nil
}
