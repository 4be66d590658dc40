package text

import (
	"image/color"
	"strings"
	"unicode"

	"olive-distributed/daemon/render/text/font"
)

// An Edge is where lines go, with Olive's numbers: Qt's alignment flags.
type Edge int

// Edges of a text.
const (
	Left    Edge = 1
	Right   Edge = 2
	HCenter Edge = 4
	Justify Edge = 8
	Top     Edge = 32
	Bottom  Edge = 64
	VCenter Edge = 128
)

// Plain is a text of one style in a box (effects notes 9.2).
type Plain struct {
	Text            string
	Fonts           *font.Stack
	Size            int // of the letters in pixels
	Width, Height   int // of the box
	Across, Upright Edge
	Wrap            bool
}

// A line is the text [from, to) of its paragraph.
type line struct {
	p        *paragraph
	from, to int
}

// Plain lays a text out; places are relative to the box.
func (s *Setter) Plain(in Plain) []Glyph {
	in.Size = min(max(in.Size, 1), MaxSize)
	var lines []line
	for _, text := range hardLines(in.Text) {
		lines = s.softLines(lines, &in, text)
	}
	m := s.metrics(in.Fonts.Main(), in.Size)
	h := m.height()
	var out []Glyph
	for i, l := range lines {
		y := h*i + m.ascent
		switch all := len(lines) * h; in.Upright {
		case Bottom:
			y = in.Height - all - m.descent + h*(i+1)
		case Top:
		default:
			y = half(in.Height) - half(all) - m.descent + h*(i+1)
		}
		out = s.plainLine(out, &in, l, float64(y))
	}
	return out
}

// half rounds toward zero, as C does.
func half(v int) int { return v / 2 }

// hardLines cuts the text at its line feeds and drops other characters that control.
func hardLines(text string) [][]rune {
	var lines [][]rune
	total := 0
	for l := range strings.SplitSeq(text, "\n") {
		var line []rune
		for _, r := range l {
			if total == MaxRunes {
				return append(lines, line)
			}
			if r == '\t' || !unicode.IsControl(r) && r != 0xfeff {
				line = append(line, r)
				total++
			}
		}
		if len(lines) == MaxRunes {
			return lines
		}
		lines = append(lines, line)
	}
	return lines
}

// softLines cuts a line at spaces until its pieces fit: at the last space before which it
// fits, looked for until the first before which it does not. The space is dropped.
func (s *Setter) softLines(out []line, in *Plain, text []rune) []line {
	p := s.paragraph(text, []stretch{{len(text), style{stack: in.Fonts, size: in.Size}}}, false)
	rest := line{p, 0, len(text)}
	if !in.Wrap || len(text) == 0 {
		return append(out, rest)
	}
	pen := s.pens(p)
	width := func(a, b int) int { return (pen[b] - pen[a]).round() }
	for width(rest.from, rest.to) > in.Width {
		at := -1
		for i := rest.from; i < rest.to; i++ {
			if text[i] != ' ' {
				continue
			}
			if width(rest.from, i) > in.Width {
				break
			}
			at = i
		}
		if at < 0 {
			break
		}
		out = append(out, line{p, rest.from, at})
		rest.from = at + 1
	}
	return append(out, rest)
}

// pens returns where the pen is before each character of a paragraph in one line, and behind the
// last, in logical order.
func (s *Setter) pens(p *paragraph) []units {
	pen := make([]units, len(p.text)+1)
	for _, r := range s.shape(p, 0, len(p.text)) {
		if r.tab {
			pen[r.start+1] += tabStop
		}
		for i := range r.glyphs {
			g := &r.glyphs[i]
			// The whole of a cluster counts behind its last character.
			end := min(g.TextIndex()+max(g.RunesCount(), 1), len(p.text))
			pen[end] += units(g.Advance)
		}
	}
	for i := 1; i < len(pen); i++ {
		pen[i] += pen[i-1]
	}
	return pen
}

func (s *Setter) plainLine(out []Glyph, in *Plain, l line, y float64) []Glyph {
	if l.from == l.to {
		return out
	}
	runs := s.shape(l.p, l.from, l.to)
	width := lineWidth(runs)
	x := 0
	switch in.Across {
	case Left:
	case Right:
		x = in.Width - width.round()
	case Justify:
		if text, more := s.justified(in, l, width); more {
			p := s.paragraph(text, []stretch{{len(text), style{stack: in.Fonts, size: in.Size}}}, false)
			runs = s.shape(p, 0, len(text))
		}
	default:
		x = half(in.Width) - half(width.round())
	}
	visual(runs)
	pen := units(0)
	for i := range runs {
		out = runs[i].place(out, float64(x)+pen.float(), y, color.NRGBA{})
		pen = runs[i].move(pen)
	}
	return out
}

func lineWidth(runs []run) units {
	x := units(0)
	for i := range runs {
		x = runs[i].move(x)
	}
	return x
}

// maxSpaces bounds the spaces that justifying adds to a line.
const maxSpaces = 4096

// justified returns the line with one more space in every gap, and again, while it fits.
func (s *Setter) justified(in *Plain, l line, width units) ([]rune, bool) {
	text := l.p.text[l.from:l.to]
	gaps := 0
	for i, r := range text {
		if r == ' ' && (i == 0 || text[i-1] != ' ') {
			gaps++
		}
	}
	if gaps == 0 {
		return nil, false
	}
	one := s.paragraph([]rune{' '}, []stretch{{1, style{stack: in.Fonts, size: in.Size}}}, false)
	step := lineWidth(s.shape(one, 0, 1)) * units(gaps)
	if step <= 0 {
		return nil, false
	}
	times := 0
	for (width+step*units(times+1)).round() <= in.Width && (times+1)*gaps <= maxSpaces {
		times++
	}
	var out []rune
	for i, r := range text {
		if r == ' ' && (i == 0 || text[i-1] != ' ') {
			for range times {
				out = append(out, ' ')
			}
		}
		out = append(out, r)
	}
	return out, times > 0
}
