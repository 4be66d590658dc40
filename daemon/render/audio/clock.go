package audio

import (
	"math"
	"math/bits"

	"olive-distributed/daemon/ove"
)

// Samples is the length of the sound to the frames [from, to) at fps: that of the pictures as they
// are stamped in the film ([ove.Sequence.Rate]), less than a sample short where that is no whole number
// of samples: a film lasts as long as its longest stream, and must not outlast its pictures.
func Samples(rate int, fps float64, from, to ove.Frame) int64 {
	exact := (&ove.Sequence{FPS: fps}).Rate()
	high, low := bits.Mul64(uint64(max(0, to-from)), uint64(rate)*uint64(exact.Den))
	if high >= uint64(exact.Num) {
		return math.MaxInt64
	}
	samples, _ := bits.Div64(high, low, uint64(exact.Num))
	return int64(min(samples, math.MaxInt64))
}

// A clock converts frames of the outermost sequence to samples, from frame 0 on.
type clock struct {
	fps, rate float64
}

func newClock(seq *ove.Sequence) clock {
	const drift = 1e-5
	c := clock{fps: seq.FPS, rate: float64(seq.AudioRate)}
	exact := seq.Rate()
	if fps := float64(exact.Num) / float64(exact.Den); math.Abs(fps/c.fps-1) > drift {
		c.fps = fps // a rate such as 23.98 would run away from its own pictures
	}
	return c
}

// sample is where a frame starts (audio.cpp:163).
func (c clock) sample(frame ove.Frame) int64 { return c.place(frame, c.fps) }

// place is where a frame of another rate would start.
func (c clock) place(frame ove.Frame, fps float64) int64 {
	return int64(math.Floor(float64(frame) / fps * c.rate))
}

// seconds is the time of a sample.
func (c clock) seconds(sample int64) float64 { return float64(sample) / c.rate }

// rescale converts a frame number between rates, halves upwards.
func rescale(frame ove.Frame, from, to float64) ove.Frame {
	return ove.Frame(math.Floor(float64(frame)/from*to + 0.5))
}
