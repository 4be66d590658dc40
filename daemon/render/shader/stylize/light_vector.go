//go:build goexperiment.simd && amd64

package stylize

import "simd/archsimd"

// The functions of this file do the first pixels of a line, eight at a time, with the operations
// of the plain loops behind them, so that all bytes are the same; they return how many they did.

// blendWindows is blend.
func blendWindows(vectors bool, out, upper, lower []uint32, f uint32) int {
	if !vectors {
		return 0
	}
	n := len(out) &^ (window - 1)
	above, below := archsimd.BroadcastUint16x16(uint16(256-f)), archsimd.BroadcastUint16x16(uint16(f))
	red, green := archsimd.BroadcastUint32x8(0xff), archsimd.BroadcastUint32x8(0xff00)
	for i := 0; i < n; i += window {
		p := archsimd.LoadUint32x8Slice(upper[i : i+window])
		q := archsimd.LoadUint32x8Slice(lower[i : i+window])
		p = p.And(red).Or(p.And(green).ShiftAllLeft(8))
		q = q.And(red).Or(q.And(green).ShiftAllLeft(8))
		p.AsUint16x16().Mul(above).Add(q.AsUint16x16().Mul(below)).AsUint32x8().StoreSlice(out[i : i+window])
	}
	return n
}

// steps8 are the steps of eight pixels from the first: whole texels and fractions.
func steps8(step uint32) (whole, fraction archsimd.Uint32x8) {
	var w, f [window]uint32
	for i := range w {
		s := uint64(i) * uint64(step)
		w[i], f[i] = uint32(s>>32), uint32(s)
	}
	return archsimd.LoadUint32x8(&w), archsimd.LoadUint32x8(&f)
}

// place returns the texels from at on that eight pixels sample, and the fractions behind them.
func place(at int64, whole, fraction archsimd.Uint32x8) (texel, rest archsimd.Uint32x8) {
	start := archsimd.BroadcastUint32x8(uint32(at))
	rest = start.Add(fraction)
	return whole.Sub(rest.Less(start).ToInt32x8().AsUint32x8()), rest // a carry is -1
}

// addWindows is ray.add.
func addWindows(vectors bool, light []float32, row []uint32, at int64, step uint32, weight float32) int {
	if !vectors {
		return 0
	}
	n := len(light) &^ (window - 1)
	whole, fraction := steps8(step)
	one, low := archsimd.BroadcastFloat32x8(256), archsimd.BroadcastUint32x8(0xffff)
	half, weights, none := archsimd.BroadcastFloat32x8(full/2), archsimd.BroadcastFloat32x8(weight), archsimd.BroadcastFloat32x8(0)
	for i := 0; i < n; i += window {
		j := int(at >> 32)
		texel, rest := place(at, whole, fraction)
		at += window * int64(step)
		p := row[j : j+window+1]
		left, right := archsimd.LoadUint32x8Slice(p).Permute(texel), archsimd.LoadUint32x8Slice(p[1:]).Permute(texel)
		f := rest.ShiftAllRight(24).AsInt32x8().ConvertToFloat32()
		g := one.Sub(f)
		red := left.And(low).AsInt32x8().ConvertToFloat32().Mul(g).Add(right.And(low).AsInt32x8().ConvertToFloat32().Mul(f))
		green := left.ShiftAllRight(16).AsInt32x8().ConvertToFloat32().Mul(g).Add(right.ShiftAllRight(16).AsInt32x8().ConvertToFloat32().Mul(f))
		d := half.Sub(red.Mul(red).Add(green.Mul(green)).Sqrt()).Max(none)
		l := light[i : i+window]
		archsimd.LoadFloat32x8Slice(l).Add(d.Mul(d).Mul(weights)).StoreSlice(l)
	}
	archsimd.ClearAVXUpperBits()
	return n
}

// addNearestWindows is ray.addNearest.
func addNearestWindows(vectors bool, light, row []float32, at int64, step uint32, weight float32) int {
	if !vectors {
		return 0
	}
	n := len(light) &^ (window - 1)
	whole, fraction := steps8(step)
	weights := archsimd.BroadcastFloat32x8(weight)
	for i := 0; i < n; i += window {
		j := int(at >> 32)
		texel, _ := place(at, whole, fraction)
		at += window * int64(step)
		l := light[i : i+window]
		glow := archsimd.LoadFloat32x8Slice(row[j : j+window]).Permute(texel)
		archsimd.LoadFloat32x8Slice(l).Add(glow.Mul(weights)).StoreSlice(l)
	}
	archsimd.ClearAVXUpperBits()
	return n
}
