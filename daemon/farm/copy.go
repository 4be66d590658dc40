package farm

import (
	"cmp"
	"slices"
	"time"
)

// An outlook is when an ongoing range is expected to be done.
type outlook struct {
	n      uint32
	holder string
	left   float64 // seconds its holder still needs
	work   float64 // frames of picture that take a worker as long as the whole range
}

// gain is how many times sooner a worker would be done, for each frame/s of its speed.
func (o outlook) gain() float64 { return o.left / o.work }

// worthACopy picks, of the ongoing ranges which w is expected to finish well before their holder,
// the one with the most time left. Expectations are up to a second old: with thousands of idle
// workers that ask, they cannot be worked out each time.
func (f *Farm) worthACopy(now time.Time, j *job, w *worker) (uint32, bool) {
	speed := j.speed(w).perSecond()
	if speed == 0 {
		return 0, false
	}
	if age := now.Sub(j.looked); age < 0 || age >= time.Second {
		f.look(now, j)
	}
	best, longest := uint32(0), 0.0
	for _, o := range j.outlooks {
		if o.gain()*speed <= f.policy.CopyGain {
			break // the rest gains less
		}
		p := j.piece(o.n)
		if p == nil || len(p.Leases) != 1 || p.Leases[0].Worker != o.holder || p.failedBy(w.Spec.Name) {
			continue
		}
		if o.left > longest {
			best, longest = o.n, o.left
		}
	}
	return best, longest > 0
}

// look works out what to expect of the job's ongoing ranges, the greatest gain first.
func (f *Farm) look(now time.Time, j *job) {
	j.looked, j.outlooks = now, j.outlooks[:0]
	for _, n := range j.ongoing {
		if len(j.Pieces[n].Leases) == 1 {
			if o, ok := f.outlook(now, j, n); ok {
				j.outlooks = append(j.outlooks, o)
			}
		}
	}
	slices.SortStableFunc(j.outlooks, func(a, b outlook) int { return cmp.Compare(b.gain(), a.gain()) })
}

// outlook expects the time of the ongoing range n from the progress that its holder reported;
// without any from the holder's speed, but after twice that, the range is taken to need as long
// again. Speeds of picture say nothing about sound, only their proportion does. Not ok when the
// range is too young or too little is known.
func (f *Farm) outlook(now time.Time, j *job, n uint32) (o outlook, ok bool) {
	p, l := &j.Pieces[n], &j.Pieces[n].Leases[0]
	speed := j.speed(f.workers[l.Worker])
	sound := j.content(int(n)) == Sound
	usual := 0.0
	if speed != 0 && !sound {
		usual = speed.need(p.length())
	}
	elapsed, total := now.Sub(time.UnixMilli(l.Start)).Seconds(), 0.0
	switch {
	case l.Start == 0: // reclaimed: nobody knows since when it is ongoing
		total, elapsed = usual, usual*float64(l.frames)/float64(p.length())
	case elapsed < f.policy.CopyAfter.Seconds():
		return o, false
	case l.frames > 0:
		total = elapsed * float64(p.length()) / float64(l.frames)
	default:
		total = max(usual, 2*elapsed)
	}
	o = outlook{n: n, holder: l.Worker, left: total - elapsed, work: float64(p.length())}
	if l.frames > 0 && !l.moved.IsZero() { // whoever says it is nearly done, and stays so, is not
		o.left = max(o.left, now.Sub(l.moved).Seconds())
	}
	if sound {
		o.work = total * speed.perSecond()
	}
	return o, o.left > 0 && o.work > 0
}
