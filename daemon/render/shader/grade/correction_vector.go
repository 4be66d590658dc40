//go:build goexperiment.simd && amd64

package grade

import (
	"simd/archsimd"

	"olive-distributed/daemon/render/shader"
)

// octets does the first pixels of Correction.rows, four at a time, and returns how many.
func (k *Correction) octets(vectors bool, dst, src []uint32) int {
	if !vectors {
		return 0
	}
	n := len(src) &^ 3
	red, green, blue := &k.tables[0], &k.tables[1], &k.tables[2]
	c := archsimd.BroadcastUint16x16
	point, most := uint64(k.point), c(255)
	below := archsimd.BroadcastUint64x4(uint64(k.below[0]) | uint64(k.below[1])<<16 | uint64(k.below[2])<<32).AsUint16x16()
	// The class of a pixel goes into all its lanes; bytes of levels go together.
	spread := archsimd.LoadInt8x32(&[32]int8{6, 7, 6, 7, 6, 7, 6, 7, 14, 15, 14, 15, 14, 15, 14, 15, 6, 7, 6, 7, 6, 7, 6, 7, 14, 15, 14, 15, 14, 15, 14, 15})
	pack := archsimd.LoadInt8x32(&[32]int8{0, 2, 4, 6, 8, 10, 12, 14, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 2, 4, 6, 8, 10, 12, 14})
	mask, dark, light, opaque := c(classMask), c(allDark), c(allLight), archsimd.BroadcastUint32x4(shader.Black)
	one := k.one
	for i := 0; i < n; i += 4 {
		p := src[i : i+4 : i+4]
		even := archsimd.Uint64x4{}.SetLo(looked(red, green, blue, p[0])).SetHi(looked(red, green, blue, p[2]))
		odd := archsimd.Uint64x4{}.SetLo(looked(red, green, blue, p[1])).SetHi(looked(red, green, blue, p[3]))
		sum := even.InterleaveLoGrouped(odd).AsUint16x16()
		if !one {
			class := sum.AsUint8x32().PermuteOrZeroGrouped(spread).AsUint16x16()
			kind := class.And(mask)
			shady := kind.Equal(dark)
			sum = even.InterleaveHiGrouped(odd).AsUint16x16().Merge(sum, shady.Or(kind.Equal(light)))
			broken := class.Sub(kind).Min(c(1)).Mul(shady.ToInt16x16().AsUint16x16()) // -1 where dark and broken
			sum = sum.AndNot(broken)
		}
		levels := sum.SubSaturated(below).ShiftAllRight(point).Min(most).AsUint8x32().PermuteOrZeroGrouped(pack)
		colour := levels.GetLo().Or(levels.GetHi()).AsUint32x4()
		archsimd.LoadUint32x4Slice(p).And(opaque).Or(colour.AndNot(opaque)).StoreSlice(dst[i : i+4])
	}
	archsimd.ClearAVXUpperBits()
	return n
}

// looked returns the sums of a pixel with both curves.
func looked(red, green, blue *table, p uint32) archsimd.Uint64x2 {
	return archsimd.LoadUint64x2(&red[uint8(p)]).Add(archsimd.LoadUint64x2(&green[uint8(p>>8)])).Add(archsimd.LoadUint64x2(&blue[uint8(p>>16)]))
}
