package farm_test

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
)

// What a worker with a good certificate and bad intentions can try.
func TestHostileWorkers(t *testing.T) {
	run(t, map[string]func(*world){
		"what was given to another cannot be reported, nor reclaimed": func(w *world) {
			w.submit(two)
			w.hello("a", "eve")
			w.wantNext("a", "1/0 [0,100)")
			w.wantStale(w.keep(w.f.Complete(w.now, "eve", farm.RangeID{Job: 1}, farm.Result{Part: "x"})))
			w.wantStale(w.keep(w.f.Complete(w.now, "eve", farm.RangeID{Job: 1, Range: 1}, farm.Result{Part: "x"})))
			w.must(w.f.Hello(w.now, farm.WorkerSpec{Name: "eve"}, farm.RangeID{Job: 1}))
			w.wantStale(w.f.Beat(w.now, "eve", farm.RangeID{Job: 1}, 7))
			w.wantStale(w.keep(w.f.Fail(w.now, "eve", farm.RangeID{Job: 1}, "mine", true)))
			w.complete("a", 1, 0)
		},
		"what was given to a worker once it may report late, after a restart of the master too": func(w *world) {
			w.submit(two)
			w.hello("a", "b")
			w.next("a")
			w.freeze(time.Minute, "b")
			w.hello("a") // without its range
			w.f = restore(w, farm.Policy{}, w.f)
			w.complete("a", 1, 0)
		},
		"one that is nearly done for ever does not hold the job up": func(w *world) {
			w.submit(one)
			w.hello("eve", "a")
			w.wantNext("eve", "1/0 [0,100)")
			w.must(w.f.Hello(w.now, farm.WorkerSpec{Name: "a", Speed: 10}, farm.RangeID{}))
			id := farm.RangeID{Job: 1}
			for range 20 {
				w.now = w.now.Add(time.Second)
				if err := errors.Join(w.f.Beat(w.now, "eve", id, 99), w.f.Beat(w.now, "a", farm.RangeID{}, 0)); err != nil {
					w.Fatal(err)
				}
			}
			w.wantNext("a", "1/0 [0,100)+")
		},
		"progress beyond the range, or backwards, is none": func(w *world) {
			w.submit(two)
			w.hello("eve")
			w.next("eve")
			for _, frames := range []int64{math.MaxInt64, math.MinInt64, -1} {
				if err := w.f.Beat(w.now, "eve", farm.RangeID{Job: 1}, frames); err != nil {
					w.Fatal(err)
				}
			}
			if v := w.f.Workers()[0]; v.Frames != 100 {
				w.Errorf("%d frames done of 100", v.Frames)
			}
		},
		"nonsense about oneself is refused": func(w *world) {
			words := make([]string, 1000)
			for i := range words {
				words[i] = strconv.Itoa(i)
			}
			for name, s := range map[string]farm.WorkerSpec{
				"a speed that is none":      {Speed: math.NaN()},
				"a negative speed":          {Speed: -1},
				"an infinite speed":         {Speed: math.Inf(1)},
				"negative threads":          {Threads: -1},
				"a million threads":         {Threads: 1e6},
				"a thousand engines":        {Engines: words},
				"a preset of 1 kB":          {Presets: []string{strings.Repeat("x", 1000)}},
				"a boot of 1 MB":            {Boot: strings.Repeat("x", 1<<20)},
				"an engine that is no text": {Engines: []string{"\xff"}},
			} {
				s.Name = "eve"
				if err := w.keep(w.f.Hello(w.now, s, farm.RangeID{})); !errors.Is(err, farm.ErrBadSpec) {
					w.Errorf("%s: error %v, want %v", name, err, farm.ErrBadSpec)
				}
			}
			if v := w.f.Workers(); len(v) != 0 {
				w.Errorf("workers %v", v)
			}
		},
	})
}
