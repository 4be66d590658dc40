package ove

import (
	"slices"
	"strings"
)

// dissolve is the one transition of pictures.
const dissolve = "/Cross Dissolve"

// transitions are the names Olive 0.1 registers.
var transitions = []string{dissolve, "/Linear Fade", "/Exponential Fade", "/Logarithmic Fade"}

// defaultLength is that of a transition without the attribute.
const defaultLength = 30

func (r *reader) readTransition(e *element, c *Clip) error {
	kind := closingOf
	if e.is("opening") {
		kind = openingOf
	}
	if kind == openingOf && c.Opening != nil || kind == closingOf && c.Closing != nil || r.refers(c, kind) {
		e.reject("it is the second %s transition of clip %q", e.name, brief(c.Name))
	}
	if _, shared := e.attr("shared"); shared {
		id := int(e.integer("shared", 0, -maxFrame, maxFrame))
		r.refs = append(r.refs, reference{clip: c, what: kind, id: id, line: e.line, column: e.column})
	} else {
		t := &Transition{
			Name:    "/" + strings.TrimPrefix(r.intern(e.label("name")), "/"),
			Length:  e.integer("length", defaultLength, 0, maxFrame),
			Enabled: e.flag("enabled", true),
		}
		if kind == openingOf {
			t.To, c.Opening = c, t
		} else {
			t.From, c.Closing = c, t
		}
	}
	if e.err != nil {
		return e.err
	}
	return r.skip()
}

// refers reports whether the clip that is being read has a reference of this kind.
func (r *reader) refers(c *Clip, kind referenceKind) bool {
	for _, ref := range slices.Backward(r.refs) {
		if ref.clip != c {
			return false
		}
		if ref.what == kind {
			return true
		}
	}
	return false
}

// shared reports whether the transition stands between two clips.
func (t *Transition) shared() bool { return t != nil && t.From != nil && t.To != nil }

// span is the number of frames over which the transition works: twice its length when it is
// shared, because it reaches as far to either side of the cut (transition.cpp:76).
func (t *Transition) span() Frame {
	switch {
	case t == nil:
		return 0
	case t.shared():
		return 2 * t.Length
	}
	return t.Length
}

// TimelineIn is In, or earlier by the length of a shared opening transition (clip.cpp:256).
func (c *Clip) TimelineIn() Frame {
	if c.Opening.shared() {
		return c.In - c.Opening.Length
	}
	return c.In
}

// TimelineOut is Out, or later by the length of a shared closing transition.
func (c *Clip) TimelineOut() Frame {
	if c.Closing.shared() {
		return c.Out + c.Closing.Length
	}
	return c.Out
}

// TrueClipIn is ClipIn, or earlier by the length of a shared opening transition. It may be negative.
func (c *Clip) TrueClipIn() Frame {
	if c.Opening.shared() {
		return c.ClipIn - c.Opening.Length
	}
	return c.ClipIn
}

// OpeningSpan is the number of frames from TimelineIn over which the opening transition works.
func (c *Clip) OpeningSpan() (length Frame, ok bool) {
	length = c.Opening.span()
	return length, length > 0
}

// ClosingSpan is the number of frames before TimelineOut over which the closing transition works.
func (c *Clip) ClosingSpan() (length Frame, ok bool) {
	length = c.Closing.span()
	return length, length > 0
}

// Dissolve is the factor, 0 to 1, by which Cross Dissolves lower the opacity of a video clip at a
// frame of the timeline (olive-0.1-effects.md 12.1). The outgoing clip of a shared one stays opaque:
// the incoming one is drawn over it.
func (c *Clip) Dissolve(playhead Frame) float64 {
	if !c.IsVideo() {
		return 1
	}
	factor := 1.0
	if length, ok := c.OpeningSpan(); ok && c.Opening.dissolves() {
		if k := playhead - c.TimelineIn(); 0 <= k && k < length {
			factor *= float64(k) / float64(length)
		}
	}
	if length, ok := c.ClosingSpan(); ok && c.Closing.dissolves() && !c.Closing.shared() {
		if k := playhead - (c.TimelineOut() - length); 0 <= k && k < length {
			factor *= 1 - float64(k)/float64(length)
		}
	}
	return factor
}

func (t *Transition) dissolves() bool { return t.Enabled && t.Name == dissolve }
