package raster_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"olive-distributed/daemon/render/raster"
)

// bands is a Rower that draws one layer.
type bands struct {
	d     raster.Draw
	c     *raster.Image
	lines [][]uint32
}

func (b *bands) Rows(y0, y1, worker int) {
	b.c.Clear(y0, y1)
	b.d.Rows(b.c, y0, y1, b.lines[worker])
}

func newBands(tex *raster.Texture, w, h, workers int) *bands {
	b := &bands{c: raster.NewImage(w, h)}
	for range workers {
		b.lines = append(b.lines, make([]uint32, w))
	}
	b.d.Set(tex, raster.Centred(tex.W, tex.H), raster.Viewport(w, h).Mul(raster.Rotate(12)).Mul(raster.Scale(.8, .8)), 1, .9)
	return b
}

func TestAnyNumberOfGoroutinesGivesTheSamePixels(t *testing.T) {
	tex := noise(300, 200, true)
	var want []uint32
	for _, workers := range []int{1, 2, 3, 7} {
		pool := raster.NewPool(workers)
		b := newBands(tex, 320, 240, workers)
		for range 3 {
			pool.Run(b.c.H, b)
		}
		pool.Close()
		if want == nil {
			want = b.c.Pix
		}
		for i := range want {
			if b.c.Pix[i] != want[i] {
				t.Fatalf("%d goroutines: pixel %d = %08x, want %08x", workers, i, b.c.Pix[i], want[i])
			}
		}
	}
}

// rowFunc is a Rower with a bug here and there.
type rowFunc func(y0, y1, worker int)

func (f rowFunc) Rows(y0, y1, worker int) { f(y0, y1, worker) }

func TestAPanicInAnyGoroutineIsTheCallers(t *testing.T) {
	pool := raster.NewPool(3)
	defer pool.Close()
	run := func(r raster.Rower) (said any) {
		defer func() { said = recover() }()
		pool.Run(16*40, r)
		return nil
	}
	for culprit := range pool.Workers() {
		var met sync.WaitGroup // all of them have a band, so that the culprit has one too
		met.Add(pool.Workers())
		first := make([]sync.Once, pool.Workers())
		said := run(rowFunc(func(_, _, worker int) {
			first[worker].Do(func() { met.Done(); met.Wait() })
			if worker == culprit {
				panic("lines on fire")
			}
		}))
		if text := fmt.Sprint(said); !strings.Contains(text, "lines on fire") || !strings.Contains(text, "rowFunc") {
			t.Errorf("goroutine %d panicked, Run's caller got %v, want what it said and where", culprit, said)
		}
	}
	var lines atomic.Int64
	if said := run(rowFunc(func(y0, y1, _ int) { lines.Add(int64(y1 - y0)) })); said != nil || lines.Load() != 16*40 {
		t.Errorf("after a panic the pool does %d lines of %d, %v", lines.Load(), 16*40, said)
	}
}
