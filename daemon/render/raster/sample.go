package raster

import "math"

// A Sampler reads a texture at any point, the way Olive's shaders do: bilinear with fractions
// snapped to 1/256 of a texel, transparent outside, and between two mips where the picture
// shrinks (effects notes 1.3). Coordinates run from 0 to 1 over the picture, in single precision
// as on a graphics card. Set prepares it; then any number of goroutines may read at once.
type Sampler struct {
	levels [maxLevels]samplerLevel
	last   int
	border uint32
}

// maxLevels is enough for sides below 2^31.
const maxLevels = 32

type samplerLevel struct {
	pix        []uint32
	w, h       int
	su, sv     float32 // units of 1/256 texel per 1 of u and v
	endU, endV float32 // first coordinate whose right or lower tap is outside
}

// Set makes s read t, and builds its mips when shrink asks for them. What lies outside the
// picture, and within half a texel of its edge in part, is border.
func (s *Sampler) Set(t *Texture, shrink bool, border uint32) {
	s.last, s.border = 0, border
	if shrink {
		s.last = min(t.lastLevel(), maxLevels-1)
		t.prepare(s.last)
	}
	for n := range s.last + 1 {
		m := t.level(n)
		s.levels[n] = samplerLevel{
			pix: m.Pix, w: m.W, h: m.H, su: float32(m.W) * 256, sv: float32(m.H) * 256,
			endU: float32(m.W) * 256, endV: float32(m.H) * 256,
		}
	}
}

// A Detail says between which mips to sample: the finer level and the share of the next one in
// 1/256. Zero is the picture itself.
type Detail uint32

// detail limits d to the mips there are.
func (s *Sampler) detail(d Detail) Detail {
	return min(d, Detail(s.last)<<8)
}

// Detail returns the level of detail of a 2x2 block of pixels whose coordinates change by
// (ux, vx) from left to right and by (uy, vy) downwards. The logarithm is the cheap one of the
// reference renders: the bits of a float. As there, a change to the right that is no number
// does not count, and one downwards takes the coarsest mip: the rim of Sphere shows it.
func (s *Sampler) Detail(ux, vx, uy, vy float32) Detail {
	w, h := float32(s.levels[0].w), float32(s.levels[0].h)
	ux, vx, uy, vy = ux*w, vx*h, uy*w, vy*h
	across := float32(ux*ux) + float32(vx*vx)
	rho := float32(uy*uy) + float32(vy*vy)
	if across > rho {
		rho = across
	}
	const one, half = 0x3f800000, 1 << 15
	bits := math.Float32bits(rho)
	if bits <= one {
		return 0
	}
	return s.detail(Detail((bits - one + half) >> 16))
}

// At samples at (u, v). The lanes (R, G) and (B, A) are scaled by 65536.
func (s *Sampler) At(u, v float32, d Detail) (rg, ba uint64) {
	n, f := d>>8, uint64(d&255)
	rg, ba = s.levels[n].at(u, v, s.border)
	if f == 0 {
		return rg, ba
	}
	rg1, ba1 := s.levels[n+1].at(u, v, s.border)
	// Eight bits are dropped so that the mix fits into its lanes.
	return rg>>8&low*(256-f) + rg1>>8&low*f, ba>>8&low*(256-f) + ba1>>8&low*f
}

// at samples one mip.
func (l *samplerLevel) at(u, v float32, border uint32) (rg, ba uint64) {
	// In 1/256 texels, shifted by one texel so that taps left of the picture are not negative.
	x, y := float32(u*l.su)+128.5, float32(v*l.sv)+128.5
	if !(x >= 0 && y >= 0 && x < l.endU+256 && y < l.endV+256) { // also NaN
		b := Spread(border)
		return b & low << 16, b &^ low
	}
	i, j := int(int32(x)), int(int32(y))
	fx, fy := uint64(i&255), uint64(j&255)
	i, j = i>>8-1, j>>8-1
	if uint(i) < uint(l.w-1) && uint(j) < uint(l.h-1) {
		k := j*l.w + i
		a, b := l.pix[k:k+2:k+2], l.pix[k+l.w:k+l.w+2:k+l.w+2]
		return bilerp(a[0], a[1], b[0], b[1], fx, fy)
	}
	return bilerp(l.texel(i, j, border), l.texel(i+1, j, border), l.texel(i, j+1, border), l.texel(i+1, j+1, border), fx, fy)
}

func (l *samplerLevel) texel(x, y int, border uint32) uint32 {
	if uint(x) >= uint(l.w) || uint(y) >= uint(l.h) {
		return border
	}
	return l.pix[y*l.w+x]
}

// Points are where the pixels of two neighbouring lines sample a texture: U and V of the upper
// and of the lower line. Their length is even; the blocks that decide on the level of detail
// begin at the first pixel.
type Points struct {
	U, V    [2][]float32
	details []Detail
	scratch scratch
}

// Resize makes room for lines of w pixels, and one more where w is odd.
func (p *Points) Resize(w int) {
	w += w & 1
	for i := range 2 {
		if cap(p.U[i]) < w {
			p.U[i], p.V[i] = make([]float32, w), make([]float32, w)
		}
		p.U[i], p.V[i] = p.U[i][:w], p.V[i][:w]
	}
	if cap(p.details) < w/2 {
		p.details = make([]Detail, w/2)
	}
	p.details = p.details[:w/2]
}

