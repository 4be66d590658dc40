package path

import (
	"bytes"
	"image"
	"math"
	"math/rand/v2"
	"testing"
)

// literal is the coverage of a path by brute force: 16 x 16 points in each pixel, each inside
// when its winding number is not 0.
func literal(p *Path, x, y int) float64 {
	const n = 16
	hits := 0
	for j := range n {
		for i := range n {
			if winding(p, float64(x)+(float64(i)+.5)/n, float64(y)+(float64(j)+.5)/n) != 0 {
				hits++
			}
		}
	}
	return float64(hits) / (n * n)
}

func winding(p *Path, x, y float64) int {
	w := 0
	p.contours(func(c []Point) {
		a := c[len(c)-1]
		for _, b := range c {
			if (a.Y <= y) != (b.Y <= y) && a.X+(y-a.Y)/(b.Y-a.Y)*(b.X-a.X) < x {
				if a.Y < b.Y {
					w++
				} else {
					w--
				}
			}
			a = b
		}
	})
	return w
}

func compare(t *testing.T, p *Path, w, h int, tolerance float64) {
	t.Helper()
	var m Mask
	m.Fill(p, 0, 0, image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			got := 0.0
			if x >= m.X && x < m.X+m.W && y >= m.Y && y < m.Y+m.H {
				got = float64(m.Pix[(y-m.Y)*m.W+x-m.X]) / 255
			}
			if want := literal(p, x, y); math.Abs(got-want) > tolerance {
				t.Fatalf("pixel %d,%d is covered by %.3f, want %.3f", x, y, got, want)
			}
		}
	}
}

func TestCoverageIsTheAreaUnderThePath(t *testing.T) {
	for name, draw := range map[string]func(*Path){
		"whole pixels":          func(p *Path) { p.Rect(3, 4, 10, 12) },
		"fractions":             func(p *Path) { p.Rect(3.25, 4.5, 10.75, 12.125) },
		"thinner than a pixel":  func(p *Path) { p.Rect(3.25, 0, 3.5, 20) },
		"the other way round":   func(p *Path) { p.MoveTo(Point{3, 3}); p.LineTo(Point{3, 9}); p.LineTo(Point{9, 9}) },
		"a circle":              func(p *Path) { p.Circle(Point{10, 10}, 7.3) },
		"beyond the left":       func(p *Path) { p.Circle(Point{-2, 10}, 9) },
		"beyond the right":      func(p *Path) { p.Circle(Point{21, 10}, 9) },
		"beyond top and bottom": func(p *Path) { p.MoveTo(Point{5, -30}); p.LineTo(Point{15, 50}); p.LineTo(Point{-9, 50}) },
		"beyond all sides":      func(p *Path) { p.Rect(-1e9, -1e9, 1e9, 1e9) },
		"from right to left across": func(p *Path) {
			p.MoveTo(Point{60, 2})
			p.LineTo(Point{-60, 11})
			p.LineTo(Point{-60, 14})
			p.LineTo(Point{60, 15})
		},
		"a hole": func(p *Path) {
			p.Rect(2, 2, 18, 18)
			p.MoveTo(Point{6, 6})
			p.LineTo(Point{6, 12})
			p.LineTo(Point{12, 12})
			p.LineTo(Point{12, 6})
		},
		"two that overlap": func(p *Path) { p.Rect(2, 2, 12, 12); p.Rect(6, 6, 18, 18) },
		"curves": func(p *Path) {
			p.MoveTo(Point{2, 2})
			p.QuadTo(Point{19, 0}, Point{18, 18})
			p.CubeTo(Point{12, 3}, Point{7, 30}, Point{1, 15})
		},
		"nothing":        func(*Path) {},
		"a single point": func(p *Path) { p.MoveTo(Point{5, 5}); p.Close() },
		"a contour of no numbers is left out": func(p *Path) {
			p.Rect(2, 2, 8, 8)
			p.MoveTo(Point{math.NaN(), 3})
			p.LineTo(Point{30, math.Inf(1)})
			p.LineTo(Point{3, 9})
		},
	} {
		t.Run(name, func(t *testing.T) {
			var p Path
			draw(&p)
			p.Close()
			compare(t, &p, 20, 20, .04)
		})
	}
}

func TestRandomPolygons(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		var p Path
		p.MoveTo(Point{r.Float64()*60 - 20, r.Float64()*60 - 20})
		for range 2 { // triangles do not cross themselves
			p.LineTo(Point{r.Float64()*60 - 20, r.Float64()*60 - 20})
		}
		p.Close()
		compare(t, &p, 20, 20, .05)
	}
}

