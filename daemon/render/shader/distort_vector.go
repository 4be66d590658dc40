//go:build goexperiment.simd && amd64

package shader

import (
	"math"
	"simd/archsimd"
)

// octets does the first pixels of Swirl.line, eight at a time, and returns how many.
func (k *Swirl) octets(c *whirl, u, v, us []float32) int {
	if !vectors || !(k.Radius > 1e-3 && k.Radius < 1e9 && abs(k.Angle) < maxTurns) {
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
			sin, cos := sincos8(turn.Mul(s).Mul(s).Masked(near))
			x = qx.Mul(cos).Sub(qy.Mul(sin)).Add(cx).Mul(perU).Merge(x, near)
			y = qx.Mul(sin).Add(qy.Mul(cos)).Add(cy).Mul(perV).Merge(y, near)
		}
		x.StoreSlice(u[i : i+window])
		y.StoreSlice(v[i : i+window])
	}
	archsimd.ClearAVXUpperBits()
	return n
}

// quarters splits four angles into quarter turns and rests.
func quarters(x archsimd.Float32x4) (n archsimd.Int32x4, rest archsimd.Float32x4) {
	t := x.ConvertToFloat64().Mul(archsimd.BroadcastFloat64x4(2 / math.Pi))
	whole := t.Add(archsimd.BroadcastFloat64x4(maxTurns + 0.5)).ConvertToInt32().Sub(archsimd.BroadcastInt32x4(maxTurns))
	return whole, t.Sub(whole.ConvertToFloat64()).Mul(archsimd.BroadcastFloat64x4(math.Pi / 2)).ConvertToFloat32()
}

// sincos8 is sincos for eight angles below maxTurns.
func sincos8(x archsimd.Float32x8) (sin, cos archsimd.Float32x8) {
	n0, r0 := quarters(x.GetLo())
	n1, r1 := quarters(x.GetHi())
	n := archsimd.Int32x8{}.SetLo(n0).SetHi(n1)
	r := archsimd.Float32x8{}.SetLo(r0).SetHi(r1)
	f := archsimd.BroadcastFloat32x8
	z := r.Mul(r)
	p := f(-1.9841270e-4).Add(z.Mul(f(2.7557319e-6)))
	p = f(8.3333333e-3).Add(z.Mul(p))
	p = f(-1.6666667e-1).Add(z.Mul(p))
	q := f(-1.3888889e-3).Add(z.Mul(f(2.4801587e-5)))
	q = f(4.1666667e-2).Add(z.Mul(q))
	s := r.Add(r.Mul(z).Mul(p))
	c := f(1).Sub(z.Mul(f(0.5))).Add(z.Mul(z).Mul(q))
	odd := n.And(archsimd.BroadcastInt32x8(1)).Equal(archsimd.BroadcastInt32x8(1))
	sign := n.And(archsimd.BroadcastInt32x8(2)).ShiftAllLeft(30)
	flip := n.Add(archsimd.BroadcastInt32x8(1)).And(archsimd.BroadcastInt32x8(2)).ShiftAllLeft(30)
	sin = c.Merge(s, odd).AsInt32x8().Xor(sign).AsFloat32x8()
	cos = s.Merge(c, odd).AsInt32x8().Xor(flip).AsFloat32x8()
	return sin, cos
}
