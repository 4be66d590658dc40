package spool

import (
	"context"
	"errors"
)

// A Drop is a project that has been claimed.
type Drop struct {
	Key     string // names this drop for ever, at most 32 letters and digits; pass it on with the job
	Job     uint32 // what an earlier Submit returned for this key, 0: nothing is known of one
	Name    string // as the user named it, in valid UTF-8 without control characters
	Project string // path of the .ove file; it stays there until [Spool.Finish]
	Folder  bool   // it came in a folder of its own, with its media
	UID     uint32 // the owner of the file owns the job
	GID     uint32
	Output  string // where the film is to be; nothing is there yet
}

// A Receipt answers a submitted drop.
type Receipt struct {
	Job   uint32
	Ended *Outcome // the job of this key has ended already
}

// An Intake makes jobs of drops. Several calls are made at a time.
type Intake interface {
	// Submit adds a job for the drop, durably, before it returns; a key that has a job already gets
	// that one's receipt. A [*RefusalError] ends the drop in failed; [ErrForgotten] too. After any
	// other error the same drop is submitted again later.
	Submit(ctx context.Context, d Drop) (Receipt, error)
}

// ErrForgotten is for a drop with a Job that is not known any more.
var ErrForgotten = errors.New("the farm does not know the job any more")

// A RefusalError says why a project is not exported.
type RefusalError struct {
	Err    error
	Advice string // what the user can do; "": a sentence that fits most cases
}

func (e *RefusalError) Error() string { return e.Err.Error() }
func (e *RefusalError) Unwrap() error { return e.Err }

// A Result is how a job ended.
type Result string

const (
	Done      Result = "done"
	Failed    Result = "failed"
	Cancelled Result = "cancelled"
)

// An Outcome is the end of a drop's job.
type Outcome struct {
	Result Result   `json:"result"`
	Film   string   `json:"film,omitempty"`   // path, of a done job
	Reason string   `json:"reason,omitempty"` // of one that is not done, in words for the user
	Advice string   `json:"advice,omitempty"` // what the user can do; "": a sentence that fits most cases
	Story  []string `json:"story,omitempty"`  // lines for the log: what happened to the job
}
