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
	leisure  = 4                      // a look that took long is not the next one's beginning: so many times as long

	manyAnswers = 256 // wait for the loop, which may be looking at a full folder
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
	answers chan answer
	work    work
	made    map[string]bool // created and not written since, as far as heard
	blind   bool
}

// Run serves the folder until the context ends, and waits for what it has begun. What lay in
// processing is submitted again first.
func (s *Spool) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	l := &loop{Spool: s, answers: make(chan answer, manyAnswers), made: map[string]bool{}}
	defer l.group.Wait()
	defer cancel()
	if err := s.load(); err != nil {
		return err
	}
	hints := s.watch(ctx, &l.group)
	l.again(ctx)
	l.look(ctx)
	last, rest := time.Now(), breath
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
			due = earlier(due, later(time.Now().Add(debounce), last.Add(rest)))
		case a := <-l.answers:
			a(s.folder)
			due = earlier(due, later(time.Now().Add(blindly), last.Add(rest)))
		case <-retry.C:
			l.again(ctx)
		case <-timer.C:
			begin := time.Now()
			l.look(ctx)
			last = time.Now()
			rest = max(breath, leisure*last.Sub(begin))
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
		l.start(ctx, &l.work.dropped, func() answer { return l.act(ctx, a) })
	}
	pending := l.folder.Pending()
	l.mu.Lock()
	l.waiting = pending
	l.mu.Unlock()
}

// work is what waits for a goroutine. There may be ten thousand drops at once, which is why not each
// has one of its own.
type work struct {
	mu      sync.Mutex
	claimed []func() answer // go first, so that the first of many projects is a job soon
	dropped []func() answer
	running int
}

// next returns what is to be done; nil: nothing, and the goroutine that asks ends.
func (w *work) next() func() answer {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, list := range []*[]func() answer{&w.claimed, &w.dropped} {
		if len(*list) > 0 {
			f := (*list)[0]
			(*list)[0] = nil
			*list = (*list)[1:]
			return f
		}
	}
	w.running--
	return nil
}

// add puts something on a list and says whether a goroutine is needed for it.
func (w *work) add(list *[]func() answer, f func() answer, most int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	*list = append(*list, f)
	if w.running >= most {
		return false
	}
	w.running++
	return true
}

// start has something done on another goroutine, as soon as one is free, and its answer brought to the loop.
func (l *loop) start(ctx context.Context, list *[]func() answer, f func() answer) {
	if !l.work.add(list, f, l.opt.Workers) {
		return
	}
	l.group.Go(func() {
		for f := l.work.next(); f != nil; f = l.work.next() {
			if ctx.Err() != nil {
				continue // what has been claimed is submitted by the next life
			}
			if a := f(); a != nil {
				select {
				case l.answers <- a:
				case <-ctx.Done():
				}
			}
		}
	})
}

// carryOn submits a claim, or puts it away.
func (l *loop) carryOn(ctx context.Context, c *claim) {
	c.mu.Lock()
	idle := c.idle()
	c.waits = c.waits || idle
	c.mu.Unlock()
	if idle {
		l.start(ctx, &l.work.claimed, func() answer { l.advance(ctx, c); return nil })
	}
}

// again goes on with claims that could not be submitted or put away.
func (l *loop) again(ctx context.Context) {
	l.mu.Lock()
	claims := slices.Collect(maps.Values(l.claims))
	l.mu.Unlock()
	for _, c := range claims {
		l.carryOn(ctx, c)
	}
}
