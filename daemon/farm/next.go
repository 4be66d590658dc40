package farm

import (
	"fmt"
	"time"
)

// An Assignment is a range for a worker to render.
type Assignment struct {
	ID         RangeID
	Content    Content
	First, End int64 // [First, End)
	Copy       bool  // another worker is at it too; the first to finish wins
}

// Next gives the worker a range by the rules of the package comment. A worker that still holds a
// range gets that one again, without an event: its answer was lost on the way. Errors:
// [ErrNoWork], [ErrNoWorker].
//
// It takes time logarithmic in the ranges, and linear in the jobs which have nothing to hand out
// but are not finished. Only when nothing is left but ongoing ranges it looks at all of these, once a second.
func (f *Farm) Next(now time.Time, name string) (Assignment, []Event, error) {
	w, err := f.live(now, name)
	if err != nil {
		return Assignment{}, nil, err
	}
	if w.holds != (RangeID{}) {
		return f.assignment(w), nil, nil
	}
	e, ok := f.choose(now, w)
	if !ok {
		return Assignment{}, nil, fmt.Errorf("worker %q: %w", name, ErrNoWork)
	}
	events, err := f.one(now, e)
	if err != nil {
		return Assignment{}, nil, err
	}
	f.leaseOf(w).moved = now
	return f.assignment(w), events, nil
}

// assignment describes what w holds.
func (f *Farm) assignment(w *worker) Assignment {
	j, n := f.jobs[w.holds.Job], w.holds.Range
	p := &j.Pieces[n]
	return Assignment{w.holds, j.content(int(n)), p.First, p.End, len(p.Leases) > 1}
}

// choose picks what w gets now.
func (f *Farm) choose(now time.Time, w *worker) (Event, bool) {
	if w.Paused || w.Drained || w.benched(now, &f.policy) {
		return Event{}, false
	}
	e := Event{Kind: RangeAssigned, Worker: w.Spec.Name}
	for _, pick := range []func(*job) (uint32, bool){
		func(j *job) (uint32, bool) { return f.open(j, w) },
		func(j *job) (uint32, bool) { return f.worthACopy(now, j, w) },
	} {
		for _, j := range f.queue {
			if j.Paused || !w.Spec.can(&j.Spec) {
				continue
			}
			if n, ok := pick(j); ok {
				e.Job, e.Range = j.ID, n
				e.First, e.End = f.extent(j, n, w)
				return e, true
			}
		}
	}
	return Event{}, false
}

// extent is the run of frames of range n, which may be one still to be cut for w.
func (f *Farm) extent(j *job, n uint32, w *worker) (first, end int64) {
	switch {
	case int(n) < len(j.Pieces):
		return j.Pieces[n].First, j.Pieces[n].End
	case j.content(int(n)) == Sound:
		return j.Spec.First, j.Spec.End
	}
	return j.cut, f.border(j, w)
}

// open picks a range that nobody renders: pending, uncut or failed.
func (f *Farm) open(j *job, w *worker) (uint32, bool) {
	switch {
	case len(j.pending) > 0:
		return j.pending[0], true
	case j.cut < j.Spec.End:
		return uint32(len(j.Pieces)), true
	}
	return f.failedOne(j, w)
}

// failedOne picks a failed range that w has not failed; else one that the whole crew has failed.
func (f *Farm) failedOne(j *job, w *worker) (uint32, bool) {
	last, found := uint32(0), false
	for _, n := range j.failed {
		p := &j.Pieces[n]
		if !p.failedBy(w.Spec.Name) {
			return n, true
		}
		if !found && f.crewAmong(j, p.Failed) >= f.crew(j) {
			last, found = n, true
		}
	}
	return last, found
}
