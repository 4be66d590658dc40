package path

import (
	"image"
	"math"
)

// A Mask is the coverage, 0..255, of the pixels [X, X+W) x [Y, Y+H).
type Mask struct {
	X, Y, W, H int
	Pix        []uint8
	acc        []int32
}

// Coordinates are counted in 1/256 pixel, areas in 1/(2·256·256): the resolution of Qt's rasteriser.
const (
	shift = 8
	unit  = 1 << shift
)

// Fill makes m the coverage of the path, moved by (dx, dy), within the pixels of clip.
// Where contours overlap the winding number counts, not its parity; areas that lie twice under
// the path inside one pixel are counted twice, up to the whole pixel.
func (m *Mask) Fill(p *Path, dx, dy float64, clip image.Rectangle) {
	x0, y0, x1, y1 := p.Bounds()
	ox, oy := floor(dx), floor(dy)
	m.X, m.Y = max(x0+ox, clip.Min.X), max(y0+oy, clip.Min.Y)
	m.W, m.H = max(min(x1+ox+1, clip.Max.X)-m.X, 0), max(min(y1+oy+1, clip.Max.Y)-m.Y, 0)
	if m.W == 0 || m.H == 0 {
		m.W, m.H = 0, 0
	}
	m.Pix, m.acc = grow(m.Pix, m.W*m.H), grow(m.acc, (m.W+1)*m.H)
	if m.W*m.H == 0 {
		return
	}
	clear(m.acc)
	sx, sy := dx-float64(m.X), dy-float64(m.Y)
	p.contours(func(c []Point) {
		last := quantise(c[len(c)-1], sx, sy)
		for _, at := range c {
			next := quantise(at, sx, sy)
			m.line(last, next)
			last = next
		}
	})
	m.sweep()
}

func floor(v float64) int {
	if !(math.Abs(v) <= Limit) {
		return 0
	}
	return int(math.Floor(v))
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// A spot is a point in 1/256 pixel.
type spot struct{ x, y int64 }

func quantise(p Point, dx, dy float64) spot {
	return spot{fixed(p.X + dx), fixed(p.Y + dy)}
}

func fixed(v float64) int64 {
	return int64(math.Floor(float64(min(max(v, -2*Limit), 2*Limit)*unit) + .5))
}

// line adds one edge. It is cut at the sides of the mask: what lies left of it covers whole
// lines, what lies right of it or above or below covers nothing.
func (m *Mask) line(a, b spot) {
	sign := int32(1)
	if a.y > b.y {
		a, b, sign = b, a, -1
	}
	top, bottom := int64(0), int64(m.H)<<shift
	if a.y == b.y || b.y <= top || a.y >= bottom {
		return
	}
	if a.y < top {
		a = spot{cross(a.x, a.y, b.x, b.y, top), top}
	}
	if b.y > bottom {
		b = spot{cross(a.x, a.y, b.x, b.y, bottom), bottom}
	}
	right := int64(m.W) << shift
	sides := [2]int64{0, right}
	if a.x > b.x {
		sides = [2]int64{right, 0}
	}
	for _, side := range sides {
		if (a.x < side) != (b.x < side) && a.x != side && b.x != side {
			if y := cross(a.y, a.x, b.y, b.x, side); y > a.y && y < b.y {
				m.inside(a, spot{side, y}, right, sign)
				a = spot{side, y}
			}
		}
	}
	m.inside(a, b, right, sign)
}

// cross returns u at v on the line from (u0, v0) to (u1, v1), rounded down.
func cross(u0, v0, u1, v1, v int64) int64 {
	n, d := (u1-u0)*(v-v0), v1-v0
	if d < 0 {
		n, d = -n, -d
	}
	q := n / d
	if n%d < 0 {
		q--
	}
	return u0 + q
}

// inside adds an edge that crosses neither side, row by row.
func (m *Mask) inside(a, b spot, right int64, sign int32) {
	a.x, b.x = min(max(a.x, 0), right), min(max(b.x, 0), right)
	if a.x == right && b.x == right {
		return
	}
	from := a
	for y := a.y >> shift; from.y < b.y; y++ {
		to := b
		if end := (y + 1) << shift; end < b.y {
			to = spot{cross(a.x, a.y, b.x, b.y, end), end}
		}
		m.row(m.acc[int(y)*(m.W+1):(int(y)+1)*(m.W+1)], from, to, sign)
		from = to
	}
}

// row adds an edge that stays in one row of pixels, cell by cell.
func (m *Mask) row(acc []int32, a, b spot, sign int32) {
	if a.x > b.x { // walk to the right; heights stay positive
		a.x, b.x = b.x, a.x
	}
	height := b.y - a.y
	from, done := a.x, int64(0)
	for i := a.x >> shift; ; i++ {
		to, part := b.x, height
		if end := (i + 1) << shift; end < b.x {
			to = end
			part = height * (end - a.x) / (b.x - a.x)
		}
		dy := int32(part-done) * sign
		left := dy * int32(from+to-2*i<<shift) // twice the area left of the edge
		acc[i] += dy*2*unit - left
		if int(i)+1 < len(acc) {
			acc[i+1] += left
		}
		if to == b.x {
			return
		}
		from, done = to, part
	}
}

// sweep sums the edges up from the left.
func (m *Mask) sweep() {
	for y := range m.H {
		acc, sum := m.acc[y*(m.W+1):], int32(0)
		for x := range m.W {
			sum += acc[x]
			v := sum >> (shift + 1)
			if v < 0 {
				v = -v
			}
			m.Pix[y*m.W+x] = uint8(min(v, 255))
		}
	}
}

// Settle gives back the memory that only Fill needs.
func (m *Mask) Settle() { m.acc = nil }
