package spool

import (
	"context"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"olive-distributed/daemon/spool/ready"
)

const (
	debounce = 20 * time.Millisecond  // what comes in a burst is looked at once
	breath   = 100 * time.Millisecond // between two looks, however many hints there are
	blindly  = 2 * time.Second        // between two looks when there are no hints
)

// A hint is what an event says of a name in incoming; the zero hint says only "look".
type hint struct {
	name  string
	made  bool // created, or moved here: from outside these look the same
	wrote bool
	lost  bool // events are missing: nothing that is known of names holds any more
	blind bool // there are no events: looks must be frequent
}

// An answer is how an action ended; it changes the folder's state in the loop.
type answer func(*ready.Folder)

// A loop is one run of a spool.
type loop struct {
	*Spool
	group   sync.WaitGroup
	places  chan struct{} // one for each drop that is worked on
	answers chan answer
	made    map[string]bool // created and not written since, as far as heard
	blind   bool
}

// Run serves the folder until the context ends, and waits for what it has begun. What lay in
// processing is submitted again first.
func (s *Spool) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	l := &loop{Spool: s, places: make(chan struct{}, s.opt.Workers), answers: make(chan answer), made: map[string]bool{}}
	defer l.group.Wait()
	defer cancel()
	if err := s.load(); err != nil {
		return err
	}
	hints := s.watch(ctx, &l.group)
	l.again(ctx)
	l.look(ctx)
	last := time.Now()
	timer := time.NewTimer(s.folder.Next(last).Sub(last))
	defer timer.Stop()
	retry := time.NewTicker(s.opt.Retry)
	defer retry.Stop()
	for due := s.folder.Next(last); ; {
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case h := <-hints:
			l.hear(h)
			due = earlier(due, later(time.Now().Add(debounce), last.Add(breath)))
		case a := <-l.answers:
			a(s.folder)
			due = earlier(due, later(time.Now().Add(blindly), last.Add(breath)))
		case <-retry.C:
			l.again(ctx)
		case <-timer.C:
			l.look(ctx)
			last = time.Now()
			due = s.folder.Next(last)
			if l.blind {
				due = earlier(due, last.Add(blindly))
			}
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (l *loop) hear(h hint) {
	switch {
	case h.lost:
		clear(l.made)
	case h.wrote:
		delete(l.made, h.name)
	case h.made:
		l.made[h.name] = true
	}
	l.blind = h.blind
}

// look lists incoming and starts what the rules say.
func (l *loop) look(ctx context.Context) {
	list, err := l.list(l.made)
	l.complain("look at "+l.path(incoming), err)
	if err != nil {
		if os.IsNotExist(err) {
			l.complain("make the folders again", l.makeFolders())
		}
		return // what is known stays known
	}
	present := make(map[string]bool, len(l.made))
	for _, e := range list {
		present[e.Name] = l.made[e.Name]
	}
	for name := range l.made {
		if !present[name] {
			delete(l.made, name)
		}
	}
	for _, a := range l.folder.Observe(time.Now(), list) {
		l.start(ctx, func() answer { return l.act(ctx, a) })
	}
	pending := l.folder.Pending()
	l.mu.Lock()
	l.waiting = pending
	l.mu.Unlock()
}

// start does work on a goroutine of its own, when there is a place, and brings its answer to the
// loop.
func (l *loop) start(ctx context.Context, work func() answer) {
	l.group.Go(func() {
		select {
		case l.places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		a := work()
		<-l.places
		if a == nil {
			return
		}
		select {
		case l.answers <- a:
		case <-ctx.Done():
		}
	})
}

// again goes on with claims that could not be submitted or put away.
func (l *loop) again(ctx context.Context) {
	l.mu.Lock()
	claims := slices.Collect(maps.Values(l.claims))
	l.mu.Unlock()
	for _, c := range claims {
		if c.idle() {
			l.start(ctx, func() answer { l.advance(ctx, c); return nil })
		}
	}
}
