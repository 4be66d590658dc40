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

// A magic number above 2^52 has its integer in its low bits: adding it converts to an integer, and
// subtracting it back.
const (
	magic     = 1 << 52
	magicBits = 0x4330000000000000
	bias      = 1023 // of the exponent
)

// Log2x4 is [Log2] for four numbers.
func Log2x4(x archsimd.Float64x4) archsimd.Float64x4 {
	f, bit := archsimd.BroadcastFloat64x4, archsimd.BroadcastUint64x4
	one := f(1)
	bits := x.AsUint64x4()
	e := bits.ShiftAllRight(52).Or(bit(magicBits)).AsFloat64x4().Sub(f(magic + bias))
	m := bits.And(bit(1<<52 - 1)).Or(bit(bias << 52)).AsFloat64x4()
	large := m.Greater(f(math.Sqrt2))
	m = m.Mul(f(0.5)).Merge(m, large)
	e = e.Add(one).Merge(e, large)
	s := m.Sub(one).Div(m.Add(one))
	z := s.Mul(s)
	p := f(1. / 13).Add(z.Mul(f(1. / 15)))
	p = f(1. / 11).Add(z.Mul(p))
	p = f(1. / 9).Add(z.Mul(p))
	p = f(1. / 7).Add(z.Mul(p))
	p = f(1. / 5).Add(z.Mul(p))
	p = f(1. / 3).Add(z.Mul(p))
	p = one.Add(z.Mul(p))
	return e.Add(s.Mul(p).Mul(f(2 / math.Ln2)))
}

// Exp2x4 is [Exp2] for four numbers between -1022 and 1023.
func Exp2x4(x archsimd.Float64x4) archsimd.Float64x4 {
	f := archsimd.BroadcastFloat64x4
	one := f(1)
	n := x.Add(f(0.5)).Floor()
	r := x.Sub(n).Mul(f(math.Ln2))
	p := f(1. / 3628800).Add(r.Mul(f(1. / 39916800).Add(r.Mul(f(1. / 479001600)))))
	p = f(1. / 362880).Add(r.Mul(p))
	p = f(1. / 40320).Add(r.Mul(p))
	p = f(1. / 5040).Add(r.Mul(p))
	p = f(1. / 720).Add(r.Mul(p))
	p = f(1. / 120).Add(r.Mul(p))
	p = f(1. / 24).Add(r.Mul(p))
	p = f(1. / 6).Add(r.Mul(p))
	p = f(0.5).Add(r.Mul(p))
	p = one.Add(r.Mul(p))
	p = one.Add(r.Mul(p))
	return p.Mul(n.Add(f(magic + bias)).AsUint64x4().ShiftAllLeft(52).AsFloat64x4())
}
