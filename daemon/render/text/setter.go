// Package text sets type: values in, glyphs with their places out, in pixels of the picture.
//
// [Setter.Plain] lays out Olive's Text effect, [Setter.Rich] its Rich Text. Both follow Qt 5:
// whole-pixel sizes at 96 dots per inch, line heights from rounded metrics, HarfBuzz's shaping,
// Unicode's bidirectional order and line breaks. Nothing fails: a character that no font has
// shows the main font's box, a glyph that is a picture (emoji) takes its room and shows nothing,
// and what is beyond a limit is left out. The fonts are loaded before ([font.Finder.Open]), so
// that there is no I/O here.
package text

import (
	"image/color"
	"math"

	"github.com/go-text/typesetting/bidi"
	"github.com/go-text/typesetting/di"
	otf "github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/language"
	"github.com/go-text/typesetting/segmenter"
	"github.com/go-text/typesetting/shaping"
	"golang.org/x/image/math/fixed"

	"olive-distributed/daemon/render/text/font"
	"olive-distributed/daemon/render/text/hint"
)

// MaxRunes is how much text is set at once, as one text or one paragraph; the rest is left out.
const MaxRunes = 20_000

// MaxSize is the largest size of letters in pixels; larger ones are set in it.
const MaxSize = 8192

// A Glyph is a letter's shape in its place.
type Glyph struct {
	Face  *font.Face
	ID    otf.GID
	Size  int     // of the letters in pixels
	X, Y  float64 // of the pen, on the baseline
	Color color.NRGBA
	Hint  bool // strokes are moved to whole pixels, as Qt does in small letters
}

// A Setter lays out text. It keeps memory from one call to the next and must not be used by two
// goroutines at once.
type Setter struct {
	shaper shaping.HarfbuzzShaper
	split  shaping.Segmenter
	bidi   bidi.Paragraph
	breaks segmenter.Segmenter
	faces  map[*font.Face]*otf.Face
	ours   map[*otf.Face]*font.Face
	hints  map[*font.Face]*hint.Metrics
}

// NewSetter returns a Setter.
func NewSetter() *Setter {
	return &Setter{faces: map[*font.Face]*otf.Face{}, ours: map[*otf.Face]*font.Face{}, hints: map[*font.Face]*hint.Metrics{}}
}

func (s *Setter) face(f *font.Face) *otf.Face {
	face := s.faces[f]
	if face == nil {
		face = f.New()
		s.faces[f], s.ours[face] = face, f
	}
	return face
}

// units are 1/64 pixel, in which Qt and HarfBuzz count.
type units int64

const pixel units = 64

func (u units) float() float64 { return float64(u) / float64(pixel) }

// round is to the nearest pixel, halves up.
func (u units) round() int { return int((u + pixel/2) >> 6) }

func toUnits(px float64) units { return units(math.Floor(px*float64(pixel) + .5)) }

// A style is how a stretch of a paragraph is set.
type style struct {
	stack   *font.Stack
	size    int
	spacing units // more room between letters
	id      int   // the caller's
}

// A stretch is the text up to end, from the end of the stretch before, in one style.
type stretch struct {
	end int
	style
}

// A paragraph is text that is put in order and broken as a whole.
type paragraph struct {
	text  []rune
	spans []stretch
	runs  []bidi.Run
	rtl   bool
}

// paragraph puts text in order. Its direction is that of its first letter, unless rtl is said.
func (s *Setter) paragraph(text []rune, spans []stretch, rtl bool) *paragraph {
	p := &paragraph{text: text, spans: spans, rtl: rtl || runsLeft(text)}
	dir := bidi.LeftToRight
	if p.rtl {
		dir = bidi.RightToLeft
	}
	runs := s.bidi.Segment(text, dir)
	for i := range runs.NumRuns() {
		p.runs = append(p.runs, runs.Run(i))
	}
	return p
}

// runsLeft reports whether the first letter is of a script that runs to the left.
func runsLeft(text []rune) bool {
	for _, r := range text {
		switch script := language.LookupScript(r); script {
		case language.Arabic, language.Hebrew, language.Syriac, language.Thaana, language.Nko, language.Adlam,
			language.Samaritan, language.Mandaic, language.Hanifi_Rohingya:
			return true
		default:
			if script.Strong() {
				return false
			}
		}
	}
	return false
}

// A run is glyphs of one face and style, in visual order.
type run struct {
	glyphs  []shaping.Glyph
	face    *font.Face
	style   style
	level   bidi.Level
	start   int // in the text
	end     int
	tab     bool
	hint    bool // its script is one that is hinted
	advance units
}

// TabStop is the distance of tab stops, Qt's default.
const tabStop = 80 * pixel

