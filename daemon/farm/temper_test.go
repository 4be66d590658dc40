package farm_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"olive-distributed/daemon/farm"
)

// An actor is a worker with a temper, between two asks for work.
type actor struct {
	name   string
	boots  int
	id     farm.RangeID // what it renders
	begun  time.Time
	asleep time.Time // hears and says nothing before
	temper temper
}

// A temper is what a worker does with the range it holds, each time it could do something.
type temper func(c *chaos, a *actor)

var tempers = map[string]temper{
	"fails": func(c *chaos, a *actor) {
		c.must(c.f.Fail(c.now, a.name, a.id, "broken", false))
	},
	"blames the project": func(c *chaos, a *actor) {
		c.must(c.f.Fail(c.now, a.name, a.id, "no such medium", true))
	},
	"beats without progress": func(*chaos, *actor) {},
	"crashes and comes back": func(c *chaos, a *actor) {
		a.boots++
		c.greet(a, farm.RangeID{})
	},
	"crashes and comes back late": func(c *chaos, a *actor) {
		a.boots++
		a.asleep = c.now.Add(time.Minute)
	},
	"leaves and comes back": func(c *chaos, a *actor) {
		c.must(c.f.Goodbye(c.now, a.name))
		c.greet(a, farm.RangeID{})
	},
	"freezes, then reports late": func(c *chaos, a *actor) {
		if c.now.Sub(a.begun) < 10*time.Second {
			a.asleep = c.now.Add(time.Minute)
			return
		}
		good(c, a)
	},
}

func good(c *chaos, a *actor) {
	if c.now.Sub(a.begun) >= 10*time.Second {
		c.must(c.f.Complete(c.now, a.name, a.id, farm.Result{Part: a.name}))
	}
}

// greet takes in a worker that can do everything.
func (c *chaos) greet(a *actor, holds farm.RangeID) {
	c.must(c.f.Hello(c.now, farm.WorkerSpec{
		Name: a.name, Boot: fmt.Sprint("calm ", a.boots), Engines: []string{"builtin", "olive"},
	}, holds))
}

// turn lets the worker do what it does, if it is awake.
func (c *chaos) turn(a *actor) {
	if c.now.Before(a.asleep) {
		return
	}
	if a.asleep != (time.Time{}) {
		a.asleep = time.Time{}
		c.greet(a, a.id)
	}
	got, events, err := c.f.Next(c.now, a.name)
	if c.keep(events, err) != nil {
		return
	}
	if a.id != got.ID {
		a.id, a.begun = got.ID, c.now
	}
	a.temper(c, a)
}

// calm undoes what users have done, leaves only the workers with these tempers, and lets the farm
// run until no job runs any more. It fails if that takes more than half a day.
func (c *chaos) calm(workers map[string]temper) {
	for _, v := range c.f.Jobs() {
		switch v.State {
		case farm.Failed:
			c.must(c.f.Retry(c.now, v.ID))
		case farm.Paused:
			c.must(c.f.Resume(c.now, v.ID))
		}
	}
	for _, v := range c.f.Workers() {
		c.must(c.f.Dismiss(c.now, v.Spec.Name))
	}
	var actors []*actor
	for _, name := range slices.Sorted(maps.Keys(workers)) {
		actors = append(actors, &actor{name: name, temper: workers[name]})
		c.greet(actors[len(actors)-1], farm.RangeID{})
	}
	running := func(v farm.JobView) bool { return v.State == farm.Queued || v.State == farm.Running }
	for end := c.now.Add(12 * time.Hour); slices.ContainsFunc(c.f.Jobs(), running); {
		for _, a := range actors {
			c.turn(a)
		}
		if c.now = c.now.Add(4 * time.Second); c.now.After(end) {
			c.t.Fatalf("jobs still run: %+v", c.f.Jobs())
		}
		c.must(c.f.Expire(c.now), nil)
	}
}

// drawTempers gives some workers one of these tempers.
func drawTempers(t *rapid.T, kinds []string) map[string]temper {
	workers := map[string]temper{}
	for _, name := range chaosNames {
		if rapid.Bool().Draw(t, "there") {
			workers[name] = tempers[rapid.SampledFrom(kinds).Draw(t, name)]
		}
	}
	return workers
}

func TestAJobWithOneGoodWorkerAlwaysEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newChaos(t)
		c.storm()
		workers := drawTempers(t, slices.Sorted(maps.Keys(tempers)))
		workers["good"] = good
		c.calm(workers)
		for _, v := range c.f.Jobs() {
			if v.State == farm.Failed {
				t.Fatalf("job %d failed: %s", v.ID, v.Error)
			}
		}
		c.always(t)
		c.check()
	})
}

func TestAJobThatFailsOnEveryWorkerFailsWithTheReasons(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newChaos(t)
		c.storm()
		open := map[uint32]bool{}
		for _, v := range c.f.Jobs() {
			open[v.ID] = v.State != farm.Joining && v.State != farm.Done && v.State != farm.Cancelled &&
				v.FramesDone < v.FramesTotal
		}
		workers := drawTempers(t, []string{
			"fails", "blames the project", "beats without progress", "crashes and comes back", "crashes and comes back late",
		})
		workers["bad"] = tempers["fails"]
		c.calm(workers)
		for _, v := range c.f.Jobs() {
			if open[v.ID] && (v.State != farm.Failed || v.Error == "") {
				t.Fatalf("job %d is %s: %q", v.ID, v.State, v.Error)
			}
		}
		c.always(t)
		c.check()
	})
}
