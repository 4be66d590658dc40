package ove

import "math"

// Limits of speeds.
const (
	minSpeed = 1e-6
	maxSpeed = 1e6
)

const maxTrack = 1_000_000

func (r *reader) readClip(e *element, s *Sequence) error {
	if err := r.count(&r.counts.clips, 500_000, "clips"); err != nil {
		return err
	}
	e.need("in", "out", "track")
	c := &Clip{
		ID:            int(e.integer("id", -1, -maxFrame, maxFrame)),
		Enabled:       e.flag("enabled", true),
		Name:          r.intern(e.label("name")),
		ClipIn:        e.frame("clipin"),
		In:            e.frame("in"),
		Out:           e.frame("out"),
		Track:         int(e.integer("track", 0, -maxTrack, maxTrack)),
		Color:         [3]uint8{uint8(e.hint("r")), uint8(e.hint("g")), uint8(e.hint("b"))},
		Autoscale:     e.flag("autoscale", false),
		Speed:         e.number("speed", 1, minSpeed, maxSpeed),
		MaintainPitch: e.flag("maintainpitch", false),
		Reverse:       e.flag("reverse", false),
		Parent:        s,
		Line:          e.line,
	}
	if c.Out < c.In {
		e.reject("it ends (out=%d) before it starts (in=%d)", c.Out, c.In)
	}
	r.readSource(e, c)
	if e.err != nil {
		return e.err
	}
	s.Clips = append(s.Clips, c)
	return r.children(func(e *element) error { return r.readClipChild(e, c) })
}

// readSource decides what the clip plays. The attribute type is not used: its numbers differ
// between versions of Olive.
func (r *reader) readSource(e *element, c *Clip) {
	_, media := e.attr("media")
	_, sequence := e.attr("sequence")
	ref := reference{clip: c, line: e.line, column: e.column}
	switch {
	case media && sequence:
		e.reject("it plays a media file and a sequence at once")
	case media:
		c.Kind = Media
		c.Stream = int(e.integer("stream", 0, 0, maxFrame))
		ref.what, ref.id = footageOf, int(e.integer("media", 0, -maxFrame, maxFrame))
		r.refs = append(r.refs, ref)
	case sequence:
		c.Kind = Nested
		ref.what, ref.id = sequenceOf, int(e.integer("sequence", 0, -maxFrame, maxFrame))
		r.refs = append(r.refs, ref)
	}
}

func (r *reader) readClipChild(e *element, c *Clip) error {
	switch string(e.name) {
	case "linked":
		return r.children(func(e *element) error { return r.readLink(e, c) })
	case "opening", "closing":
		return r.readTransition(e, c)
	case "effect":
		return r.readEffect(e, c)
	case "marker":
		return r.readMarker(e, &c.Markers)
	}
	return r.skip()
}

func (r *reader) readLink(e *element, c *Clip) error {
	if !e.is("link") {
		return r.skip()
	}
	if err := r.count(&r.counts.links, 2_000_000, "links"); err != nil {
		return err
	}
	c.Links = append(c.Links, int(e.hint("id")))
	return r.skip()
}

// IsVideo reports whether the clip lies on a video track.
func (c *Clip) IsVideo() bool { return c.Track < 0 }

// EffectFrame is the time axis of the clip's keyframes at a frame of the timeline
// (renderfunctions.cpp:684). Speed and reverse have no influence on it.
func (c *Clip) EffectFrame(playhead Frame) Frame {
	return max(0, playhead-c.TimelineIn()) + c.TrueClipIn()
}

// MediaFrame is the clip frame whose picture is shown. It is the first one as long as a shared
// transition shows the clip before its own start (renderfunctions.cpp:326).
func (c *Clip) MediaFrame(playhead Frame) Frame {
	return c.EffectFrame(max(playhead, c.In))
}

// MediaLength is the number of clip frames for which there are pictures or sound (footage.cpp:57,
// clip.cpp:376). duration is that of the media's container in seconds, infinite for a still; it is
// not used for other clips. A clip whose footage the project does not hold has none.
func (c *Clip) MediaLength(duration float64) Frame {
	rate := c.Parent.FPS / c.Speed
	switch {
	case c.Kind == Null:
		return math.MaxInt64
	case c.Kind == Nested:
		return rescale(c.Nested.Length(), c.Nested.FPS, rate)
	case c.Footage == nil || !(duration >= 0):
		return 0
	}
	return saturate(math.Floor(duration * rate / c.Footage.Speed))
}

// MediaSeconds is the second of the media that is shown at a frame of the timeline
// (renderfunctions.cpp:688). mediaLength comes from [Clip.MediaLength]; only reversed clips use
// it. The result may lie outside the media.
func (c *Clip) MediaSeconds(playhead, mediaLength Frame) float64 {
	frame := float64(c.MediaFrame(playhead))
	if c.Reverse {
		frame = float64(mediaLength) - frame - 1
	}
	seconds := frame / c.Parent.FPS * c.Speed
	if c.Footage != nil {
		seconds *= c.Footage.Speed
	}
	return seconds
}

// NestedFrame is the frame of the nested sequence at a frame of the timeline. Olive ignores speed
// and reverse here (renderfunctions.cpp:175).
func (c *Clip) NestedFrame(playhead Frame) Frame {
	return rescale(playhead+c.TrueClipIn()-c.TimelineIn(), c.Parent.FPS, c.Nested.FPS)
}

// Visible reports whether the clip's media still has a picture at a frame of the timeline at which
// the clip is active (clip.cpp:88).
func (c *Clip) Visible(playhead, mediaLength Frame) bool {
	return playhead-c.TimelineIn()+c.TrueClipIn() < mediaLength
}

// rescale converts a frame number between rates.
func rescale(frame Frame, from, to float64) Frame {
	return round(float64(frame) / from * to)
}

// round is qRound of Qt 5, which Olive rounds with: halves go up, negative ones too.
func round(x float64) Frame {
	if x >= 0 {
		return saturate(x + 0.5)
	}
	below := math.Trunc(x - 1)
	return saturate(math.Trunc(x-below+0.5) + below)
}

// saturate converts to a frame, towards zero; the ends of the range stand for what lies beyond.
func saturate(x float64) Frame {
	switch {
	case x >= math.MaxInt64:
		return math.MaxInt64
	case x <= math.MinInt64:
		return math.MinInt64
	case math.IsNaN(x):
		return 0
	}
	return Frame(x)
}
