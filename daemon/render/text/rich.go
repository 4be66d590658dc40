package text

import (
	"image/color"
	"math"

	"olive-distributed/daemon/render/text/font"
	"olive-distributed/daemon/render/text/html"
)

// A Box is a filled rectangle.
type Box struct {
	X0, Y0, X1, Y1 float64
	Color          color.NRGBA
}

// A Dot is the mark of a list's item: a disc, or a circle one pixel wide when it is hollow.
type Dot struct {
	X, Y, Radius float64 // of its middle
	Hollow       bool
	Color        color.NRGBA
}

// A Page is a document laid out; places are relative to its upper left corner. Under is painted
// first, then the glyphs and dots, then Over.
type Page struct {
	Width, Height int
	Under, Over   []Box
	Glyphs        []Glyph
	Dots          []Dot
}

// Fonts are the loaded fonts that a document needs, by what it asks for.
type Fonts map[font.Query]*font.Stack

// query is what a style asks for.
func query(st *html.Style) font.Query {
	return font.Query{Family: st.Family, Bold: st.Bold, Italic: st.Italic}
}

// Needs adds to need the characters of a document by the font that they ask for.
func Needs(doc *html.Document, need map[font.Query]font.Runes) {
	add := func(st *html.Style, text string) {
		q := query(st)
		if need[q] == nil {
			need[q] = font.Runes{}
		}
		need[q].Add(text)
	}
	for i := range doc.Blocks {
		b := &doc.Blocks[i]
		add(&b.Style, " ")
		for j := range b.Spans {
			add(&b.Spans[j].Style, b.Spans[j].Text)
		}
		if b.Mark >= html.Decimal {
			add(markStyle(b), "0123456789.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
		}
	}
}

// PathSize is the size in pixels from which on Qt draws a document's letters as paths. Smaller
// ones are hinted, and kept as pictures.
const PathSize = 64

// documentMargin is Qt's default on all sides.
const documentMargin = 4

// Rich lays a document out at a width in pixels, as Qt's QTextDocument does (effects notes 9.3);
// a negative width does not break lines.
func (s *Setter) Rich(doc *html.Document, fonts Fonts, width int) *Page {
	if width < 0 {
		wide := s.typeset(doc, fonts, math.MaxInt32>>8, true)
		width = wide.Width
	}
	return s.typeset(doc, fonts, width, false).Page
}

// A compositor makes one page.
type compositor struct {
	*Page
	s      *Setter
	fonts  Fonts
	width  float64
	probe  bool    // only the width of the widest line is wanted
	y      float64 // where the next line begins
	widest float64
}

func (s *Setter) typeset(doc *html.Document, fonts Fonts, width int, probe bool) *compositor {
	c := &compositor{Page: &Page{}, s: s, fonts: fonts, width: float64(width), probe: probe, y: documentMargin}
	for i := range doc.Blocks {
		c.block(&doc.Blocks[i])
	}
	c.Height = int(math.Round(math.Max(c.y, documentMargin) + documentMargin))
	c.Width = width
	if need := int(math.Ceil(c.widest)); probe || need > width {
		c.Width = need
	}
	return c
}

// A setting is where the lines of a block go.
type setting struct {
	b           *html.Block
	left, right float64 // of the room
	p           *paragraph
	styles      []*html.Style
}

func (c *compositor) block(b *html.Block) {
	c.y += b.Top
	g := &setting{b: b, left: documentMargin + b.Left, right: c.width - documentMargin - b.Right}
	lines := c.paragraphs(b, g)
	if indent := float64(b.Indent * html.IndentStep); lines[0].rtl {
		g.right -= indent
	} else {
		g.left += indent
	}
	top, first := c.y, true
	for _, p := range lines {
		g.p = p
		c.lines(g, first)
		first = false
	}
	if b.Mark != html.NoMark {
		c.mark(g, top, lines[0].rtl)
	}
	if b.Rule {
		c.Under = append(c.Under, Box{g.left, c.y - 1, g.right, c.y, color.NRGBA{0xa0, 0xa0, 0xa0, 0xff}})
	}
}

// paragraphs cuts a block at its line breaks; there is at least one piece.
func (c *compositor) paragraphs(b *html.Block, g *setting) []*paragraph {
	var out []*paragraph
	var text []rune
	var spans []stretch
	flush := func() {
		out = append(out, c.s.paragraph(text, spans, b.RTL))
		text, spans = nil, nil
	}
	room := MaxRunes
	for i := range b.Spans {
		st := &b.Spans[i].Style
		g.styles = append(g.styles, st)
		sty := style{stack: c.stack(st), size: st.Size(), spacing: toUnits(st.Spacing), id: i}
		// Sums of advances must stay within 32 bits of 1/64 pixel.
		room = min(room, (1<<23)/max(sty.size, 1))
		for _, r := range b.Spans[i].Text {
			switch {
			case r == html.LineBreak:
				flush()
				continue
			case len(text) >= room:
				continue
			}
			text = append(text, r)
			if n := len(spans); n > 0 && spans[n-1].id == i {
				spans[n-1].end = len(text)
			} else {
				spans = append(spans, stretch{len(text), sty})
			}
		}
	}
	flush()
	return out
}

// stack returns a style's fonts, which the caller has loaded by what [Needs] listed.
func (c *compositor) stack(st *html.Style) *font.Stack { return c.fonts[query(st)] }

// lines breaks one paragraph.
func (c *compositor) lines(g *setting, first bool) {
	p := g.p
	if len(p.text) == 0 {
		c.advance(g, c.s.metrics(c.stack(&g.b.Style).Main(), g.b.Style.Size()))
		return
	}
	indent := 0.0
	if first {
		indent = g.b.FirstLine
	}
	w := c.s.wrapper(p)
	for from := 0; from < len(p.text); {
		room := toUnits(g.right - g.left - indent)
		to, next := w.next(from, room, g.b.NoWrap || c.probe)
		c.line(g, from, to, indent, next == len(p.text))
		from, indent = next, 0
	}
}

// line sets the text [from, to) as one line.
func (c *compositor) line(g *setting, from, to int, indent float64, last bool) {
	runs := c.s.shape(g.p, from, to)
	m := metrics{}
	for i := range runs {
		m = m.join(c.runMetrics(g, &runs[i]))
	}
	if len(runs) == 0 { // only spaces
		m = c.s.metrics(c.stack(&g.b.Style).Main(), g.b.Style.Size())
	}
	top := c.advance(g, m)
	width := lineWidth(runs)
	if c.probe {
		c.widest = max(c.widest, g.left+indent+width.float()+documentMargin+g.b.Right)
		return
	}
	free := g.right - g.left - indent - width.float()
	x := g.left
	if !g.p.rtl {
		x += indent
	}
	var gap units // more room in every space
	switch align(g.b.Align, g.p.rtl) {
	case html.Right:
		x += free
	case html.Center:
		x += free / 2
	case html.Justify:
		if n := spaces(g.p.text[from:to]); n > 0 && !last && free > 0 {
			gap = toUnits(free) / units(n)
		} else if g.p.rtl {
			x += free
		}
	}
	if free < 0 && align(g.b.Align, g.p.rtl) != html.Right {
		x = max(x, g.left)
	}
	c.widest = max(c.widest, x+width.float()+documentMargin+g.b.Right)
	visual(runs)
	c.paint(g, runs, x, top, m, gap)
}

func align(a html.Align, rtl bool) html.Align {
	if a != html.Start {
		return a
	}
	if rtl {
		return html.Right
	}
	return html.Left
}

func spaces(text []rune) int {
	n := 0
	for _, r := range text {
		if r == ' ' {
			n++
		}
	}
	return n
}

func (m metrics) join(o metrics) metrics {
	return metrics{max(m.ascent, o.ascent), max(m.descent, o.descent), max(m.leading, o.leading)}
}

// runMetrics are a run's measures; raised and lowered letters take more room.
func (c *compositor) runMetrics(g *setting, r *run) metrics {
	m := c.s.metrics(r.face, r.style.size).join(c.s.metrics(r.style.stack.Main(), r.style.size))
	switch shift := raise(g.styles[r.style.id].Script, m); {
	case shift > 0:
		m.ascent += shift
	case shift < 0:
		m.descent -= shift
	}
	return m
}

// raise is how far the baseline of a script lies above the line's (Qt's half and sixth of the
// letters' height).
func raise(script html.Script, m metrics) int {
	switch script {
	case html.Super:
		return m.height() / 2
	case html.Sub:
		return -m.height() / 6
	}
	return 0
}

// advance moves down by a line of those measures and returns where the line's letters have their
// top, by the block's line height (Qt's rules).
func (c *compositor) advance(g *setting, m metrics) float64 {
	raw := float64(m.height() + m.leading)
	top, height := c.y, raw
	switch h := g.b.LineHeight; g.b.LineRule {
	case html.Proportional:
		height = raw * h / 100
	case html.Fixed:
		height = h
		top -= float64(m.ascent+m.leading) - height*4/5
	case html.Minimum:
		height = max(raw, h)
		top -= raw - height
	case html.Distance:
		height = raw + h
	case html.Single:
	}
	c.y += height
	return top
}
