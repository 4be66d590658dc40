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

// steep is up to where the powers of Bulge stay in the range of [glsl.Exp2x4], for all distances that
// there are.
const steep = 10

// octets does the first pixels of Bulge.Line, eight at a time, and returns how many.
func (k *Bulge) octets(vectors bool, qy float32, u, v, us []float32) int {
	if !vectors || !(glsl.Abs(k.power) <= steep && glsl.Abs(k.ox) < 1e6 && glsl.Abs(k.oy) < 1e6) {
		return 0
	}
	n := len(u) &^ (window - 1)
	f := archsimd.BroadcastFloat32x8
	half, one, two, none := f(0.5), f(1), f(2), f(0)
	ox, oy, dy, dy2 := f(k.ox), f(k.oy), f(qy), f(float32(qy*qy))
	power := archsimd.BroadcastFloat64x4(0.5 * float64(k.power))
	atCentre := f(glsl.Pow(0, 1+k.power))
	for i := 0; i < n; i += window {
		qx := two.Mul(archsimd.LoadFloat32x8Slice(us[i : i+window])).Sub(one).Sub(ox)
		d := qx.Mul(qx).Add(dy2)
		centre := d.Equal(none)
		g := one
		switch k.power {
		case 0:
		case 1:
			g = d.Sqrt()
		default:
			d = one.Merge(d, centre)
			g = archsimd.Float32x8{}.SetLo(grown(d.GetLo(), power)).SetHi(grown(d.GetHi(), power))
		}
		x := atCentre.Merge(g.Mul(qx), centre).Add(ox).Add(one).Mul(half)
		y := none.Merge(g.Mul(dy), centre).Add(oy).Add(one).Mul(half)
		x.StoreSlice(u[i : i+window])
		y.StoreSlice(v[i : i+window])
	}
	archsimd.ClearAVXUpperBits()
	return n
}

// grown is Bulge.grow for four squares of distances; power is half of the effect's.
func grown(d archsimd.Float32x4, power archsimd.Float64x4) archsimd.Float32x4 {
	return glsl.Exp2x4(power.Mul(glsl.Log2x4(d.ConvertToFloat64()))).ConvertToFloat32()
}

// octets does the first pixels of Ripple.Line, eight at a time, and returns how many.
func (k *Ripple) octets(vectors bool, py, frequency float32, u, v, us []float32, vy float32) int {
	farthest := 12*(2*glsl.Abs(k.aspect)+glsl.Abs(k.cx)+glsl.Abs(py)+1) + glsl.Abs(k.phase)
	if !vectors || !(glsl.Abs(frequency)*farthest < glsl.MaxTurns) {
		return 0
	}
	n := len(u) &^ (window - 1)
	f := archsimd.BroadcastFloat32x8
	aspect, cx, dy, dy2, two := f(k.aspect), f(k.cx), f(py), f(float32(py*py)), f(2)
	often, rings, phase, height, line := f(frequency), f(12), f(k.phase), f(k.height), f(vy)
	for i := 0; i < n; i += window {
		x := archsimd.LoadFloat32x8Slice(us[i : i+window])
		px := two.Mul(x.Mul(aspect)).Sub(cx)
		l := px.Mul(px).Add(dy2).Sqrt()
		_, c := glsl.Sincos8(often.Mul(rings.Mul(l).Sub(phase)))
		g := c.Mul(height).Div(l)
		x.Add(px.Mul(g)).StoreSlice(u[i : i+window])
		line.Add(dy.Mul(g)).StoreSlice(v[i : i+window])
	}
	archsimd.ClearAVXUpperBits()
	return n
}
