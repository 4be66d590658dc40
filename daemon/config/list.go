package config

import (
	"errors"
	"fmt"
	"slices"

	"olive-distributed/daemon/worker/hours"
)

// An elementError is about one element of a list.
type elementError struct {
	index  int
	column int // in the element, in bytes from 1; 0 for all of it
	err    error
}

func (e *elementError) Error() string { return e.err.Error() }
func (e *elementError) Unwrap() error { return e.err }

// words is a list of names.
type words struct{ to *[]string }

func (w words) get() any { return list(*w.to) }

func list(s []string) []any {
	all := make([]any, len(s))
	for i := range s {
		all[i] = s[i]
	}
	return all
}

const maxList = 100

// texts asks for a list of strings.
func texts(v any, example string) ([]string, error) {
	all, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("must be a list such as [%q], not %s", example, kind(v))
	}
	if len(all) > maxList {
		return nil, fmt.Errorf("has %d elements: must be at most %d", len(all), maxList)
	}
	var s []string
	for i, v := range all {
		t, err := text(v, example)
		if err != nil {
			return nil, &elementError{i, 0, err}
		}
		s = append(s, t)
	}
	return s, nil
}

func (w words) set(v any) error {
	s, err := texts(v, "builtin")
	if err != nil {
		return err
	}
	for i, t := range s {
		if !nameForm.MatchString(t) {
			return &elementError{i, 0, fmt.Errorf("holds %q: must be names of a-z, 0-9 and -", t)}
		}
		if slices.Contains(s[:i], t) {
			return &elementError{i, 0, fmt.Errorf("holds %q twice", t)}
		}
	}
	*w.to = s
	return nil
}

// week is a schedule of hours.
type week struct {
	to    *hours.Schedule
	lines []string // of the default
}

func (w week) get() any { return list(w.lines) }

func (w week) set(v any) error {
	s, err := texts(v, "mon-fri 19:00-07:00")
	if err != nil {
		return err
	}
	schedule, err := hours.Parse(s)
	var bad *hours.SyntaxError
	if errors.As(err, &bad) {
		return &elementError{bad.Entry, bad.Column, errors.New("cannot be read: " + bad.Problem)}
	}
	*w.to = schedule
	return err
}
