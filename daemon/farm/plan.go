package farm

import (
	"slices"
	"time"
)

// border returns where the next range of picture ends, when w is the worker that gets it.
//
// An explicit split has its borders at even distances. Otherwise the length is what the worker
// does in the policy's Target, at most Longest; an unmeasured worker gets Range, or what it does in
// Target at the speed it had elsewhere if that is less. With several workers it is at most the
// policy's Share of the worker's share of the uncut rest (guided self-scheduling): all start at once, and towards the
// end the ranges shrink, so that all end at about the same time. When that falls below MinFrames,
// what is left is cut evenly into ranges of at least MinFrames. At last the border moves to the
// nearest cut within Snap.
//
// Lengths at 25 fps without cuts, each with its worker, whose speed in frames/s stands on the left
// (the example for [Farm.Next] computes this table):
//
//	 220 frames  5 5       55a 55b 55a 55b
//	 220 frames  5 5 5 5   55a 55b 55c 55d
//	3000 frames  20        225a 1200a 1200a 375a
//	3000 frames  20 20     225a 225b 637a 478b 358b 269a 202b 151a 113b 85a 64a 48b 48b 48a 49b
//	9000 frames  5 10 20   225a 225b 225c 1200c 600b 300a 1200c 600b 300a 1178c 421b 180a 335b 574c
//	                       102a 190b 327c 58a 54a 201c 72b 48a 55b 94c 59b 50c 63c 64a 64c
func (f *Farm) border(j *job, w *worker) int64 {
	spec := &j.Spec
	switch rest := spec.End - j.cut; {
	case spec.Whole || spec.Split == 1:
		return spec.End
	case spec.Split > 1:
		return f.evenBorder(j)
	default:
		size := f.size(j, w, rest)
		if rest-size < f.policy.MinFrames {
			return spec.End
		}
		reach := int64(f.policy.Snap * float64(size))
		border := j.cut + size
		return snap(spec.Cuts, border,
			max(border-reach, j.cut+f.policy.MinFrames), min(border+reach, spec.End-f.policy.MinFrames))
	}
}

// size is the length of an automatic range, before snapping.
func (f *Farm) size(j *job, w *worker, rest int64) int64 {
	p := &f.policy
	base := timeline(p.Range, j.Spec.FPS)
	speed, mean := j.Speed[w.Spec.Name], j.mean()
	switch {
	case speed != 0:
		base = min(speed.frames(p.Target), timeline(p.Longest, j.Spec.FPS))
	case w.overall() != 0:
		base = min(base, w.overall().frames(p.Target))
	}
	if speed == 0 || mean == 0 {
		speed, mean = 1, 1
	}
	if crew := f.crew(j); crew > 1 {
		share := float64(speed) / (float64(mean) * float64(crew))
		base = min(base, int64(float64(rest)*share*p.Share))
	}
	if base < p.MinFrames {
		return rest / max(1, rest/p.MinFrames)
	}
	return min(base, rest)
}

// evenBorder ends range k of n at First + (k+1)·length/n, snapped.
func (f *Farm) evenBorder(j *job) int64 {
	length := j.Spec.End - j.Spec.First
	n := min(int64(j.Spec.Split), length)
	k := int64(len(j.Pieces)) + 1
	if len(j.Pieces) > 0 && j.content(0) == Sound {
		k--
	}
	if k >= n {
		return j.Spec.End
	}
	border := j.Spec.First + length/n*k + length%n*k/n
	reach := int64(f.policy.Snap * float64(length/n))
	border = snap(j.Spec.Cuts, border, border-reach, border+reach)
	// A changed policy may have left the borders before elsewhere.
	return min(max(border, j.cut+1), j.Spec.End)
}

// snap returns the cut in [lo, hi] that is nearest to border, or border if there is none.
func snap(cuts []int64, border, lo, hi int64) int64 {
	i, found := slices.BinarySearch(cuts, border)
	if found {
		return border
	}
	best := border
	if i < len(cuts) && cuts[i] <= hi {
		best = cuts[i]
	}
	if i > 0 && cuts[i-1] >= lo && (best == border || border-cuts[i-1] <= best-border) {
		best = cuts[i-1]
	}
	return best
}

// timeline is the number of frames in d.
func timeline(d time.Duration, fps float64) int64 { return int64(d.Seconds() * fps) }
