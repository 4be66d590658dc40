// Package control is how olivectl speaks to a master on the same machine: JSON over HTTP on a Unix
// socket that belongs to the user whom the master runs as. Who may open the socket may do
// everything. It is the stand-in for the D-Bus interface, and goes when that comes.
//
// A call either has happened, durably, or is an error; errors keep their kind across the socket.
package control

import (
	"errors"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
)

// Status is the state of the farm at one moment.
type Status struct {
	master.View
	Enrolled []Enrolled // workers with certificates, by name
}

// An Enrolled worker may connect until its certificate ends.
type Enrolled struct {
	Name    string
	Expires time.Time
	Revoked bool
}

// An Error is an answer that is none. Code is stable, the text is for people.
type Error struct {
	Code string `json:"code"`
	Text string `json:"error"`
}

func (e *Error) Error() string { return e.Text }

// Is lets errors.Is find the sentinels of the farm.
func (e *Error) Is(target error) bool {
	for _, k := range kinds {
		if k.err == target && k.code == e.Code {
			return true
		}
	}
	return false
}

// Codes of errors that have no sentinel.
const (
	CodeRefused = "project-refused" // the project cannot be exported as asked
	CodeState   = "wrong-state"     // the job's state does not allow it
	CodeRequest = "bad-request"
	codeFailed  = "failed"
)

// kinds are the sentinels that cross the socket.
var kinds = []struct {
	code string
	err  error
}{
	{"no-such-job", farm.ErrNoJob},
	{"no-such-worker", farm.ErrNoWorker},
}

// toWire makes an Error of any error.
func toWire(err error) *Error {
	e := &Error{Code: codeFailed, Text: err.Error()}
	var refused *master.RefusedError
	var state *farm.StateError
	switch {
	case errors.As(err, &refused):
		e.Code = CodeRefused
	case errors.As(err, &state):
		e.Code = CodeState
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			e.Code = k.code
		}
	}
	return e
}
