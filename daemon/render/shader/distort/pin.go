package distort

import (
	"math"

	"olive-distributed/daemon/render/shader"
)

// CornerPin warps the picture into a quadrangle, up to the affine map of its triangles, which the
// draw of the quad adds (8.2). The corners are in any unit.
type CornerPin struct {
	TopLeft, TopRight, BottomRight, BottomLeft [2]float64
	Perspective                                bool

	inverse [4]float64 // of w, for perspective: of the corners in the order of the fields
}

// Fill implements [shader.Kernel].
func (k *CornerPin) Fill(r *shader.Runner) {
	if k.Perspective && !k.meet() {
		r.Dst.Clear(0, r.Dst.H)
		return
	}
	r.Move(k, false)
}

// meet computes the weights from where the diagonals meet; it reports whether they do.
func (k *CornerPin) meet() bool {
	tl, tr, br, bl := k.TopLeft, k.TopRight, k.BottomRight, k.BottomLeft
	a, b := minus(tr, bl), minus(tl, br)
	det := cross(a, b)
	t := cross(minus(br, bl), b) / det
	if t-t != 0 { // parallel
		return false
	}
	x := [2]float64{bl[0] + float64(t*a[0]), bl[1] + float64(t*a[1])}
	d0, d1, d2, d3 := length(minus(x, bl)), length(minus(x, br)), length(minus(x, tr)), length(minus(x, tl))
	k.inverse = [4]float64{d3 / (d1 + d3), d2 / (d0 + d2), d1 / (d1 + d3), d0 / (d0 + d2)}
	return true
}

func minus(a, b [2]float64) [2]float64 { return [2]float64{a[0] - b[0], a[1] - b[1]} }

func cross(a, b [2]float64) float64 { return float64(a[0]*b[1]) - float64(a[1]*b[0]) }

func length(a [2]float64) float64 { return math.Sqrt(float64(a[0]*a[0]) + float64(a[1]*a[1])) }

// Line interpolates in the triangles that Olive draws, (top left, top right, bottom right) and
// (top left, bottom right, bottom left).
func (k *CornerPin) Line(r *shader.Runner, y int, u, v []float32) {
	b := (float64(y) + 0.5) / float64(r.Dst.H)
	for i := range u {
		a := (float64(i) + 0.5) / float64(r.Dst.W)
		share := [4]float64{1 - a, a - b, b, 0}
		if a < b {
			share = [4]float64{1 - b, 0, a, b - a}
		}
		if k.Perspective {
			u[i], v[i] = k.perspective(&share)
		} else {
			u[i], v[i] = k.bilinear(&share)
		}
	}
}

func (k *CornerPin) perspective(share *[4]float64) (u, v float32) {
	tl, tr := float64(share[0]*k.inverse[0]), float64(share[1]*k.inverse[1])
	br, bl := float64(share[2]*k.inverse[2]), float64(share[3]*k.inverse[3])
	sum := tl + tr + br + bl
	return float32((tr + br) / sum), float32((br + bl) / sum)
}

func (k *CornerPin) bilinear(share *[4]float64) (u, v float32) {
	tl, tr, br := minus(k.TopLeft, k.BottomLeft), minus(k.TopRight, k.BottomLeft), minus(k.BottomRight, k.BottomLeft)
	var q, b3 [2]float64
	for i := range q {
		q[i] = float64(share[0]*tl[i]) + float64(share[1]*tr[i]) + float64(share[2]*br[i])
		b3[i] = tr[i] - br[i] - tl[i]
	}
	a, b, c := cross(tl, b3), cross(b3, q)-cross(br, tl), cross(br, q)
	s := -c / b
	if math.Abs(a) >= 0.001 {
		s = (-b + math.Sqrt(float64(b*b)-float64(4*float64(a*c)))) / (2 * a)
	}
	d := [2]float64{br[0] + float64(s*b3[0]), br[1] + float64(s*b3[1])}
	if math.Abs(d[0]) > math.Abs(d[1]) {
		return float32((q[0] - float64(tl[0]*s)) / d[0]), float32(1 - s)
	}
	return float32((q[1] - float64(tl[1]*s)) / d[1]), float32(1 - s)
}
