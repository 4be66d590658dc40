package farm

import (
	"errors"
	"fmt"
)

// Check says what is wrong with the derived state, which no correct program can make wrong.
func (f *Farm) Check() error {
	holds := map[string]RangeID{}
	for id, j := range f.jobs {
		if err := j.check(); err != nil {
			return fmt.Errorf("job %d: %w", id, err)
		}
		queued := false
		for _, q := range f.queue {
			queued = queued || q == j
		}
		if queued != (j.State == Running) {
			return fmt.Errorf("job %d is %s, in the queue: %v", id, j.State, queued)
		}
		for n := range j.Pieces {
			for _, l := range j.Pieces[n].Leases {
				if had, ok := holds[l.Worker]; ok {
					return fmt.Errorf("worker %q holds %v and %d/%d", l.Worker, had, id, n)
				}
				holds[l.Worker] = RangeID{id, uint32(n)}
			}
		}
	}
	crews := 0
	for name, w := range f.workers {
		if w.holds != holds[name] || !w.Live && w.holds != (RangeID{}) {
			return fmt.Errorf("worker %q (live: %v) holds %v, leases say %v", name, w.Live, w.holds, holds[name])
		}
		delete(holds, name)
		if w.available() {
			crews++
		}
	}
	for _, c := range f.crews {
		crews -= c.n
	}
	if crews != 0 || len(holds) != 0 {
		return fmt.Errorf("%d workers not counted, leases of strangers: %v", crews, holds)
	}
	return nil
}

func (j *job) check() error {
	cut, done, sum := j.Spec.First, int64(0), rate(0)
	states := map[State]int{}
	for n := range j.Pieces {
		p := &j.Pieces[n]
		states[p.state()]++
		if p.Winner != "" && len(p.Leases) > 0 || len(p.Leases) > maxHolders {
			return fmt.Errorf("range %d: winner %q, leases %v", n, p.Winner, p.Leases)
		}
		if j.content(n) == Sound {
			continue
		}
		if p.First != cut || p.End <= cut || p.End > j.Spec.End {
			return fmt.Errorf("range %d is [%d,%d) after %d", n, p.First, p.End, cut)
		}
		if cut = p.End; p.Winner != "" {
			done += p.length()
		}
	}
	for _, r := range j.Speed {
		sum += r
	}
	switch {
	case cut != j.cut || done != j.done || sum != j.sum:
		return fmt.Errorf("cut %d done %d sum %d, want %d %d %d", j.cut, j.done, j.sum, cut, done, sum)
	case states[Pending] != len(j.pending) || states[Ongoing] != len(j.ongoing) || states[Failed] != len(j.failed):
		return fmt.Errorf("sets of %d %d %d ranges, want %v", len(j.pending), len(j.ongoing), len(j.failed), states)
	case j.complete() && j.State == Running:
		return errors.New("complete, but still running")
	}
	return nil
}
