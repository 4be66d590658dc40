package master

import (
	"context"
	"sync"
)

// Turns let one in at a time of those with the same name: a worker that reports again and again gets
// no more than one verification done at once. The zero turns are ready.
type turns struct {
	mu     sync.Mutex
	inside map[string]chan struct{} // closed when its turn is over
}

// enter waits for the turn of name, which lasts until leave is called.
func (t *turns) enter(ctx context.Context, name string) (leave func(), err error) {
	for {
		t.mu.Lock()
		busy, taken := t.inside[name]
		if !taken {
			mine := make(chan struct{})
			if t.inside == nil {
				t.inside = map[string]chan struct{}{}
			}
			t.inside[name] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				delete(t.inside, name)
				t.mu.Unlock()
				close(mine)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
