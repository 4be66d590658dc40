package ove

import (
	"cmp"
	"math"
	"slices"
)

// A Curve is a number over time: a double field with its keys compiled. It is immutable; the zero
// Curve is 0 for ever.
type Curve struct {
	value float64 // without keys
	knots []knot
}

// A knot is a key and the way from it to the next one.
type knot struct {
	frame Frame
	value float64
	shape shape
	// Control points as frame and value: one for a quadratic, two for a cubic shape.
	x1, y1, x2, y2 float64
}

type shape int

const (
	line shape = iota
	level
	quadratic
	cubic
)

// Curve returns the double field id of a row, counted from 0, or def for ever when the effect has
// no such field. A text that is no number counts as 0.
func (e *Effect) Curve(row int, id string, def float64) Curve {
	field := e.field(row, id)
	switch {
	case field == nil:
		return Curve{value: def}
	case len(field.Keys) == 0:
		return Curve{value: toDouble(field.Value)}
	}
	keys := sorted(field.Keys)
	knots := make([]knot, len(keys))
	for i, k := range keys {
		knots[i] = knot{frame: k.Frame, value: toDouble(k.Value), shape: level}
	}
	for i := range len(keys) - 1 {
		knots[i].bend(&keys[i], &keys[i+1], knots[i+1].value)
	}
	return Curve{knots: knots}
}

// bend chooses the shape from key a to key b, whose value is end (effectfield.cpp:343-380).
func (k *knot) bend(a, b *Key, end float64) {
	from, to := float64(a.Frame), float64(b.Frame)
	switch {
	case a.Type == Hold:
		k.shape = level
	case a.Type == Bezier && b.Type == Bezier:
		k.shape = cubic
		k.x1, k.y1 = from+postHandle(a, b), k.value+a.PostY
		k.x2, k.y2 = to+preHandle(a, b), end+b.PreY
	case a.Type == Bezier && b.Type == Linear:
		k.shape = quadratic
		k.x1, k.y1 = from+postHandle(a, b), k.value+a.PostY
	case a.Type == Bezier || b.Type == Bezier:
		// Also from a bezier key to a hold key: Olive takes the hold key's handle then.
		k.shape = quadratic
		k.x1, k.y1 = to+preHandle(a, b), end+b.PreY
	default:
		k.shape = line
	}
}

// postHandle is the valid x of a's handle towards b, relative to a (effectfield.cpp:289). Handles
// that overlap meet in the middle, and none reaches beyond either key.
func postHandle(a, b *Key) float64 {
	distance, handle := float64(b.Frame-a.Frame), a.PostX
	if other := distance + b.PreX; b.Type == Bezier && handle > other {
		handle = (handle + other) * 0.5
	}
	return min(max(handle, 0), distance)
}

// preHandle is the same for b's handle towards a, relative to b and thus negative.
func preHandle(a, b *Key) float64 {
	distance, handle := float64(a.Frame-b.Frame), b.PreX
	if other := distance + a.PostX; a.Type == Bezier && handle < other {
		handle = (handle + other) * 0.5
	}
	return max(min(handle, 0), distance)
}

// At is the value at a frame of the clip's axis ([Clip.EffectFrame]); sound asks between frames.
// Like Olive it finds the keys by the rounded frame, follows lines by the exact one and beziers
// by the rounded one.
func (c Curve) At(frame float64) float64 {
	if len(c.knots) == 0 {
		return c.value
	}
	rounded := round(frame)
	a, b := around(c.knots, rounded)
	if a == b {
		return a.value
	}
	return a.towards(b, frame, float64(rounded))
}

// at is the frame of the key.
func (k knot) at() Frame { return k.frame }

// around returns the knots before and behind a frame. They are one where the frame has a knot, or lies
// before the first or behind the last.
func around[K interface{ at() Frame }](knots []K, frame Frame) (before, behind *K) {
	i, exact := slices.BinarySearchFunc(knots, frame, func(k K, frame Frame) int { return cmp.Compare(k.at(), frame) })
	last := len(knots) - 1
	switch {
	case exact || i == 0:
		return &knots[i], &knots[i]
	case i > last:
		return &knots[last], &knots[last]
	}
	return &knots[i-1], &knots[i]
}

func (k *knot) towards(next *knot, frame, rounded float64) float64 {
	from, to := float64(k.frame), float64(next.frame)
	switch k.shape {
	case line:
		return mix(k.value, next.value, progress(frame, k.frame, next.frame))
	case quadratic:
		return quadraticAt(k.value, k.y1, next.value, quadraticParameter(rounded, from, k.x1, to))
	case cubic:
		return cubicAt(k.value, k.y1, k.y2, next.value, cubicParameter(rounded, from, k.x1, k.x2, to))
	}
	return k.value
}

// Constant reports whether the value is the same on all frames.
func (c Curve) Constant() bool {
	for i, k := range c.knots {
		if k.value != c.knots[0].value {
			return false
		}
		flat := k.shape == line || k.shape == level ||
			k.y1 == k.value && (k.shape == quadratic || k.y2 == k.value)
		if i < len(c.knots)-1 && !flat {
			return false
		}
	}
	return true
}

// progress is the way done from one frame to another, 0 to 1 between them.
func progress(frame float64, from, to Frame) float64 {
	return (frame - float64(from)) / float64(to-from)
}

// mix is Olive's linear interpolation. The conversions keep a compiler from fusing the operations,
// which would give other bits on other machines; so they do below.
func mix(a, b, t float64) float64 {
	return float64((1-t)*a) + float64(t*b)
}

func quadraticAt(a, b, c, t float64) float64 {
	u := 1 - t
	return float64(u*u*a) + float64(2*u*t*b) + float64(t*t*c)
}

// quadraticParameter solves for t (math.cpp). With the control point exactly in the middle the
// formula is 0/0, and the clip vanishes in Olive; here the curve is the straight line that it tends to,
// also so near to the middle that rounding would decide.
func quadraticParameter(x, a, b, c float64) float64 {
	const degenerate = 1e-6
	bend := a - 2*b + c
	if math.Abs(bend) < degenerate {
		return (x - a) / (c - a)
	}
	root := float64(a*x) + float64(c*x) - float64(2*b*x) + float64(b*b) - float64(a*c)
	return (a - b + math.Sqrt(max(root, 0))) / bend
}

func cubicAt(a, b, c, d, t float64) float64 {
	u := 1 - t
	return float64(u*u*u*a) + float64(3*u*u*t*b) + float64(3*u*t*t*c) + float64(t*t*t*d)
}

// cubicParameter halves the interval of t until x is met to 0.0001 frames (math.cpp:53). The number
// of steps is bounded: beyond 53 the interval no longer shrinks.
func cubicParameter(x, a, b, c, d float64) float64 {
	const tolerance, steps = 0.0001, 53
	lower, upper, t := 0.0, 1.0, 0.5
	for range steps {
		at := cubicAt(a, b, c, d, t)
		if math.Abs(x-at) <= tolerance {
			break
		}
		if x > at {
			lower = t
		} else {
			upper = t
		}
		t = (upper + lower) * 0.5
	}
	return t
}
