package audio

import (
	"errors"
	"fmt"
	"sort"

	"olive-distributed/daemon/ove"
)

// farFrame lies behind every frame of a timeline.
const farFrame ove.Frame = 1 << 40

// overhang is the number of samples that Olive mixes in advance: half of its ring buffer of
// 192000 bytes. By so much a sound can outlast the moment at which its clip is given up.
const overhang = 24000

// maxVoices bounds what nested sequences can multiply to.
const maxVoices = 1 << 20

// A voice is one sounding clip, at its place in the sound of the outermost sequence.
type voice struct {
	clip     *ove.Clip
	nests    []*ove.Clip // from the outermost inwards
	order    int         // in which Olive mixes
	from, to ove.Frame   // of the outermost sequence, in which Olive looks at the clip
	playhead ove.Frame   // frame of the clip's own sequence with which it starts
	in       ove.Frame   // first frame of the clip, in frames of the outermost sequence
	start    int64       // sample of the timeline with which it starts
	end      int64       // and ends at the latest
	lead     int64       // samples to pass over before the first
}

func (v *voice) String() string {
	return fmt.Sprintf("clip %q of sequence %q (line %d)", v.clip.Name, v.clip.Parent.Name, v.clip.Line)
}

// A score finds the voices of the samples [first, end) of a timeline.
type score struct {
	clock      clock
	opt        Options
	first, end int64
	voices     []*voice
	order      int
}

// add finds the voices of seq, which is shown by the innermost of nests while the outermost
// sequence is at the frames [from, to).
func (s *score) add(seq *ove.Sequence, nests []*ove.Clip, from, to ove.Frame) error {
	for _, c := range seq.Clips {
		in, out := c.TimelineIn(), c.TimelineOut()
		if !c.Enabled || c.IsVideo() || in >= out {
			continue
		}
		if c.Kind == ove.Nested {
			out = min(out, in+c.MediaLength(0)-c.TrueClipIn())
		}
		first, end := frames(nests, from, to, in, out)
		if first >= end || s.clock.sample(first) >= s.end || s.clock.sample(end)+overhang <= s.first {
			continue
		}
		if c.Kind == ove.Nested {
			inner := append(nests[:len(nests):len(nests)], c)
			if err := s.add(c.Nested, inner, first, end); err != nil {
				return err
			}
			continue
		}
		if !s.audible(c, nests) {
			continue
		}
		if len(s.voices) == maxVoices {
			return errors.New("nested sequences multiply to more than a million sounding clips: nest less")
		}
		if v := s.voice(c, nests, first, to); v.start < s.end && v.end > s.first {
			s.voices = append(s.voices, v)
		}
	}
	return nil
}

// voice places a clip that is shown from frame first of the outermost sequence on, and no longer
// than to (cacher.cpp).
func (s *score) voice(c *ove.Clip, nests []*ove.Clip, first, to ove.Frame) *voice {
	v := &voice{clip: c, nests: nests, order: s.order, from: first, to: to, playhead: shown(nests, first)}
	s.order++
	in, out, target := c.TimelineIn(), c.TimelineOut(), v.playhead
	var hidden ove.Frame // frames of the clip before its nests start
	fps := c.Parent.FPS
	for i := len(nests) - 1; i >= 0; i-- {
		n := nests[i]
		shift := n.TimelineIn() - n.TrueClipIn()
		in = rescale(in, fps, n.Parent.FPS) + shift
		out = min(rescale(out, fps, n.Parent.FPS)+shift, n.TimelineOut())
		target = rescale(target, fps, n.Parent.FPS) + shift
		hidden = rescale(hidden, fps, n.Parent.FPS) + max(0, n.TimelineIn()-in)
		fps = n.Parent.FPS
	}
	v.in = in
	v.start = s.clock.sample(max(in+hidden, target))
	v.lead = v.start - s.clock.sample(max(in, target))
	v.end = s.clock.sample(out)
	if c.Parent.FPS != fps {
		// Olive measures a frame of the outer sequence with the inner one's rate, so the sound
		// ends late or early; when late, at most as far as it has been mixed in advance.
		v.end = min(s.clock.place(out, c.Parent.FPS), s.clock.sample(to)+overhang)
	}
	return v
}

// limit ends a voice where its medium, by the length of its container, is over for Olive.
func (v *voice) limit(clock clock, mediaLength ove.Frame) {
	c := v.clip
	_, end := frames(v.nests, v.from, v.to, c.TimelineIn(), c.TimelineIn()+mediaLength-c.TrueClipIn())
	v.end = min(v.end, clock.sample(end)+overhang)
}

// frames are those of [from, to) of the outermost sequence at which the innermost nest shows
// the frames [in, out) of its own.
func frames(nests []*ove.Clip, from, to, in, out ove.Frame) (first, end ove.Frame) {
	reach := func(frame ove.Frame) ove.Frame {
		return from + ove.Frame(sort.Search(int(to-from), func(i int) bool { return shown(nests, from+ove.Frame(i)) >= frame }))
	}
	return reach(in), reach(out)
}

// shown is the frame that the innermost nest shows.
func shown(nests []*ove.Clip, playhead ove.Frame) ove.Frame {
	for _, n := range nests {
		playhead = n.NestedFrame(playhead)
	}
	return playhead
}

// audible reports whether a clip can make any sound.
func (s *score) audible(c *ove.Clip, nests []*ove.Clip) bool {
	if c.Kind == ove.Media {
		return c.Footage != nil && s.opt.Path(c.Footage) != ""
	}
	if s.opt.sounding(c) {
		return true
	}
	for _, n := range nests {
		if s.opt.sounding(n) {
			return true
		}
	}
	return false
}
