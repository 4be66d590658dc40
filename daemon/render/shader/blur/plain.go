//go:build !goexperiment.simd || !amd64

package blur

func (s *streak) octets(_, _ []uint64, _, _ []uint32) int { return 0 }
