package farm_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
)

func TestFailures(t *testing.T) {
	run(t, map[string]func(*world){
		"pending ranges come before failed ones": func(w *world) {
			w.submit(two)
			w.hello("a", "b")
			w.next("a")
			w.fail("a", 1, 0)
			w.wantNext("b", "1/1 [100,200)")
		},
		"a failed range goes to a worker that has not failed it": func(w *world) {
			w.submit(one)
			w.hello("a", "b")
			w.next("a")
			w.fail("a", 1, 0)
			w.wait(time.Minute)
			w.wantNext("a", "-")
			w.wantNext("b", "1/0 [0,100)")
			w.complete("b", 1, 0)
			w.wantState(1, farm.Joining)
		},
		"a failed range goes back to its worker when the better one leaves": func(w *world) {
			w.submit(one)
			w.hello("a", "b")
			w.next("a")
			w.fail("a", 1, 0)
			w.must(w.f.Goodbye(w.now, "b"))
			w.wait(time.Minute)
			w.wantNext("a", "1/0 [0,100)")
		},
		"a paused worker is no better one": func(w *world) {
			w.submit(one)
			w.hello("a", "b")
			w.next("a")
			w.fail("a", 1, 0)
			w.must(w.f.PauseWorker(w.now, "b"))
			w.wait(time.Minute)
			w.wantNext("a", "1/0 [0,100)")
		},
		"a failing worker waits longer each time but is never banned": func(w *world) {
			w.submit(farm.JobSpec{End: 2000, Split: 20})
			w.hello("a", "good") // good keeps the job from failing
			for n, bench := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
				w.next("a")
				w.fail("a", 1, uint32(n))
				w.wait(time.Duration(bench)*time.Second - time.Millisecond)
				w.wantNext("a", "-")
				w.now = w.now.Add(time.Millisecond)
			}
			w.wantNext("a", "1/11 [1100,1200)")
			w.complete("a", 1, 11)
			if v := w.f.Workers(); v[0].Failures != 0 {
				w.Errorf("%d failures in a row after a success", v[0].Failures)
			}
		},
		"a single worker fails a job after three attempts": func(w *world) {
			w.submit(two)
			w.hello("a")
			for n := range uint32(3) {
				w.next("a")
				w.fail("a", 1, n%2)
				w.wait(10 * time.Second)
			}
			w.wantState(1, farm.Failed)
			if got, want := w.job(1).Error, "a (range 0): no luck"; got != want {
				w.Errorf("error %q, want %q", got, want)
			}
		},
		"a completed range between failures starts the count again": func(w *world) {
			w.submit(farm.JobSpec{End: 300, Split: 3})
			w.hello("a")
			w.next("a")
			w.fail("a", 1, 0)
			w.wait(time.Second)
			w.next("a")
			w.fail("a", 1, 1)
			w.wait(2 * time.Second)
			w.wantNext("a", "1/2 [200,300)")
			w.complete("a", 1, 2)
			w.wantNext("a", "1/0 [0,100)")
			w.fail("a", 1, 0)
			w.wantState(1, farm.Running)
		},
		"a job fails with all reasons when every worker has failed it": func(w *world) {
			w.submit(farm.JobSpec{End: 400, Split: 4})
			w.hello("a", "b", "c", "d")
			for n, name := range []string{"a", "b", "c", "d"} {
				w.next(name)
				w.wantState(1, farm.Running)
				reason := map[string]string{"a": "disk full", "d": "disk full"}[name]
				if reason == "" {
					reason = "no medium at " + name
				}
				w.must(w.f.Fail(w.now, name, farm.RangeID{Job: 1, Range: uint32(n)}, reason, false))
			}
			w.wantState(1, farm.Failed)
			want := "a (range 0), d (range 3): disk full\nb (range 1): no medium at b\nc (range 2): no medium at c"
			if got := w.job(1).Error; got != want {
				w.Errorf("error %q, want %q", got, want)
			}
			w.submit(one)
			w.wantNext("a", "2/0 [0,100)") // nobody is benched for a job that failed everywhere
		},
		"a job does not fail while a good worker is busy elsewhere": func(w *world) {
			w.submit(farm.JobSpec{End: 100, Split: 1, Priority: 1})
			w.hello("good")
			w.wantNext("good", "1/0 [0,100)")
			w.submit(one)
			w.hello("a")
			for range 5 {
				if w.next("a") == "2/0 [0,100)" {
					w.fail("a", 2, 0)
				}
				w.wait(time.Minute)
			}
			w.wantState(2, farm.Running)
			w.complete("good", 1, 0)
			w.wantNext("good", "2/0 [0,100)")
		},
		"a job that its workers have failed fails the others when they leave": func(w *world) {
			w.submit(one)
			w.hello("a", "b")
			w.next("a")
			w.must(w.f.Fail(w.now, "a", farm.RangeID{Job: 1}, "x", false))
			w.must(w.f.Goodbye(w.now, "b"))
			for range 2 {
				w.wait(time.Minute)
				w.wantNext("a", "1/0 [0,100)")
				w.fail("a", 1, 0)
			}
			w.wantState(1, farm.Failed)
		},
		"a fatal failure of a single worker fails the job at once": func(w *world) {
			w.submit(two)
			w.hello("a")
			w.next("a")
			events := w.must(w.f.Fail(w.now, "a", farm.RangeID{Job: 1}, "no such medium", true))
			if events[len(events)-1].Kind != farm.JobFailed {
				w.Errorf("events %v", events)
			}
		},
		"a fatal failure needs every other worker to fail too": func(w *world) {
			w.submit(one)
			w.hello("a", "b")
			w.next("a")
			w.must(w.f.Fail(w.now, "a", farm.RangeID{Job: 1}, "no such medium", true))
			w.wantState(1, farm.Running)
			w.wantNext("b", "1/0 [0,100)")
			w.complete("b", 1, 0)
			w.wantState(1, farm.Joining)
		},
		"the failure of a job voids its ongoing ranges": func(w *world) {
			w.submit(farm.JobSpec{End: 300, Split: 3})
			w.hello("a", "b")
			w.next("a")
			w.fail("a", 1, 0)
			w.next("b")
			w.fail("b", 1, 1)
			w.wait(time.Second)
			w.wantNext("b", "1/2 [200,300)")
			w.wantNext("a", "1/1 [100,200)")
			events := w.fail("a", 1, 1)
			if e := events[1]; e.Kind != farm.JobFailed || !slices.Equal(e.Stop, []string{"b"}) {
				w.Errorf("event %+v", e)
			}
			w.wantStale(w.keep(w.f.Complete(w.now, "b", farm.RangeID{Job: 1, Range: 2}, farm.Result{})))
		},
		"a failure of a range that is not the worker's is stale": func(w *world) {
			w.submit(two)
			w.hello("a", "b")
			w.next("a")
			for _, id := range []farm.RangeID{{Job: 1, Range: 0}, {Job: 1, Range: 1}, {Job: 9, Range: 0}, {}} {
				w.wantStale(w.keep(w.f.Fail(w.now, "b", id, "", false)))
			}
		},
		"a range whose worker was started anew has failed": func(w *world) {
			w.submit(one)
			w.hello("a", "b")
			w.next("a")
			w.must(w.f.Hello(w.now, farm.WorkerSpec{Name: "a", Boot: "2"}, farm.RangeID{}))
			w.wait(time.Minute)
			w.wantNext("a", "-")
			w.wantNext("b", "1/0 [0,100)")
		},
		"a range that ends its only worker three times fails the job, lost in between or not": func(w *world) {
			w.submit(one)
			w.hello("a")
			for n := range 3 {
				w.wait(10 * time.Second)
				w.wantNext("a", "1/0 [0,100)")
				if n == 1 {
					w.freeze(time.Minute)
				}
				w.must(w.f.Hello(w.now, farm.WorkerSpec{Name: "a", Boot: strings.Repeat("x", n+1)}, farm.RangeID{}))
			}
			w.wantState(1, farm.Failed)
		},
		"a range without a new frame for ten minutes has failed": func(w *world) {
			w.submit(one)
			w.hello("a", "b")
			w.next("a")
			w.wait(10*time.Minute - time.Second)
			w.wantNext("b", "-")
			w.wait(time.Second)
			w.wantNext("b", "1/0 [0,100)")
			w.wantStale(w.f.Beat(w.now, "a", farm.RangeID{Job: 1}, 99))
		},
	})
}
