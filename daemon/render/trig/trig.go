// Package trig has sine and cosine with the same bits on every machine, which package math does not
// promise: all pictures depend on them. Nothing fails.
package trig

import "math"

// halfPi in two parts, the first with 33 bits, so that its products with small integers are exact.
const (
	halfPiHi = 0x1.921fb544p+0
	halfPiLo = 0x1.0b4611a626331p-34
)

// TooLarge is from where on angles count as 0.
const TooLarge = 1 << 30

// Sincos returns sine and cosine of an angle in radians, to about 1e-12. An angle of [TooLarge] or more,
// which has little of its fraction left, counts as 0; one that is not finite has neither.
func Sincos(x float64) (sin, cos float64) {
	if !(x > -TooLarge && x < TooLarge) {
		if x-x != 0 {
			return math.NaN(), math.NaN()
		}
		return 0, 1
	}
	n := int64(float64(x*(2/math.Pi)) + math.Copysign(0.5, x))
	k := float64(n)
	r := x - float64(k*halfPiHi) - float64(k*halfPiLo)
	z := float64(r * r)
	p := -2.505210838544172e-8 + float64(z*1.6059043836821613e-10)
	p = 2.7557319223985893e-6 + float64(z*p)
	p = -1.984126984126984e-4 + float64(z*p)
	p = 8.333333333333333e-3 + float64(z*p)
	p = -1.6666666666666666e-1 + float64(z*p)
	q := -2.755731922398589e-7 + float64(z*(2.08767569878681e-9-float64(z*1.1470745597729725e-11)))
	q = 2.48015873015873e-5 + float64(z*q)
	q = -1.388888888888889e-3 + float64(z*q)
	q = 4.1666666666666664e-2 + float64(z*q)
	s := r + float64(float64(r*z)*p)
	c := 1 - float64(z*0.5) + float64(float64(z*z)*q)
	switch n & 3 {
	case 1:
		return c, -s
	case 2:
		return -s, -c
	case 3:
		return -c, s
	}
	return s, c
}
