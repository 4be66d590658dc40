package ove_test

import (
	"errors"
	"image/color"
	"math"
	"strings"
	"testing"

	"olive-distributed/daemon/ove"
)

// FuzzParse: Parse returns either a project or an *Error, and of a project every question can be
// asked without a panic.
func FuzzParse(f *testing.F) {
	f.Add(everything)
	f.Add(head + shared + tail)
	for _, c := range bad {
		if len(c.file) < 4096 {
			f.Add(strings.Replace(c.file, here, "", 1))
		}
	}
	for _, c := range foreign {
		if len(c.file) < 4096 {
			f.Add(c.file)
		}
	}
	f.Fuzz(func(t *testing.T, file string) {
		p, err := ove.Parse(strings.NewReader(file))
		if err != nil {
			e, ok := errors.AsType[*ove.Error](err)
			if !ok || p != nil || e.Line < 1 || e.Column < 1 || e.Msg == "" {
				t.Fatalf("Parse = %v, %#v, want no project and an *Error with a position", p, err)
			}
			return
		}
		_, _ = p.Main()
		_, _ = p.Sequence("S")
		for _, footage := range p.Footage {
			footage.IsImageSequence()
			if len(p.Candidates(footage, "/films/film.ove")) == 0 && footage.URL != "" {
				t.Errorf("no candidates for %q", footage.URL)
			}
		}
		for _, s := range p.Sequences {
			askSequence(t, s)
		}
	})
}

func askSequence(t *testing.T, s *ove.Sequence) {
	if rate := s.Rate(); rate.Num <= 0 || rate.Den <= 0 || math.Abs(float64(rate.Num)/float64(rate.Den)-s.FPS) > 0.01 {
		t.Errorf("Rate of %v = %v", s.FPS, rate)
	}
	timeline, length := s.Timeline(), s.Length()
	cuts := s.Cuts()
	for _, playhead := range []ove.Frame{-1, 0, 1, length - 1, length} {
		timeline.VideoAt(nil, playhead)
		timeline.Next(playhead)
		for _, c := range s.Clips {
			askClip(t, c, playhead)
		}
	}
	for _, cut := range cuts {
		if cut <= 0 || cut >= length {
			t.Errorf("cut at %d of %d frames", cut, length)
		}
	}
}

func askClip(t *testing.T, c *ove.Clip, playhead ove.Frame) {
	length := c.MediaLength(4)
	if c.TimelineIn() > c.In || c.TimelineOut() < c.Out || length < 0 {
		t.Errorf("%+v: from %d to %d, %d frames of media", c, c.TimelineIn(), c.TimelineOut(), length)
	}
	c.EffectFrame(playhead)
	c.Visible(playhead, length)
	c.IsVideo()
	c.OpeningSpan()
	c.ClosingSpan()
	if seconds := c.MediaSeconds(playhead, length); math.IsNaN(seconds) || math.IsInf(seconds, 0) {
		t.Errorf("%+v: frame %d is at second %v", c, playhead, seconds)
	}
	if c.Kind == ove.Nested {
		c.NestedFrame(playhead)
	}
	if d := c.Dissolve(playhead); !(0 <= d && d <= 1) {
		t.Errorf("%+v: Dissolve(%d) = %v", c, playhead, d)
	}
	for _, e := range c.Effects {
		for row := range e.Rows {
			for _, f := range e.Rows[row].Fields {
				e.Curve(row, f.ID, 0).At(float64(playhead) + 0.3)
				e.Steps(row, f.ID, "").Int(float64(playhead))
				e.ColorCurve(row, f.ID, color.NRGBA{}).At(float64(playhead) + 0.3)
			}
		}
	}
}
