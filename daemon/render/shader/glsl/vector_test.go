//go:build goexperiment.simd && amd64

package glsl

import (
	"math"
	"math/rand/v2"
	"simd/archsimd"
	"testing"
)

func TestVectorsGiveTheBitsOfTheFunctions(t *testing.T) {
	if !archsimd.X86.AVX2() {
		t.Log("this processor has no AVX2: there is nothing to compare")
		return
	}
	r := rand.New(rand.NewPCG(1, 5))
	four := func(f func(archsimd.Float64x4) archsimd.Float64x4, x *[4]float64) (y [4]float64) {
		f(archsimd.LoadFloat64x4(x)).Store(&y)
		return y
	}
	for range 100_000 {
		var normal, exponents [4]float64
		var angles, sines, cosines [8]float32
		for i := range normal {
			normal[i] = math.Ldexp(1+r.Float64(), r.IntN(2046)-1022)
			exponents[i] = 2045*r.Float64() - 1022
		}
		for i := range angles {
			angles[i] = float32((2*r.Float64() - 1) * math.Exp2(r.Float64()*16))
		}
		logs, powers := four(Log2x4, &normal), four(Exp2x4, &exponents)
		for i, x := range normal {
			if want := Log2(x); logs[i] != want {
				t.Fatalf("logarithm of %v = %v, want %v", x, logs[i], want)
			}
			if want := Exp2(exponents[i]); powers[i] != want {
				t.Fatalf("2^%v = %v, want %v", exponents[i], powers[i], want)
			}
		}
		s, c := Sincos8(archsimd.LoadFloat32x8(&angles))
		s.Store(&sines)
		c.Store(&cosines)
		for i, x := range angles {
			if sin, cos := Sincos(x); sines[i] != sin || cosines[i] != cos {
				t.Fatalf("sine and cosine of %v = %v, %v, want %v, %v", x, sines[i], cosines[i], sin, cos)
			}
		}
	}
	archsimd.ClearAVXUpperBits()
}
