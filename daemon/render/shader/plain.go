//go:build !goexperiment.simd || !amd64

package shader

// vectors is false: the plain loops do all pixels.
func vectors() bool { return false }
