package hint

import "math"

// A segment is a horizontal piece of a contour. In font units.
type segment struct {
	y, x0, x1 float64
	top       bool // ink lies below it
	round     bool
	thick     float64  // how far it strays from being flat
	link      *segment // the other side of the stroke
	serif     *segment // the stroke whose end it is
	score     float64
	edge      *edge
}

// segments finds the horizontal pieces and pairs those which bound a stroke.
func (m *Metrics) segments(o Outline) []*segment {
	clockwise := area(o) < 0 // as TrueType draws what is filled
	var list []*segment
	for _, c := range o {
		list = appendSegments(list, c, clockwise)
	}
	m.pair(list)
	return list
}

func area(o Outline) float64 {
	sum := 0.0
	for _, c := range o {
		for i, p := range c {
			q := c[(i+1)%len(c)]
			sum += float64(p.X*q.Y) - float64(q.X*p.Y)
		}
	}
	return sum
}

// heading is 1 on the way right, -1 on the way left, 0 when the way is not flat.
func heading(a, b Point) int {
	dx, dy := b.X-a.X, b.Y-a.Y
	switch {
	case dx == 0 || math.Abs(dy)*14 > math.Abs(dx):
		return 0
	case dx > 0:
		return 1
	}
	return -1
}

func appendSegments(list []*segment, c []Point, clockwise bool) []*segment {
	n := len(c)
	if n < 3 {
		return list
	}
	start := 0 // where a new piece begins
	for start < n && heading(c[(start+n-1)%n], c[start]) == heading(c[start], c[(start+1)%n]) {
		start++
	}
	for i := 0; i < n; {
		a := (start + i) % n
		dir := heading(c[a], c[(a+1)%n])
		if dir == 0 {
			i++
			continue
		}
		s := &segment{x0: c[a].X, x1: c[a].X, top: (dir > 0) == clockwise, score: math.Inf(1)}
		low, high := c[a], c[a]
		for i < n {
			p, q := c[(start+i)%n], c[(start+i+1)%n]
			if heading(p, q) != dir {
				break
			}
			s.x0, s.x1 = min(s.x0, q.X), max(s.x1, q.X)
			if q.Y < low.Y {
				low = q
			}
			if q.Y > high.Y {
				high = q
			}
			i++
		}
		last := c[(start+i)%n]
		s.y, s.thick = (low.Y+high.Y)/2, high.Y-low.Y
		s.round = !c[a].On || !last.On
		list = append(list, s)
	}
	return list
}

// pair links the lower and the upper side of strokes: those that lie over each other, the nearer
// and the longer the better.
func (m *Metrics) pair(list []*segment) {
	shortest, long := 8*m.units/2048, 6000*m.units/2048
	for _, a := range list {
		if a.top {
			continue
		}
		for _, b := range list {
			length := min(a.x1, b.x1) - max(a.x0, b.x0)
			if !b.top || b.y <= a.y || length < shortest {
				continue
			}
			score := m.distance(b.y-a.y) + long/length
			if score < a.score {
				a.score, a.link = score, b
			}
			if score < b.score {
				b.score, b.link = score, a
			}
		}
	}
	for _, s := range list {
		if s.link != nil && s.link.link != s {
			s.serif = s.link.link
		}
	}
	for _, s := range list {
		if s.serif != nil {
			s.link = nil
		}
	}
}

// distance is what speaks against two sides this far apart: nothing up to the font's own
// thickness.
func (m *Metrics) distance(d float64) float64 {
	if m.widths == 0 {
		return d
	}
	switch over := (d/m.widths - 1) * 1024; {
	case over > 10000:
		return 32000
	case over > 0:
		return over * over / 3000
	}
	return 0
}
