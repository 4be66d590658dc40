//go:build !goexperiment.simd || !amd64

package distort

func (k *Swirl) octets(bool, *whirl, []float32, []float32, []float32) int { return 0 }

func (k *Bulge) octets(bool, float32, []float32, []float32, []float32) int { return 0 }

func (k *Ripple) octets(bool, float32, float32, []float32, []float32, []float32, float32) int {
	return 0
}
