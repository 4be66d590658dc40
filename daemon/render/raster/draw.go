package raster

import "math"

// A Draw is one layer on its way to a canvas: a texture on a quad. Set prepares it, Rows does
// the pixels; Rows may run for different lines in several goroutines at once.
type Draw struct {
	tex     *Texture
	patches []patch
	store   [2]patch
	lod     [2]lod
	tint    uint32 // 0..one, applied to the layer
	opacity uint32 // 0..one, applied when the layer meets the canvas
}

// one is the factor 1 in fixed point.
const one = 65536

// lod says between which mips a patch samples.
type lod struct {
	n int    // finer level
	f uint64 // weight of level n+1 in 1/256
}

// Set prepares drawing tex on the quad under m, which maps to canvas pixels. The layer's
// pixels are multiplied by tint, rounded, multiplied by opacity, rounded, and put over the
// canvas, each factor clamped to 0..1. Set builds the mips that the draw needs.
func (d *Draw) Set(tex *Texture, q Quad, m Affine, tint, opacity float64) {
	d.tex, d.tint, d.opacity = tex, fixedFactor(tint), fixedFactor(opacity)
	d.patches = patches(q, m, &d.store)
	if tex.W == 0 || tex.H == 0 || d.tint == 0 || d.opacity == 0 {
		d.patches = nil
	}
	for i := range d.patches {
		d.lod[i] = levelOf(d.patches[i].uv, tex)
		if d.lod[i].n > 0 || d.lod[i].f > 0 {
			tex.prepare(d.lod[i].n + 1)
		}
	}
}

func fixedFactor(f float64) uint32 {
	if !(f > 0) { // NaN draws nothing
		return 0
	}
	return uint32(math.Round(min(f, 1) * one))
}

// levelOf computes the level of detail as the reference renders have it: the longer of the
// two pixel steps, measured in texels, and a cheap base-2 logarithm (effects notes 1.3).
func levelOf(uv Affine, tex *Texture) lod {
	w, h := float64(tex.W), float64(tex.H)
	rho2 := max(dot(uv.A*uv.A, w*w, uv.D*uv.D, h*h), dot(uv.B*uv.B, w*w, uv.E*uv.E, h*h))
	if !(rho2 > 1) {
		return lod{}
	}
	m, e := math.Frexp(rho2) // rho2 = m 2^e with m in [1/2, 1)
	lambda := .5 * (float64(e-1) + 2*m - 1)
	last := tex.lastLevel()
	n := int(lambda)
	if n >= last {
		return lod{n: last}
	}
	return lod{n: n, f: uint64((lambda-float64(n))*256 + .5)}
}

// Rows draws the lines [y0, y1) on the canvas. line is scratch, one canvas line long.
func (d *Draw) Rows(canvas *Image, y0, y1 int, line []uint32) {
	for i := range d.patches {
		p := &d.patches[i]
		for y := y0; y < y1; y++ {
			x0, x1 := p.span(y, canvas.W)
			if x0 >= x1 {
				continue
			}
			dst := canvas.Row(y)[x0:x1]
			src, same := d.sample(p, d.lod[i], x0, y, line[:len(dst)])
			if same && d.tex.Opaque && d.tint == one && d.opacity == one {
				copy(dst, src)
				continue
			}
			d.blend(dst, src)
		}
	}
}

// sample returns the layer's pixels from (x0, y) on: in line, or, when they are the same as
// the texture's, in the texture itself.
func (d *Draw) sample(p *patch, l lod, x0, y int, line []uint32) (src []uint32, same bool) {
	s := stepperAt(p.uv, &d.tex.Image, x0, y)
	if l == (lod{}) {
		if src, ok := s.straight(&d.tex.Image, len(line)); ok {
			return src, true
		}
		s.bilinear(&d.tex.Image, line)
		return line, false
	}
	fine := d.tex.level(l.n)
	if l.n > 0 {
		s = stepperAt(p.uv, fine, x0, y)
	}
	if l.f == 0 {
		s.bilinear(fine, line)
		return line, false
	}
	coarse := d.tex.level(l.n + 1)
	c := stepperAt(p.uv, coarse, x0, y)
	if d.tex.Flat {
		flat(&s, &c, fine, coarse, l.f, line, d.tex.Pix[0])
	} else {
		trilinear(&s, &c, fine, coarse, l.f, line)
	}
	return line, false
}

