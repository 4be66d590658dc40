// Package stylize has the kernels of Olive's "Stylize" category (effects notes 7), which run on a
// [shader.Runner]: each makes a pixel of those around it, or of its own by a pattern. Nothing
// fails; a channel that has no number is 0.
package stylize

import (
	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/glsl"
)

// Aberration shows red, green and blue from different places (7.1), in 1/100 pixel on both axes.
type Aberration struct{ Red, Green, Blue float32 }

// Fill implements [shader.Kernel].
func (k *Aberration) Fill(r *shader.Runner) {
	if r.Void {
		r.Copy()
		return
	}
	r.Each(k)
	r.Dst.Opaque = r.Src.Opaque
}

// Rows implements [shader.Rower].
func (k *Aberration) Rows(r *shader.Runner, _ *shader.Work, y0, y1 int) {
	var taps [3]shader.Tap
	for c, amount := range [3]float32{k.Red, k.Green, k.Blue} {
		taps[c] = shader.TapAt(-amount/100, -amount/100, r.Src.W, r.Src.H)
	}
	for y := y0; y < y1; y++ {
		dst := r.Dst.Row(y)
		for i, p := range r.Src.Row(y) {
			dst[i] = p & shader.Black
		}
		for c := range taps {
			channel(&taps[c], dst, r.Src, y, 8*c)
		}
	}
}

// channel adds the channel at shift, sampled at t, to the pixels of line y.
func channel(t *shader.Tap, dst []uint32, src *raster.Texture, y, shift int) {
	for i := range dst {
		a := shader.Texel(src, i+t.X, y+t.Y) >> shift & 255
		b := shader.Texel(src, i+t.X+1, y+t.Y) >> shift & 255
		c := shader.Texel(src, i+t.X, y+t.Y+1) >> shift & 255
		d := shader.Texel(src, i+t.X+1, y+t.Y+1) >> shift & 255
		fx, fy := uint32(t.FX), uint32(t.FY)
		v := (a*(256-fx)+b*fx)*(256-fy) + (c*(256-fx)+d*fx)*fy
		dst[i] |= (v + 1<<15) >> 16 << shift
	}
}

// Emboss lights the picture by the differences along its diagonal (7.3). Contrast is in percent,
// Level is the distance in pixels.
type Emboss struct {
	Contrast, Level float32
	HSL, Invert     bool

	gain [2*765 + 1]float32 // by the difference of two sums of channels
}

// Fill implements [shader.Kernel].
func (k *Emboss) Fill(r *shader.Runner) {
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
	r.Each(k)
	r.Dst.Opaque = r.Src.Opaque
}

// Rows implements [shader.Rower].
func (k *Emboss) Rows(r *shader.Runner, _ *shader.Work, y0, y1 int) {
	limit := 2 * max(r.Src.W, r.Src.H)
	d := glsl.Whole(glsl.Floor(k.Level), -limit, limit)
	for y := y0; y < y1; y++ {
		dst := r.Dst.Row(y)
		for i, p := range r.Src.Row(y) {
			g := k.gain[765+sum(shader.Texel(r.Src, i+d, y+d))-sum(shader.Texel(r.Src, i-d, y-d))] * glsl.Unit[p>>24]
			dst[i] = glsl.RGB(glsl.Unit[p&255]*g, glsl.Unit[p>>8&255]*g, glsl.Unit[p>>16&255]*g) | p&shader.Black
		}
	}
}

// sum adds the colour channels of a pixel.
func sum(p uint32) int { return int(p&255 + p>>8&255 + p>>16&255) }

// Pixelate makes a mosaic of so many cells on each axis (7.4).
type Pixelate struct {
	X, Y   float32
	Bypass bool

	cells shader.Axes
}

// Fill implements [shader.Kernel].
func (k *Pixelate) Fill(r *shader.Runner) {
	if k.Bypass {
		r.Copy()
		return
	}
	k.cells.Reset(r)
	for i, u := range k.cells.U {
		k.cells.U[i] = u - glsl.Mod(u, 1/k.X)
	}
	for i, v := range k.cells.V {
		k.cells.V[i] = v - glsl.Mod(v, 1/k.Y)
	}
	r.Move(&k.cells, false)
}

// Posterize leaves a number of levels in each channel (7.5). Gamma is in percent.
type Posterize struct{ Colors, Gamma float32 }

// Fill implements [shader.Kernel].
func (k *Posterize) Fill(r *shader.Runner) {
	var t [256]uint32
	gamma := k.Gamma / 100
	for i, c := range glsl.Unit {
		t[i] = glsl.Store(glsl.Pow(glsl.Floor(glsl.Pow(c, gamma)*k.Colors)/k.Colors, 1/gamma))
	}
	r.LookUp(&t)
}

// Vignette fades the picture out around a point (7.7). All numbers are in percent.
type Vignette struct {
	Size, Softness, X, Y float32
	Circular, Invert     bool
}

// Fill implements [shader.Kernel].
func (k *Vignette) Fill(r *shader.Runner) {
	if k.Size == 0 {
		r.Dst.Clear(0, r.Dst.H)
		return
	}
	r.Each(k)
}

// Rows implements [shader.Rower].
func (k *Vignette) Rows(r *shader.Runner, _ *shader.Work, y0, y1 int) {
	aspect, off := float32(1), float32(0)
	if k.Circular {
		aspect = float32(r.Dst.W) / float32(r.Dst.H)
		off = 1 - 1/aspect
	}
	outer := k.Size / 100
	inner := 0.99 * outer * (1 - k.Softness/100)
	for y := y0; y < y1; y++ {
		dst := r.Dst.Row(y)
		dy := r.V[y] - (0.5 + k.Y/100)
		for i, p := range r.Src.Row(y) {
			dx := float32(r.U[i]*aspect) - off - (0.5 + k.X/100)
			d := glsl.Sqrt(float32(dx*dx) + float32(dy*dy))
			q := glsl.Clamp01((d - outer) / (inner - outer))
			m := float32(q * q * (3 - 2*q))
			if k.Invert {
				m = 1 - m
			}
			switch m {
			case 0:
				p = 0
			case 1:
			default:
				p = glsl.RGB(glsl.Unit[p&255]*m, glsl.Unit[p>>8&255]*m, glsl.Unit[p>>16&255]*m) | glsl.Store(glsl.Unit[p>>24]*m)<<24
			}
			dst[i] = p
		}
	}
}
