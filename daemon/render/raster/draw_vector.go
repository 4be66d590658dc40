//go:build goexperiment.simd && amd64

package raster

import "simd/archsimd"

// The functions of this file do the first pixels of a line with the results of the plain loops
// that do the others; they return how many they did.

// take reads the texels around the next samples, which lie inside tex.
func (b *batch) take(s *stepper, tex *Image, n int) {
	at, t, w, pix := s.s, s.t, tex.W, tex.Pix
	upper, lower, fx, fy := b.upper[:n], b.lower[:n], b.fx[:n], b.fy[:n]
	for i := range upper {
		j := int(t>>32)*w + int(at>>32)
		upper[i], lower[i] = pair(pix, j), pair(pix, j+w)
		fx[i], fy[i] = uint32(at>>24&255), uint32(t>>24&255)
		at += s.ds
		t += s.dt
	}
	s.s, s.t = at, t
}

// batches is bilinear for samples that lie inside tex.
func (s *stepper) batches(tex *Image, line []uint32) int {
	if !vectors || len(line) < octet {
		return 0
	}
	var b batch
	line = line[:len(line)&^(octet-1)]
	for n := 0; n < len(line); n += batchSize {
		out := line[n:min(n+batchSize, len(line))]
		b.take(s, tex, len(out))
		b.pixels(out)
	}
	archsimd.ClearAVXUpperBits()
	return len(line)
}

// blends is trilinear for samples that lie inside both mips.
func blends(s, c *stepper, fine, coarse *Image, f uint64, line []uint32) int {
	if !vectors || len(line) < octet {
		return 0
	}
	var b [2]batch
	var share [batchSize]uint32
	for i := range share {
		share[i] = uint32(f)
	}
	line = line[:len(line)&^(octet-1)]
	for n := 0; n < len(line); n += batchSize {
		out := line[n:min(n+batchSize, len(line))]
		b[0].take(s, fine, len(out))
		b[1].take(c, coarse, len(out))
		b[0].samples(len(out))
		b[1].samples(len(out))
		down(out, &b[0].upper, &b[1].upper, &share)
	}
	archsimd.ClearAVXUpperBits()
	return len(line)
}

// cover is Draw.blend.
func (d *Draw) cover(dst, src []uint32) int {
	if !vectors || len(dst) < octet {
		return 0
	}
	n := len(dst) &^ (octet - 1)
	bytes, halfs := archsimd.BroadcastUint16x16(0xff), archsimd.BroadcastUint16x16(0x80)
	tint, opacity := archsimd.BroadcastUint16x16(uint16(d.tint)), archsimd.BroadcastUint16x16(uint16(d.opacity))
	for i := 0; i < n; i += octet {
		s := archsimd.LoadUint32x8Slice(src[i : i+octet])
		rb, ga := s.AsUint16x16().And(bytes), s.AsUint16x16().ShiftAllRight(8)
		if d.tint != one {
			rb, ga = scaled(rb, tint), scaled(ga, tint)
		}
		if d.opacity != one {
			rb, ga = scaled(rb, opacity), scaled(ga, opacity)
		}
		a := ga.AsUint32x8().ShiftAllRight(16)
		rest := bytes.Sub(a.Or(a.ShiftAllLeft(16)).AsUint16x16())
		out := dst[i : i+octet]
		if rest.IsZero() {
			rb.Or(ga.ShiftAllLeft(8)).AsUint32x8().StoreSlice(out)
			continue
		}
		under := archsimd.LoadUint32x8Slice(out).AsUint16x16()
		rb = rb.Add(through(under.And(bytes), rest, halfs)).Min(bytes)
		ga = ga.Add(through(under.ShiftAllRight(8), rest, halfs)).Min(bytes)
		rb.Or(ga.ShiftAllLeft(8)).AsUint32x8().StoreSlice(out)
	}
	archsimd.ClearAVXUpperBits()
	return n
}

// scaled is scale for lanes of 16 bits and a factor below one.
func scaled(v, f archsimd.Uint16x16) archsimd.Uint16x16 {
	return v.MulHigh(f).Add(v.Mul(f).ShiftAllRight(15))
}

// through is v * rest / 255, rounded to nearest.
func through(v, rest, halfs archsimd.Uint16x16) archsimd.Uint16x16 {
	t := v.Mul(rest).Add(halfs)
	return t.Add(t.ShiftAllRight(8)).ShiftAllRight(8)
}
