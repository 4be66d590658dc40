//go:build goexperiment.simd && amd64

package shader

import "simd/archsimd"

// vectors says that the processor has the instructions of the vector loops.
var vectors = archsimd.X86.AVX2()
