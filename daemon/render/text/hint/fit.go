package hint

import (
	"math"
	"slices"
)

// pixel is what positions are counted in: 1/64.
const pixel = 64

// A Fit maps heights of one outline at one size, from font units to 1/64 pixel.
type Fit struct {
	scale float64
	knots []knot
}

type knot struct{ from, to float64 }

// An edge is segments at one height.
type edge struct {
	y, at  float64 // in the font, and scaled
	pos    float64 // where it goes
	top    bool
	rounds int // round segments less straight ones
	blue   bool
	fit    float64 // of the blue
	link   *edge
	serif  *edge
	done   bool
}

// zone is a blue at one size.
type zone struct {
	blue
	refFit, shootFit float64
}

func round64(v float64) float64 { return math.Floor((v+pixel/2)/pixel) * pixel }

// scaled returns the vertical scale at a size, with the x-height on whole pixels, and the blues
// that are thin enough to count.
func (m *Metrics) scaled(size int) (float64, []zone) {
	scale := float64(size) * pixel / m.units
	for _, b := range m.blues {
		if !b.xHeight || b.shoot <= 0 {
			continue
		}
		at := b.shoot * scale
		const up = 40 // rounds up from 3/8 on
		if fitted := math.Floor((at+up)/pixel) * pixel; fitted > 0 && math.Abs(fitted-at) < pixel {
			scale *= fitted / at
		}
	}
	var zones []zone
	for _, b := range m.blues {
		over := (b.shoot - b.ref) * scale
		if math.Abs(over) > 48 {
			continue
		}
		z := zone{blue: b, refFit: round64(b.ref * scale)}
		z.shootFit = z.refFit
		if math.Abs(over) >= 32 { // half a pixel, and never more: thicker zones do not count
			z.shootFit += math.Copysign(32, over)
		}
		zones = append(zones, z)
	}
	return scale, zones
}

// Fit works out where the heights of an outline go at a size in pixels.
func (m *Metrics) Fit(o Outline, size int) Fit {
	scale, zones := m.scaled(size)
	edges := m.edges(m.segments(o), scale)
	for _, e := range edges {
		m.attract(e, zones, scale)
	}
	settle(edges)
	f := Fit{scale: scale}
	for _, e := range edges {
		if n := len(f.knots); n > 0 && e.y <= f.knots[n-1].from {
			continue
		}
		f.knots = append(f.knots, knot{e.y, e.pos})
	}
	return f
}

// Y maps one height.
func (f *Fit) Y(y float64) float64 {
	n := len(f.knots)
	if n == 0 {
		return y * f.scale
	}
	i, _ := slices.BinarySearchFunc(f.knots, y, func(k knot, y float64) int {
		if k.from < y {
			return -1
		}
		return 1
	})
	switch {
	case i == 0:
		return f.knots[0].to + float64((y-f.knots[0].from)*f.scale)
	case i == n:
		return f.knots[n-1].to + float64((y-f.knots[n-1].from)*f.scale)
	}
	a, b := f.knots[i-1], f.knots[i]
	return a.to + float64((y-a.from)*(b.to-a.to)/(b.from-a.from))
}

// edges gathers segments of one height and side, sorted from below.
func (m *Metrics) edges(list []*segment, scale float64) []*edge {
	near := min(m.widths/5, pixel/4/scale)
	var edges []*edge
	for _, s := range list {
		if s.thick > 32/scale {
			continue
		}
		for _, e := range edges {
			if e.top == s.top && math.Abs(e.y-s.y) < near {
				s.edge = e
				break
			}
		}
		if s.edge == nil {
			s.edge = &edge{y: s.y, at: s.y * scale, pos: s.y * scale, top: s.top}
			edges = append(edges, s.edge)
		}
		if s.round {
			s.edge.rounds++
		} else {
			s.edge.rounds--
		}
	}
	for _, s := range list {
		if s.edge != nil {
			connect(s)
		}
	}
	slices.SortStableFunc(edges, func(a, b *edge) int {
		switch {
		case a.y < b.y:
			return -1
		case a.y > b.y:
			return 1
		}
		return 0
	})
	return edges
}

