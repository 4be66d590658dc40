package bus

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A crew is who is here.
type crew struct {
	mu     sync.Mutex
	here   map[string]*presence // by worker
	closed bool
	final  context.Context // of all presences
	rate   int             // of a worker's requests, per second
	left   sync.WaitGroup  // of sessions
}

// A presence is the time in which a worker has at least one session.
type presence struct {
	sessions map[*session]bool
	ctx      context.Context
	end      context.CancelFunc
	pace     *rate.Limiter // of requests
}

// enter takes a session in, unless the crew goes home.
func (c *crew) enter(s *session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	p := c.here[s.worker]
	if p == nil {
		p = &presence{sessions: map[*session]bool{}, pace: rate.NewLimiter(rate.Limit(c.rate), c.rate)}
		p.ctx, p.end = context.WithCancel(c.final)
		c.here[s.worker] = p
	}
	p.sessions[s] = true
	c.left.Add(1)
	return true
}

func (c *crew) leave(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.here[s.worker]
	if delete(p.sessions, s); len(p.sessions) == 0 {
		p.end()
		delete(c.here, s.worker)
	}
	c.left.Done()
}

// presence returns a worker's presence, nil if it has none.
func (c *crew) presence(worker string) *presence {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.here[worker]
}

func (c *crew) all() (sessions []*session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.here {
		sessions = slices.AppendSeq(sessions, maps.Keys(p.sessions))
	}
	return sessions
}

// close sends everybody home and waits for them. What was said to them goes out first, for so long at most.
func (c *crew) close(patience time.Duration) {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	all := c.all()
	defer time.AfterFunc(patience, func() {
		for _, s := range all {
			s.cut()
		}
	}).Stop()
	var ends sync.WaitGroup
	for _, s := range all {
		ends.Go(s.end)
	}
	ends.Wait()
	c.left.Wait()
}
