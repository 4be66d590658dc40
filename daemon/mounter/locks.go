package mounter

import (
	"context"
	"sync"
)

// locks are one lock for each job that somebody is at. The zero value has none.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed when it is free again
}

// lock waits until nobody else is at the job.
func (l *locks) lock(ctx context.Context, job string) (unlock func(), err error) {
	for {
		l.mu.Lock()
		other := l.held[job]
		if other == nil {
			break
		}
		l.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[string]chan struct{}{}
	}
	free := make(chan struct{})
	l.held[job] = free
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, job)
		close(free)
	}, nil
}
