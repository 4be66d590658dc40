//go:build goexperiment.simd && amd64

package distort

import (
	"simd/archsimd"

	"olive-distributed/daemon/render/shader/glsl"
)

// window is how many pixels the vector loops do at a time.
const window = 8

// octets does the first pixels of Swirl.line, eight at a time, and returns how many.
func (k *Swirl) octets(vectors bool, c *whirl, u, v, us []float32) int {
	if !vectors || !(k.Radius > 1e-3 && k.Radius < 1e9 && glsl.Abs(k.Angle) < glsl.MaxTurns) {
		return 0
	}
	n := len(u) &^ (window - 1)
	f := archsimd.BroadcastFloat32x8
	half, step, at := f(0.5), f(window), archsimd.LoadFloat32x8(&[window]float32{0, 1, 2, 3, 4, 5, 6, 7})
	radius, perRadius, turn, cx, cy := f(k.Radius), f(c.perRadius), f(-0.4*k.Angle), f(c.cx), f(c.cy)
	qy, qy2, perU, perV, vy := f(c.qy), f(c.qy2), f(c.perU), f(c.perV), f(c.vy)
	for i := 0; i < n; i += window {
		x, y := archsimd.LoadFloat32x8Slice(us[i:i+window]), vy
		qx := at.Add(half).Sub(cx)
		at = at.Add(step)
		d := qx.Mul(qx).Add(qy2).Sqrt()
		if near := d.Less(radius); near.ToBits() != 0 {
			s := radius.Sub(d).Mul(perRadius)
			sin, cos := glsl.Sincos8(turn.Mul(s).Mul(s).Masked(near))
			x = qx.Mul(cos).Sub(qy.Mul(sin)).Add(cx).Mul(perU).Merge(x, near)
			y = qx.Mul(sin).Add(qy.Mul(cos)).Add(cy).Mul(perV).Merge(y, near)
		}
		x.StoreSlice(u[i : i+window])
		y.StoreSlice(v[i : i+window])
	}
	archsimd.ClearAVXUpperBits()
	return n
}
