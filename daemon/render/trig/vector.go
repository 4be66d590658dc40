//go:build goexperiment.simd && amd64

package trig

import (
	"math"
	"simd/archsimd"
)

// Tan4 is the sine by the cosine of four angles from 0 up to [TooLarge].
func Tan4(x archsimd.Float64x4) archsimd.Float64x4 {
	f := archsimd.BroadcastFloat64x4
	one := f(1)
	n := x.Mul(f(2 / math.Pi)).Add(f(0.5)).ConvertToInt32()
	k := n.ConvertToFloat64()
	r := x.Sub(k.Mul(f(halfPiHi))).Sub(k.Mul(f(halfPiLo)))
	z := r.Mul(r)
	p := f(-2.505210838544172e-8).Add(z.Mul(f(1.6059043836821613e-10)))
	p = f(2.7557319223985893e-6).Add(z.Mul(p))
	p = f(-1.984126984126984e-4).Add(z.Mul(p))
	p = f(8.333333333333333e-3).Add(z.Mul(p))
	p = f(-1.6666666666666666e-1).Add(z.Mul(p))
	q := f(-2.755731922398589e-7).Add(z.Mul(f(2.08767569878681e-9).Sub(z.Mul(f(1.1470745597729725e-11)))))
	q = f(2.48015873015873e-5).Add(z.Mul(q))
	q = f(-1.388888888888889e-3).Add(z.Mul(q))
	q = f(4.1666666666666664e-2).Add(z.Mul(q))
	s := r.Add(r.Mul(z).Mul(p))
	c := one.Sub(z.Mul(f(0.5))).Add(z.Mul(z).Mul(q))
	// On odd quarter turns it is the cosine by the negative sine.
	odd := n.ExtendToInt64().ShiftAllLeft(63)
	turned := odd.Less(archsimd.Int64x4{})
	return c.Merge(s, turned).Div(s.AsInt64x4().Xor(odd).AsFloat64x4().Merge(c, turned))
}