// TestFillMovesExactly: whole pixels of movement change nothing but the place.
func TestFillMovesExactly(t *testing.T) {
	var p Path
	p.Circle(Point{10.3, 9.7}, 6.2)
	var a, b Mask
	a.Fill(&p, 0, 0, image.Rect(0, 0, 100, 100))
	b.Fill(&p, 31, 17, image.Rect(0, 0, 100, 100))
	if b.X != a.X+31 || b.Y != a.Y+17 || !bytes.Equal(a.Pix, b.Pix) {
		t.Errorf("moved by 31,17 the mask at %d,%d is at %d,%d, pixels equal: %v", a.X, a.Y, b.X, b.Y, bytes.Equal(a.Pix, b.Pix))
	}
}

// TestAStrokeCoversWhatIsNearTheContour compares with the distance to the contour; beyond a
// corner the bevel leaves less.
func TestAStrokeCoversWhatIsNearTheContour(t *testing.T) {
	var q, p Path
	q.Circle(Point{15, 15}, 8)
	p.Stroke(&q, 4)
	var m Mask
	m.Fill(&p, 0, 0, image.Rect(0, 0, 30, 30))
	for y := range 30 {
		for x := range 30 {
			off := math.Abs(math.Hypot(float64(x)+.5-15, float64(y)+.5-15) - 8)
			got := 0
			if x >= m.X && x < m.X+m.W && y >= m.Y && y < m.Y+m.H {
				got = int(m.Pix[(y-m.Y)*m.W+x-m.X])
			}
			if off < 1.2 && got < 252 || off > 2.8 && got != 0 {
				t.Errorf("pixel %d,%d, %.1f from the contour, is covered by %d/255", x, y, off, got)
			}
		}
	}
}

func TestCornersAreBevelled(t *testing.T) {
	for name, turn := range map[string]bool{"clockwise": false, "anticlockwise": true} {
		t.Run(name, func(t *testing.T) {
			corners := []Point{{8, 8}, {24, 8}, {24, 24}, {8, 24}}
			if turn {
				corners[1], corners[3] = corners[3], corners[1]
			}
			var q, p Path
			q.MoveTo(corners[0])
			for _, c := range corners[1:] {
				q.LineTo(c)
			}
			q.Close()
			p.Stroke(&q, 8)
			var m Mask
			m.Fill(&p, 0, 0, image.Rect(0, 0, 40, 40))
			at := func(x, y int) uint8 { return m.Pix[(y-m.Y)*m.W+x-m.X] }
			if got := at(4, 4); got > 10 {
				t.Errorf("the outer corner is covered by %d: not cut off", got)
			}
			if got := at(6, 6); got != 255 {
				t.Errorf("inside the bevel coverage is %d, want 255", got)
			}
			if got := at(5, 6); got < 100 || got > 160 {
				t.Errorf("on the bevel's edge coverage is %d, want about half", got)
			}
			if got := at(16, 16); got != 0 {
				t.Errorf("the middle is covered by %d", got)
			}
		})
	}
}

func FuzzFillStaysInBounds(f *testing.F) {
	f.Add(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 2.0)
	f.Add(-1e300, 1e300, math.Inf(1), math.NaN(), 0.0, 1e9, 1e9)
	f.Fuzz(func(_ *testing.T, a, b, c, d, e, g, width float64) {
		var p, s Path
		p.MoveTo(Point{a, b})
		p.LineTo(Point{c, d})
		p.QuadTo(Point{e, g}, Point{b, a})
		p.CubeTo(Point{d, c}, Point{g, e}, Point{a, d})
		p.Close()
		s.Stroke(&p, width)
		var m Mask
		m.Fill(&p, e, g, image.Rect(0, 0, 50, 40))
		m.Fill(&s, 0, 0, image.Rect(0, 0, 50, 40))
	})
}

func BenchmarkFill(b *testing.B) {
	var p Path
	for i := range 40 {
		p.Circle(Point{20 + float64(i*45), 540}, 20)
	}
	var m Mask
	b.ReportAllocs()
	for b.Loop() {
		m.Fill(&p, 0, 0, image.Rect(0, 0, 1920, 1080))
	}
}

// TestCurvesAreAsCoarseAsQts: chords stay within an eighth of a pixel, and there are no more of
// them than FreeType's and Qt's rules ask for.
func TestCurvesAreAsCoarseAsQts(t *testing.T) {
	var p Path
	p.Circle(Point{}, 100)
	last, worst := p.points[len(p.points)-1], 0.0
	for _, at := range p.points {
		worst = max(worst, 100-math.Hypot((at.X+last.X)/2, (at.Y+last.Y)/2))
		last = at
	}
	if worst > .125 || worst < .03 {
		t.Errorf("a chord is %.3f pixels from its circle", worst)
	}
	for bend, want := range map[float64]int{0: 1, .25: 1, .26: 2, 1: 2, 1.1: 4, 4.1: 8} {
		var q Path
		q.MoveTo(Point{0, 0})
		q.QuadTo(Point{10, bend / 2}, Point{20, 0})
		if got := len(q.points) - 1; got != want {
			t.Errorf("a quadratic curve that bends by %g has %d chords, want %d", bend, got, want)
		}
	}
}
