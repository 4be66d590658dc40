package shader

import "olive-distributed/daemon/render/raster"

// Light is Olive's Volumetric Light (7.8): rays from the dark parts of the picture, away from its
// middle. Amount is the number of samples.
type Light struct {
	Amount float32

	rays  []ray
	glows []float32 // what each texel adds to a ray, before its weight
}

// A ray is one sample of each pixel: the picture shrunk by a factor around its middle.
type ray struct {
	factor float64
	weight float32
}

// shrink is what each sample is nearer to the middle than the one before.
const shrink = 0.992

// maxRays is where the weights have fallen to 10^-9 of the first: further samples change nothing.
const maxRays = 260

// farRays is the first ray whose weight is so small (1/600 of the first) that the texel nearest
// to its sample is as good as the sample: together they stay well below half a level.
const farRays = 80

// full is the value 1 of a channel in the lanes of a bilinear sample.
const full = 255 * 65536

func (k *Light) run(r *Runner) {
	k.rays = k.rays[:0]
	factor := float64(shrink)
	for i := range ceil(k.Amount, maxRays) {
		factor *= shrink
		w := exp(-0.08*float64(i)) / (full * full)
		k.rays = append(k.rays, ray{factor, float32(w)})
	}
	r.sample(false)
	if len(k.rays) > farRays {
		k.glows = grow(k.glows, len(r.src.Pix)+window)
		r.each((*glow)(k))
	}
	r.each(k)
	r.dst.Opaque = r.src.Opaque
}

func (k *Light) rows(r *Runner, w *work, y0, y1 int) {
	w.light = grow(w.light, r.dst.W)
	w.pixels = grow(w.pixels, r.dst.W+1+window)
	for y := y0; y < y1; y++ {
		clear(w.light)
		for i := range k.rays {
			if i < farRays {
				k.rays[i].add(r, w, y)
			} else {
				k.rays[i].addNearest(w.light, k.glows, r.src.H, y)
			}
		}
		k.mix(r, w, y)
	}
}

// window is how many texels are read at once: what so many pixels of a ray sample, whose steps are
// below one texel, lies within.
const window = 8

// add adds one sample of each pixel of line y to w.light.
func (a *ray) add(r *Runner, w *work, y int) {
	row, light := w.pixels, w.light
	at, step := a.start(r.src.W, 0), uint32(a.factor*(1<<32))
	blend(row, r.src, a.start(r.src.H, y), int(at>>32))
	n := addWindows(light, row, at, step, a.weight)
	at += int64(n) * int64(step)
	for i := n; i < len(light); i++ {
		j, f := int(at>>32), float32(at>>24&255)
		at += int64(step)
		p := row[j : j+2 : j+2]
		red := float32(float32(p[0]&0xffff)*(256-f)) + float32(float32(p[1]&0xffff)*f)
		green := float32(float32(p[0]>>16)*(256-f)) + float32(float32(p[1]>>16)*f)
		light[i] += float32(radiance(red, green) * a.weight)
	}
}

// radiance is what a sample of red and green, whole numbers up to full, adds to a ray, before its
// weight.
func radiance(red, green float32) float32 {
	d := full/2 - sqrt(float32(red*red)+float32(green*green))
	if !(d > 0) {
		return 0
	}
	return d * d
}

// glow fills the glows.
type glow Light

func (k *glow) rows(r *Runner, _ *work, y0, y1 int) {
	for y := y0; y < y1; y++ {
		glows := k.glows[y*r.src.W:]
		for i, p := range r.src.Row(y) {
			glows[i] = radiance(float32(p&255)*65536, float32(p>>8&255)*65536)
		}
	}
}

// addNearest is add with the texels nearest to the samples.
func (a *ray) addNearest(light, glows []float32, h, y int) {
	const half = 1 << 31
	at, step := a.start(len(light), 0)+half, uint32(a.factor*(1<<32))
	row := glows[int((a.start(h, y)+half)>>32)*len(light):]
	n := addNearestWindows(light, row, at, step, a.weight)
	at += int64(n) * int64(step)
	for i := n; i < len(light); i++ {
		light[i] += float32(row[at>>32] * a.weight)
		at += int64(step)
	}
}

// start is where pixel i of an axis of n pixels samples, in texels, 32.32 fixed point, shifted for
// the rounding to 1/256. It is never outside, since the factor is below 1.
func (a *ray) start(n, i int) int64 {
	mid := float64(n-1) / 2
	return int64((mid + float64(a.factor*(float64(i)-mid)) + 0.5/256) * (1 << 32))
}

// blend fills row with red and green, 16 bits each and scaled by 256, at the height at, from texel
// x on as far as a line that is shrunk around its middle goes.
func blend(row []uint32, src *raster.Texture, at int64, x int) {
	y, f := int(at>>32), uint32(at>>24&255)
	upper, lower := src.Row(min(y, src.H-1)), src.Row(min(y+1, src.H-1))
	end := min(src.W-x+1, src.W)
	upper, lower, out := upper[x:end], lower[x:end], row[x:end]
	n := blendWindows(out, upper, lower, f)
	for i := n; i < len(out); i++ {
		out[i] = paired(upper[i])*(256-f) + paired(lower[i])*f
	}
	row[end] = row[end-1]
}

// paired gives red and green 16 bits each.
func paired(p uint32) uint32 { return p&0xff | p&0xff00<<8 }

// mix writes line y: the first sample squared, and the light.
func (k *Light) mix(r *Runner, w *work, y int) {
	first := ray{factor: shrink}
	across, down := first.start(r.src.W, 0), first.start(r.src.H, y)
	v := (float32(down>>24) + 128) / 256 / float32(r.src.H)
	dst := r.dst.Row(y)
	for i, p := range r.src.Row(y) {
		u := (float32(across>>24) + 128) / 256 / float32(r.src.W)
		across += int64(first.factor * (1 << 32))
		rg, ba := r.sampler.At(u, v, 0)
		z := w.light[i]
		dst[i] = rgb(squared(rg)+z, squared(rg>>32)+z, squared(ba)+z) | p&black
	}
}

func squared(lane uint64) float32 {
	x := float32(uint32(lane)) / full
	return float32(x * x)
}
