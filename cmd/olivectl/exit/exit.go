// Package exit says how olivectl ends: with a code that tells scripts what went wrong, and an error
// that a person reads. It does not end anything itself.
package exit

import "fmt"

// Codes.
const (
	Failed      = 1   // an export failed, or the daemon could not do what was asked
	Usage       = 2   // wrong usage
	Refused     = 3   // a project was refused
	Nobody      = 4   // no daemon answers
	Forbidden   = 5   // not allowed
	Interrupted = 130 // by a signal
)

// An Error ends the program with a code; Err is what the user reads, if there is one. The zero Error
// is that nothing went wrong.
type Error struct {
	Code int
	Err  error
}

// With is the end with a code and an error, which may be nil: then all has been said.
func With(code int, err error) *Error { return &Error{Code: code, Err: err} }

// Usagef is the end of what was called in a wrong way.
func Usagef(format string, args ...any) *Error { return With(Usage, fmt.Errorf(format, args...)) }

func (e *Error) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// OrNil is no error when the code is none.
func (e *Error) OrNil() error {
	if e.Code == 0 {
		return nil
	}
	return e
}

// Worse keeps the end that matters more: a failed export before a refused project, and the first of
// equals.
func (e *Error) Worse(code int, err error) *Error {
	if e.Code == Failed || e.Code == code {
		return e
	}
	return With(code, err)
}
