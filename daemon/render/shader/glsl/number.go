// Package glsl has the arithmetic of the shading language as the reference renders have it: the
// functions of GLSL, and bytes as numbers and back. Nothing fails; what GLSL leaves undefined has
// some value.
//
// The same arguments give the same bits on every machine: that is why the products in sums are
// converted explicitly, which keeps a compiler from fusing them, and why the functions of package
// math that are not exact are not used.
package glsl

import (
	"math"

	"olive-distributed/daemon/render/trig"
)

// Unit is the value of a byte as shaders see it. The reference renders multiply; where halves are
// rounded, the last bit shows.
var Unit = func() (t [256]float32) {
	for i := range t {
		t[i] = float32(i) * (1. / 255)
	}
	return t
}()

// Store rounds a channel to a byte as a picture stores it: clamped, and 0 for no number. Adding
// 2^15 leaves eight bits of fraction; a tie goes to the even byte, as in the reference renders.
func Store(x float32) uint32 {
	if !(x > 0) {
		return 0
	}
	if x > 1 {
		return 255
	}
	return math.Float32bits(float32(x*(255./256))+32768) & 255
}

// RGB is the opaque part of a pixel of three channels: its alpha is 0.
func RGB(r, g, b float32) uint32 { return Store(r) | Store(g)<<8 | Store(b)<<16 }

// Clamp01 limits x to 0..1; no number becomes 0.
func Clamp01(x float32) float32 {
	if !(x > 0) {
		return 0
	}
	if x > 1 {
		return 1
	}
	return x
}

// Floor is exact for every float; beyond 2^23 there are no fractions.
func Floor(x float32) float32 {
	if !(x > -1<<23 && x < 1<<23) {
		return x
	}
	t := float32(int32(x))
	if t > x {
		t--
	}
	return t
}

// Mod is the shaders' modulo, x - y floor(x/y).
func Mod(x, y float32) float32 { return x - float32(y*Floor(x/y)) }

// Whole converts to an integer between lo and hi; no number becomes lo.
func Whole(x float32, lo, hi int) int {
	if !(x > float32(lo)) {
		return lo
	}
	if x >= float32(hi) {
		return hi
	}
	return int(x)
}

// Ceil rounds up to an integer between 0 and limit.
func Ceil(x float32, limit int) int {
	n := Whole(x, 0, limit)
	if float32(n) < x && n < limit {
		n++
	}
	return n
}

// Sqrt is the square root.
func Sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// Abs is the amount of x.
func Abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

// IsNaN says that x is no number.
func IsNaN(x float32) bool { return x != x }

// NaN is no number.
var NaN = float32(math.NaN())

// MaxTurns is of how many quarter turns sincos keeps the fraction.
const MaxTurns = 1 << 16

// Sincos returns sine and cosine of an angle in radians, to single precision. An angle so large
// that it has lost its fraction counts as 0; one that is not finite has neither.
func Sincos(x float32) (sin, cos float32) {
	if !(x > -MaxTurns && x < MaxTurns) {
		s, c := trig.Sincos(float64(x))
		return float32(s), float32(c)
	}
	t := float64(float64(x) * (2 / math.Pi))
	n := int64(t+(MaxTurns+0.5)) - MaxTurns
	r := float32(float64((t - float64(n)) * (math.Pi / 2)))
	z := float32(r * r)
	p := -1.9841270e-4 + float32(z*2.7557319e-6)
	p = 8.3333333e-3 + float32(z*p)
	p = -1.6666667e-1 + float32(z*p)
	q := -1.3888889e-3 + float32(z*2.4801587e-5)
	q = 4.1666667e-2 + float32(z*q)
	sin = r + float32(float32(r*z)*p)
	cos = 1 - 0.5*z + float32(float32(z*z)*q)
	if n&1 != 0 {
		sin, cos = cos, -sin
	}
	if n&2 != 0 {
		sin, cos = -sin, -cos
	}
	return sin, cos
}

// Tan is correct to the last bit of single precision, but for one argument in a hundred million.
func Tan(x float32) float32 {
	s, c := trig.Sincos(float64(x))
	return float32(s / c)
}

// Log2 is the logarithm of a positive, finite, normal number, to about 1e-13.
func Log2(x float64) float64 {
	const one, fraction = 1023, 1<<52 - 1
	bits := math.Float64bits(x)
	e := int(bits>>52) - one
	m := math.Float64frombits(bits&fraction | one<<52) // 1 to 2
	if m > math.Sqrt2 {
		m, e = m/2, e+1
	}
	s := (m - 1) / (m + 1)
	z := float64(s * s)
	p := 1./13 + float64(z*(1./15))
	p = 1./11 + float64(z*p)
	p = 1./9 + float64(z*p)
	p = 1./7 + float64(z*p)
	p = 1./5 + float64(z*p)
	p = 1./3 + float64(z*p)
	p = 1 + float64(z*p)
	return float64(e) + float64(float64(s*p)*(2/math.Ln2))
}

// Exp2 is 2^x, to about 1e-13; 0 or infinite where that is out of range.
func Exp2(x float64) float64 {
	if !(x > -1022) {
		if x != x {
			return x
		}
		return 0
	}
	if x >= 1023 {
		return math.Inf(1)
	}
	n := math.Floor(x + 0.5)
	r := float64((x - n) * math.Ln2)
	p := 1./3628800 + float64(r*(1./39916800+float64(r*(1./479001600))))
	p = 1./362880 + float64(r*p)
	p = 1./40320 + float64(r*p)
	p = 1./5040 + float64(r*p)
	p = 1./720 + float64(r*p)
	p = 1./120 + float64(r*p)
	p = 1./24 + float64(r*p)
	p = 1./6 + float64(r*p)
	p = 0.5 + float64(r*p)
	p = 1 + float64(r*p)
	p = 1 + float64(r*p)
	return p * math.Float64frombits(uint64(int(n)+1023)<<52)
}

// Pow is the shaders' power: no number for a negative base.
func Pow(x, y float32) float32 {
	switch {
	case x < 0 || IsNaN(x) || IsNaN(y):
		return NaN
	case y == 0 || x == 1:
		return 1
	case x == 0 && y < 0:
		return float32(math.Inf(1))
	case x == 0 || math.IsInf(float64(x), 1) && y < 0:
		return 0
	case math.IsInf(float64(x), 1):
		return x
	case y == 1:
		return x
	}
	return float32(Exp2(float64(float64(y) * Log2(float64(x)))))
}

// Exp is e^x.
func Exp(x float64) float64 { return Exp2(float64(x * math.Log2E)) }

// Asin is the arc sine of x, limited to -1..1, to about 1e-8.
func Asin(x float64) float64 {
	switch {
	case x < 0:
		return -Asin(-x)
	case !(x <= 1):
		x = 1
	}
	if x > 0.5 {
		return math.Pi/2 - 2*Asin(math.Sqrt((1-x)/2))
	}
	z := float64(x * x)
	p := 46189./5505024 + float64(z*(88179./12058624))
	p = 12155./1245184 + float64(z*p)
	p = 6435./557056 + float64(z*p)
	p = 143./10240 + float64(z*p)
	p = 231./13312 + float64(z*p)
	p = 63./2816 + float64(z*p)
	p = 35./1152 + float64(z*p)
	p = 5./112 + float64(z*p)
	p = 3./40 + float64(z*p)
	p = 1./6 + float64(z*p)
	return x + float64(float64(x*z)*p)
}
