package distort

import (
	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/glsl"
)

// Crop cuts the picture's edges off, sharply or with a ramp (4.1). Sides are in percent. The
// source's alpha counts twice in the colours, as in Olive.
type Crop struct {
	Left, Top, Right, Bottom, Feather float32
	Invert                            bool

	across, down [2][]float32 // factors of alpha: left and right, top and bottom
}

// Fill implements [shader.Kernel].
func (k *Crop) Fill(r *shader.Runner) {
	k.across[0] = k.edge(k.across[0], r.U, k.Left, false)
	k.across[1] = k.edge(k.across[1], r.U, k.Right, true)
	k.down[0] = k.edge(k.down[0], r.V, k.Top, false)
	k.down[1] = k.edge(k.down[1], r.V, k.Bottom, true)
	r.Each(k)
}

// edge fills f with the factors along an axis that one side asks for.
func (k *Crop) edge(f, axis []float32, side float32, far bool) []float32 {
	f = shader.Grow(f, len(axis))
	cut := side / 100
	slope := float32(glsl.Exp2(float64(10 - k.Feather/10)))
	for i, e := range axis {
		f[i] = 1
		switch {
		case k.Feather == 0 && !far && e < cut, k.Feather == 0 && far && e > 1-cut:
			f[i] = 0
		case k.Feather != 0 && side > 0:
			if far {
				e = 1 - e
			}
			f[i] = glsl.Clamp01(slope * (e - cut + 0.5/slope))
		}
	}
	return f
}

// Rows implements [shader.Rower].
func (k *Crop) Rows(r *shader.Runner, _ *shader.Work, y0, y1 int) {
	left, right := k.across[0], k.across[1]
	for y := y0; y < y1; y++ {
		top, bottom := k.down[0][y], k.down[1][y]
		dst := r.Dst.Row(y)
		for i, p := range r.Src.Row(y) {
			a := float32(glsl.Unit[p>>24] * left[i] * top * right[i] * bottom)
			if k.Invert {
				a = 1 - a
			}
			switch a {
			case 0:
				p = 0
			case 1:
				p |= shader.Black
			default:
				p = glsl.RGB(glsl.Unit[p&255]*a, glsl.Unit[p>>8&255]*a, glsl.Unit[p>>16&255]*a) | glsl.Store(a)<<24
			}
			dst[i] = p
		}
	}
}
