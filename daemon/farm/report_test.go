package farm_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
)

func TestReports(t *testing.T) {
	run(t, map[string]func(*world){
		"the last completed range starts the join, and the join ends the job": func(w *world) {
			w.submit(two)
			w.hello("a")
			for n := range uint32(2) {
				w.next("a")
				if e := w.complete("a", 1, n)[0]; e.Joins != (n == 1) {
					w.Errorf("range %d joins: %v", n, e.Joins)
				}
			}
			w.wantState(1, farm.Joining)
			w.wantNext("a", "-")
			w.must(w.f.JobDone(w.now, 1))
			w.wantState(1, farm.Done)
		},
		"the winner may repeat its report": func(w *world) {
			w.submit(two)
			w.hello("a")
			w.next("a")
			w.complete("a", 1, 0)
			if events := w.complete("a", 1, 0); events != nil {
				w.Errorf("events %v", events)
			}
			w.wantStale(w.keep(w.f.Complete(w.now, "a", farm.RangeID{Job: 1}, farm.Result{Part: "another"})))
		},
		"reports of ranges that do not exist are stale": func(w *world) {
			w.submit(two)
			w.hello("a")
			for _, id := range []farm.RangeID{{}, {Job: 1}, {Job: 1, Range: math.MaxUint32}, {Job: 2}} {
				w.wantStale(w.keep(w.f.Complete(w.now, "a", id, farm.Result{})))
			}
			w.wantStale(w.f.Beat(w.now, "a", farm.RangeID{Job: 1}, 1))
		},
		"frames that are reported count as done, and never backwards": func(w *world) {
			w.submit(two)
			w.hello("a", "b")
			w.next("a")
			w.next("b")
			w.complete("b", 1, 1)
			for _, frames := range []int64{30, 20, math.MinInt64} {
				if err := w.f.Beat(w.now.Add(3*time.Second), "a", farm.RangeID{Job: 1}, frames); err != nil {
					w.Fatal(err)
				}
			}
			v := w.job(1)
			if v.FramesDone != 130 || v.Speed != 10 || v.Left != 7*time.Second {
				w.Errorf("%d frames at %v, %v left, want 130 at 10, 7s left", v.FramesDone, v.Speed, v.Left)
			}
		},
		"when everything else is ongoing, a faster worker gets a copy of the slowest range": func(w *world) {
			w.submit(farm.JobSpec{End: 400, Split: 4})
			w.hello("slow", "slower", "fast")
			w.next("slow")
			w.next("slower")
			for n := range uint32(2) {
				w.next("fast")
				w.now = w.now.Add(2 * time.Second)
				w.complete("fast", 1, n+2)
			}
			w.now = w.now.Add(6 * time.Second) // 10 s now
			w.must(nil, w.f.Beat(w.now, "slow", farm.RangeID{Job: 1}, 50))
			w.must(nil, w.f.Beat(w.now, "slower", farm.RangeID{Job: 1, Range: 1}, 10))
			w.wantNext("fast", "1/1 [100,200)+")
			if e := w.complete("fast", 1, 1)[0]; !slices.Equal(e.Stop, []string{"slower"}) {
				w.Errorf("stop %v, want slower", e.Stop)
			}
			w.wantNext("slower", "-") // never measured
		},
		"a range that is about to finish is not copied": func(w *world) {
			w.submit(farm.JobSpec{End: 300, Split: 3})
			w.hello("slow", "fast")
			w.next("slow")
			for n := range uint32(2) {
				w.next("fast")
				w.now = w.now.Add(5 * time.Second)
				w.complete("fast", 1, n+1)
			}
			w.must(nil, w.f.Beat(w.now, "slow", farm.RangeID{Job: 1}, 65)) // 5.4 s left, fast needs 5
			w.wantNext("fast", "-")
		},
		"a young range, one without measures and one that the worker has failed are not copied": func(w *world) {
			w.submit(farm.JobSpec{End: 300, Split: 3})
			w.hello("slow", "fast")
			w.next("slow")
			w.wait(time.Minute)
			w.wantNext("fast", "1/1 [100,200)")
			w.now = w.now.Add(time.Second)
			w.complete("fast", 1, 1)
			w.wantNext("fast", "1/2 [200,300)")
			w.fail("fast", 1, 2)
			w.complete("slow", 1, 0)
			w.wantNext("slow", "1/2 [200,300)")
			w.wait(time.Minute)
			w.wantNext("fast", "-")
		},
		"a stuck sound range is copied by a much faster worker": func(w *world) {
			w.submit(farm.JobSpec{End: 200, Split: 1})
			w.submit(farm.JobSpec{End: 100, Split: 1, Sound: true})
			for name, speed := range map[string]float64{"slow": 1, "fast": 10} {
				w.must(w.f.Hello(w.now, farm.WorkerSpec{Name: name, Speed: speed}, farm.RangeID{}))
			}
			w.must(w.f.Cancel(w.now, 1))
			w.wantNext("slow", "2/0 [0,100) sound")
			w.wantNext("fast", "2/1 [0,100)")
			w.wait(20 * time.Second)
			w.complete("fast", 2, 1)
			w.wantNext("fast", "2/0 [0,100) sound+")
		},
	})
}
