//go:build !goexperiment.simd || !amd64

package stylize

func blendWindows(bool, []uint32, []uint32, []uint32, uint32) int { return 0 }

func addWindows(bool, []float32, []uint32, int64, uint32, float32) int { return 0 }

func addNearestWindows(bool, []float32, []float32, int64, uint32, float32) int { return 0 }
