package ove

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Limits of one effect.
const (
	maxRows   = 1024
	maxFields = 256 // of a row
)

func (r *reader) readEffect(e *element, c *Clip) error {
	if err := r.count(&r.counts.effects, 1_000_000, "effects"); err != nil {
		return err
	}
	effect := &Effect{
		Name:    r.intern(e.label("name")),
		Enabled: e.flag("enabled", true),
		Line:    e.line,
	}
	if e.err != nil {
		return e.err
	}
	c.Effects = append(c.Effects, effect)
	return r.children(func(e *element) error {
		if !e.is("row") {
			return r.skip()
		}
		return r.readRow(e, effect)
	})
}

func (r *reader) readRow(e *element, effect *Effect) error {
	if len(effect.Rows) == maxRows {
		return e.fail("an effect has more than %d rows", maxRows)
	}
	if err := r.count(&r.counts.rows, 2_000_000, "effect rows"); err != nil {
		return err
	}
	r.fields = r.fields[:0]
	err := r.children(func(e *element) error {
		if !e.is("field") {
			return r.skip()
		}
		return r.readField(e)
	})
	effect.Rows = append(effect.Rows, Row{Fields: slices.Clone(r.fields)})
	return err
}

func (r *reader) readField(e *element) error {
	if len(r.fields) == maxFields {
		return e.fail("a row has more than %d fields", maxFields)
	}
	if err := r.count(&r.counts.fields, 2_000_000, "effect fields"); err != nil {
		return err
	}
	value, valued := e.attr("value")
	field := Field{ID: r.intern(e.label("id")), Value: r.intern(value)}
	if e.err != nil {
		return e.err
	}
	err := r.children(func(e *element) error {
		if !e.is("key") {
			return r.skip()
		}
		return r.readKey(e, &field)
	})
	if valued || len(field.Keys) > 0 { // else Olive keeps the default
		r.fields = append(r.fields, field)
	}
	return err
}

// readKey takes the attributes' defaults from Olive (handles of 40 frames).
func (r *reader) readKey(e *element, field *Field) error {
	if err := r.count(&r.counts.keys, 500_000, "keyframes"); err != nil {
		return err
	}
	const far = 1e9
	e.need("frame", "value")
	value, _ := e.attr("value")
	field.Keys = append(field.Keys, Key{
		Frame: e.frame("frame"),
		Value: r.intern(value),
		Type:  KeyType(e.integer("type", int64(Linear), int64(Linear), int64(Hold))),
		PreX:  e.number("prehx", -40, -far, far),
		PreY:  e.number("prehy", 0, -math.MaxFloat64, math.MaxFloat64),
		PostX: e.number("posthx", 40, -far, far),
		PostY: e.number("posthy", 0, -math.MaxFloat64, math.MaxFloat64),
	})
	if e.err != nil {
		return e.err
	}
	return r.skip()
}

// field finds a field by the position of its row and its id; the last of several counts.
func (e *Effect) field(row int, id string) *Field {
	if row < 0 || row >= len(e.Rows) {
		return nil
	}
	fields := e.Rows[row].Fields
	for i := range slices.Backward(fields) {
		if fields[i].ID == id {
			return &fields[i]
		}
	}
	return nil
}

// sorted returns the keys in the order of their frames. Of several on one frame, Olive's search
// finds the first one of the file.
func sorted(keys []Key) []Key {
	keys = slices.Clone(keys)
	slices.SortStableFunc(keys, func(a, b Key) int { return cmp.Compare(a.Frame, b.Frame) })
	return slices.CompactFunc(keys, func(a, b Key) bool { return a.Frame == b.Frame })
}

// toDouble converts as QString::toDouble does: what is no number is 0. So is what is not finite,
// because no picture can be made of it.
func toDouble(s string) float64 {
	s = strings.TrimSpace(s)
	if strings.ContainsAny(s, "xX_pP") { // Go's own notations
		return 0
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0
	}
	return n
}

// Steps are the values of a bool, combo, string, font or file field over time. They do not
// interpolate: a key's value holds until the next key. The zero Steps are "" for ever.
type Steps struct {
	first step // value before the second key, and of a field without keys
	later []step
}

type step struct {
	frame Frame
	text  string
	num   int
}

func newStep(frame Frame, text string) step {
	num, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
	if err != nil {
		num = 0
	}
	return step{frame, text, int(num)}
}

// Steps returns the field id of a row, counted from 0, or def when the effect has no such field.
func (e *Effect) Steps(row int, id, def string) Steps {
	field := e.field(row, id)
	switch {
	case field == nil:
		return Steps{first: newStep(0, def)}
	case len(field.Keys) == 0:
		return Steps{first: newStep(0, field.Value)}
	}
	keys := sorted(field.Keys)
	s := Steps{first: newStep(keys[0].Frame, keys[0].Value)}
	for _, k := range keys[1:] {
		s.later = append(s.later, newStep(k.Frame, k.Value))
	}
	return s
}

func (s *Steps) at(frame float64) *step {
	rounded := round(frame)
	i, exact := slices.BinarySearchFunc(s.later, rounded, func(k step, frame Frame) int { return cmp.Compare(k.frame, frame) })
	switch {
	case exact:
		return &s.later[i]
	case i > 0:
		return &s.later[i-1]
	}
	return &s.first
}

// At is the text at a frame of the clip's axis ([Clip.EffectFrame]).
func (s Steps) At(frame float64) string { return s.at(frame).text }

// Int is the value of a combo: 0 for a text that is no whole number.
func (s Steps) Int(frame float64) int { return s.at(frame).num }

// Bool is true only for the text "1".
func (s Steps) Bool(frame float64) bool { return s.at(frame).text == "1" }

// Values are the texts that the field has on some frame, in the order of its keys.
func (s Steps) Values() iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(s.first.text) {
			return
		}
		for i := range s.later {
			if !yield(s.later[i].text) {
				return
			}
		}
	}
}

// Constant reports whether the value is the same on all frames.
func (s Steps) Constant() bool {
	return !slices.ContainsFunc(s.later, func(k step) bool { return k.text != s.first.text })
}
