package ove

import (
	"fmt"
	"math"
)

func (r *reader) readSequence(e *element) error {
	if !e.is("sequence") {
		return r.skip()
	}
	if err := r.count(&r.counts.sequences, 10_000, "sequences"); err != nil {
		return err
	}
	_, open := e.attr("open")
	e.need("id", "width", "height", "framerate", "afreq")
	s := &Sequence{
		ID:          int(e.integer("id", 0, -maxFrame, maxFrame)),
		Folder:      int(e.hint("folder")),
		Name:        string(e.label("name")),
		Width:       int(e.integer("width", 0, 1, maxSize)),
		Height:      int(e.integer("height", 0, 1, maxSize)),
		FPS:         e.number("framerate", 0, minFPS, maxFPS),
		AudioRate:   int(e.integer("afreq", 0, minAudioRate, maxAudioRate)),
		AudioLayout: int(e.hint("alayout")),
		Open:        open,
		Workarea:    e.flag("workarea", false),
		WorkareaIn:  e.frame("workareaIn"),
		WorkareaOut: e.frame("workareaOut"),
	}
	if other := r.sequences[s.ID]; other != nil {
		e.reject("the id %d is used twice, by %q too", s.ID, brief(other.Name))
	}
	if e.err != nil {
		return e.err
	}
	r.sequences[s.ID] = s
	r.project.Sequences = append(r.project.Sequences, s)
	first := len(r.refs)
	err := r.children(func(e *element) error {
		switch string(e.name) {
		case "clip":
			return r.readClip(e, s)
		case "marker":
			return r.readMarker(e, &s.Markers)
		}
		return r.skip()
	})
	if err != nil {
		return err
	}
	return r.share(s, r.refs[first:])
}

// Limits of a sequence.
const (
	maxSize      = 16384
	minFPS       = 0.01
	maxFPS       = 1000
	minAudioRate = 1000
	maxAudioRate = 768000
)

// A Rate is an exact number of frames per second.
type Rate struct{ Num, Den int64 }

// String is the rate as ffmpeg takes it: "30000/1001", "25/1".
func (r Rate) String() string { return fmt.Sprintf("%d/%d", r.Num, r.Den) }

// Rate is the exact rate for encoders and timestamps. Olive stores decimals: what lies within
// 0.005 of n*1000/1001 (23.976, 23.98, 29.97, …; from 10 frames per second on) means that, and
// everything else has at most four decimals.
func (s *Sequence) Rate() Rate {
	const decimals, near = 10000, 0.005
	if whole := math.Round(s.FPS); whole >= 1 && math.Abs(s.FPS-whole) < 0.5/decimals {
		return Rate{int64(whole), 1}
	}
	if n := math.Round(s.FPS * 1001 / 1000); n >= 10 && math.Abs(s.FPS-n*1000/1001) <= near {
		return Rate{int64(n) * 1000, 1001}
	}
	num := int64(math.Round(s.FPS * decimals))
	d := gcd(num, decimals)
	return Rate{num / d, decimals / d}
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Length is the number of frames: the last Out of all clips, disabled ones and audio included
// (olive-0.1.md 1). Extensions by shared transitions do not count.
func (s *Sequence) Length() Frame {
	var end Frame
	for _, c := range s.Clips {
		end = max(end, c.Out)
	}
	return end
}
