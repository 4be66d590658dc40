package farm_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"olive-distributed/daemon/farm"
)

// chaos does anything in any order to a farm, as a network of failing machines would.
type chaos struct {
	*world
	t         *rapid.T
	policy    farm.Policy
	boots     int
	completed map[farm.RangeID]farm.RangeView // never to change again
	cut       map[farm.RangeID][2]int64       // nor are the borders of these
}

func newChaos(t *rapid.T) *chaos {
	p := farm.Policy{MinFrames: rapid.Int64Range(1, 60).Draw(t, "min frames")}
	return &chaos{
		world: newWorld(t, p), t: t, policy: p,
		completed: map[farm.RangeID]farm.RangeView{}, cut: map[farm.RangeID][2]int64{},
	}
}

var (
	chaosNames   = []string{"a", "b", "c", "d", "e"}
	chaosEngines = [][]string{nil, {"builtin"}, {"builtin", "olive"}}
)

func (c *chaos) name() string { return rapid.SampledFrom(chaosNames).Draw(c.t, "worker") }
func (c *chaos) id() uint32   { return rapid.Uint32Range(0, 5).Draw(c.t, "job") }

// rangeID is one that the worker holds, or any.
func (c *chaos) rangeID(name string) farm.RangeID {
	for _, v := range c.f.Workers() {
		if v.Spec.Name == name && v.Holds != (farm.RangeID{}) && rapid.IntRange(0, 3).Draw(c.t, "truth") > 0 {
			return v.Holds
		}
	}
	return farm.RangeID{Job: c.id(), Range: rapid.Uint32Range(0, 8).Draw(c.t, "range")}
}

func (c *chaos) try(command func() ([]farm.Event, error)) {
	before := snapshot(c.t, c.f)
	events, err := command()
	c.keep(events, err)
	if after := snapshot(c.t, c.f); (err != nil || len(events) == 0) && after != before {
		c.t.Fatalf("error %v, %d events, but the state went from\n%s\nto\n%s", err, len(events), before, after)
	}
}

func (c *chaos) submit(*rapid.T) {
	frames := rapid.Int64Range(1, 500).Draw(c.t, "frames")
	first := rapid.Int64Range(0, 50).Draw(c.t, "first")
	spec := farm.JobSpec{
		Name: "j", First: first, End: first + frames, FPS: 25,
		Priority: rapid.IntRange(-1, 1).Draw(c.t, "priority"),
		Cuts:     rapid.SliceOfN(rapid.Int64Range(-5, 560), 0, 10).Draw(c.t, "cuts"),
		Sound:    rapid.Bool().Draw(c.t, "sound"),
		Engine:   rapid.SampledFrom([]string{"", "builtin", "olive"}).Draw(c.t, "engine"),
		Data:     json.RawMessage(`{"project":"a<b"}`),
	}
	switch rapid.IntRange(0, 3).Draw(c.t, "split") {
	case 0:
		spec.Whole = true
	case 1:
		spec.Split = rapid.IntRange(1, 9).Draw(c.t, "n")
	}
	c.try(func() ([]farm.Event, error) {
		_, events, err := c.f.Submit(c.now, spec)
		return events, err
	})
}

func (c *chaos) hello(*rapid.T) {
	spec := farm.WorkerSpec{Name: c.name(), Boot: "0", Engines: rapid.SampledFrom(chaosEngines).Draw(c.t, "engines")}
	if rapid.Bool().Draw(c.t, "restarted") {
		c.boots++
		spec.Boot = fmt.Sprint(c.boots)
	}
	holds := farm.RangeID{}
	if rapid.Bool().Draw(c.t, "holds") {
		holds = c.rangeID(spec.Name)
	}
	c.try(func() ([]farm.Event, error) { return c.f.Hello(c.now, spec, holds) })
}

func (c *chaos) next(*rapid.T) {
	name := c.name()
	c.try(func() ([]farm.Event, error) {
		_, events, err := c.f.Next(c.now, name)
		return events, err
	})
}

func (c *chaos) beat(*rapid.T) {
	name := c.name()
	id, frames := c.rangeID(name), rapid.Int64Range(-1, 600).Draw(c.t, "frames")
	c.try(func() ([]farm.Event, error) { return nil, c.f.Beat(c.now, name, id, frames) })
}

func (c *chaos) complete(*rapid.T) {
	name := c.name()
	id := c.rangeID(name)
	r := farm.Result{Part: fmt.Sprintf("%v-%s.mkv", id, name), Frames: 1}
	c.try(func() ([]farm.Event, error) { return c.f.Complete(c.now, name, id, r) })
}

func (c *chaos) fail(*rapid.T) {
	name := c.name()
	id, fatal := c.rangeID(name), rapid.IntRange(0, 4).Draw(c.t, "fatal") == 0
	c.try(func() ([]farm.Event, error) { return c.f.Fail(c.now, name, id, "bad \xff luck", fatal) })
}

func (c *chaos) wait(*rapid.T) {
	c.now = c.now.Add(time.Duration(rapid.Int64Range(0, 20_000).Draw(c.t, "ms")) * time.Millisecond)
	if rapid.IntRange(0, 20).Draw(c.t, "night") == 0 {
		c.now = c.now.Add(time.Hour)
	}
}