// trilinear fills line with samples between two mips, f/256 of them from the coarse one.
func trilinear(s, c *stepper, fine, coarse *Image, f uint64, line []uint32) {
	i0, i1 := both(s, c, fine, coarse, len(line))
	faded(s, c, fine, coarse, f, line[:i0])
	n := i0 + blends(s, c, fine, coarse, f, line[i0:i1])
	faded(s, c, fine, coarse, f, line[n:])
}

// both returns the steps [i0, i1) of n that lie inside two mips.
func both(s, c *stepper, fine, coarse *Image, n int) (i0, i1 int) {
	i0, i1 = s.inside(fine, n)
	j0, j1 := c.inside(coarse, n)
	i0 = max(i0, j0)
	return i0, max(i0, min(i1, j1))
}

// faded is trilinear that heeds the border.
func faded(s, c *stepper, fine, coarse *Image, f uint64, line []uint32) {
	for i := range line {
		rg0, ba0 := s.at(fine)
		rg1, ba1 := c.at(coarse)
		// Lanes hold 24 bits; eight are dropped so that the mix fits.
		rg := rg0>>8&low*(256-f) + rg1>>8&low*f
		ba := ba0>>8&low*(256-f) + ba1>>8&low*f
		line[i] = narrow(rg, ba)
		s.next()
		c.next()
	}
}

// flat is trilinear for a texture of one colour: only its fading edges need samples.
func flat(s, c *stepper, fine, coarse *Image, f uint64, line []uint32, color uint32) {
	i0, i1 := both(s, c, fine, coarse, len(line))
	faded(s, c, fine, coarse, f, line[:i0])
	for i := i0; i < i1; i++ {
		line[i] = color
	}
	s.skip(i1 - i0)
	c.skip(i1 - i0)
	faded(s, c, fine, coarse, f, line[i1:])
}

// A stepper walks along a line of the canvas in texel coordinates, 32.32 fixed point, and is
// already shifted by half a texel and by the rounding to 1/256.
type stepper struct{ s, t, ds, dt int64 }

func stepperAt(uv Affine, tex *Image, x, y int) stepper {
	u, v := uv.Apply(float64(x)+.5, float64(y)+.5)
	const bias = .5 / 256
	return stepper{
		s: fixed(float64(u*float64(tex.W)) - .5 + bias), t: fixed(float64(v*float64(tex.H)) - .5 + bias),
		ds: fixed(uv.A * float64(tex.W)), dt: fixed(uv.D * float64(tex.H)),
	}
}

func fixed(f float64) int64 {
	const limit = 1 << 29 // keeps sums along a line inside 64 bits
	if f != f {
		f = limit
	}
	return int64(math.Floor(min(max(f, -limit), limit) * (1 << 32)))
}

func (s *stepper) next() { s.s += s.ds; s.t += s.dt }

func (s *stepper) skip(n int) { s.s += int64(n) * s.ds; s.t += int64(n) * s.dt }

// straight returns the texels themselves when the line runs along a texel row, one texel per
// pixel and without fraction.
func (s *stepper) straight(tex *Image, n int) ([]uint32, bool) {
	const texel, frac = 1 << 32, 0xff << 24
	if abs(s.ds-texel) > 64 || abs(s.dt) > 64 || s.s&frac != 0 || s.t&frac != 0 {
		return nil, false
	}
	x, y := int(s.s>>32), int(s.t>>32)
	if x < 0 || y < 0 || x+n > tex.W || y >= tex.H {
		return nil, false
	}
	return tex.Row(y)[x : x+n], true
}

func abs(v int64) int64 { return max(v, -v) }

