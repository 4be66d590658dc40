package trig_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"olive-distributed/daemon/render/trig"
)

func TestSineAndCosineInDoublePrecision(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		x := r.NormFloat64() * math.Pow(10, 6*r.Float64())
		s, c := trig.Sincos(x)
		if math.Abs(s-math.Sin(x)) > 2e-11 || math.Abs(c-math.Cos(x)) > 2e-11 {
			t.Fatalf("sine and cosine of %v = %v, %v, want %v, %v", x, s, c, math.Sin(x), math.Cos(x))
		}
	}
}

func TestAnglesWithoutAFraction(t *testing.T) {
	for _, x := range []float64{trig.TooLarge, -trig.TooLarge, 1e300} {
		if s, c := trig.Sincos(x); s != 0 || c != 1 {
			t.Errorf("sine and cosine of %v = %v, %v, want those of 0", x, s, c)
		}
	}
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if s, c := trig.Sincos(x); s == s || c == c {
			t.Errorf("sine and cosine of %v = %v, %v, want no numbers", x, s, c)
		}
	}
}
