package farm_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
)

func TestLosses(t *testing.T) {
	run(t, map[string]func(*world){
		"a silent worker is lost after five seconds, and its range is pending again": func(w *world) {
			w.submit(two)
			w.hello("a", "b")
			w.wantNext("a", "1/0 [0,100)")
			w.freeze(4999*time.Millisecond, "b")
			w.wantNext("a", "1/0 [0,100)") // asking is a sign of life
			w.freeze(5*time.Second, "b")
			if _, _, err := w.f.Next(w.now, "a"); !errors.Is(err, farm.ErrNoWorker) {
				w.Errorf("error %v", err)
			}
			w.wantNext("b", "1/0 [0,100)")
		},
		"a worker that says goodbye hands its range back": func(w *world) {
			w.submit(two)
			w.hello("a", "b")
			w.next("a")
			w.must(w.f.Goodbye(w.now, "a"))
			w.wantNext("b", "1/0 [0,100)")
		},
		"a lost worker that reports late still wins, and the other one is stopped": func(w *world) {
			w.submit(two)
			w.hello("a", "b")
			w.next("a")
			w.freeze(time.Minute, "b")
			w.wantNext("b", "1/0 [0,100)")
			if e := w.complete("a", 1, 0)[0]; !slices.Equal(e.Stop, []string{"b"}) {
				w.Errorf("stop %v, want b", e.Stop)
			}
			w.wantStale(w.f.Beat(w.now, "b", farm.RangeID{Job: 1}, 7))
			w.wantStale(w.keep(w.f.Complete(w.now, "b", farm.RangeID{Job: 1}, farm.Result{})))
			w.wantNext("b", "1/1 [100,200)")
		},
		"a lost worker that still renders gets its range back": func(w *world) {
			w.submit(two)
			w.hello("a", "b")
			w.next("a")
			w.freeze(time.Minute, "b")
			w.must(w.f.Hello(w.now, farm.WorkerSpec{Name: "a"}, farm.RangeID{Job: 1}))
			w.wantNext("b", "1/1 [100,200)")
			w.wantNext("a", "1/0 [0,100)")
		},
		"a lost worker that still renders becomes the second at its range": func(w *world) {
			w.submit(one)
			w.hello("a", "b")
			w.next("a")
			w.freeze(time.Minute, "b")
			w.wantNext("b", "1/0 [0,100)")
			w.must(w.f.Hello(w.now, farm.WorkerSpec{Name: "a"}, farm.RangeID{Job: 1}))
			w.wantNext("a", "1/0 [0,100)+")
		},
		"a range that was given back says nothing about its worker's speed": func(w *world) {
			w.submit(two)
			w.hello("a")
			w.next("a")
			w.freeze(time.Minute)
			w.must(w.f.Hello(w.now, farm.WorkerSpec{Name: "a"}, farm.RangeID{Job: 1}))
			w.now = w.now.Add(time.Second)
			w.complete("a", 1, 0)
			if speed := w.f.Workers()[0].Speed; speed != 0 {
				w.Errorf("speed %v", speed)
			}
			w.next("a")
			w.now = w.now.Add(4 * time.Second)
			w.complete("a", 1, 1)
			if speed := w.f.Workers()[0].Speed; speed != 25 {
				w.Errorf("speed %v, want 25", speed)
			}
		},
		"there is no third at a range": func(w *world) {
			w.submit(one)
			w.hello("a", "b")
			w.next("a")
			w.freeze(time.Minute, "b")
			w.next("b")
			w.freeze(time.Minute)
			w.hello("c")
			w.next("c")
			for _, name := range []string{"a", "b"} {
				w.must(w.f.Hello(w.now, farm.WorkerSpec{Name: name}, farm.RangeID{Job: 1}))
			}
			w.wantNext("a", "1/0 [0,100)+")
			w.wantNext("b", "-")
		},
		"a range that was completed meanwhile is not given back": func(w *world) {
			w.submit(two)
			w.hello("a", "b")
			w.next("a")
			w.freeze(time.Minute, "b")
			w.next("b")
			w.complete("b", 1, 0)
			w.must(w.f.Hello(w.now, farm.WorkerSpec{Name: "a"}, farm.RangeID{Job: 1}))
			w.wantStale(w.f.Beat(w.now, "a", farm.RangeID{Job: 1}, 50))
			w.wantNext("a", "1/1 [100,200)")
		},
		"hello again changes nothing": func(w *world) {
			w.submit(one)
			w.hello("a")
			w.next("a")
			n := len(w.log)
			w.hello("a")
			w.must(w.f.Hello(w.now, farm.WorkerSpec{Name: "a"}, farm.RangeID{Job: 1}))
			if len(w.log) != n {
				w.Errorf("events %v", w.log[n:])
			}
		},
		"a dismissed worker loses its range and its voice": func(w *world) {
			w.submit(one)
			w.hello("a", "b")
			w.next("a")
			if e := w.must(w.f.Dismiss(w.now, "a"))[0]; !slices.Equal(e.Stop, []string{"a"}) {
				w.Errorf("stop %v, want a", e.Stop)
			}
			err := w.keep(w.f.Complete(w.now, "a", farm.RangeID{Job: 1}, farm.Result{}))
			if !errors.Is(err, farm.ErrNoWorker) {
				w.Errorf("error %v", err)
			}
			w.wantNext("b", "1/0 [0,100)")
		},
		"a master that was away for an hour loses no worker": func(w *world) {
			w.submit(one)
			w.hello("a", "b")
			w.next("a")
			w.f = replay(w, w.log)
			w.now = w.now.Add(time.Hour)
			w.must(w.f.Expire(w.now), nil)
			w.wantNext("a", "1/0 [0,100)")
			w.freeze(4 * time.Second)
			w.wantNext("b", "-")
			w.freeze(4*time.Second, "b")
			w.wantNext("b", "1/0 [0,100)")
		},
	})
}
