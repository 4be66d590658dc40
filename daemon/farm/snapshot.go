package farm

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// A Snapshot is the state of a farm at one moment, as JSON. Its pieces can be stored on their own:
// a job that no event has touched since it was last stored need not be stored again, as long as the
// head is stored last. Equal states have equal bytes.
type Snapshot struct {
	Head json.RawMessage            `json:"head"` // workers, and the last job ID
	Jobs map[uint32]json.RawMessage `json:"jobs"` // by ID
}

type head struct {
	Last    uint32    `json:"last"`
	Workers []*worker `json:"workers"`
}

// Snapshot writes down the head and these jobs, or all jobs if none is named. Unknown IDs are left out.
func (f *Farm) Snapshot(ids ...uint32) (Snapshot, error) {
	if len(ids) == 0 {
		ids = slices.Collect(maps.Keys(f.jobs))
	}
	h := head{Last: f.last}
	for _, name := range slices.Sorted(maps.Keys(f.workers)) {
		h.Workers = append(h.Workers, f.workers[name])
	}
	data, err := json.Marshal(h)
	if err != nil {
		return Snapshot{}, fmt.Errorf("snapshot of the workers: %w", err)
	}
	s := Snapshot{Head: data, Jobs: map[uint32]json.RawMessage{}}
	for _, id := range ids {
		if j := f.jobs[id]; j != nil {
			if s.Jobs[id], err = json.Marshal(j); err != nil {
				return Snapshot{}, fmt.Errorf("snapshot of job %d: %w", id, err)
			}
		}
	}
	return s, nil
}

// Restore returns the farm of a snapshot. A snapshot that contradicts itself is refused with
// [ErrBadEvent]; the zero Snapshot is a new farm.
func Restore(p Policy, s Snapshot) (*Farm, error) {
	f := New(p)
	var h head
	if len(s.Head) > 0 {
		if err := json.Unmarshal(s.Head, &h); err != nil {
			return nil, fmt.Errorf("restore the workers: %w", err)
		}
	}
	f.last = h.Last
	for _, w := range h.Workers {
		if w == nil || w.Spec.check() != nil || f.workers[w.Spec.Name] != nil || w.Speed < 0 || w.Speed > maxRate || w.Streak < 0 {
			return nil, fmt.Errorf("restore the workers: %w", ErrBadEvent)
		}
		f.workers[w.Spec.Name] = w
		f.count(w, 1)
	}
	for _, id := range slices.Sorted(maps.Keys(s.Jobs)) {
		j := &job{}
		if err := json.Unmarshal(s.Jobs[id], j); err != nil {
			return nil, fmt.Errorf("restore job %d: %w", id, err)
		}
		if id == 0 || j.ID != id || id > f.last || j.Spec.check() != nil || !f.adopt(j) {
			return nil, fmt.Errorf("restore job %d: %w", id, ErrBadEvent)
		}
	}
	return f, nil
}

// adopt takes in a job that was read from a snapshot and derives the rest of the state. It says
// whether the job is consistent in itself and with the workers.
func (f *Farm) adopt(j *job) bool {
	j.cut = j.Spec.First
	for n := range j.Pieces {
		p := &j.Pieces[n]
		p.First = j.cut
		if !j.fits(p.First, p.End, n) || p.Winner != "" && len(p.Leases) > 0 || len(p.Leases) > maxHolders {
			return false
		}
		if j.content(n) != Sound {
			j.cut = p.End
			if p.Winner != "" {
				j.done += p.length()
			}
		}
		for _, l := range p.Leases {
			w := f.workers[l.Worker]
			if w == nil || !w.Live || w.holds != (RangeID{}) {
				return false
			}
			w.holds = RangeID{j.ID, uint32(n)}
		}
		j.file(uint32(n))
	}
	for _, r := range j.Speed {
		if r <= 0 || r > maxRate {
			return false
		}
		j.sum += r
	}
	f.jobs[j.ID] = j
	switch j.State {
	case Running:
		f.enqueue(j)
		return !j.complete()
	case Joining, Done:
		return j.complete()
	case Failed, Cancelled:
		return len(j.ongoing) == 0
	}
	return false
}
