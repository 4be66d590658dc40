//go:build goexperiment.simd && amd64

package trig_test

import (
	"math"
	"math/rand/v2"
	"simd/archsimd"
	"testing"

	"olive-distributed/daemon/render/trig"
)

func TestVectorsGiveTheBitsOfTheFunction(t *testing.T) {
	if !archsimd.X86.AVX2() {
		t.Log("this processor has no AVX2: there is nothing to compare")
		return
	}
	r := rand.New(rand.NewPCG(1, 6))
	for range 200_000 {
		var angles, tangents [4]float64
		for i := range angles {
			angles[i] = r.Float64() * math.Exp2(30*r.Float64())
		}
		angles[r.IntN(4)] = float64(r.IntN(3)) / 4
		trig.Tan4(archsimd.LoadFloat64x4(&angles)).Store(&tangents)
		for i, x := range angles {
			if s, c := trig.Sincos(x); math.Float64bits(tangents[i]) != math.Float64bits(s/c) {
				t.Fatalf("tangent of %v = %v, want %v", x, tangents[i], s/c)
			}
		}
	}
	archsimd.ClearAVXUpperBits()
}
