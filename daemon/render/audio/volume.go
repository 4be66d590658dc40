package audio

import (
	"math"

	"olive-distributed/daemon/ove"
)

// volume multiplies; 1 leaves the sound as it is.
type volume struct{ factor ove.Curve }

func newVolume(e *ove.Effect, _ setup) effect {
	v := volume{e.Curve(0, "volume", 1)}
	if v.factor.Constant() && v.factor.At(0) == 1 {
		return nil
	}
	return v
}

func (v volume) process(x []int16, t axis) {
	if v.factor.Constant() {
		scale(x, v.factor.At(t.frame(0)))
		return
	}
	for i := 0; i < len(x); i += 2 {
		scale(x[i:i+2], v.factor.At(t.frame(i/2)))
	}
}

// scale multiplies, and rounds towards zero.
func scale(x []int16, factor float64) {
	if math.Abs(factor) < 1 { // nothing can overflow
		for i, v := range x {
			x[i] = int16(int32(float64(v) * factor))
		}
		return
	}
	for i, v := range x {
		x[i] = trunc(float64(v) * factor)
	}
}

// pan lowers the side that it moves away from and leaves the other one (paneffect.cpp:39).
type pan struct{ position ove.Curve } // -100 left to 100 right

func newPan(e *ove.Effect, _ setup) effect {
	p := pan{e.Curve(0, "pan", 0)}
	if p.position.Constant() && p.position.At(0) == 0 {
		return nil
	}
	return p
}

func (p pan) process(x []int16, t axis) {
	side, factor := panned(p.position.At(t.frame(0)))
	constant := p.position.Constant()
	for i := 0; i < len(x); i += 2 {
		if !constant {
			side, factor = panned(p.position.At(t.frame(i / 2)))
		}
		x[i+side] = trunc(float64(x[i+side]) * factor)
	}
}

// panned tells which side, 0 is left, gets which factor.
func panned(position float64) (side int, factor float64) {
	if position < 0 {
		return 1, 1 - logv(-position/100)
	}
	return 0, 1 - logv(position/100)
}

// fill copies one side to the other.
type fill struct{ kind ove.Steps }

func newFill(e *ove.Effect, _ setup) effect { return fill{e.Steps(0, "type", "0")} }

func (f fill) process(x []int16, t axis) {
	kind, constant := f.kind.Int(t.frame(0)), f.kind.Constant()
	for i := 0; i < len(x); i += 2 {
		if !constant {
			kind = f.kind.Int(t.frame(i / 2))
		}
		if kind == 1 {
			x[i+1] = x[i]
		} else {
			x[i] = x[i+1]
		}
	}
}
