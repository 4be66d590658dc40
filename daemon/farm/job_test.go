package farm_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"testing"

	"olive-distributed/daemon/farm"
)

func TestJobCommands(t *testing.T) {
	run(t, map[string]func(*world){
		"a cancelled job stops its workers and takes no report": func(w *world) {
			w.submit(two)
			w.hello("a", "b")
			w.next("a")
			w.next("b")
			if e := w.must(w.f.Cancel(w.now, 1))[0]; !slices.Equal(e.Stop, []string{"a", "b"}) {
				w.Errorf("stop %v, want a and b", e.Stop)
			}
			w.wantStale(w.keep(w.f.Complete(w.now, "a", farm.RangeID{Job: 1}, farm.Result{})))
			w.wantNext("a", "-")
			w.wantState(1, farm.Cancelled)
		},
		"a retried job forgets its failures and keeps its completed ranges": func(w *world) {
			w.submit(two)
			w.hello("a")
			w.next("a")
			w.complete("a", 1, 0)
			w.next("a")
			w.must(w.f.Fail(w.now, "a", farm.RangeID{Job: 1, Range: 1}, "x", true))
			w.wantState(1, farm.Failed)
			w.must(w.f.Retry(w.now, 1))
			w.wantNext("a", "1/1 [100,200)")
			w.complete("a", 1, 1)
			w.wantState(1, farm.Joining)
		},
		"a retried range may go to the worker that failed it": func(w *world) {
			w.submit(one)
			w.hello("a")
			w.next("a")
			w.must(w.f.Fail(w.now, "a", farm.RangeID{Job: 1}, "x", true))
			w.must(w.f.Retry(w.now, 1))
			w.hello("b")
			w.wantNext("a", "1/0 [0,100)")
		},
		"a failed join is tried again": func(w *world) {
			w.submit(one)
			w.hello("a")
			w.next("a")
			w.complete("a", 1, 0)
			w.must(w.f.JobFailed(w.now, 1, "disk full"))
			if v := w.job(1); v.State != farm.Failed || v.Error != "disk full" {
				w.Errorf("job is %s: %q", v.State, v.Error)
			}
			if e := w.must(w.f.Retry(w.now, 1))[0]; !e.Joins {
				w.Error("does not join")
			}
			w.must(w.f.JobDone(w.now, 1))
			w.wantState(1, farm.Done)
		},
		"a job is forgotten when it has ended, and its number is not used again": func(w *world) {
			w.submit(one)
			if _, ok := errors.AsType[*farm.StateError](w.keep(w.f.Forget(w.now, 1))); !ok {
				w.Error("a queued job was forgotten")
			}
			w.must(w.f.Cancel(w.now, 1))
			w.must(w.f.Forget(w.now, 1))
			if err := w.keep(w.f.Cancel(w.now, 1)); !errors.Is(err, farm.ErrNoJob) {
				w.Errorf("error %v", err)
			}
			if id := w.submit(one); id != 2 {
				w.Errorf("next job is %d", id)
			}
		},
		"what a state does not allow is refused in plain words": func(w *world) {
			w.submit(one)
			for command, want := range map[string]string{
				"resume": "cannot resume job 1: it is queued",
				"retry":  "cannot retry job 1: it is queued",
				"done":   "cannot finish job 1: it is queued",
			} {
				var err error
				switch command {
				case "resume":
					err = w.keep(w.f.Resume(w.now, 1))
				case "retry":
					err = w.keep(w.f.Retry(w.now, 1))
				case "done":
					err = w.keep(w.f.JobDone(w.now, 1))
				}
				if err == nil || err.Error() != want {
					w.Errorf("error %v, want %q", err, want)
				}
			}
		},
		"a job that makes no sense is refused": func(w *world) {
			for name, spec := range map[string]farm.JobSpec{
				"no frames":    {FPS: 25},
				"backwards":    {First: 10, End: 5, FPS: 25},
				"negative":     {First: -10, End: 5, FPS: 25},
				"endless":      {End: math.MaxInt64, FPS: 25},
				"no rate":      {End: 10},
				"rate of NaN":  {End: 10, FPS: math.NaN()},
				"data no JSON": {End: 10, FPS: 25, Data: json.RawMessage("{")},
				"not UTF-8":    {End: 10, FPS: 25, Presets: []string{"\xff"}},
				"split whole":  {End: 10, FPS: 25, Whole: true, Split: 2},
			} {
				if _, _, err := w.f.Submit(w.now, spec); !errors.Is(err, farm.ErrBadSpec) {
					w.Errorf("%s: error %v", name, err)
				}
			}
		},
	})
}
