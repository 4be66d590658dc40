package path

import "math"

// Stroke adds to p the outline of a pen of that width drawn along the contours of q: half on
// either side, the corners cut off straight (bevel). Filled as [Mask.Fill] does, its pieces, which
// all turn the same way, cover what the pen touches.
func (p *Path) Stroke(q *Path, width float64) {
	r := width / 2
	if !(r > 0) || math.IsInf(r, 0) {
		return
	}
	q.contours(func(c []Point) { p.strokeContour(c, r) })
}

func (p *Path) strokeContour(c []Point, r float64) {
	// Points that fall together have no direction.
	var corners []Point
	for _, at := range c {
		if len(corners) == 0 || at != corners[len(corners)-1] {
			corners = append(corners, at)
		}
	}
	for len(corners) > 1 && corners[0] == corners[len(corners)-1] {
		corners = corners[:len(corners)-1]
	}
	n := len(corners)
	if n < 2 {
		return
	}
	last := normal(corners[n-1], corners[0], r)
	for i, a := range corners {
		b := corners[(i+1)%n]
		side := normal(a, b, r)
		p.bevel(a, last, side)
		p.polygon(plus(a, side), plus(b, side), minus(b, side), minus(a, side))
		last = side
	}
}

// bevel fills the wedge between two pieces on the outer side of their corner.
func (p *Path) bevel(at, last, side Point) {
	turn := float64(last.X*side.Y) - float64(last.Y*side.X)
	switch {
	case turn > 0: // to the right on a screen: the gap is on the left
		p.polygon(at, plus(at, side), plus(at, last))
	case turn < 0:
		p.polygon(at, minus(at, side), minus(at, last))
	}
}

// normal is the vector of length r to the left of the way from a to b.
func normal(a, b Point, r float64) Point {
	dx, dy := b.X-a.X, b.Y-a.Y
	f := r / math.Sqrt(float64(dx*dx)+float64(dy*dy))
	return Point{float64(dy * f), -float64(dx * f)}
}

func plus(a, b Point) Point  { return Point{a.X + b.X, a.Y + b.Y} }
func minus(a, b Point) Point { return Point{a.X - b.X, a.Y - b.Y} }

// polygon adds one piece, turned so that all pieces go the same way round.
func (p *Path) polygon(corners ...Point) {
	area := 0.0
	last := corners[len(corners)-1]
	for _, c := range corners {
		area += float64((last.X-corners[0].X)*(c.Y-corners[0].Y)) - float64((c.X-corners[0].X)*(last.Y-corners[0].Y))
		last = c
	}
	p.Close()
	for i := range corners {
		if area < 0 {
			i = len(corners) - 1 - i
		}
		p.add(corners[i])
	}
	p.Close()
}
