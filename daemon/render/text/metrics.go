package text

import (
	"math"

	"olive-distributed/daemon/render/text/font"
)

// metrics are a face's vertical measures in whole pixels, as FreeType rounds them.
type metrics struct{ ascent, descent, leading int }

func (m metrics) height() int { return m.ascent + m.descent }

func (s *Setter) metrics(f *font.Face, size int) metrics {
	ext, ok := s.face(f).FontHExtents()
	if !ok {
		return metrics{ascent: size}
	}
	scale := func(v float32) units {
		return units(math.Round(float64(v) * float64(size) * float64(pixel) / float64(f.Units())))
	}
	up := func(u units) int { return int((u + pixel - 1) >> 6) }
	m := metrics{ascent: up(scale(ext.Ascender)), descent: up(-scale(ext.Descender))}
	m.leading = max(scale(ext.Ascender-ext.Descender+ext.LineGap).round()-m.height(), 0)
	return m
}
