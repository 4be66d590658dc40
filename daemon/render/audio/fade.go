package audio

import (
	"math"

	"olive-distributed/daemon/ove"
)

// A fade is an audio transition at the start or the end of a clip (olive-0.1-effects.md 12.2).
type fade struct {
	shape      func(progress float64) float64
	start, end float64 // clip time in seconds
	closing    bool
}

// shapes are the transitions that fade sound. Whether one is enabled does not matter to Olive.
var shapes = map[string]func(progress float64) float64{
	"/Linear Fade":      func(p float64) float64 { return p },
	"/Exponential Fade": func(p float64) float64 { return p * p },
	"/Logarithmic Fade": math.Sqrt,
}

// fades are those of a clip in the order in which they apply.
func fades(c *ove.Clip) []fade {
	var list []fade
	fps := c.Parent.FPS
	if length, ok := c.OpeningSpan(); ok && shapes[c.Opening.Name] != nil {
		start := c.TrueClipIn()
		list = append(list, fade{
			shape: shapes[c.Opening.Name],
			start: float64(start) / fps, end: float64(start+length) / fps,
		})
	}
	if length, ok := c.ClosingSpan(); ok && shapes[c.Closing.Name] != nil {
		end := c.TrueClipIn() + c.TimelineOut() - c.TimelineIn()
		list = append(list, fade{
			shape: shapes[c.Closing.Name], closing: true,
			start: float64(end-length) / fps, end: float64(end) / fps,
		})
	}
	return list
}

// process fades a chunk that lasts from s0 to s1. Olive leaves out the chunk in which an opening
// fade ends or a closing one starts, and it counts bytes, so that the right sample is half a
// sample further.
func (f fade) process(x []int16, s0, s1 float64) {
	if !f.closing && s1 >= f.end || f.closing && s0 <= f.start {
		return
	}
	length := f.end - f.start
	from, to := (s0-f.start)/length, (s1-f.start)/length
	step := (to - from) / float64(2*len(x))
	for i := range x {
		p := from + float64(step*float64(2*i))
		if f.closing {
			p = 1 - p
		}
		x[i] = trunc(float64(x[i]) * f.shape(min(max(p, 0), 1)))
	}
}
