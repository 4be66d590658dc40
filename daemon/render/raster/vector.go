//go:build goexperiment.simd && amd64

package raster

import "simd/archsimd"

// vectors says that the processor has the instructions of the vector loops.
var vectors = archsimd.X86.AVX2()

// batch holds bilinear samples while they are computed, step by step for all of them: what is
// stored is read again long after, so that no load waits for a store. The results are those of
// bilerp and narrow, bit by bit.
type batch struct {
	upper, lower [batchSize]uint64 // a pair of texels; then the sample of the line, in lanes
	fx, fy       [batchSize]uint32 // fractions of a texel, in 1/256
}

// across makes samples of pairs of texels: lanes of 16 bits, scaled by 256, of R, B, G, A.
func across(pairs *[batchSize]uint64, fx *[batchSize]uint32, n int) {
	one, bytes := archsimd.BroadcastUint64x4(0x01000100), archsimd.BroadcastUint64x4(lanes)
	first := archsimd.BroadcastUint64x4(0xffffffff)
	for i := 0; i < n; i += octet / 2 {
		p := archsimd.LoadUint64x4Slice(pairs[i : i+4])
		f := archsimd.LoadUint32x4Slice(fx[i : i+4]).ExtendToUint64()
		f = f.Or(f.ShiftAllLeft(16))
		weights := one.Sub(f).Or(f.ShiftAllLeft(32)).AsUint16x16()
		rb := p.And(bytes).AsUint16x16().Mul(weights).AsUint64x4()
		ga := p.AsUint16x16().ShiftAllRight(8).Mul(weights).AsUint64x4()
		rb = rb.AsUint16x16().Add(rb.ShiftAllRight(32).AsUint16x16()).AsUint64x4()
		ga = ga.AsUint16x16().Add(ga.ShiftAllLeft(32).AsUint16x16()).AsUint64x4()
		rb.And(first).Or(ga.AndNot(first)).StoreSlice(pairs[i : i+4])
	}
}

// between returns the mix of four samples of two lines, f/256 of them from the lower one, scaled
// by 65536: the lanes of the first of two pixels and those of the second.
func between(upper, lower archsimd.Uint64x4, f archsimd.Uint32x4, round int32) (even, odd archsimd.Int32x8) {
	w := f.ExtendToUint64()
	w = archsimd.BroadcastUint64x4(256).Sub(w).Or(w.ShiftAllLeft(16))
	w = w.Or(w.ShiftAllLeft(32))
	// The product of pairs is signed: lanes are shifted by half their range, and back afterwards.
	sign := archsimd.BroadcastUint16x16(1 << 15)
	a, b := upper.AsUint16x16().Xor(sign), lower.AsUint16x16().Xor(sign)
	back := archsimd.BroadcastInt32x8(1<<15*256 + round)
	even = a.InterleaveLoGrouped(b).AsInt16x16().DotProductPairs(w.InterleaveLoGrouped(w).AsInt16x16()).Add(back)
	odd = a.InterleaveHiGrouped(b).AsInt16x16().DotProductPairs(w.InterleaveHiGrouped(w).AsInt16x16()).Add(back)
	return even, odd
}

// down makes pixels of the samples of two lines.
func down(out []uint32, upper, lower *[batchSize]uint64, f *[batchSize]uint32) {
	order := archsimd.LoadUint32x8(&[8]uint32{0, 2, 4, 6, 0, 2, 4, 6})
	for i := 0; i < len(out); i += octet / 2 {
		even, odd := between(archsimd.LoadUint64x4Slice(upper[i:i+4]), archsimd.LoadUint64x4Slice(lower[i:i+4]), archsimd.LoadUint32x4Slice(f[i:i+4]), 1<<15)
		v := even.ShiftAllRight(16).SaturateToUint16ConcatGrouped(odd.ShiftAllRight(16)).AsUint64x4()
		v = v.Or(v.ShiftAllRight(24))
		v.AsUint32x8().Permute(order).GetLo().StoreSlice(out[i : i+4])
	}
}

// mix makes samples, scaled by 256, of the samples of two lines, and leaves them in upper. round, in
// 1/256, is added before they are cut off.
func mix(upper, lower *[batchSize]uint64, f *[batchSize]uint32, n int, round int32) {
	for i := 0; i < n; i += octet / 2 {
		even, odd := between(archsimd.LoadUint64x4Slice(upper[i:i+4]), archsimd.LoadUint64x4Slice(lower[i:i+4]), archsimd.LoadUint32x4Slice(f[i:i+4]), round)
		even.ShiftAllRight(8).SaturateToUint16ConcatGrouped(odd.ShiftAllRight(8)).AsUint64x4().StoreSlice(upper[i : i+4])
	}
}

// pair is two neighbouring texels.
func pair(pix []uint32, i int) uint64 {
	p := pix[i : i+2 : i+2]
	return uint64(p[0]) | uint64(p[1])<<32
}

// pixels makes n pixels, a multiple of four, of the texels.
func (p *batch) pixels(out []uint32) {
	across(&p.upper, &p.fx, len(out))
	across(&p.lower, &p.fx, len(out))
	down(out, &p.upper, &p.lower, &p.fy)
}

// samples leaves n samples, scaled by 256, in upper.
func (p *batch) samples(n int) {
	across(&p.upper, &p.fx, n)
	across(&p.lower, &p.fx, n)
	mix(&p.upper, &p.lower, &p.fy, n, 0)
}
