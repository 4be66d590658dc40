//go:build goexperiment.simd && amd64

package blur

import "simd/archsimd"

// window is how many pixels the vector loop does at a time.
const window = 8

// octets adds the first samples of a line, eight at a time, and returns how many: as many as there
// are texels for in both lines, with one more to the right.
func (s *streak) octets(rg, ba []uint64, upper, lower []uint32) int {
	if !s.vectors {
		return 0
	}
	n := min(len(rg), len(upper)-1) &^ (window - 1)
	c, low := archsimd.BroadcastUint16x16, archsimd.BroadcastUint16x16(0xff)
	above, below := c(uint16(s.fy[0])), c(uint16(s.fy[1]))
	weights := archsimd.BroadcastUint32x8(uint32(256-s.fx) | uint32(s.fx)<<16).AsInt16x16()
	// Red and green, blue and alpha become neighbours when the middle bytes change places.
	swap := archsimd.LoadInt8x32(&[32]int8{0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15, 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15})
	// The product of pairs is signed: lanes are shifted by half their range, and back afterwards.
	sign, back := c(1<<15), archsimd.BroadcastInt32x8(1<<15*256+1<<7)
	columns := func(x int) (rg, ba archsimd.Uint16x16) {
		a := archsimd.LoadUint32x8Slice(upper[x : x+window]).AsUint8x32().PermuteOrZeroGrouped(swap).AsUint16x16()
		b := archsimd.LoadUint32x8Slice(lower[x : x+window]).AsUint8x32().PermuteOrZeroGrouped(swap).AsUint16x16()
		rg = a.And(low).Mul(above).Add(b.And(low).Mul(below)).Xor(sign)
		ba = a.ShiftAllRight(8).Mul(above).Add(b.ShiftAllRight(8).Mul(below)).Xor(sign)
		return rg, ba
	}
	sum := func(to []uint64, left, right archsimd.Uint16x16) {
		x := left.InterleaveLoGrouped(right).AsInt16x16().DotProductPairs(weights).Add(back).ShiftAllRight(8).AsUint64x4()
		y := left.InterleaveHiGrouped(right).AsInt16x16().DotProductPairs(weights).Add(back).ShiftAllRight(8).AsUint64x4()
		archsimd.LoadUint64x4Slice(to[:4]).Add(x.Select128FromPair(0, 2, y)).StoreSlice(to[:4])
		archsimd.LoadUint64x4Slice(to[4:8]).Add(x.Select128FromPair(1, 3, y)).StoreSlice(to[4:8])
	}
	for i := 0; i < n; i += window {
		leftRG, leftBA := columns(i)
		rightRG, rightBA := columns(i + 1)
		sum(rg[i:i+window], leftRG, rightRG)
		sum(ba[i:i+window], leftBA, rightBA)
	}
	archsimd.ClearAVXUpperBits()
	return n
}
