package text

import (
	"strconv"
	"strings"

	"olive-distributed/daemon/render/text/font"
	"olive-distributed/daemon/render/text/html"
)

// mark draws what stands before a list's item, beside its first line, where Qt has it.
func (c *compositor) mark(g *setting, top float64, rtl bool) {
	st := markStyle(g.b)
	stack, size := c.stack(st), st.Size()
	m := c.s.metrics(stack.Main(), size)
	blank := lineWidth(c.s.shapeText(" ", stack, size)).float()
	if label := number(g.b.Mark, g.b.Number); label != "" {
		runs := c.s.shapeText(label, stack, size)
		x := g.left - blank - lineWidth(runs).float()
		if rtl {
			x = g.right + blank
		}
		visual(runs)
		pen := units(0)
		for i := range runs {
			c.Glyphs = runs[i].place(c.Glyphs, x+pen.float(), top+float64(m.ascent), st.Color)
			pen = runs[i].move(pen)
		}
		return
	}
	side := float64(m.height()+m.leading) / 3
	x := g.left - blank - side
	if rtl {
		x = g.right + blank
	}
	y := top + float64(m.height())/2 - side/2
	if g.b.Mark == html.Square {
		c.Over = append(c.Over, Box{x, y, x + side, y + side, st.Color})
		return
	}
	c.Dots = append(c.Dots, Dot{x + side/2 + .5, y + side/2 + .5, side / 2, g.b.Mark == html.Circle, st.Color})
}

// markStyle is the style of an item's mark: that of its first letter.
func markStyle(b *html.Block) *html.Style {
	if len(b.Spans) > 0 {
		return &b.Spans[0].Style
	}
	return &b.Style
}

func (s *Setter) shapeText(text string, stack *font.Stack, size int) []run {
	runes := []rune(text)
	p := s.paragraph(runes, []stretch{{len(runes), style{stack: stack, size: size}}}, false)
	return s.shape(p, 0, len(runes))
}

// number is the label of an item of a numbered list, "" for marks that are drawn.
func number(mark html.Mark, n int) string {
	switch mark {
	case html.Decimal:
		return strconv.Itoa(n) + "."
	case html.LowerAlpha:
		return letters(n) + "."
	case html.UpperAlpha:
		return strings.ToUpper(letters(n)) + "."
	case html.LowerRoman:
		return roman(n) + "."
	case html.UpperRoman:
		return strings.ToUpper(roman(n)) + "."
	}
	return ""
}

// letters counts a, b, … z, aa, ab, …
func letters(n int) string {
	if n < 1 {
		return strconv.Itoa(n)
	}
	var out []byte
	for ; n > 0; n = (n - 1) / 26 {
		out = append([]byte{byte('a' + (n-1)%26)}, out...)
	}
	return string(out)
}

func roman(n int) string {
	if n < 1 || n > 4999 {
		return strconv.Itoa(n)
	}
	var b strings.Builder
	for _, d := range []struct {
		value int
		text  string
	}{
		{1000, "m"},
		{900, "cm"},
		{500, "d"},
		{400, "cd"},
		{100, "c"},
		{90, "xc"},
		{50, "l"},
		{40, "xl"},
		{10, "x"},
		{9, "ix"},
		{5, "v"},
		{4, "iv"},
		{1, "i"},
	} {
		for ; n >= d.value; n -= d.value {
			b.WriteString(d.text)
		}
	}
	return b.String()
}
