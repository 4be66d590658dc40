// Package hint moves the horizontal strokes of small letters to whole pixels, as the references'
// FreeType does in its "light" mode: heights change, widths never.
//
// It follows the published behaviour of FreeType's automatic hinter for Latin, Greek and Cyrillic:
// the heights that letters share (baseline, x-height, capitals, ascenders, descenders) are taken
// from the font, the x-height is brought to whole pixels, edges of strokes near a shared height go
// there, other strokes go to the pixel grid with their thickness kept, and what lies between is
// stretched. Everything is a pure function of outlines; a shape that has no strokes stays as it is.
package hint

import (
	"math"
	"slices"
)

// A Point is a point of an outline in the font's units, y up. On tells points of the curve from
// control points.
type Point struct {
	X, Y float64
	On   bool
}

// An Outline is closed contours.
type Outline [][]Point

// A blue is a height that letters share: flat letters end at ref, round ones at shoot.
type blue struct {
	ref, shoot float64
	top        bool
	xHeight    bool
}

// Metrics are what is known of a font.
type Metrics struct {
	units  float64
	blues  []blue
	widths float64 // thickness of the thickest horizontal stroke of an o
}

// zones are the letters that show each height.
var zones = []struct {
	letters      string
	top, xHeight bool
}{
	{"THEZOCQS", true, false},
	{"HEZLOCUS", false, false},
	{"fijkdbh", true, false},
	{"uvxzoesc", true, true},
	{"nrxzoesc", false, false},
	{"pqgjy", false, false},
}

// New measures a font of units to the em square. glyph returns the outline of a letter, nil when
// the font lacks it.
func New(units int, glyph func(r rune) Outline) *Metrics {
	m := &Metrics{units: float64(max(units, 1))}
	if o := glyph('o'); o != nil {
		for _, s := range m.segments(o) {
			if s.link != nil {
				m.widths = max(m.widths, math.Abs(s.link.y-s.y))
			}
		}
	}
	for _, z := range zones {
		var flat, round []float64
		for _, r := range z.letters {
			if y, isRound, ok := extreme(glyph(r), z.top); ok && isRound {
				round = append(round, y)
			} else if ok {
				flat = append(flat, y)
			}
		}
		if b, ok := newBlue(flat, round, z.top); ok {
			b.xHeight = z.xHeight
			m.blues = append(m.blues, b)
		}
	}
	return m
}

func newBlue(flat, round []float64, top bool) (blue, bool) {
	b := blue{top: top}
	switch {
	case len(flat) == 0 && len(round) == 0:
		return b, false
	case len(flat) == 0:
		b.ref, b.shoot = median(round), median(round)
	case len(round) == 0:
		b.ref, b.shoot = median(flat), median(flat)
	default:
		b.ref, b.shoot = median(flat), median(round)
	}
	if b.shoot != b.ref && (b.shoot > b.ref) != top { // nonsense: round letters that do not overshoot
		b.ref = (b.ref + b.shoot) / 2
		b.shoot = b.ref
	}
	return b, true
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// extreme finds an outline's highest or lowest point and whether it lies on a curve.
func extreme(o Outline, top bool) (y float64, round, ok bool) {
	for _, c := range o {
		for i, p := range c {
			if ok && (top && p.Y <= y || !top && p.Y >= y) {
				continue
			}
			y, ok = p.Y, true
			round = !p.On || curved(c, i)
		}
	}
	return y, round, ok
}

// curved reports whether the flat piece of a contour around point i ends in control points.
func curved(c []Point, i int) bool {
	const flat = 5 // units that count as one height
	n := len(c)
	ends := [2]Point{c[i], c[i]}
	for side, step := range [2]int{n - 1, 1} {
		for k := 1; k < n; k++ {
			p := c[(i+k*step)%n]
			if math.Abs(p.Y-c[i].Y) > flat {
				break
			}
			ends[side] = p
		}
	}
	return !ends[0].On || !ends[1].On
}
