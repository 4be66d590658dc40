package ove

import (
	"errors"
	"fmt"
)

// ErrOlive02 means that the file is a project of Olive 0.2, which is another format.
var ErrOlive02 = errors.New("this project was saved by Olive 0.2, which olive-distributed does not render: " +
	"rebuild its timeline in Olive 0.1 and save it there (format version 190219)")

// ErrNotProject means that the file is no Olive project at all: empty, binary, or other XML.
var ErrNotProject = errors.New("this is not an Olive project: choose the .ove file that Olive 0.1 saved")

// An Error says what is wrong in a project file, and where.
type Error struct {
	Line, Column int    // of the element at fault, or where the XML breaks off; both from 1, columns in bytes
	Msg          string // complete sentence for the user
	Err          error  // cause or sentinel, its text is part of Msg; may be nil
}

func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Msg)
}

// Unwrap makes errors.Is find [ErrOlive02] and [ErrNotProject].
func (e *Error) Unwrap() error { return e.Err }
