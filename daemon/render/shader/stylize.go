package shader

import (
	"math"

	"olive-distributed/daemon/render/raster"
)

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

// CrossStitch makes a cloth of the picture (7.2). Size is that of a stitch in pixels.
type CrossStitch struct {
	Size   float32
	Invert bool

	cells axes
	left  []int // of each column's stitch
	rest  []int // place of pixel i, column or line, in its stitch
}

func (k *CrossStitch) run(r *Runner) {
	r.sample(true)
	k.cells.set(r)
	k.left = grow(k.left, len(k.cells.u))
	for i := range k.cells.u {
		k.cells.u[i], k.left[i] = k.start(i)/float32(r.dst.W), whole(k.start(i), -far, far)
	}
	for i := range k.cells.v {
		k.cells.v[i] = k.start(i) / float32(r.dst.H)
	}
	k.rest = grow(k.rest, max(r.dst.W, r.dst.H)+2)
	for i := range k.rest {
		k.rest[i] = whole(mod(float32(i)+0.5, k.Size), -far, far)
	}
	r.each(k)
}

// far is beyond every picture, and in reach of sums of two.
const far = 1 << 30

// start is where the stitch of pixel i begins, on either axis.
func (k *CrossStitch) start(i int) float32 { return floor((float32(i)+0.5)/k.Size) * k.Size }

func (k *CrossStitch) rows(r *Runner, w *work, y0, y1 int) {
	w.points.Resize(r.dst.W)
	for y := y0; y < y1; y += 2 {
		for j := range 2 {
			k.line(r, y+j, w.points.U[j], w.points.V[j])
		}
		details := r.sampler.Details(&w.points)
		for j := range min(2, y1-y) {
			k.stitch(r, y+j, w.points.U[j], w.points.V[j], details)
		}
	}
}

// line sets the sample points: a pixel that begins a stitch on both axes samples itself.
func (k *CrossStitch) line(r *Runner, y int, u, v []float32) {
	k.cells.line(r, y, u, v)
	if k.rest[y] != 0 {
		return
	}
	for i := range u {
		if k.rest[i] == 0 {
			u[i], v[i] = r.us[i], r.vs[y]
		}
	}
}

func (k *CrossStitch) stitch(r *Runner, y int, u, v []float32, details []raster.Detail) {
	bottom := whole(float32(k.start(y))+k.Size-1, -far, far)
	dst := r.dst.Row(y)
	for i := range dst {
		thread := k.rest[i] == k.rest[y] || i-k.left[i] == bottom-y
		switch {
		case thread == k.Invert:
			dst[i] = brighter(r.sampler.At(u[i], v[i], details[i>>1]))
		case k.Invert:
			dst[i] = black
		default:
			dst[i] = rgb(0.2, 0.15, 0.05) | black
		}
	}
}

// brighter is 1.4 of a sample, in all channels.
func brighter(rg, ba uint64) uint32 {
	const f = 1.4 / (255 * 65536)
	lane := func(v uint64) float32 { return float32(uint32(v)) * float32(f) }
	return rgb(lane(rg), lane(rg>>32), lane(ba)) | store(lane(ba>>32))<<24
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

// Toonify leaves few hues and levels and draws edges (7.6). The result is opaque.
type Toonify struct {
	Colors, SatLevels, BriLevels float32
	Edge, Edge2                  float32

	tap tap // from a line to its lower neighbour sample; Olive takes 1/W on both axes
}

func (k *Toonify) run(r *Runner) {
	r.each(k)
	r.dst.Opaque = true
}

func (k *Toonify) rows(r *Runner, w *work, y0, y1 int) {
	n := r.src.W
	step := float32(r.src.H) / float32(n)
	limit := 1 - (k.Edge-1)/100
	for i := range w.sums {
		w.sums[i] = grow(w.sums[i], n+2)
	}
	var last, made uint32
	for y := y0; y < y1; y++ {
		for j, s := range w.sums {
			sums(s, r.src, y, tapAt(0, float32(float32(j-1)*step), n, r.src.H))
		}
		dst := r.dst.Row(y)
		for i, p := range r.src.Row(y) {
			if k.edge(w, i) >= limit {
				dst[i] = black
				continue
			}
			if p &^= black; p != last || made == 0 {
				last, made = p, k.paint(p)|black
			}
			dst[i] = made
		}
	}
}

// sums fills s with the sums of the channels along a line, scaled by 256, from the pixel left
// of the picture to the one right of it.
func sums(s []int32, src *raster.Texture, y int, t tap) {
	for i := range s {
		s[i] = int32(sum(at(src, i-1, y+t.y))*(256-t.fy) + sum(at(src, i-1, y+t.y+1))*t.fy)
	}
}

// edge is how much of an edge pixel i is, at most 1.
func (k *Toonify) edge(w *work, i int) float32 {
	a, b, c := w.sums[0][i:i+3:i+3], w.sums[1][i:i+3:i+3], w.sums[2][i:i+3:i+3]
	diff := func(x, y int32) int32 { return max(x-y, y-x) }
	d := diff(b[0], b[2]) + diff(a[1], c[1]) + diff(a[0], c[2]) + diff(c[0], a[2])
	return clamp01(k.Edge2 * 0.25 * (float32(d) / (3 * 255 * 256)))
}

// paint rounds the components of a colour.
func (k *Toonify) paint(p uint32) uint32 {
	r, g, b := unit[p&255], unit[p>>8&255], unit[p>>16&255]
	v := max(r, g, b)
	h, s := degrees(r, g, b), float32(0)
	if v > 0 {
		s = (v - min(r, g, b)) / v
	}
	if k.Colors == 0 {
		s = 0
	} else {
		h = nearest(h/(360/k.Colors)) * (360 / k.Colors)
		s = nearest(100*s/(100/k.SatLevels)) * (100 / k.SatLevels) / 100
	}
	v = nearest(100*v/(100/k.BriLevels)) * (100 / k.BriLevels) / 100
	return sector(h, s, v)
}

// nearest rounds halves to even.
func nearest(x float32) float32 { return float32(math.RoundToEven(float64(x))) }

// sector is the pixel of a hue in degrees; 360 has no sector of its own, and turns magenta.
func sector(h, s, v float32) uint32 {
	if s == 0 {
		return rgb(v, v, v)
	}
	h /= 60
	i := floor(h)
	f := h - i
	p, q, t := v*(1-s), v*(1-float32(s*f)), v*(1-float32(s*(1-f)))
	switch i {
	case 0:
		return rgb(v, t, p)
	case 1:
		return rgb(q, v, p)
	case 2:
		return rgb(p, v, t)
	case 3:
		return rgb(p, q, v)
	case 4:
		return rgb(t, p, v)
	}
	return rgb(v, p, q)
}
