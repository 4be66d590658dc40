package glsl

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestTheFunctionsOfMathToSinglePrecision(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	near := func(what string, got, want, tolerance float64) {
		t.Helper()
		if !(math.Abs(got-want) <= tolerance*max(1, math.Abs(want))) {
			t.Fatalf("%s = %v, want %v", what, got, want)
		}
	}
	for range 100000 {
		x := float32(r.NormFloat64() * math.Pow(10, 6*r.Float64()))
		s, c := Sincos(x)
		near("sine", float64(s), math.Sin(float64(x)), 2e-7)
		near("cosine", float64(c), math.Cos(float64(x)), 2e-7)
		near("arc sine", Asin(float64(s)), math.Asin(float64(s)), 1e-7)
		near("base 2 logarithm", Log2(math.Abs(float64(x))), math.Log2(math.Abs(float64(x))), 1e-12)
		e := r.NormFloat64() * 50
		near("power of 2", Exp2(e)/math.Exp2(e), 1, 1e-12)
		b := float32(r.Float64() * 3)
		near("power", float64(Pow(b, float32(e/20))), math.Pow(float64(b), float64(float32(e/20))), 1e-5)
		f := float32(r.NormFloat64() * 1e5)
		near("Floor", float64(Floor(f)), math.Floor(float64(f)), 0)
	}
}

func TestTheTangentOfTheNoiseIsRoundedCorrectly(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	wrong := 0
	for range 200000 {
		x := float32(r.Float64() * 1e5)
		if Tan(x) != float32(math.Tan(float64(x))) {
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("%d of 200000 tangents are not the nearest number", wrong)
	}
}

func TestStoreRoundsClampsAndDropsNoNumber(t *testing.T) {
	inf := float32(math.Inf(1))
	for x, want := range map[float32]uint32{-1: 0, 0: 0, 0.49 / 255: 0, 0.51 / 255: 1, 127.4 / 255: 127, 127.6 / 255: 128, 254.4 / 255: 254, 254.6 / 255: 255, 1: 255, 7: 255, inf: 255, -inf: 0} {
		if got := Store(x); got != want {
			t.Errorf("Store(%v) = %d, want %d", x, got, want)
		}
	}
	if got := Store(NaN); got != 0 {
		t.Errorf("Store(NaN) = %d, want 0", got)
	}
	for i, x := range Unit {
		if got := Store(x); got != uint32(i) {
			t.Errorf("Store of byte %d = %d", i, got)
		}
	}
	if Unit[255] != 1 {
		t.Errorf("the largest byte is %v, want 1", Unit[255])
	}
}