// shape sets the text [from, to) of a paragraph, in logical order.
func (s *Setter) shape(p *paragraph, from, to int) []run {
	var out []run
	span := 0
	for _, b := range p.runs {
		for a := max(b.Start, from); a < min(b.End, to); {
			for p.spans[span].end <= a && span+1 < len(p.spans) {
				span++
			}
			for span > 0 && p.spans[span-1].end > a {
				span--
			}
			end := min(b.End, to, p.spans[span].end)
			if end <= a { // spans that do not reach the end: what is behind is like the last
				end = min(b.End, to)
			}
			out = s.piece(out, p, a, end, p.spans[span].style, b.Level)
			a = end
		}
	}
	return out
}

// piece sets text of one style and level, tabs apart.
func (s *Setter) piece(out []run, p *paragraph, a, b int, st style, level bidi.Level) []run {
	for a < b {
		if p.text[a] == '\t' {
			out = append(out, run{style: st, face: st.stack.Main(), level: level, start: a, end: a + 1, tab: true})
			a++
			continue
		}
		end := a
		for end < b && p.text[end] != '\t' {
			end++
		}
		in := shaping.Input{
			Text: p.text, RunStart: a, RunEnd: end, Direction: di.DirectionLTR,
			Size: fixed.I(min(max(st.size, 1), MaxSize)), Language: "en",
		}
		if level%2 == 1 {
			in.Direction = di.DirectionRTL
		}
		for _, part := range s.split.Split(in, fontmap{s, st.stack}) {
			part.Direction = in.Direction
			o := s.shaper.ShapeNoExtents(part)
			s.truncate(&o, st.size)
			r := run{glyphs: o.Glyphs, face: s.ours[part.Face], style: st, level: level, start: part.RunStart, end: part.RunEnd, hint: hinted(part.Script)}
			r.space()
			out = append(out, r)
		}
		a = end
	}
	return out
}

// truncate makes the advances what Qt takes from FreeType: cut off to 1/64 pixel, where HarfBuzz
// rounds them. Kerning and what else has been added stays.
func (s *Setter) truncate(o *shaping.Output, size int) {
	scale := fixedScale(min(max(size, 1), MaxSize), int(o.Face.Upem()))
	for i := range o.Glyphs {
		g := &o.Glyphs[i]
		if g.Advance == 0 || g.GlyphID == otf.EmptyGlyph { // a mark
			continue
		}
		design := int64(o.Face.HorizontalAdvance(g.GlyphID))
		linear := (design*scale + 32) / 64 // in 1/65536 pixel
		rounded := math.Round(float64(design) * float64(size) * float64(pixel) / float64(o.Face.Upem()))
		g.Advance += fixed.Int26_6(linear>>10) - fixed.Int26_6(rounded)
	}
}

// fixedScale is FreeType's scale: 1/64 pixels per unit of the font, in 1/65536.
func fixedScale(size, upem int) int64 {
	upem = max(upem, 1)
	return (int64(size)*int64(pixel)*65536 + int64(upem)/2) / int64(upem)
}

// hinted reports whether letters of a script are moved to whole pixels.
func hinted(script language.Script) bool {
	switch script {
	case language.Latin, language.Greek, language.Cyrillic, language.Common, language.Inherited:
		return true
	}
	return false
}

// space adds the style's spacing behind every cluster and sums the advances up.
func (r *run) space() {
	for i := range r.glyphs {
		g := &r.glyphs[i]
		last := i+1 == len(r.glyphs) || r.glyphs[i+1].TextIndex() != g.TextIndex()
		if last {
			g.Advance += fixed.Int26_6(r.style.spacing)
		}
		r.advance += units(g.Advance)
	}
}

// fontmap chooses faces from a stack.
type fontmap struct {
	setter *Setter
	stack  *font.Stack
}

// ResolveFace implements [shaping.Fontmap].
func (m fontmap) ResolveFace(r rune) *otf.Face { return m.setter.face(m.stack.Face(r)) }

// visual puts runs from left to right (rule L2 of Unicode's algorithm).
func visual(runs []run) {
	highest := bidi.Level(0)
	for i := range runs {
		highest = max(highest, runs[i].level)
	}
	for level := highest; level > 0; level-- {
		for i := 0; i < len(runs); i++ {
			j := i
			for j < len(runs) && runs[j].level >= level {
				j++
			}
			for a, b := i, j-1; a < b; a, b = a+1, b-1 {
				runs[a], runs[b] = runs[b], runs[a]
			}
			i = max(i, j-1)
		}
	}
}

// advance returns where the pen is behind a run that begins at x from the line's start.
func (r *run) move(x units) units {
	if r.tab {
		return (x/tabStop + 1) * tabStop
	}
	return x + r.advance
}

// place appends the glyphs of a run whose pen starts at (x, y).
func (r *run) place(out []Glyph, x, y float64, c color.NRGBA) []Glyph {
	for i := range r.glyphs {
		g := &r.glyphs[i]
		if g.GlyphID != otf.EmptyGlyph {
			out = append(out, Glyph{
				Face: r.face, ID: g.GlyphID, Size: r.style.size, Color: c,
				X: x + units(g.XOffset).float(), Y: y - units(g.YOffset).float(),
			})
		}
		x += units(g.Advance).float()
	}
	return out
}
