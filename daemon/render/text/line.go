package text

import (
	"image/color"

	"olive-distributed/daemon/render/text/font"
)

// A Line is text that is not broken, with its pen at the origin. All measures are whole pixels.
type Line struct {
	Glyphs                 []Glyph
	Width, Ascent, Descent int
}

// Line sets a text on one line.
func (s *Setter) Line(text string, fonts *font.Stack, size int) Line {
	size = min(max(size, 1), MaxSize)
	m := s.metrics(fonts.Main(), size)
	l := Line{Ascent: m.ascent, Descent: m.descent}
	var runes []rune
	for _, part := range hardLines(text) {
		runes = append(runes, part...)
	}
	if len(runes) == 0 {
		return l
	}
	p := s.paragraph(runes, []stretch{{len(runes), style{stack: fonts, size: size}}}, false)
	runs := s.shape(p, 0, len(runes))
	l.Width = lineWidth(runs).round()
	visual(runs)
	pen := units(0)
	for i := range runs {
		l.Glyphs = runs[i].place(l.Glyphs, pen.float(), 0, color.NRGBA{})
		pen = runs[i].move(pen)
	}
	return l
}
