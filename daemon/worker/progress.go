package worker

import (
	"sync/atomic"
	"time"
)

// A progress is how far a range is, written by the engine and watched by the beat.
type progress struct {
	done  atomic.Int64 // frames
	last  int64        // frames when it was last seen moving,
	moved time.Time    // and when that was
}

// still is how long nothing has moved. One goroutine asks.
func (p *progress) still(now time.Time) time.Duration {
	if done := p.done.Load(); p.moved.IsZero() || done != p.last {
		p.last, p.moved = done, now
	}
	return now.Sub(p.moved)
}