// bilinear fills line with samples of tex. Most of a line lies inside the texture, where no
// tap can miss: that part runs without the border's checks, which makes it twice as fast.
func (s *stepper) bilinear(tex *Image, line []uint32) {
	i0, i1 := s.inside(tex, len(line))
	for i := range line[:i0] {
		line[i] = narrow(s.at(tex))
		s.next()
	}
	i0 += s.batches(tex, line[i0:i1])
	at, t, w := s.s, s.t, tex.W
	for i := range line[i0:i1] {
		j := int(t>>32)*w + int(at>>32)
		a, b := tex.Pix[j:j+2:j+2], tex.Pix[j+w:j+w+2:j+w+2]
		fx, fy := uint64(at>>24&255), uint64(t>>24&255)
		// bilerp by hand: the compiler finds it too large to inline, and the call costs a third.
		top := spread(a[0])*(256-fx) + spread(a[1])*fx
		bot := spread(b[0])*(256-fx) + spread(b[1])*fx
		line[i0+i] = narrow(top&low*(256-fy)+bot&low*fy, top>>16&low*(256-fy)+bot>>16&low*fy)
		at += s.ds
		t += s.dt
	}
	s.s, s.t = at, t
	for i := range line[i1:] {
		line[i1+i] = narrow(s.at(tex))
		s.next()
	}
}

// inside returns the steps [i0, i1) of n whose four taps all lie in the texture.
func (s *stepper) inside(tex *Image, n int) (i0, i1 int) {
	i0, i1 = 0, n
	for _, axis := range [2]struct {
		at, step int64
		size     int
	}{{s.s, s.ds, tex.W}, {s.t, s.dt, tex.H}} {
		lo, hi := int64(0), int64(axis.size-1)<<32-1 // of the coordinate, inclusive
		switch {
		case hi < lo, axis.step == 0 && (axis.at < lo || axis.at > hi):
			return 0, 0
		case axis.step > 0:
			i0 = max(i0, ceilDiv(lo-axis.at, axis.step))
			i1 = min(i1, ceilDiv(hi+1-axis.at, axis.step))
		case axis.step < 0:
			i0 = max(i0, ceilDiv(axis.at-hi, -axis.step))
			i1 = min(i1, ceilDiv(axis.at-lo+1, -axis.step))
		}
	}
	i0 = min(i0, n)
	return i0, max(i0, i1)
}

// ceilDiv returns a/b rounded up, b > 0.
func ceilDiv(a, b int64) int {
	q := a / b
	if a%b > 0 {
		q++
	}
	return int(q)
}

// at samples the texture bilinearly with a transparent border, scaled by 65536.
func (s *stepper) at(tex *Image) (rg, ba uint64) {
	x, y := int(s.s>>32), int(s.t>>32)
	fx, fy := uint64(s.s>>24&255), uint64(s.t>>24&255)
	if uint(x) < uint(tex.W-1) && uint(y) < uint(tex.H-1) {
		i := y*tex.W + x
		a, b := tex.Pix[i:i+2:i+2], tex.Pix[i+tex.W:i+tex.W+2:i+tex.W+2]
		return bilerp(a[0], a[1], b[0], b[1], fx, fy)
	}
	return bilerp(tex.texel(x, y), tex.texel(x+1, y), tex.texel(x, y+1), tex.texel(x+1, y+1), fx, fy)
}

// texel returns a pixel, transparent outside.
func (m *Image) texel(x, y int) uint32 {
	if uint(x) >= uint(m.W) || uint(y) >= uint(m.H) {
		return 0
	}
	return m.Pix[y*m.W+x]
}

// blend puts the layer's pixels over the canvas. Most pixels of most layers are opaque, or
// meet an empty canvas, or are empty themselves; over, by hand, is for the others.
func (d *Draw) blend(dst, src []uint32) {
	src = src[:len(dst)]
	n := d.cover(dst, src)
	dst, src = dst[n:], src[n:]
	factors := d.tint != one || d.opacity != one
	for i, s := range src {
		if s == 0 {
			continue
		}
		if factors {
			if d.tint != one {
				s = scale(s, d.tint)
			}
			s = scale(s, d.opacity)
		}
		under := dst[i]
		if s>>24 == 255 || under == 0 {
			dst[i] = s
			continue
		}
		t := spread(under)*uint64(255-s>>24) + halfs
		t = spread(s) + ((t+(t>>8)&lanes)>>8)&lanes
		if t&^lanes != 0 {
			dst[i] = over(s, under)
			continue
		}
		dst[i] = pack(t)
	}
}

// scale multiplies a pixel by f/one, rounding to nearest.
func scale(p, f uint32) uint32 {
	v := spread(p)
	return narrow(v&low*uint64(f), v>>16&low*uint64(f))
}
