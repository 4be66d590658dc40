package master

import (
	"errors"
	"fmt"
	"strings"
)

// A RefusedError says why a project is not exported, before any work was done.
type RefusedError struct {
	Project string
	Err     error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s: %v", strings.Map(printable, e.Project), e.Err)
}
func (e *RefusedError) Unwrap() error { return e.Err }

// A MissingError refuses a project whose media cannot be used.
type MissingError struct{ text string }

func (e *MissingError) Error() string { return e.text }

// ErrDegraded means that nothing can be written down at the moment.
var ErrDegraded = errors.New("nothing can be submitted now")