func (c *chaos) expire(*rapid.T) {
	c.try(func() ([]farm.Event, error) { return c.f.Expire(c.now), nil })
}

func (c *chaos) workerCommand(*rapid.T) {
	command := rapid.SampledFrom([]func(time.Time, string) ([]farm.Event, error){
		c.f.Goodbye, c.f.Dismiss, c.f.PauseWorker, c.f.DrainWorker, c.f.ResumeWorker, c.f.ResumeWorker,
	}).Draw(c.t, "command")
	name := c.name()
	c.try(func() ([]farm.Event, error) { return command(c.now, name) })
}

func (c *chaos) jobCommand(*rapid.T) {
	id := c.id()
	command := rapid.SampledFrom([]func(time.Time, uint32) ([]farm.Event, error){
		c.f.Cancel, c.f.Pause, c.f.Resume, c.f.Retry, c.f.Retry, c.f.JobDone, c.f.Forget,
		func(now time.Time, id uint32) ([]farm.Event, error) { return c.f.JobFailed(now, id, "no disk") },
		func(now time.Time, id uint32) ([]farm.Event, error) { return c.f.SetPriority(now, id, int(id)%3) },
	}).Draw(c.t, "command")
	c.try(func() ([]farm.Event, error) { return command(c.now, id) })
}

// restart is a master that was killed: from its log, or from a snapshot.
func (c *chaos) restart(t *rapid.T) {
	if rapid.Bool().Draw(t, "from the log") {
		c.f = replay(t, c.log)
	}
	c.f = restore(t, c.policy, c.f)
}

// always checks what holds after each step.
func (c *chaos) always(t *rapid.T) {
	if err := c.f.Check(); err != nil {
		t.Fatal(err)
	}
	c.idle()
	holds := map[string]farm.RangeID{}
	seen := map[farm.RangeID]bool{}
	for _, job := range c.f.Jobs() {
		v := c.job(job.ID)
		for _, r := range v.Ranges {
			seen[r.ID] = true
			if had, ok := c.cut[r.ID]; ok && had != [2]int64{r.First, r.End} {
				t.Fatalf("range %v was %v, is [%d,%d)", r.ID, had, r.First, r.End)
			}
			c.cut[r.ID] = [2]int64{r.First, r.End}
			if had, ok := c.completed[r.ID]; ok && (r.State != farm.Completed || !slices.Equal(had.Workers, r.Workers) || had.Result != r.Result) {
				t.Fatalf("completed range %+v became %+v", had, r)
			}
			if r.State == farm.Completed {
				c.completed[r.ID] = r
				continue
			}
			for _, name := range r.Workers {
				if _, ok := holds[name]; ok {
					t.Fatalf("worker %q holds %v and %v", name, holds[name], r.ID)
				}
				holds[name] = r.ID
			}
		}
		if v.State == farm.Joining || v.State == farm.Done {
			c.covered(v)
		}
	}
	for id := range c.cut {
		if _, ok := c.f.Job(id.Job); ok && !seen[id] {
			t.Fatalf("range %v is lost", id)
		}
	}
}

// idle fails if a worker that is paused or drained would get something that it does not hold.
func (c *chaos) idle() {
	for _, w := range c.f.Workers() {
		if !w.Live || !w.Paused && !w.Drained {
			continue
		}
		a, events, err := c.f.Next(c.now, w.Spec.Name)
		if w.Holds == (farm.RangeID{}) && !errors.Is(err, farm.ErrNoWork) || w.Holds != a.ID || len(events) > 0 {
			c.t.Fatalf("worker %+v gets %+v, %v", w, a, err)
		}
	}
}

// covered fails unless each frame of the job, and its sound, is in one completed range exactly.
func (c *chaos) covered(v farm.JobView) {
	pictures, sounds := make([]int, v.Spec.End), 0
	for _, r := range v.Ranges {
		if r.State != farm.Completed {
			c.t.Fatalf("job %d is %s, but range %d is %s", v.ID, v.State, r.ID.Range, r.State)
		}
		if r.Content != farm.Picture {
			sounds++
		}
		if r.Content != farm.Sound {
			for n := r.First; n < r.End; n++ {
				pictures[n]++
			}
		}
	}
	for n, times := range pictures {
		if want := 1; int64(n) >= v.Spec.First && times != want || int64(n) < v.Spec.First && times != 0 {
			c.t.Fatalf("job %d: frame %d is covered %d times", v.ID, n, times)
		}
	}
	if v.FramesDone != v.FramesTotal || v.Spec.Whole && sounds != 1 || !v.Spec.Whole && v.Spec.Sound != (sounds == 1) {
		c.t.Fatalf("job %d: %d of %d frames, %d sounds", v.ID, v.FramesDone, v.FramesTotal, sounds)
	}
}

// storm runs random commands.
func (c *chaos) storm() {
	c.t.Repeat(map[string]func(*rapid.T){
		"submit": c.submit, "hello": c.hello, "hello too": c.hello, "next": c.next, "next too": c.next, "next again": c.next,
		"beat": c.beat, "complete": c.complete, "complete too": c.complete, "fail": c.fail, "wait": c.wait, "expire": c.expire,
		"worker command": c.workerCommand, "job command": c.jobCommand, "restart": c.restart,
		"": c.always,
	})
	c.check()
}

func TestChaos(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { newChaos(t).storm() })
}
