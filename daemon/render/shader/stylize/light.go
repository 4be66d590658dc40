package stylize

import (
	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/glsl"
)

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

// Fill implements [shader.Kernel].
func (k *Light) Fill(r *shader.Runner) {
	k.rays = k.rays[:0]
	factor := float64(shrink)
	for i := range glsl.Ceil(k.Amount, maxRays) {
		factor *= shrink
		w := glsl.Exp(-0.08*float64(i)) / (full * full)
		k.rays = append(k.rays, ray{factor, float32(w)})
	}
	r.Sample(false)
	if len(k.rays) > farRays {
		k.glows = shader.Grow(k.glows, len(r.Src.Pix)+window)
		r.Each((*glow)(k))
	}
	r.Each(k)
	r.Dst.Opaque = r.Src.Opaque
}

// Rows implements [shader.Rower].
func (k *Light) Rows(r *shader.Runner, w *shader.Work, y0, y1 int) {
	w.Light = shader.Grow(w.Light, r.Dst.W)
	w.Pixels = shader.Grow(w.Pixels, r.Dst.W+1+window)
	for y := y0; y < y1; y++ {
		clear(w.Light)
		for i := range k.rays {
			if i < farRays {
				k.rays[i].add(r, w, y)
			} else {
				k.rays[i].addNearest(r, w.Light, k.glows, y)
			}
		}
		k.mix(r, w, y)
	}
}

// window is how many texels are read at once: what so many pixels of a ray sample, whose steps are
// below one texel, lies within.
const window = 8

// add adds one sample of each pixel of line y to w.light.
func (a *ray) add(r *shader.Runner, w *shader.Work, y int) {
	row, light := w.Pixels, w.Light
	at, step := a.start(r.Src.W, 0), uint32(a.factor*(1<<32))
	blend(r, row, a.start(r.Src.H, y), int(at>>32))
	n := addWindows(r.Vectors, light, row, at, step, a.weight)
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
	d := full/2 - glsl.Sqrt(float32(red*red)+float32(green*green))
	if !(d > 0) {
		return 0
	}
	return d * d
}

// glow fills the glows.
type glow Light

// Rows implements [shader.Rower].
func (k *glow) Rows(r *shader.Runner, _ *shader.Work, y0, y1 int) {
	for y := y0; y < y1; y++ {
		glows := k.glows[y*r.Src.W:]
		for i, p := range r.Src.Row(y) {
			glows[i] = radiance(float32(p&255)*65536, float32(p>>8&255)*65536)
		}
	}
}

// addNearest is add with the texels nearest to the samples.
func (a *ray) addNearest(r *shader.Runner, light, glows []float32, y int) {
	const half = 1 << 31
	at, step := a.start(len(light), 0)+half, uint32(a.factor*(1<<32))
	row := glows[int((a.start(r.Src.H, y)+half)>>32)*len(light):]
	n := addNearestWindows(r.Vectors, light, row, at, step, a.weight)
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
func blend(r *shader.Runner, row []uint32, at int64, x int) {
	y, f := int(at>>32), uint32(at>>24&255)
	upper, lower := r.Src.Row(min(y, r.Src.H-1)), r.Src.Row(min(y+1, r.Src.H-1))
	end := min(r.Src.W-x+1, r.Src.W)
	upper, lower, out := upper[x:end], lower[x:end], row[x:end]
	n := blendWindows(r.Vectors, out, upper, lower, f)
	for i := n; i < len(out); i++ {
		out[i] = paired(upper[i])*(256-f) + paired(lower[i])*f
	}
	row[end] = row[end-1]
}

// paired gives red and green 16 bits each.
func paired(p uint32) uint32 { return p&0xff | p&0xff00<<8 }

// mix writes line y: the first sample squared, and the light.
func (k *Light) mix(r *shader.Runner, w *shader.Work, y int) {
	first := ray{factor: shrink}
	across, down := first.start(r.Src.W, 0), first.start(r.Src.H, y)
	v := (float32(down>>24) + 128) / 256 / float32(r.Src.H)
	dst := r.Dst.Row(y)
	for i, p := range r.Src.Row(y) {
		u := (float32(across>>24) + 128) / 256 / float32(r.Src.W)
		across += int64(first.factor * (1 << 32))
		rg, ba := r.Sampler.At(u, v, 0)
		z := w.Light[i]
		dst[i] = glsl.RGB(squared(rg)+z, squared(rg>>32)+z, squared(ba)+z) | p&shader.Black
	}
}

func squared(lane uint64) float32 {
	x := float32(uint32(lane)) / full
	return float32(x * x)
}
