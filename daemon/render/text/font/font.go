// Package font finds the fonts of this machine as Qt does on Linux, by asking fontconfig, and
// loads them.
//
// A family that is not installed is no error: fontconfig names a substitute, and [Match] tells.
// Errors are that fontconfig or every font is missing, or that a file cannot be read; nothing is
// remembered of a failed call. Family names come from strangers' projects: they reach fc-match
// as one quoted word, never as an option or a pattern.
package font

import (
	"slices"
	"strings"

	otf "github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/font/opentype"
)

// A Query asks for one style of a family. A family may be a list, the first that is there counts.
type Query struct {
	Family       string
	Bold, Italic bool
}

// A Match is what fontconfig found for a family.
type Match struct {
	Asked       string // family
	Family      string // that was found
	File        string
	Substituted bool // the family that was asked for is not installed
}

// A Face is one loaded style of a font. It is immutable; values are shared.
type Face struct {
	File       string
	Slant      bool // to be slanted: the family has no italic
	Embolden   bool // to be made bolder: the family has no bold
	font       *otf.Font
	variations []otf.Variation
}

// New returns the face for the use of one goroutine.
func (f *Face) New() *otf.Face {
	face := otf.NewFace(f.font)
	if len(f.variations) > 0 {
		face.SetVariations(f.variations)
	}
	return face
}

// Units is the size of the em square that outlines are drawn in.
func (f *Face) Units() int { return int(f.font.Upem()) }

// A Stack is what a family's text is set in: the family itself, and for the characters that it
// lacks the fonts that fontconfig puts in its place.
type Stack struct {
	Match Match
	main  *Face
	other map[rune]*Face // of the characters that main lacks
}

// Main is the family's own face.
func (s *Stack) Main() *Face { return s.main }

// Face returns the face for a character: the family's own when no font has it.
func (s *Stack) Face(r rune) *Face {
	if f := s.other[r]; f != nil {
		return f
	}
	return s.main
}

// Runes are the characters of which a text needs the fonts.
type Runes map[rune]struct{}

// Add adds the characters of a text.
func (s Runes) Add(text string) {
	for _, r := range text {
		s[r] = struct{}{}
	}
}

// maxFamily is the longest family name that is looked up; no font has a longer one.
const maxFamily = 200

// families cuts a list of families as Qt does: at commas, without quotes. Nothing is left of
// control characters.
func families(list string) []string {
	var out []string
	for name := range strings.SplitSeq(list, ",") {
		name = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r == 0xfffd {
				return -1
			}
			return r
		}, name)
		name = strings.TrimSpace(strings.Trim(strings.TrimSpace(name), `'"`))
		if name != "" && len(name) <= maxFamily && len(out) < 8 {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		out = append(out, "sans-serif")
	}
	return out
}

// pattern writes a query in fontconfig's language, with every character of a family that means
// something in it escaped.
func pattern(q Query) string {
	var b strings.Builder
	for i, name := range families(q.Family) {
		if i > 0 {
			b.WriteByte(',')
		}
		for _, r := range name {
			if strings.ContainsRune(`\-:,=%`, r) {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		}
	}
	weight, slant := "80", "0" // regular, roman
	if q.Bold {
		weight = "200"
	}
	if q.Italic {
		slant = "100"
	}
	return b.String() + ":weight=" + weight + ":slant=" + slant
}

// generic are names of no font, which every system maps to one.
var generic = []string{"sans", "sans-serif", "sansserif", "serif", "monospace", "cursive", "fantasy", "system-ui"}

// same compares family names as fontconfig does: neither case nor blanks count.
func same(a, b string) bool {
	return strings.EqualFold(strings.ReplaceAll(a, " ", ""), strings.ReplaceAll(b, " ", ""))
}

// substituted reports whether found, the names of a font, has none of those asked for first.
func substituted(asked string, found []string) bool {
	first := families(asked)[0]
	if slices.ContainsFunc(generic, func(g string) bool { return same(g, first) }) {
		return false
	}
	return !slices.ContainsFunc(found, func(name string) bool { return same(name, first) })
}

// weight is the axis of variable fonts that boldness lies on.
var weight = opentype.MustNewTag("wght")
