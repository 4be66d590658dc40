// Package html reads the HTML that Olive keeps in a Rich Text effect: what Qt's text editor
// writes, and what people paste into it (effects notes 9.3.1).
//
// Nothing is refused. What is unknown is skipped with its text kept, as browsers do; what goes
// beyond the limits is cut off, and [Document.Cut] tells. No reference is ever followed: pictures,
// whatever their address, style sheets and links show nothing. The cells of a table are set as
// paragraphs, one below the other.
package html

import "image/color"

// Limits of one document.
const (
	MaxBytes  = 1 << 20
	MaxRunes  = 100_000
	maxBlocks = 20_000
	maxSpans  = 50_000
	maxDepth  = 100 // of elements; those deeper change nothing
	maxRules  = 100 // of style sheets
)

// A Document is paragraphs, from the top down.
type Document struct {
	Blocks []Block
	Cut    bool // a limit was reached
}

// An Align is where the lines of a block go.
type Align int

// Alignments.
const (
	Start Align = iota // left, or right in text that runs to the left
	Left
	Right
	Center
	Justify
)

// A Block is one paragraph. Lengths are in pixels.
type Block struct {
	Spans       []Span
	Style       Style // of an empty line and of a list's mark
	Align       Align
	RTL         bool    // dir="rtl" was said
	Top         float64 // margin above, in which that below the block before is contained
	Left, Right float64 // margins of the block and of what it lies in
	Indent      int     // steps of 40 pixels, those of lists included
	FirstLine   float64 // indent of the first line
	LineHeight  float64 // meaning by LineRule
	LineRule    LineRule
	NoWrap      bool
	Mark        Mark
	Number      int // of an item of a numbered list
	Rule        bool
}

// IndentStep is the width of a step of [Block.Indent].
const IndentStep = 40

// A LineRule is the meaning of a line height, as Qt has them.
type LineRule int

// Line rules.
const (
	Single       LineRule = iota
	Proportional          // percent
	Fixed                 // pixels
	Minimum               // pixels
	Distance              // pixels more
)

// A Mark is what stands before an item of a list.
type Mark int

// Marks.
const (
	NoMark Mark = iota
	Disc
	Circle
	Square
	Decimal
	LowerAlpha
	UpperAlpha
	LowerRoman
	UpperRoman
)

// A Span is text of one style. The character U+2028 ends a line.
type Span struct {
	Text  string
	Style Style
}

// LineBreak ends a line within a block.
const LineBreak = '\u2028'

// A Script is the vertical place of letters.
type Script int

// Scripts.
const (
	Normal Script = iota
	Sub
	Super
)

// A Style is how letters look.
type Style struct {
	Family     string  // a list, "" for the default
	Points     float64 // size, 0 when Pixels counts
	Pixels     float64
	Step       int // relative size, -2..4: see Size
	Bold       bool
	Italic     bool
	Underline  bool
	Overline   bool
	Strike     bool
	Color      color.NRGBA
	Background color.NRGBA // transparent: none
	Script     Script
	Spacing    float64 // pixels more between letters
	caps       caps
	smaller    bool // a small capital
}

type caps int

const (
	asWritten caps = iota
	uppercase
	lowercase
	capitalize
	smallCaps
)

// steps are the factors of the relative sizes, from -2 on (Qt's scaleFactors).
var steps = [7]float64{.7, .8, 1, 1.2, 1.5, 2, 2.4}

// Size returns the letters' size in whole pixels at 96 dots per inch, at least 1.
func (s *Style) Size() int {
	px := s.Pixels
	if px <= 0 {
		px = s.Points * 96 / 72
	}
	px *= steps[min(max(s.Step+2, 0), len(steps)-1)]
	if s.smaller {
		px *= .7
	}
	if s.Script != Normal {
		px = px * 2 / 3
	}
	const limit = 4096
	return int(min(max(px+.5, 1), limit))
}

// Default is the style of text that says nothing: Qt's application font, black.
func Default() Style {
	return Style{Points: 9, Color: color.NRGBA{A: 255}}
}