// connect gives an edge the nearest partner of its segments.
func connect(s *segment) {
	e := s.edge
	closer := func(old, now *edge) *edge {
		if now == nil || now == e || old != nil && math.Abs(old.y-e.y) <= math.Abs(now.y-e.y) {
			return old
		}
		return now
	}
	if s.link != nil {
		e.link = closer(e.link, s.link.edge)
	}
	if s.serif != nil {
		e.serif = closer(e.serif, s.serif.edge)
	}
	if e.link != nil {
		e.serif = nil
	}
}

// attract finds the shared height that an edge belongs to.
func (m *Metrics) attract(e *edge, zones []zone, scale float64) {
	best := min(m.units/40*scale, pixel/2)
	for _, z := range zones {
		if z.top != e.top {
			continue
		}
		if d := math.Abs(e.y-z.ref) * scale; d < best {
			best, e.blue, e.fit = d, true, z.refFit
		}
		if overshoots := (e.y > z.ref) == z.top && e.y != z.ref; e.rounds > 0 && overshoots {
			if d := math.Abs(e.y-z.shoot) * scale; d < best {
				best, e.blue, e.fit = d, true, z.shootFit
			}
		}
	}
}

// settle places the edges: those at shared heights with the other sides of their strokes, then
// the other strokes, then what is left.
func settle(edges []*edge) {
	var anchor *edge
	for _, e := range edges {
		one, two := e, e.link
		if e.done {
			continue
		}
		if !one.blue {
			if two == nil || !two.blue {
				continue
			}
			one, two = two, one
		}
		one.pos, one.done = one.fit, true
		if two != nil && !two.blue {
			two.pos, two.done = one.pos+two.at-one.at, true
		}
		if anchor == nil {
			anchor = e
		}
	}
	for i, e := range edges {
		if e.done || e.link == nil {
			continue
		}
		anchor = stroke(e, anchor)
		if i > 0 && e.pos < edges[i-1].pos {
			e.pos = edges[i-1].pos
		}
	}
	for i, e := range edges {
		if e.done {
			continue
		}
		rest(edges, i, anchor)
		if anchor == nil {
			anchor = e
		}
		e.done = true
		if i > 0 && e.pos < edges[i-1].pos {
			e.pos = edges[i-1].pos
		}
		if i+1 < len(edges) && edges[i+1].done && e.pos > edges[i+1].pos {
			e.pos = edges[i+1].pos
		}
	}
}

// stroke places the two sides of a stroke and returns the anchor, which is the first one placed.
func stroke(e, anchor *edge) *edge {
	two := e.link
	if two.blue || two.done {
		e.pos, e.done = two.pos+e.at-two.at, true
		return anchor
	}
	width := two.at - e.at
	at := e.at
	if anchor != nil {
		at = anchor.pos + e.at - anchor.at
	}
	middle := at + width/2
	switch {
	case math.Abs(width) < 96:
		up, down := 32., 32.
		if width > 64 {
			up, down = 38, 26
		}
		c := round64(middle)
		if math.Abs(middle-(c-up)) < math.Abs(middle-(c+down)) {
			c -= up
		} else {
			c += down
		}
		e.pos = c - width/2
	case anchor == nil:
		e.pos = round64(e.at)
	default:
		low, high := round64(at), round64(at+width)-width
		e.pos = high
		if math.Abs(low+width/2-middle) < math.Abs(high+width/2-middle) {
			e.pos = low
		}
	}
	two.pos = e.pos + width
	e.done, two.done = true, true
	if anchor == nil {
		return e
	}
	return anchor
}

// rest places an edge that bounds no stroke.
func rest(edges []*edge, i int, anchor *edge) {
	e := edges[i]
	if s := e.serif; s != nil && s.done && math.Abs(s.at-e.at) < pixel+16 {
		e.pos = s.pos + e.at - s.at
		return
	}
	if anchor == nil {
		e.pos = round64(e.at)
		return
	}
	var before, after *edge
	for j := i - 1; j >= 0 && before == nil; j-- {
		if edges[j].done {
			before = edges[j]
		}
	}
	for j := i + 1; j < len(edges) && after == nil; j++ {
		if edges[j].done {
			after = edges[j]
		}
	}
	if before != nil && after != nil {
		e.pos = before.pos
		if after.at != before.at {
			e.pos += float64((e.at - before.at) * (after.pos - before.pos) / (after.at - before.at))
		}
		return
	}
	e.pos = anchor.pos + math.Floor((e.at-anchor.at+16)/32)*32
}
