package spool

import (
	"context"
	"sync"
)

// Script replaces the events of the file system: looks come when told, and when due.
func (s *Spool) Script(start Hint) chan<- Hint {
	hints := make(chan Hint, 1024)
	hints <- start
	s.watch = func(context.Context, *sync.WaitGroup) <-chan Hint { return hints }
	return hints
}

type Hint = hint

// Hints of all kinds.
func Made(name string) Hint  { return hint{name: name, made: true} }
func Wrote(name string) Hint { return hint{name: name, wrote: true} }
func Lost() Hint             { return hint{lost: true} }
func Blind() Hint            { return hint{lost: true, blind: true} }

var (
	Clean      = clean
	Move       = move
	ModeFaults = modeFaults
	ParseState = func(data []byte) ([]string, error) {
		st, err := parseState(data)
		return []string{string(st.Source), st.Name, st.Output, st.Target, st.Project}, err
	}
)
