package raster

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// A Rower does the lines [y0, y1) of some picture; worker numbers the caller, so that each
// can have scratch memory of its own.
type Rower interface {
	Rows(y0, y1, worker int)
}

// A Pool spreads the lines of a picture over a fixed number of goroutines. It makes no
// garbage. The zero Pool is not usable; one goroutine at a time may call Run.
type Pool struct {
	workers int
	start   chan struct{}
	running sync.WaitGroup // bands of the current Run
	alive   sync.WaitGroup // goroutines

	rower  Rower
	lines  int
	next   atomic.Int64
	failed atomic.Pointer[failure]
}

// A failure is the panic of a band.
type failure struct {
	value any
	stack []byte // of the goroutine that did the band
}

// band is how many lines a goroutine takes at once: enough to be worth it, few enough that
// one slow band does not keep the others waiting.
const band = 16

// NewPool returns a pool that uses n goroutines, the caller of Run included.
func NewPool(n int) *Pool {
	p := &Pool{workers: max(n, 1), start: make(chan struct{})}
	for i := 1; i < p.workers; i++ {
		p.alive.Go(func() {
			for range p.start {
				p.bands(i)
				p.running.Done()
			}
		})
	}
	return p
}

// Workers returns the number of goroutines.
func (p *Pool) Workers() int { return p.workers }

// Run does all lines of r and returns when they are done. When r panics, in whatever goroutine, Run
// panics once none of them works on r any more; the pool can be used again.
func (p *Pool) Run(lines int, r Rower) {
	p.rower, p.lines = r, lines
	p.next.Store(0)
	p.failed.Store(nil)
	helpers := min(p.workers-1, (lines-1)/band)
	p.running.Add(max(helpers, 0))
	for range helpers {
		p.start <- struct{}{}
	}
	p.bands(0)
	p.running.Wait()
	p.rower = nil
	if f := p.failed.Load(); f != nil {
		panic(fmt.Sprintf("%v\n\nin a band of lines:\n%s", f.value, f.stack))
	}
}

func (p *Pool) bands(worker int) {
	defer func() {
		if v := recover(); v != nil {
			p.failed.CompareAndSwap(nil, &failure{v, debug.Stack()})
			p.next.Store(int64(p.lines)) // the others need not go on
		}
	}()
	for {
		y := int(p.next.Add(band)) - band
		if y >= p.lines {
			return
		}
		p.rower.Rows(y, min(y+band, p.lines), worker)
	}
}

// Close ends the goroutines and waits for them.
func (p *Pool) Close() {
	close(p.start)
	p.alive.Wait()
}
