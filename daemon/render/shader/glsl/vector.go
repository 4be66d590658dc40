//go:build goexperiment.simd && amd64

package glsl

import (
	"math"
	"simd/archsimd"
)

// quarters splits four angles into quarter turns and rests.
func quarters(x archsimd.Float32x4) (n archsimd.Int32x4, rest archsimd.Float32x4) {
	t := x.ConvertToFloat64().Mul(archsimd.BroadcastFloat64x4(2 / math.Pi))
	whole := t.Add(archsimd.BroadcastFloat64x4(MaxTurns + 0.5)).ConvertToInt32().Sub(archsimd.BroadcastInt32x4(MaxTurns))
	return whole, t.Sub(whole.ConvertToFloat64()).Mul(archsimd.BroadcastFloat64x4(math.Pi / 2)).ConvertToFloat32()
}

// Sincos8 is [Sincos] for eight angles below [MaxTurns] in amount.
func Sincos8(x archsimd.Float32x8) (sin, cos archsimd.Float32x8) {
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
