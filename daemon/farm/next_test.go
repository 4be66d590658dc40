package farm_test

import (
	"errors"
	"testing"

	"olive-distributed/daemon/farm"
)

// two is a job of two ranges of 100 frames, short enough to see through.
var two = farm.JobSpec{Name: "two", End: 200, Split: 2}

// one is a job that is never split.
var one = farm.JobSpec{Name: "one", End: 100, Split: 1}

// run plays each case in a world of its own, and checks the fold of its log.
func run(t *testing.T, cases map[string]func(*world)) {
	t.Helper()
	for name, play := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, farm.Policy{})
			play(w)
			w.check()
		})
	}
}

func TestNext(t *testing.T) {
	run(t, map[string]func(*world){
		"ranges come in the order of the timeline, then there is no work": func(w *world) {
			w.submit(two)
			w.hello("a", "b", "c")
			w.wantNext("a", "1/0 [0,100)")
			w.wantNext("b", "1/1 [100,200)")
			w.wantNext("c", "-")
		},
		"a worker that asks again gets the range it holds, without an event": func(w *world) {
			w.submit(two)
			w.hello("a")
			w.wantNext("a", "1/0 [0,100)")
			n := len(w.log)
			w.wantNext("a", "1/0 [0,100)")
			if len(w.log) != n {
				w.Errorf("%d more events", len(w.log)-n)
			}
		},
		"the sound comes first, as one range of the whole job": func(w *world) {
			w.submit(farm.JobSpec{End: 200, Split: 2, Sound: true})
			w.hello("a", "b", "c")
			w.wantNext("a", "1/0 [0,200) sound")
			w.wantNext("b", "1/1 [0,100)")
			w.wantNext("c", "1/2 [100,200)")
		},
		"a whole job is one range with everything for one worker": func(w *world) {
			w.submit(farm.JobSpec{End: 90_000, Whole: true, Sound: true})
			w.submit(farm.JobSpec{End: 90_000, Whole: true, Sound: true})
			w.hello("a", "b", "c")
			w.wantNext("a", "1/0 [0,90000) whole")
			w.wantNext("b", "2/0 [0,90000) whole")
			w.wantNext("c", "-")
			if e := w.complete("a", 1, 0); !e[0].Joins {
				w.Error("the whole job is rendered but does not join")
			}
		},
		"the higher priority comes first, then the earlier job": func(w *world) {
			w.submit(one)
			w.submit(one)
			w.submit(farm.JobSpec{End: 100, Split: 1, Priority: 5})
			w.hello("a", "b", "c")
			w.wantNext("a", "3/0 [0,100)")
			w.wantNext("b", "1/0 [0,100)")
			w.wantNext("c", "2/0 [0,100)")
		},
		"a priority can be changed in the queue": func(w *world) {
			w.submit(one)
			w.submit(one)
			w.must(w.f.SetPriority(w.now, 2, 1))
			w.hello("a")
			w.wantNext("a", "2/0 [0,100)")
		},
		"a paused job hands out nothing until it is resumed": func(w *world) {
			w.submit(two)
			w.hello("a", "b")
			w.wantNext("a", "1/0 [0,100)")
			w.must(w.f.Pause(w.now, 1))
			w.wantNext("b", "-")
			w.complete("a", 1, 0)
			w.wantState(1, farm.Paused)
			w.must(w.f.Resume(w.now, 1))
			w.wantNext("b", "1/1 [100,200)")
		},
		"a job goes only to workers with its engine and all its presets": func(w *world) {
			w.submit(farm.JobSpec{End: 100, Engine: "olive", Presets: []string{"h264", "aac"}})
			for name, spec := range map[string]farm.WorkerSpec{
				"none":   {},
				"engine": {Engines: []string{"olive", "builtin"}, Presets: []string{"aac"}},
				"preset": {Engines: []string{"builtin"}, Presets: []string{"aac", "h264"}},
				"all":    {Engines: []string{"olive", "builtin"}, Presets: []string{"vp9", "aac", "h264"}},
			} {
				spec.Name = name
				w.must(w.f.Hello(w.now, spec, farm.RangeID{}))
			}
			for _, name := range []string{"none", "engine", "preset"} {
				w.wantNext(name, "-")
			}
			w.wantNext("all", "1/0 [0,100)")
			if crew := w.job(1).Crew; crew != 1 {
				w.Errorf("crew of %d, want 1", crew)
			}
		},
		"a worker that never said hello gets nothing": func(w *world) {
			w.submit(one)
			if _, _, err := w.f.Next(w.now, "a"); !errors.Is(err, farm.ErrNoWorker) {
				w.Errorf("error %v", err)
			}
		},
		"a paused worker gets nothing, may finish what it has, and stays paused when it returns": func(w *world) {
			w.submit(two)
			w.hello("a")
			w.wantNext("a", "1/0 [0,100)")
			w.must(w.f.PauseWorker(w.now, "a"))
			w.complete("a", 1, 0)
			w.wantNext("a", "-")
			w.must(w.f.Goodbye(w.now, "a"))
			w.hello("a")
			w.wantNext("a", "-")
			w.must(w.f.ResumeWorker(w.now, "a"))
			w.wantNext("a", "1/1 [100,200)")
		},
		"a drained worker finishes what it has, gets nothing more, is not counted on, and stays drained when it returns": func(w *world) {
			w.submit(two)
			w.hello("a")
			w.wantNext("a", "1/0 [0,100)")
			w.must(w.f.DrainWorker(w.now, "a"))
			w.wantNext("a", "1/0 [0,100)") // its answer was lost
			w.complete("a", 1, 0)
			w.wantNext("a", "-")
			if crew := w.job(1).Crew; crew != 0 {
				w.Errorf("crew of %d, want none", crew)
			}
			w.must(w.f.Goodbye(w.now, "a"))
			w.hello("a")
			w.wantNext("a", "-")
			if v, _ := w.f.Worker("a"); !v.Drained || !w.f.Drained("a") {
				w.Errorf("it is shown as %+v", v)
			}
			w.must(w.f.ResumeWorker(w.now, "a"))
			w.wantNext("a", "1/1 [100,200)")
		},
	})
}
