// Package path turns outlines into coverage: it flattens curves, strokes contours and fills
// them, anti-aliased in 256 levels of exact area, as Qt's raster engine does.
//
// Everything is a pure function of numbers, computed in integers or in float64 without fused
// operations, so that every machine gets the same bytes. Nothing fails: coordinates that are not
// finite are dropped with their contour, those far outside are moved to the limit, and what lies
// outside a mask costs nothing.
package path

import "math"

// Limit is the largest coordinate, in pixels; points beyond it are moved to it.
const Limit = 1 << 20

// A Point is a place in pixels, y down.
type Point struct{ X, Y float64 }

// A Path is a set of closed polygons; curves are flattened when they are added. The zero Path is
// empty.
type Path struct {
	points []Point
	ends   []int // of each contour, in points
	bad    bool  // the open contour has a point that is no number
}

// Reset empties the path and keeps its memory.
func (p *Path) Reset() { *p = Path{points: p.points[:0], ends: p.ends[:0]} }

// Empty reports whether there is nothing to fill.
func (p *Path) Empty() bool { return len(p.points) == 0 }

// open is the index of the first point of the contour that is being drawn.
func (p *Path) open() int {
	if len(p.ends) == 0 {
		return 0
	}
	return p.ends[len(p.ends)-1]
}

// MoveTo ends the contour and begins another.
func (p *Path) MoveTo(at Point) {
	p.Close()
	p.add(at)
}

// LineTo draws a straight line.
func (p *Path) LineTo(to Point) { p.add(to) }

// QuadTo draws a quadratic curve by one control point, in as many chords as FreeType's rasteriser
// takes: halved until no second difference is above a quarter of a pixel.
func (p *Path) QuadTo(c, to Point) {
	from, ok := p.pen()
	if !ok {
		return
	}
	n := 1
	for bend := max(math.Abs(from.X-2*c.X+to.X), math.Abs(from.Y-2*c.Y+to.Y)); bend > .25 && n < 256; bend /= 4 {
		n *= 2
	}
	for i := 1; i < n; i++ {
		t := float64(i) / float64(n)
		p.add(lerp(lerp(from, c, t), lerp(c, to, t), t))
	}
	p.add(to)
}

// CubeTo draws a cubic curve by two control points, in as many chords as Qt's rasteriser takes:
// see flat.
func (p *Path) CubeTo(c, d, to Point) {
	if from, ok := p.pen(); ok {
		p.cube(from, c, d, to, 0)
	}
}

func (p *Path) cube(a, b, c, d Point, depth int) {
	const deepest = 9
	if depth == deepest || flat(a, b, c, d) {
		p.add(d)
		return
	}
	ab, bc, cd := lerp(a, b, .5), lerp(b, c, .5), lerp(c, d, .5)
	abc, bcd := lerp(ab, bc, .5), lerp(bc, cd, .5)
	middle := lerp(abc, bcd, .5)
	p.cube(a, ab, abc, middle, depth+1)
	p.cube(middle, bcd, cd, d, depth+1)
}

// flat reports whether a chord will do: neither control point is farther from it than 42/256
// pixel, or lies beyond its ends.
func flat(a, b, c, d Point) bool {
	chord := minus(a, d)
	x, y := math.Abs(chord.X), math.Abs(chord.Y)
	length := max(x, y) + float64(min(x, y)*3/8) // near enough to the root of the squares
	for _, control := range [2]Point{b, c} {
		v := minus(control, d)
		if off := math.Abs(float64(chord.Y*v.X) - float64(chord.X*v.Y)); !(off <= length*42/256) {
			return false
		}
		if float64(v.X*(v.X-chord.X))+float64(v.Y*(v.Y-chord.Y)) > 0 {
			return false
		}
	}
	return true
}

func lerp(a, b Point, t float64) Point {
	return Point{a.X + float64((b.X-a.X)*t), a.Y + float64((b.Y-a.Y)*t)}
}

func (p *Path) pen() (Point, bool) {
	if p.bad || p.open() == len(p.points) {
		return Point{}, false
	}
	return p.points[len(p.points)-1], true
}

func (p *Path) add(at Point) {
	if !(math.Abs(at.X) < math.Inf(1)) || !(math.Abs(at.Y) < math.Inf(1)) {
		p.bad = true
		return
	}
	p.points = append(p.points, Point{clamp(at.X), clamp(at.Y)})
}

func clamp(v float64) float64 { return min(max(v, -Limit), Limit) }

// Close ends the contour with a straight line to its start.
func (p *Path) Close() {
	if start := p.open(); p.bad || len(p.points)-start < 2 {
		p.points, p.bad = p.points[:start], false
		return
	}
	p.ends = append(p.ends, len(p.points))
}

// Append adds the contours of q, moved by d.
func (p *Path) Append(q *Path, d Point) {
	p.Close()
	base := len(p.points)
	for _, at := range q.points[:q.open()] {
		p.points = append(p.points, Point{clamp(at.X + d.X), clamp(at.Y + d.Y)})
	}
	for _, end := range q.ends {
		p.ends = append(p.ends, base+end)
	}
}

// Rect adds a rectangle.
func (p *Path) Rect(x0, y0, x1, y1 float64) {
	p.MoveTo(Point{x0, y0})
	p.LineTo(Point{x1, y0})
	p.LineTo(Point{x1, y1})
	p.LineTo(Point{x0, y1})
	p.Close()
}

// Circle adds a circle.
func (p *Path) Circle(c Point, r float64) {
	const k = .5522847498 // of a quarter's control points
	p.MoveTo(Point{c.X + r, c.Y})
	for _, q := range [4][2]Point{{{1, 0}, {0, 1}}, {{0, 1}, {-1, 0}}, {{-1, 0}, {0, -1}}, {{0, -1}, {1, 0}}} {
		a, b := q[0], q[1]
		on := func(p Point) Point { return Point{c.X + float64(r*p.X), c.Y + float64(r*p.Y)} }
		p.CubeTo(on(Point{a.X + float64(k*b.X), a.Y + float64(k*b.Y)}), on(Point{b.X + float64(k*a.X), b.Y + float64(k*a.Y)}), on(b))
	}
	p.Close()
}

// contours calls f for every closed polygon.
func (p *Path) contours(f func([]Point)) {
	start := 0
	for _, end := range p.ends {
		f(p.points[start:end])
		start = end
	}
}

// Bounds returns the whole pixels [x0, x1) x [y0, y1) that the path may touch.
func (p *Path) Bounds() (x0, y0, x1, y1 int) {
	if len(p.ends) == 0 {
		return 0, 0, 0, 0
	}
	lo, hi := p.points[0], p.points[0]
	for _, at := range p.points[:p.open()] {
		lo = Point{min(lo.X, at.X), min(lo.Y, at.Y)}
		hi = Point{max(hi.X, at.X), max(hi.Y, at.Y)}
	}
	// One pixel more: filling rounds coordinates.
	return int(math.Floor(lo.X)) - 1, int(math.Floor(lo.Y)) - 1, int(math.Ceil(hi.X)) + 1, int(math.Ceil(hi.Y)) + 1
}
