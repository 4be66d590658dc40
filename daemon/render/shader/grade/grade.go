// Package grade has the kernels of Olive's "Color" category (effects notes 5), which run on a
// [shader.Runner]: each makes a pixel of the pixel at its place. Nothing fails; a channel that has
// no number is 0.
package grade

import (
	"math"

	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/glsl"
)

// HSB turns the hue (degrees) and scales saturation and brightness (percent) (5.2). It works on
// premultiplied colours, as all of Olive's colour effects do.
type HSB struct{ Hue, Saturation, Brightness float32 }

// Fill implements [shader.Kernel].
func (k *HSB) Fill(r *shader.Runner) {
	r.Each(k)
	r.Same()
}

// Rows implements [shader.Rower].
func (k *HSB) Rows(r *shader.Runner, _ *shader.Work, y0, y1 int) {
	turn, sat, bri := k.Hue/360, k.Saturation/100, k.Brightness/100
	var last, made uint32
	for y := y0; y < y1; y++ {
		dst := r.Dst.Row(y)
		for i, p := range r.Src.Row(y) {
			if p != last {
				last = p
				h, s, v := hsv(p)
				h, s, v = h+turn, s*sat, v*bri
				made = glsl.RGB(wheel(h+1, s, v), wheel(h+2./3, s, v), wheel(h+1./3, s, v))
			}
			dst[i] = made | p&shader.Black
		}
	}
}

// hsv returns a pixel's hue in turns, 0 for grey, its saturation and its value.
func hsv(p uint32) (h, s, v float32) {
	r, g, b := int(p&255), int(p>>8&255), int(p>>16&255)
	high, low := max(r, g, b), min(r, g, b)
	if high == low {
		return 0, 0, glsl.Unit[high]
	}
	d := float32(high - low)
	switch high {
	case r:
		h = float32(g-b) / d
	case g:
		h = 2 + float32(b-r)/d
	default:
		h = 4 + float32(r-g)/d
	}
	h /= 6
	if h < 0 {
		h++
	}
	return h, d / float32(high), glsl.Unit[high]
}

// wheel is the channel whose peak is at hue 0.
func wheel(h, s, v float32) float32 {
	h -= glsl.Floor(h)
	return v * (1 - s + float32(s*glsl.Clamp01(glsl.Abs(float32(6*h)-3)-1)))
}

// Invert mixes the picture with its negative, Amount in percent (5.3). Transparent pixels get
// colour, as in Olive.
type Invert struct{ Amount float32 }

// Fill implements [shader.Kernel].
func (k *Invert) Fill(r *shader.Runner) {
	var t [256]uint32
	a := k.Amount / 100
	for i, c := range glsl.Unit {
		t[i] = glsl.Store(c + float32((1-2*c)*a))
	}
	r.LookUp(&t)
}

// Noise adds a pattern that changes with Time, in seconds of the clip (5.4). Amount is in percent.
type Noise struct {
	Amount       float32
	Color, Blend bool
	Time         float32
}

// Fill implements [shader.Kernel].
func (k *Noise) Fill(r *shader.Runner) {
	r.Each(k)
	r.Dst.Opaque = !k.Blend || r.Src.Opaque
}

// Rows implements [shader.Rower].
func (k *Noise) Rows(r *shader.Runner, _ *shader.Work, y0, y1 int) {
	for y := y0; y < y1; y++ {
		dst, src, v := r.Dst.Row(y), r.Src.Row(y), r.V[y]
		for i := k.octets(r.Vectors, dst, src, r.U, v); i < len(src); i++ {
			p, u := src[i], r.U[i]
			var n [3]float32
			if k.Color {
				n = [3]float32{k.noise(u, v, seeds[0]), k.noise(u, v, seeds[1]), k.noise(u, v, seeds[2])}
			} else {
				one := k.noise(u, v, greySeed)
				n = [3]float32{one, one, one}
			}
			if k.Blend {
				mid := float32(k.Amount * 0.005)
				dst[i] = glsl.RGB(glsl.Unit[p&255]+2*(n[0]-mid), glsl.Unit[p>>8&255]+2*(n[1]-mid), glsl.Unit[p>>16&255]+2*(n[2]-mid)) | p&shader.Black
			} else {
				dst[i] = glsl.RGB(n[0], n[1], n[2]) | shader.Black
			}
		}
	}
}

// seeds are those of red, green and blue.
var seeds = [3]float32{42069, 69220, 1337}

// greySeed is that of all channels alike.
const greySeed = 69420

// Constants of the noise, as Olive has them.
const (
	phi  = float32(0.161803398874989484820459)
	pi   = float32(0.314159265358979323846264)
	root = float32(14142.1356237309504880169)
)

// noise is a value in [0, Amount%): the digits of a tangent that single precision leaves.
func (k *Noise) noise(u, v, seed float32) float32 {
	f := k.Time + seed + phi
	x, y := float32(u*f)-phi, float32(v*f)-pi
	n := float32(glsl.Tan(glsl.Sqrt(float32(x*x)+float32(y*y))) * root)
	if math.IsInf(float64(n), 0) {
		return glsl.NaN
	}
	return (n - glsl.Floor(n)) * (k.Amount / 100)
}
