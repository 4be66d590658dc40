package farm

import (
	"errors"
	"fmt"
)

var (
	// ErrNoWork means that nothing is there for this worker now: an answer, not a fault. The
	// worker asks again when something has changed, and every second or so: time changes the answer too.
	ErrNoWork = errors.New("no work")
	// ErrNoJob means that the farm has no job of that ID.
	ErrNoJob = errors.New("no such job")
	// ErrNoWorker means that the worker is unknown or counts as lost: it must say hello first.
	ErrNoWorker = errors.New("worker is not with the farm, it must say hello first")
	// ErrBadSpec means that a job or a worker is described in a way that makes no sense.
	ErrBadSpec = errors.New("bad description")
	// ErrBadEvent means that an event does not fit the state, so that the log has a gap, is
	// damaged, or was written by a newer program.
	ErrBadEvent = errors.New("event does not fit the state")
)

// A StaleError refuses a report about a range that is not the worker's to report on: the range is
// completed, its job has ended, or the lease is void. The worker stops rendering it and deletes its part.
type StaleError struct {
	Range  RangeID
	Worker string
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("range %v is no longer wanted from worker %q", e.Range, e.Worker)
}

// A StateError refuses a command which a job's state does not allow.
type StateError struct {
	Job   uint32
	State State
	Want  string // what was asked for: "cancel", "retry", …
}

func (e *StateError) Error() string {
	return fmt.Sprintf("cannot %s job %d: it is %s", e.Want, e.Job, e.State)
}
