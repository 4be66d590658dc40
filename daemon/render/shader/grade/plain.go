//go:build !goexperiment.simd || !amd64

package grade

func (k *Correction) octets(_ bool, _, _ []uint32) int { return 0 }

func (k *Noise) octets(bool, []uint32, []uint32, []float32, float32) int { return 0 }
