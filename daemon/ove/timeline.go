package ove

import (
	"cmp"
	"math"
	"slices"
)

// A Timeline finds the video clips of a sequence that are active at a frame. It is built once, is
// immutable, and must not be used after the sequence has been changed.
type Timeline struct {
	spans   []span // by in; see reach
	rank    map[*Clip]int
	borders []Frame // sorted, unique
}

// A span is an active clip. The spans form a search tree without pointers: the root of a run of
// spans is the one in its middle.
type span struct {
	in, out Frame
	reach   Frame // greatest out of the run of which this span is the root
	clip    *Clip
}

// Timeline builds the index of the enabled video clips, in O(n log n).
func (s *Sequence) Timeline() *Timeline {
	t := &Timeline{rank: make(map[*Clip]int)}
	for i, c := range s.Clips {
		in, out := c.TimelineIn(), c.TimelineOut()
		if !c.Enabled || !c.IsVideo() || in >= out {
			continue
		}
		t.spans = append(t.spans, span{in: in, out: out, clip: c})
		t.rank[c] = i
		t.borders = append(t.borders, in, out)
	}
	slices.SortStableFunc(t.spans, func(a, b span) int { return cmp.Compare(a.in, b.in) })
	reach(t.spans)
	t.borders = unique(t.borders)
	return t
}

func reach(spans []span) Frame {
	if len(spans) == 0 {
		return math.MinInt64
	}
	mid := len(spans) / 2
	spans[mid].reach = max(spans[mid].out, reach(spans[:mid]), reach(spans[mid+1:]))
	return spans[mid].reach
}

// VideoAt returns the enabled video clips with TimelineIn <= playhead < TimelineOut in drawing
// order, bottom first: by track, and within a track as in the file. It writes to buf[:0] and
// allocates nothing when buf is large enough. Whether a clip's media still lasts is another
// question: [Clip.Visible].
func (t *Timeline) VideoAt(buf []*Clip, playhead Frame) []*Clip {
	buf = active(buf[:0], t.spans, playhead)
	slices.SortFunc(buf, func(a, b *Clip) int {
		if a.Track != b.Track {
			return cmp.Compare(b.Track, a.Track)
		}
		return cmp.Compare(t.rank[a], t.rank[b])
	})
	return buf
}

func active(buf []*Clip, spans []span, playhead Frame) []*Clip {
	for len(spans) > 0 {
		mid := len(spans) / 2
		root := &spans[mid]
		if root.reach <= playhead {
			return buf
		}
		buf = active(buf, spans[:mid], playhead)
		if root.in > playhead {
			return buf
		}
		if playhead < root.out {
			buf = append(buf, root.clip)
		}
		spans = spans[mid+1:]
	}
	return buf
}

// Next is the first frame behind playhead at which a clip of the timeline starts or ends: until
// then VideoAt gives the same clips. It is math.MaxInt64 when there is none.
func (t *Timeline) Next(playhead Frame) Frame {
	i, on := slices.BinarySearch(t.borders, playhead)
	if on {
		i++
	}
	if i == len(t.borders) {
		return math.MaxInt64
	}
	return t.borders[i]
}

// maxNestedCuts bounds the cuts taken over from nested sequences, which can multiply.
const maxNestedCuts = 1 << 20

// Cuts lists the frames between 0 and Length, both excluded, at which an enabled video clip
// starts or ends, nested sequences included. They are sorted and unique. Cuts serve to place
// range borders: those of nests are left out where they are too many.
func (s *Sequence) Cuts() []Frame {
	return within(borders(s, make(map[*Sequence][]Frame)), 0, s.Length())
}

// borders lists where clips start and end, and where the sequence itself ends.
func borders(s *Sequence, known map[*Sequence][]Frame) []Frame {
	if frames, ok := known[s]; ok {
		return frames
	}
	t := s.Timeline()
	frames, nested := append(t.borders, s.Length()), 0
	for _, span := range t.spans {
		c := span.clip
		if c.Kind != Nested {
			continue
		}
		inner := within(borders(c.Nested, known), c.NestedFrame(span.in), c.NestedFrame(span.out-1)+1)
		if nested += len(inner); nested > maxNestedCuts {
			break
		}
		for _, border := range inner {
			frames = append(frames, c.outer(border))
		}
	}
	known[s] = unique(frames)
	return known[s]
}

// outer is the first frame of the timeline at which the nested sequence has come to a frame of
// its own: the reverse of [Clip.NestedFrame].
func (c *Clip) outer(nested Frame) Frame {
	offset := c.TimelineIn() - c.TrueClipIn()
	frame := offset + saturate(math.Ceil((float64(nested)-0.5)/c.Nested.FPS*c.Parent.FPS))
	for c.NestedFrame(frame-1) >= nested { // at most one step: the estimate is rounded
		frame--
	}
	for c.NestedFrame(frame) < nested {
		frame++
	}
	return frame
}

// within keeps the sorted frames that lie between lo and hi, both excluded.
func within(frames []Frame, lo, hi Frame) []Frame {
	first, _ := slices.BinarySearch(frames, lo+1)
	end, _ := slices.BinarySearch(frames, hi)
	return frames[first:max(first, end)]
}

func unique(frames []Frame) []Frame {
	slices.Sort(frames)
	return slices.Compact(frames)
}
