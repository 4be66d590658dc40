//go:build goexperiment.simd && amd64

package shader

import "simd/archsimd"

// vectors says whether the processor has the instructions of the vector loops.
func vectors() bool { return archsimd.X86.AVX2() }
