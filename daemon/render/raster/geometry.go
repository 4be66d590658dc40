package raster

import (
	"math"

	"olive-distributed/daemon/render/trig"
)

// An Affine maps (x, y) to (A x + B y + C, D x + E y + F).
type Affine struct{ A, B, C, D, E, F float64 }

// Identity leaves every point where it is.
var Identity = Affine{A: 1, E: 1}

// Mul returns the map that applies n first and then m, as OpenGL multiplies its matrices.
func (m Affine) Mul(n Affine) Affine {
	return Affine{
		A: dot(m.A, n.A, m.B, n.D), B: dot(m.A, n.B, m.B, n.E), C: dot(m.A, n.C, m.B, n.F) + m.C,
		D: dot(m.D, n.A, m.E, n.D), E: dot(m.D, n.B, m.E, n.E), F: dot(m.D, n.C, m.E, n.F) + m.F,
	}
}

// Apply returns the image of (x, y).
func (m Affine) Apply(x, y float64) (float64, float64) {
	return dot(m.A, x, m.B, y) + m.C, dot(m.D, x, m.E, y) + m.F
}

// dot is a b + c d. The conversions keep a compiler from fusing the operations, which would give
// other pixels on other machines.
func dot(a, b, c, d float64) float64 { return float64(a*b) + float64(c*d) }

// Translate moves by (x, y).
func Translate(x, y float64) Affine { return Affine{A: 1, C: x, E: 1, F: y} }

// Scale stretches by (x, y) around the origin.
func Scale(x, y float64) Affine { return Affine{A: x, E: y} }

// Rotate turns by degrees, clockwise on a screen whose y axis points down.
func Rotate(degrees float64) Affine {
	s, c := trig.Sincos(degrees * math.Pi / 180)
	// Quarter turns are exact, so that an upright picture is copied and not resampled.
	if q := math.Mod(degrees, 360); math.Mod(q, 90) == 0 {
		s, c = math.Round(s), math.Round(c)
	}
	return Affine{A: c, B: -s, D: s, E: c}
}

// Viewport maps Olive's world (origin in the middle, y down) to the pixels of a w x h canvas.
// Olive halves the size as an integer, so an odd size stretches the picture a little.
func Viewport(w, h int) Affine {
	hw, hh := float64(max(w/2, 1)), float64(max(h/2, 1))
	sx, sy := float64(w)/(2*hw), float64(h)/(2*hh)
	return Affine{A: sx, C: float64(w) / 2, E: sy, F: float64(h) / 2}
}

// A Point is a corner of a quad: Olive keeps these as whole media pixels at all times.
type Point struct{ X, Y int }

// A Quad is the outline of a layer before its matrix: top left, top right, bottom right,
// bottom left, with the texture's corners (0,0) (1,0) (1,1) (0,1).
type Quad [4]Point

// Centred is the quad of a w x h picture around the origin; halves are whole numbers.
func Centred(w, h int) Quad {
	x, y := w/2, h/2
	return Quad{{-x, -y}, {x, -y}, {x, y}, {-x, y}}
}

// A plane is the half plane a x + b y + c >= 0, or > 0 when open.
type plane struct {
	a, b, c float64
	open    bool
}

// A patch is a convex piece of the canvas with one affine map from pixels to texture
// coordinates (0..1).
type patch struct {
	planes [4]plane
	n      int // planes used
	uv     Affine
}

// patches cuts the quad under m into pieces of affine texture, at most two, as Olive draws
// it: the triangles (TL, TR, BR) and (TL, BR, BL). A parallelogram is one piece.
func patches(q Quad, m Affine, out *[2]patch) []patch {
	var p [4][2]float64
	for i, v := range q {
		p[i][0], p[i][1] = m.Apply(float64(v.X), float64(v.Y))
	}
	if q[0].X+q[2].X == q[1].X+q[3].X && q[0].Y+q[2].Y == q[1].Y+q[3].Y {
		uv, ok := basis(p[0], p[1], p[3])
		if !ok {
			return nil
		}
		out[0] = patch{uv: uv, n: 4, planes: [4]plane{
			{a: uv.A, b: uv.B, c: uv.C},
			{a: -uv.A, b: -uv.B, c: 1 - uv.C, open: true},
			{a: uv.D, b: uv.E, c: uv.F},
			{a: -uv.D, b: -uv.E, c: 1 - uv.F, open: true},
		}}
		return out[:1]
	}
	n := 0
	// In (TL, TR, BR) the texture is u = s + t, v = t over the edges TL-TR and TR-BR.
	if st, ok := basis(p[0], p[1], [2]float64{p[0][0] + p[2][0] - p[1][0], p[0][1] + p[2][1] - p[1][1]}); ok {
		out[n] = triangle(st, true)
		n++
	}
	if st, ok := basis(p[0], [2]float64{p[0][0] + p[2][0] - p[3][0], p[0][1] + p[2][1] - p[3][1]}, p[3]); ok {
		out[n] = triangle(st, false)
		n++
	}
	return out[:n]
}

// triangle is the half of the unit square of uv above (upper) or below its main diagonal.
func triangle(uv Affine, upper bool) patch {
	p := patch{uv: uv, n: 3}
	diagonal := plane{a: uv.A - uv.D, b: uv.B - uv.E, c: uv.C - uv.F} // u >= v
	if upper {
		p.planes = [4]plane{diagonal, {a: -uv.A, b: -uv.B, c: 1 - uv.C, open: true}, {a: uv.D, b: uv.E, c: uv.F}}
		return p
	}
	p.planes = [4]plane{
		{a: -diagonal.a, b: -diagonal.b, c: -diagonal.c, open: true},
		{a: uv.A, b: uv.B, c: uv.C},
		{a: -uv.D, b: -uv.E, c: 1 - uv.F, open: true},
	}
	return p
}

// basis returns the map from pixels to (u, v) that takes o to (0,0), x to (1,0) and y to (0,1).
func basis(o, x, y [2]float64) (Affine, bool) {
	ax, ay := x[0]-o[0], x[1]-o[1]
	bx, by := y[0]-o[0], y[1]-o[1]
	det := dot(ax, by, -ay, bx)
	if det == 0 || math.IsNaN(det) || math.IsInf(det, 0) || math.IsInf(1/det, 0) {
		return Affine{}, false
	}
	m := Affine{A: by / det, B: -bx / det, D: -ay / det, E: ax / det}
	m.C, m.F = -dot(m.A, o[0], m.B, o[1]), -dot(m.D, o[0], m.E, o[1])
	return m, true
}

// span returns the pixels [x0, x1) of line y whose centres lie in the patch, cut to [0, w).
func (p *patch) span(y, w int) (x0, x1 int) {
	cy := float64(y) + .5
	lo, hi := 0, w
	for _, pl := range p.planes[:p.n] {
		d := float64(pl.b*cy) + pl.c
		if pl.a == 0 {
			if d < 0 || pl.open && d == 0 {
				return 0, 0
			}
			continue
		}
		// a (x + 1/2) + d >= 0
		edge := -d/pl.a - .5
		if !(math.Abs(edge) < 1<<30) { // far away, or NaN
			edge = math.Copysign(1<<30, edge)
		}
		switch {
		case pl.a > 0 && pl.open:
			lo = max(lo, int(math.Floor(edge))+1)
		case pl.a > 0:
			lo = max(lo, int(math.Ceil(edge)))
		case pl.open:
			hi = min(hi, int(math.Ceil(edge)))
		default:
			hi = min(hi, int(math.Floor(edge))+1)
		}
	}
	return lo, max(lo, hi)
}
