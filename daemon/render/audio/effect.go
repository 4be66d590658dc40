package audio

import (
	"math"

	"olive-distributed/daemon/ove"
)

// An effect changes the 16-bit stereo samples of a chunk in place. It may keep state from chunk
// to chunk; each voice has its own.
type effect interface {
	process(x []int16, t axis)
}

// A kind is an entry of the registry.
type kind struct {
	// make compiles an effect. setup tells what it is part of. A nil effect changes nothing.
	make   func(e *ove.Effect, s setup) effect
	sounds bool // makes sound out of silence
}

// kinds are the effects by name. Olive looks for a name without category among those of sound
// first, so "/Noise" is not the picture's noise.
var kinds = map[string]kind{
	"/Volume":          {make: newVolume},
	"/Pan":             {make: newPan},
	"/Fill Left/Right": {make: newFill},
	"/Tone":            {make: newTone, sounds: true},
	"/Noise":           {make: newNoise, sounds: true},
}

// Known reports whether there is a sound effect of that name ("/Volume").
func Known(name string) bool {
	_, ok := kinds[name]
	return ok
}

// A setup is what an effect can know about its place.
type setup struct {
	clip  *ove.Clip
	index int // in the clip's list of effects
}

// wanted reports whether an effect is on, known and not left out.
func (o Options) wanted(e *ove.Effect) bool {
	return e.Enabled && Known(e.Name) && (o.Skip == nil || !o.Skip(e))
}

// sounding reports whether a clip has an effect that makes sound of its own.
func (o Options) sounding(c *ove.Clip) bool {
	for _, e := range c.Effects {
		if o.wanted(e) && kinds[e.Name].sounds {
			return true
		}
	}
	return false
}

// effects compiles those of a clip in the order of the file.
func (o Options) effects(c *ove.Clip) []effect {
	var list []effect
	for i, e := range c.Effects {
		if !o.wanted(e) {
			continue
		}
		if fx := kinds[e.Name].make(e, setup{c, i}); fx != nil {
			list = append(list, fx)
		}
	}
	return list
}

// An axis is the clip time of the samples of a chunk, as Olive computes it.
type axis struct {
	start, step float64 // seconds, of a byte
	fps         float64 // of the clip's sequence
}

// newAxis spreads the time from start to end over n samples.
func newAxis(start, end float64, n int, fps float64) axis {
	return axis{start, (end - start) / float64(4*n), fps}
}

// frame is the clip time of sample i in frames.
func (t axis) frame(i int) float64 { return float64(t.start+float64(t.step*float64(4*i))) * t.fps }

// trunc converts to 16 bits as a cast does, except that it saturates.
func trunc(x float64) int16 {
	switch {
	case x >= math.MaxInt16:
		return math.MaxInt16
	case x <= math.MinInt16:
		return math.MinInt16
	}
	return int16(x) // NaN becomes some number
}

// add is the saturating sum with which everything is mixed (effect.cpp:1128).
func add(a, b int16) int16 {
	return int16(min(max(int32(a)+int32(b), math.MinInt16), math.MaxInt16))
}

// logv is Olive's loudness curve from 0 to 1 (audio.cpp:246).
func logv(x float64) float64 { return (math.Exp(x) - 1) / (math.E - 1) }
