package hint

import (
	"math"
	"testing"
)

// rect is a clockwise rectangle, as TrueType fills it.
func rect(x0, y0, x1, y1 float64) []Point {
	return []Point{{x0, y0, true}, {x0, y1, true}, {x1, y1, true}, {x1, y0, true}}
}

// hole is a rectangle that is cut out.
func hole(x0, y0, x1, y1 float64) []Point {
	return []Point{{x0, y0, true}, {x1, y0, true}, {x1, y1, true}, {x0, y1, true}}
}

// ring is a round contour: its extremes are curves between control points.
func ring(x0, y0, x1, y1 float64, clockwise bool) []Point {
	cx, cy := (x0+x1)/2, (y0+y1)/2
	c := []Point{
		{x0, cy, true},
		{x0, y1, false},
		{cx, y1, true},
		{x1, y1, false},
		{x1, cy, true},
		{x1, y0, false},
		{cx, y0, true},
		{x0, y0, false},
	}
	if !clockwise {
		for i, j := 1, len(c)-1; i < j; i, j = i+1, j-1 {
			c[i], c[j] = c[j], c[i]
		}
	}
	return c
}

// font is a font of 1000 units: x-height 520, capitals 700, ascenders 760, descenders -200,
// strokes 80 thick, round letters 12 beyond.
func font(r rune) Outline {
	switch r {
	case 'o', 'e', 's', 'c', 'O', 'C', 'Q', 'S':
		top := 532.
		if r < 'a' {
			top = 712
		}
		return Outline{ring(50, -12, 550, top, true), ring(130, 68, 470, top-80, false)}
	case 'T', 'H', 'E', 'Z', 'L', 'U':
		return Outline{rect(50, 0, 130, 700), rect(50, 620, 500, 700)}
	case 'x', 'z', 'u', 'v', 'n', 'r':
		return Outline{rect(50, 0, 130, 520), rect(50, 440, 500, 520)}
	case 'f', 'i', 'j', 'k', 'd', 'b', 'h':
		return Outline{rect(50, 0, 130, 760)}
	case 'p', 'q', 'g', 'y':
		return Outline{rect(50, -200, 130, 520)}
	}
	return nil
}

func TestTheHeightsOfAFont(t *testing.T) {
	m := New(1000, font)
	want := []blue{{700, 712, true, false}, {0, -12, false, false}, {760, 760, true, false}, {520, 532, true, true}, {0, -12, false, false}, {-200, -200, false, false}}
	if len(m.blues) != len(want) {
		t.Fatalf("heights %v", m.blues)
	}
	for i := range want {
		if m.blues[i] != want[i] {
			t.Errorf("height %d is %v, want %v", i, m.blues[i], want[i])
		}
	}
	if m.widths != 80 {
		t.Errorf("strokes are %g thick, want 80", m.widths)
	}
}

func TestFit(t *testing.T) {
	m := New(1000, font)
	// At 20 pixels the x-height's 10.64 become 11, so that a pixel is 48.36 units.
	const unit = 64 * 20 / 1000. * 11 / 10.64
	for name, c := range map[string]struct {
		outline Outline
		size    int
		at      map[float64]float64 // from units to 1/64 pixel
	}{
		"flat letters end on pixels":               {font('x'), 20, map[float64]float64{0: 0, 520: 11 * 64, 440: 11*64 - 80*unit}},
		"so do capitals":                           {font('T'), 20, map[float64]float64{0: 0, 700: 14 * 64}},
		"and what goes below":                      {font('p'), 20, map[float64]float64{-200: -4 * 64, 520: 11 * 64}},
		"small overshoots vanish":                  {font('o'), 20, map[float64]float64{-12: 0, 532: 11 * 64, 68: 80 * unit, 452: 11*64 - 80*unit}},
		"larger ones are half a pixel":             {font('o'), 50, map[float64]float64{-12: -32, 532: 26*64 + 32}},
		"strokes elsewhere are moved, not changed": {append(font('x'), rect(50, 200, 500, 240)), 20, map[float64]float64{240: 64*4 + 32 + 20*unit, 200: 64*4 + 32 - 20*unit}},
		"what has no strokes is scaled":            {Outline{{{0, 0, true}, {100, 500, true}, {200, 0, true}, {100, -300, true}}}, 20, map[float64]float64{500: 500 * unit, -300: -300 * unit}},
		"nothing":                                  {nil, 20, map[float64]float64{100: 100 * unit}},
	} {
		t.Run(name, func(t *testing.T) {
			f := m.Fit(c.outline, c.size)
			for from, want := range c.at {
				if got := f.Y(from); math.Abs(got-want) > 1 {
					t.Errorf("%g goes to %.1f/64, want %.1f (%+v)", from, got, want, f.knots)
				}
			}
		})
	}
}

func TestTheOtherOrientationIsTheSame(t *testing.T) {
	m := New(1000, font)
	back := Outline{}
	for _, c := range font('o') {
		var r []Point
		for i := range c {
			r = append(r, c[len(c)-1-i])
		}
		back = append(back, r)
	}
	a, b := m.Fit(font('o'), 50), m.Fit(back, 50)
	for _, y := range []float64{-12, 0, 68, 300, 452, 532} {
		if a.Y(y) != b.Y(y) {
			t.Errorf("%g goes to %g, and to %g when the contours run backwards", y, a.Y(y), b.Y(y))
		}
	}
}

func TestAFontWithoutLetters(t *testing.T) {
	m := New(0, func(rune) Outline { return nil })
	f := m.Fit(Outline{rect(0, 0, 3, 1), hole(1, 0, 2, 1)}, 10)
	if y := f.Y(1); math.IsNaN(y) || math.IsInf(y, 0) {
		t.Errorf("1 goes to %g", y)
	}
}

func FuzzFit(f *testing.F) {
	f.Add([]byte{0, 0, 0, 200, 100, 200, 100, 0, 1, 1, 50, 150}, 20, 1000)
	f.Fuzz(func(t *testing.T, data []byte, size, units int) {
		var o Outline
		var c []Point
		for i := 0; i+1 < len(data) && i < 400; i += 2 {
			if data[i] == 1 && data[i+1] == 1 {
				o, c = append(o, c), nil
				continue
			}
			c = append(c, Point{float64(data[i]) * 4, float64(int8(data[i+1])) * 8, data[i]%3 > 0})
		}
		o = append(o, c)
		units, size = min(max(units, -1), 1<<16), min(max(size, 1), 4096)
		for _, m := range []*Metrics{New(units, font), New(units, func(rune) Outline { return o })} {
			fit := m.Fit(o, size)
			for y := -2000.; y < 2000; y += 97 {
				if v := fit.Y(y); math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("%g goes to %g", y, v)
				}
			}
		}
	})
}
