//go:build !goexperiment.simd || !amd64

package raster

// vectors is false: the plain loops do all pixels.
var vectors = false

func (s *stepper) batches(*Image, []uint32) int { return 0 }

func blends(_, _ *stepper, _, _ *Image, _ uint64, _ []uint32) int { return 0 }

func (d *Draw) cover(_, _ []uint32) int { return 0 }

func halves(_, _, _ []uint32) int { return 0 }

func (s *Sampler) group(_ []uint32, _, _ []float32, _ []Detail, _ *scratch) int { return 0 }

func (s *Sampler) scattered(p *Scattered, _ int) int {
	_ = p.scratch // empty here
	return 0
}

type scratch struct{}
