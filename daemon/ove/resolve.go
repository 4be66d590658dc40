package ove

import (
	"fmt"
	"slices"
	"strings"
)

// A referenceKind says what a clip refers to by a number.
type referenceKind int

const (
	footageOf  referenceKind = iota
	sequenceOf               // nested
	openingOf                // the clip whose closing transition is this clip's opening
	closingOf                // the clip whose opening transition is this clip's closing
)

// A reference waits for the end of the file, or of its sequence.
type reference struct {
	clip         *Clip
	what         referenceKind
	id           int
	line, column int
}

func (ref *reference) fail(format string, args ...any) error {
	return &Error{
		Line: ref.line, Column: ref.column,
		Msg: fmt.Sprintf("clip %q: ", brief(ref.clip.Name)) + fmt.Sprintf(format, args...),
	}
}

// share joins the shared transitions of a sequence. Like Olive it finds only clips that precede
// in the file.
func (r *reader) share(s *Sequence, refs []reference) error {
	if slices.ContainsFunc(refs, func(ref reference) bool { return ref.what >= openingOf }) {
		order := make(map[*Clip]int, len(s.Clips))
		byID := make(map[int]int, len(s.Clips))
		for i, c := range s.Clips {
			order[c] = i
			if _, ok := byID[c.ID]; !ok {
				byID[c.ID] = i
			}
		}
		for i := range refs {
			if refs[i].what < openingOf {
				continue
			}
			other, ok := byID[refs[i].id]
			if !ok || other >= order[refs[i].clip] {
				return refs[i].fail("it shares a transition with clip %d, which does not precede it in the file", refs[i].id)
			}
			if err := refs[i].share(s.Clips[other]); err != nil {
				return err
			}
		}
	}
	dropUnknown(s)
	return nil
}

// share makes the transition that other holds that of ref.clip too.
func (ref *reference) share(other *Clip) error {
	side, t := "closing", other.Closing
	if ref.what == closingOf {
		side, t = "opening", other.Opening
	}
	switch {
	case t == nil:
		return ref.fail("it shares the %s transition of clip %d, which has none", side, ref.id)
	case t.shared():
		return ref.fail("it shares the %s transition of clip %d, which is shared already", side, ref.id)
	case ref.what == openingOf:
		t.To, ref.clip.Opening = ref.clip, t
	default:
		t.From, ref.clip.Closing = ref.clip, t
	}
	return nil
}

// dropUnknown removes transitions that Olive does not know; they have no effect on anything.
func dropUnknown(s *Sequence) {
	for _, c := range s.Clips {
		if c.Opening != nil && !slices.Contains(transitions, c.Opening.Name) {
			c.Opening = nil
		}
		if c.Closing != nil && !slices.Contains(transitions, c.Closing.Name) {
			c.Closing = nil
		}
	}
}

// resolve connects clips with what they play, and refuses nesting without end.
func (r *reader) resolve() error {
	w := walk{refs: make(map[*Sequence][]*reference), done: make(map[*Sequence]nest)}
	for i := range r.refs {
		ref := &r.refs[i]
		switch ref.what {
		case footageOf:
			ref.clip.Footage = r.footage[ref.id]
		case sequenceOf:
			if ref.clip.Nested = r.sequences[ref.id]; ref.clip.Nested == nil {
				return ref.fail("it plays sequence %d, which the project does not hold", ref.id)
			}
			w.refs[ref.clip.Parent] = append(w.refs[ref.clip.Parent], ref)
		}
	}
	for _, s := range r.project.Sequences {
		if err := w.visit(s); err != nil {
			return err
		}
	}
	return nil
}

// Limits of nesting. A few lines of XML can nest 2^60 clips.
const (
	maxNesting = 64
	maxWeight  = 10_000_000 // clips of a sequence, those of its nests included
)

// A nest is what a sequence amounts to with everything nested in it.
type nest struct{ clips, depth int }

// A walk goes down all nests.
type walk struct {
	refs map[*Sequence][]*reference
	done map[*Sequence]nest
	path []*Sequence
}

func (w *walk) visit(s *Sequence) error {
	if _, ok := w.done[s]; ok {
		return nil
	}
	w.path = append(w.path, s)
	sum := nest{clips: len(s.Clips), depth: 1}
	for _, ref := range w.refs[s] {
		if i := slices.Index(w.path, ref.clip.Nested); i >= 0 {
			return ref.fail("sequences are nested in a circle: %s", circle(w.path[i:]))
		}
		if len(w.path) < maxNesting { // else the depth is refused below
			if err := w.visit(ref.clip.Nested); err != nil {
				return err
			}
		}
		inner := w.done[ref.clip.Nested]
		sum.clips += inner.clips
		sum.depth = max(sum.depth, inner.depth+1)
		if sum.depth > maxNesting || len(w.path) >= maxNesting {
			return ref.fail("sequences are nested deeper than %d levels", maxNesting)
		}
		if sum.clips > maxWeight {
			return ref.fail("nested sequences multiply to more than %d clips", maxWeight)
		}
	}
	w.path = w.path[:len(w.path)-1]
	w.done[s] = sum
	return nil
}

// circle names the sequences of a circle, the first one again at the end.
func circle(path []*Sequence) string {
	var names []string
	for _, s := range append(slices.Clone(path), path[0]) {
		names = append(names, fmt.Sprintf("%q", brief(s.Name)))
	}
	return strings.Join(names, " → ")
}
