package raster

// Scattered are points of a texture that wait to be sampled, each for a sum: many at a time take less.
type Scattered struct {
	n       int
	u, v    [batchSize]float32
	details [batchSize]Detail
	sums    [batchSize]int32
	samples [batchSize]uint64 // lanes of 16 bits, scaled by 256: R, B, G, A
	scratch scratch
}

// batchSize is how many samples are computed step by step together.
const batchSize = 64

// Add has the sample at (u, v) wait, for the sum of that number; it reports whether p is full, and must
// be summed before the next.
func (p *Scattered) Add(u, v float32, d Detail, sum int) (full bool) {
	p.u[p.n], p.v[p.n], p.details[p.n], p.sums[p.n] = u, v, d, int32(sum)
	p.n++
	return p.n == batchSize
}

// Sum adds the samples of p, each rounded to 1/256 of a level and scaled by 256, to their sums and empties
// p. The lanes of 32 bits are those of [Sampler.At]. Points between the same mips are the fastest.
func (s *Sampler) Sum(p *Scattered, rg, ba []uint64) {
	for i := 0; i < p.n; {
		n := s.scattered(p, i)
		if n == 0 {
			n = min(octet, p.n-i)
			s.each(p, i, i+n)
		}
		for k := i; k < i+n; k++ {
			rg[p.sums[k]] += p.samples[k] & low
			ba[p.sums[k]] += p.samples[k] >> 16 & low
		}
		i += n
	}
	p.n = 0
}

// each samples the points [first, end) one by one.
func (s *Sampler) each(p *Scattered, first, end int) {
	const half = 1<<7 | 1<<39
	for i := first; i < end; i++ {
		rg, ba := s.At(p.u[i], p.v[i], p.details[i])
		p.samples[i] = (rg+half)>>8&low | (ba+half)>>8&low<<16
	}
}