// Details returns the level of detail of each block of p, valid until p is measured again.
func (s *Sampler) Details(p *Points) []Detail {
	for i := range p.details {
		x := 2 * i
		a, b := p.U[0][x:x+2:x+2], p.V[0][x:x+2:x+2]
		c, d := p.U[1][x:x+2:x+2], p.V[1][x:x+2:x+2]
		p.details[i] = s.Detail(a[1]-a[0], b[1]-b[0], c[0]-a[0], d[0]-b[0])
	}
	return p.details
}

// Warp fills two lines with the samples at p, rounded to 8 bits. lower may be shorter or nil
// when the picture ends with the upper line.
func (s *Sampler) Warp(upper, lower []uint32, p *Points) {
	s.Details(p)
	s.line(upper, p.U[0], p.V[0], p)
	s.line(lower, p.U[1], p.V[1], p)
}

// octet is how many pixels one vector holds.
const octet = 8

// line is At for a line: groups of pixels where vectors can do them, octets by hand elsewhere.
func (s *Sampler) line(out []uint32, u, v []float32, p *Points) {
	for i := 0; i < len(out); {
		n := s.group(out[i:], u[i:], v[i:], p.details[i>>1:], &p.scratch)
		if n == 0 {
			n = min(octet, len(out)-i)
			s.plain(out[i:i+n], u[i:], v[i:], p.details[i>>1:])
		}
		i += n
	}
}

// plain is At for a line; the pixels whose taps are all inside are by hand.
func (s *Sampler) plain(out []uint32, u, v []float32, details []Detail) {
	l := &s.levels[0]
	pix, w := l.pix, l.w
	su, sv, endU, endV := l.su, l.sv, l.endU, l.endV
	u, v = u[:len(out)], v[:len(out)]
	for i := 0; i < len(out); i++ {
		if details[i>>1] != 0 { // i is even: a block is all or nothing
			i += s.shrunk(out[i:], u[i:], v[i:], details[i>>1:]) - 1
			continue
		}
		x, y := float32(u[i]*su)+128.5, float32(v[i]*sv)+128.5
		if !(x >= 256 && y >= 256 && x < endU && y < endV) {
			out[i] = narrow(s.At(u[i], v[i], 0))
			continue
		}
		tx, ty := int(int32(x)), int(int32(y))
		fx, fy := uint64(tx&255), uint64(ty&255)
		k := (ty>>8-1)*w + tx>>8 - 1
		a, b := pix[k:k+2:k+2], pix[k+w:k+w+2:k+w+2]
		if fx|fy == 0 {
			out[i] = a[0]
			continue
		}
		top := spread(a[0])*(256-fx) + spread(a[1])*fx
		bot := spread(b[0])*(256-fx) + spread(b[1])*fx
		out[i] = narrow(top&low*(256-fy)+bot&low*fy, top>>16&low*(256-fy)+bot>>16&low*fy)
	}
}

// shrunk is At for the first block and those behind it that lie between the same mips. It
// returns the number of pixels.
func (s *Sampler) shrunk(out []uint32, u, v []float32, details []Detail) int {
	n := details[0] >> 8
	if int(n) == s.last {
		end := min(2, len(out))
		for i := range out[:end] {
			out[i] = narrow(s.At(u[i], v[i], details[0]))
		}
		return end
	}
	l, m := s.levels[n], s.levels[n+1]
	for i := range out {
		d := details[i>>1]
		if d>>8 != n || d == 0 {
			return i
		}
		f := uint64(d & 255)
		x, y := float32(u[i]*l.su)+128.5, float32(v[i]*l.sv)+128.5
		cx, cy := float32(u[i]*m.su)+128.5, float32(v[i]*m.sv)+128.5
		// What is inside on the coarse level is so on the fine one, but for rounding.
		if !(cx >= 256 && cy >= 256 && cx < m.endU && cy < m.endV && x < l.endU && y < l.endV) {
			out[i] = narrow(s.At(u[i], v[i], d))
			continue
		}
		tx, ty := int(int32(x)), int(int32(y))
		fx, fy := uint64(tx&255), uint64(ty&255)
		k := (ty>>8-1)*l.w + tx>>8 - 1
		a, b := l.pix[k:k+2:k+2], l.pix[k+l.w:k+l.w+2:k+l.w+2]
		top := spread(a[0])*(256-fx) + spread(a[1])*fx
		bot := spread(b[0])*(256-fx) + spread(b[1])*fx
		rg, ba := top&low*(256-fy)+bot&low*fy, top>>16&low*(256-fy)+bot>>16&low*fy

		tx, ty = int(int32(cx)), int(int32(cy))
		fx, fy = uint64(tx&255), uint64(ty&255)
		k = (ty>>8-1)*m.w + tx>>8 - 1
		a, b = m.pix[k:k+2:k+2], m.pix[k+m.w:k+m.w+2:k+m.w+2]
		top = spread(a[0])*(256-fx) + spread(a[1])*fx
		bot = spread(b[0])*(256-fx) + spread(b[1])*fx
		rg1, ba1 := top&low*(256-fy)+bot&low*fy, top>>16&low*(256-fy)+bot>>16&low*fy
		out[i] = narrow(rg>>8&low*(256-f)+rg1>>8&low*f, ba>>8&low*(256-f)+ba1>>8&low*f)
	}
	return len(out)
}

// Spread gives the channels of a pixel 16 bits each: R, B, G, A from the lowest up.
func Spread(p uint32) uint64 { return spread(p) }

// Narrow rounds the lanes that [Sampler.At] returns to a pixel.
func Narrow(rg, ba uint64) uint32 { return narrow(rg, ba) }
