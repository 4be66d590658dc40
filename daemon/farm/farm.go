// Package farm decides which frame range a worker renders next. These are the rules of the house.
//
// A [Farm] knows jobs, the ranges they are cut into, and workers. It has no clock, no I/O and no
// goroutine: the caller passes the time in, carries the answers out, and makes one call at a time.
// A command that returns an error has changed nothing but the time at which a worker was last heard.
//
// Every change is an [Event], and the state is the fold of the events: a command decides, writes
// down what it decided as events, applies them and returns them. The caller must make them durable
// before it tells anyone the answer. After a crash, [Restore] of the last snapshot and [Farm.Apply]
// of the events since then give the same farm again, under whatever policy then holds. Only two
// things are not in the log, because a restart may forget them: when a worker was last heard, and
// how many frames it has reported with [Farm.Beat].
//
// The rules, in the order in which [Farm.Next] asks them:
//
//   - Jobs come by priority, then in the order of their submission. A paused job gives nothing.
//   - Within a job: a range that is pending; else the next piece of the uncut rest, the sound of
//     the whole job first; else a failed range, to a worker that has not failed it. A worker
//     gets a range again that it failed only when every live worker that can do the job has failed
//     that range too.
//   - When no job has any of these: a copy of an ongoing range, if this worker is expected to
//     finish first. There are never more than two at one range. The first to finish wins.
//   - A worker that fails several times in a row waits a little longer each time, but is asked
//     again always.
//
// A job fails when, since its last completed range, it has failed [Policy].MaxFailures times and
// every live worker that can do it has failed it. So one good worker is enough to finish a job,
// and a broken project ends with the reasons of all its workers. See [Farm.Fail] for failures
// that are the project's fault.
//
// Live are the workers that have said hello and have been heard since. A live worker must ask for
// work when it has none: one that does not want any pauses ([Farm.PauseWorker]) or leaves
// ([Farm.Goodbye]), or the farm would keep failed ranges for it.
package farm

import (
	"cmp"
	"slices"
	"time"
)

// A Farm is the state of all jobs and workers. Make one with [New] or [Restore].
type Farm struct {
	policy  Policy
	last    uint32 // highest job ID ever given out
	jobs    map[uint32]*job
	workers map[string]*worker

	// Derived from the above.
	queue []*job            // jobs that may have something to hand out, by priority, then by ID
	crews map[string]*crews // available workers, counted by what they can do
}

// New returns a farm without jobs and workers.
func New(p Policy) *Farm {
	return &Farm{
		policy:  p.withDefaults(),
		jobs:    map[uint32]*job{},
		workers: map[string]*worker{},
		crews:   map[string]*crews{},
	}
}

// SetPolicy changes the numbers behind the rules; what was decided stays.
func (f *Farm) SetPolicy(p Policy) { f.policy = p.withDefaults() }

// do records the event as of now: it is applied, completed with its consequences, and returned.
func (f *Farm) do(now time.Time, e Event) (Event, error) {
	e.At = now.UTC().Truncate(time.Millisecond)
	err := f.apply(&e)
	return e, err
}

// one is [Farm.do] for a command that consists of one event.
func (f *Farm) one(now time.Time, e Event) ([]Event, error) {
	e, err := f.do(now, e)
	if err != nil {
		return nil, err
	}
	return []Event{e}, nil
}

// byTurn orders jobs as they are served.
func byTurn(a, b *job) int {
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.ID, b.ID))
}

func (f *Farm) enqueue(j *job) {
	if i, found := slices.BinarySearchFunc(f.queue, j, byTurn); !found {
		f.queue = slices.Insert(f.queue, i, j)
	}
}

func (f *Farm) dequeue(j *job) {
	if i, found := slices.BinarySearchFunc(f.queue, j, byTurn); found {
		f.queue = slices.Delete(f.queue, i, i+1)
	}
}
