package ove

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// maxFrame bounds every frame number, so that sums of them cannot overflow.
const maxFrame = 1 << 31

// An element is a start tag. Its getters read one attribute each and keep the first error,
// so that a caller asks for everything and looks at err once.
type element struct {
	name         []byte
	attrs        []attribute
	line, column int
	err          error
}

func (e *element) attr(name string) (value []byte, ok bool) {
	for i := range e.attrs {
		if string(e.attrs[i].name) == name {
			return e.attrs[i].value, true
		}
	}
	return nil, false
}

func (e *element) is(name string) bool { return string(e.name) == name }

// value is an attribute as written, "" when missing.
func (e *element) value(name string) string {
	s, _ := e.attr(name)
	return string(s)
}

// fail makes the error for this element: "<clip> "name": what is wrong".
func (e *element) fail(format string, args ...any) error {
	subject := "<" + string(e.name) + ">"
	if name, ok := e.attr("name"); ok {
		subject += " " + strconv.Quote(brief(string(name)))
	}
	return &Error{Line: e.line, Column: e.column, Msg: subject + ": " + fmt.Sprintf(format, args...)}
}

func (e *element) reject(format string, args ...any) {
	if e.err == nil {
		e.err = e.fail(format, args...)
	}
}

// need records an error when one of the attributes is missing.
func (e *element) need(names ...string) {
	for _, name := range names {
		if _, ok := e.attr(name); !ok {
			e.reject("the attribute %s is missing", name)
		}
	}
}

// label is a name or path.
func (e *element) label(name string) []byte {
	s, _ := e.attr(name)
	if len(s) > maxName {
		e.reject("%s is longer than %d bytes", name, maxName)
	}
	return s
}

// flag is true only for "1", as in Olive; def when missing.
func (e *element) flag(name string, def bool) bool {
	if s, ok := e.attr(name); ok {
		return string(s) == "1"
	}
	return def
}

// frame is a frame number, 0 when missing.
func (e *element) frame(name string) Frame {
	return e.integer(name, 0, -maxFrame, maxFrame)
}

// integer is a whole number between lo and hi; def when missing.
func (e *element) integer(name string, def, lo, hi int64) int64 {
	s, ok := e.attr(name)
	if !ok {
		return def
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(s)), 10, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		e.reject("%s=%q is not a whole number", name, brief(string(s)))
	case err != nil || n < lo || n > hi:
		e.reject("%s=%q is out of range (%d to %d)", name, brief(string(s)), lo, hi)
	}
	return n
}

// number is a finite number between lo and hi; def when missing.
func (e *element) number(name string, def, lo, hi float64) float64 {
	s, ok := e.attr(name)
	if !ok {
		return def
	}
	n, err := strconv.ParseFloat(string(bytes.TrimSpace(s)), 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange), math.IsNaN(n):
		e.reject("%s=%q is not a number", name, brief(string(s)))
	case n < lo || n > hi:
		e.reject("%s=%q is out of range (%v to %v)", name, brief(string(s)), lo, hi)
	}
	return n
}

// hint is a whole number of no consequence: 0 when it is missing or unreadable.
func (e *element) hint(name string) int64 {
	s, _ := e.attr(name)
	n, err := strconv.ParseInt(string(bytes.TrimSpace(s)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
