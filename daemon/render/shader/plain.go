//go:build !goexperiment.simd || !amd64

package shader

// vectors is false: the plain loops do all pixels.
var vectors = false

func blendWindows(_, _, _ []uint32, _ uint32) int { return 0 }

func addWindows(_ []float32, _ []uint32, _ int64, _ uint32, _ float32) int { return 0 }

func addNearestWindows(_, _ []float32, _ int64, _ uint32, _ float32) int { return 0 }

func (k *Swirl) octets(*whirl, []float32, []float32, []float32) int { return 0 }

func (k *Correction) octets(_, _ []uint32) int { return 0 }
