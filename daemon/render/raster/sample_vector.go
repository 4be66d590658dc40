//go:build goexperiment.simd && amd64

package raster

import "simd/archsimd"

// halves is halve for even sizes: the means of 2 x 2 pixels of two lines.
func halves(to, upper, lower []uint32) int {
	if !vectors {
		return 0
	}
	n := len(to) &^ (octet/2 - 1)
	bytes, two := archsimd.BroadcastUint16x16(0xff), archsimd.BroadcastUint16x16(2)
	order := archsimd.LoadUint32x8(&[8]uint32{0, 2, 4, 6, 0, 2, 4, 6})
	mean := func(v archsimd.Uint16x16) archsimd.Uint16x16 {
		return v.Add(v.AsUint64x4().ShiftAllRight(32).AsUint16x16()).Add(two).ShiftAllRight(2)
	}
	for i := 0; i < n; i += octet / 2 {
		a, b := archsimd.LoadUint32x8Slice(upper[2*i:2*i+octet]).AsUint16x16(), archsimd.LoadUint32x8Slice(lower[2*i:2*i+octet]).AsUint16x16()
		rb := mean(a.And(bytes).Add(b.And(bytes)))
		ga := mean(a.ShiftAllRight(8).Add(b.ShiftAllRight(8)))
		rb.Or(ga.ShiftAllLeft(8)).AsUint32x8().Permute(order).GetLo().StoreSlice(to[i : i+octet/2])
	}
	archsimd.ClearAVXUpperBits()
	return n
}

// group does the first pixels of Sampler.line, in whole octets, as far as they lie between the
// same mips and as none is near an edge.
func (s *Sampler) group(out []uint32, u, v []float32, details []Detail, b *scratch) int {
	if !vectors || len(out) < octet {
		return 0
	}
	defer archsimd.ClearAVXUpperBits()
	for n := 0; ; n += batchSize {
		next := out[n:min(n+batchSize, len(out))]
		m := s.alike(details[0], details[n/2:], len(next))
		m = b[0].read(&s.levels[details[0]>>8], u[n:n+m], v[n:n+m])
		if details[0] == 0 {
			b[0].pixels(next[:m])
		} else {
			m = b[1].read(&s.levels[details[0]>>8+1], u[n:n+m], v[n:n+m])
			s.blend(next[:m], b, details[n/2:])
		}
		if m < batchSize {
			return n + m
		}
	}
}

// scratch is where samples of a texture and of its next mip are computed.
type scratch [2]batch

// alike returns how many of n pixels, at most, lie between the same mips as those of first, or
// like those need one only.
func (s *Sampler) alike(first Detail, details []Detail, n int) int {
	if first != 0 && int(first>>8) == s.last {
		return 0
	}
	for i, d := range details[:n/2] {
		if d>>8 != first>>8 || (d == 0) != (first == 0) {
			return 2 * i
		}
	}
	return n
}

// blend makes pixels of samples of two mips.
func (s *Sampler) blend(out []uint32, b *scratch, details []Detail) {
	b[0].samples(len(out))
	b[1].samples(len(out))
	share := &b[0].fx
	for i := range out {
		share[i] = uint32(details[i/2] & 255)
	}
	down(out, &b[0].upper, &b[1].upper, share)
}

// read reads the texels around the first points, in whole octets, as far as none is near an
// edge. It returns their number.
func (b *batch) read(l *samplerLevel, u, v []float32) int {
	su, sv := archsimd.BroadcastFloat32x8(l.su), archsimd.BroadcastFloat32x8(l.sv)
	shift, first := archsimd.BroadcastFloat32x8(128.5), archsimd.BroadcastFloat32x8(256)
	endU, endV := archsimd.BroadcastFloat32x8(l.endU), archsimd.BroadcastFloat32x8(l.endV)
	fraction, width, corner := archsimd.BroadcastInt32x8(255), archsimd.BroadcastInt32x8(int32(l.w)), archsimd.BroadcastInt32x8(int32(l.w+1))
	var at [batchSize]int32
	n := 0
	for ; n+octet <= len(u); n += octet {
		x := archsimd.LoadFloat32x8Slice(u[n : n+octet]).Mul(su).Add(shift)
		y := archsimd.LoadFloat32x8Slice(v[n : n+octet]).Mul(sv).Add(shift)
		inside := x.GreaterEqual(first).And(y.GreaterEqual(first)).And(x.Less(endU)).And(y.Less(endV))
		if inside.ToBits() != 0xff {
			break
		}
		i, j := x.ConvertToInt32(), y.ConvertToInt32()
		i.And(fraction).AsUint32x8().StoreSlice(b.fx[n : n+octet])
		j.And(fraction).AsUint32x8().StoreSlice(b.fy[n : n+octet])
		j.ShiftAllRight(8).Mul(width).Add(i.ShiftAllRight(8)).Sub(corner).StoreSlice(at[n : n+octet])
	}
	upper, lower := b.upper[:n], b.lower[:n]
	for i, k := range at[:n] {
		upper[i], lower[i] = pair(l.pix, int(k)), pair(l.pix, int(k)+l.w)
	}
	return n
}

// scattered samples the points of p from i on, in whole octets, as far as they lie between the same mips
// and as none is near an edge. It returns their number.
func (s *Sampler) scattered(p *Scattered, i int) int {
	if !vectors || p.n-i < octet {
		return 0
	}
	n := same(p.details[i:p.n])
	if n < octet {
		return 0
	}
	defer archsimd.ClearAVXUpperBits()
	level, sharp := p.details[i]>>8, p.details[i] == 0
	b, u, v := &p.scratch, p.u[i:i+n], p.v[i:i+n]
	n = b[0].read(&s.levels[level], u, v)
	last, share := &b[0].lower, &b[0].fy
	if sharp {
		across(&b[0].upper, &b[0].fx, n)
		across(&b[0].lower, &b[0].fx, n)
	} else {
		n = b[1].read(&s.levels[level+1], u[:n], v[:n])
		b[0].samples(n)
		b[1].samples(n)
		last = &b[1].upper
		for k, d := range p.details[i : i+n] {
			share[k] = uint32(d & 255)
		}
	}
	mix(&b[0].upper, last, share, n, 1<<7)
	copy(p.samples[i:i+n], b[0].upper[:n])
	return n
}

// same returns how many of the details, from the first on, are all 0 or all between the same two mips.
func same(details []Detail) int {
	first := details[0]
	if first == 0 {
		for i, d := range details {
			if d != 0 {
				return i
			}
		}
		return len(details)
	}
	for i, d := range details {
		if d>>8 != first>>8 || d&255 == 0 {
			return i
		}
	}
	return len(details)
}
