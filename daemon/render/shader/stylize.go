package shader

import "olive-distributed/daemon/render/raster"

// Aberration shows red, green and blue from different places (7.1), in 1/100 pixel on both axes.
type Aberration struct{ Red, Green, Blue float32 }

func (k *Aberration) run(r *Runner) {
	if r.void {
		r.copy()
		return
	}
	r.each(k)
	r.dst.Opaque = r.src.Opaque
}

func (k *Aberration) rows(r *Runner, _ *work, y0, y1 int) {
	var taps [3]tap
	for c, amount := range [3]float32{k.Red, k.Green, k.Blue} {
		taps[c] = tapAt(-amount/100, -amount/100, r.src.W, r.src.H)
	}
	for y := y0; y < y1; y++ {
		dst := r.dst.Row(y)
		for i, p := range r.src.Row(y) {
			dst[i] = p & black
		}
		for c := range taps {
			taps[c].channel(dst, r.src, y, 8*c)
		}
	}
}

// A tap is a sample at a fixed distance from its pixel: whole texels and a fraction in 1/256.
type tap struct{ x, y, fx, fy int }

// tapAt converts a distance in texels. Beyond the picture's size it is only known to be beyond;
// no number is so, too.
func tapAt(dx, dy float32, w, h int) tap {
	x, fx := split(dx, w)
	y, fy := split(dy, h)
	return tap{x, y, fx, fy}
}

func split(d float32, size int) (n, f int) {
	limit := float32(size + 2)
	if !(d > -limit && d < limit) {
		return size + 2, 0
	}
	n = int(floor(float32(d*256) + 0.5))
	return n >> 8, n & 255
}

// channel adds the channel at shift, sampled, to the pixels of line y.
func (t *tap) channel(dst []uint32, src *raster.Texture, y, shift int) {
	for i := range dst {
		a := at(src, i+t.x, y+t.y) >> shift & 255
		b := at(src, i+t.x+1, y+t.y) >> shift & 255
		c := at(src, i+t.x, y+t.y+1) >> shift & 255
		d := at(src, i+t.x+1, y+t.y+1) >> shift & 255
		fx, fy := uint32(t.fx), uint32(t.fy)
		v := (a*(256-fx)+b*fx)*(256-fy) + (c*(256-fx)+d*fx)*fy
		dst[i] |= (v + 1<<15) >> 16 << shift
	}
}

// at is a texel, transparent outside.
func at(m *raster.Texture, x, y int) uint32 {
	if uint(x) >= uint(m.W) || uint(y) >= uint(m.H) {
		return 0
	}
	return m.Pix[y*m.W+x]
}

// Emboss lights the picture by the differences along its diagonal (7.3). Contrast is in percent,
// Level is the distance in pixels.
type Emboss struct {
	Contrast, Level float32
	HSL, Invert     bool

	gain [2*765 + 1]float32 // by the difference of two sums of channels
}

func (k *Emboss) run(r *Runner) {
	c, parts := k.Contrast/100, float32(1.5)
	if k.Invert {
		c = -c
	}
	if k.HSL {
		parts = 3
	}
	for i := range k.gain {
		k.gain[i] = (1.5 + float32(c*(float32(i-765)/255))) / parts
	}
	r.each(k)
	r.dst.Opaque = r.src.Opaque
}

func (k *Emboss) rows(r *Runner, _ *work, y0, y1 int) {
	limit := 2 * max(r.src.W, r.src.H)
	d := whole(floor(k.Level), -limit, limit)
	for y := y0; y < y1; y++ {
		dst := r.dst.Row(y)
		for i, p := range r.src.Row(y) {
			g := k.gain[765+sum(at(r.src, i+d, y+d))-sum(at(r.src, i-d, y-d))] * unit[p>>24]
			dst[i] = rgb(unit[p&255]*g, unit[p>>8&255]*g, unit[p>>16&255]*g) | p&black
		}
	}
}

// sum adds the colour channels of a pixel.
func sum(p uint32) int { return int(p&255 + p>>8&255 + p>>16&255) }

// Pixelate makes a mosaic of so many cells on each axis (7.4).
type Pixelate struct {
	X, Y   float32
	Bypass bool

	cells axes
}

func (k *Pixelate) run(r *Runner) {
	if k.Bypass {
		r.copy()
		return
	}
	k.cells.set(r)
	for i, u := range k.cells.u {
		k.cells.u[i] = u - mod(u, 1/k.X)
	}
	for i, v := range k.cells.v {
		k.cells.v[i] = v - mod(v, 1/k.Y)
	}
	r.move(&k.cells, false)
}

// Posterize leaves a number of levels in each channel (7.5). Gamma is in percent.
type Posterize struct{ Colors, Gamma float32 }

func (k *Posterize) run(r *Runner) {
	var t [256]uint32
	gamma := k.Gamma / 100
	for i, c := range unit {
		t[i] = store(pow(floor(pow(c, gamma)*k.Colors)/k.Colors, 1/gamma))
	}
	r.lookUp(&t)
}

// Vignette fades the picture out around a point (7.7). All numbers are in percent.
type Vignette struct {
	Size, Softness, X, Y float32
	Circular, Invert     bool
}

func (k *Vignette) run(r *Runner) {
	if k.Size == 0 {
		r.dst.Clear(0, r.dst.H)
		return
	}
	r.each(k)
}

func (k *Vignette) rows(r *Runner, _ *work, y0, y1 int) {
	aspect, off := float32(1), float32(0)
	if k.Circular {
		aspect = float32(r.dst.W) / float32(r.dst.H)
		off = 1 - 1/aspect
	}
	outer := k.Size / 100
	inner := 0.99 * outer * (1 - k.Softness/100)
	for y := y0; y < y1; y++ {
		dst := r.dst.Row(y)
		dy := r.vs[y] - (0.5 + k.Y/100)
		for i, p := range r.src.Row(y) {
			dx := float32(r.us[i]*aspect) - off - (0.5 + k.X/100)
			d := sqrt(float32(dx*dx) + float32(dy*dy))
			q := clamp01((d - outer) / (inner - outer))
			m := float32(q * q * (3 - 2*q))
			if k.Invert {
				m = 1 - m
			}
			switch m {
			case 0:
				p = 0
			case 1:
			default:
				p = rgb(unit[p&255]*m, unit[p>>8&255]*m, unit[p>>16&255]*m) | store(unit[p>>24]*m)<<24
			}
			dst[i] = p
		}
	}
}
