// Package keying has the kernels of Olive's "Keying" category (effects notes 6), which run on a
// [shader.Runner]: each makes pixels transparent by their colours. Nothing fails; a channel that
// has no number is 0.
package keying

import (
	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/glsl"
)

// The keyers see premultiplied colours and multiply them by the new alpha once more, as in Olive.

// faded returns pixel p with its colours multiplied by a, and alpha a.
func faded(p uint32, a float32) uint32 {
	switch a {
	case 0:
		return 0
	case 1:
		return p | shader.Black
	}
	return glsl.RGB(glsl.Unit[p&255]*a, glsl.Unit[p>>8&255]*a, glsl.Unit[p>>16&255]*a) | glsl.Store(a)<<24
}

// Chroma makes a colour transparent (6.1). Mode is 0 for the result, 1 for the mask, anything
// else for the source. The tolerances are in percent: up to A all is keyed, from B on nothing.
type Chroma struct {
	Mode int
	Key  [3]float32
	A, B float32
}

// Fill implements [shader.Kernel].
func (k *Chroma) Fill(r *shader.Runner) {
	if k.Mode != 0 && k.Mode != 1 {
		r.Copy()
		return
	}
	r.Each(k)
	r.Dst.Opaque = k.Mode == 1 && r.Src.Opaque
}

func chroma(r, g, b float32) (cb, cr float32) {
	cb = 0.5 - float32(0.1145721061*r) - float32(0.3854278939*g) + 0.5*b
	cr = 0.5 + 0.5*r - float32(0.4541529083*g) - float32(0.0458470917*b)
	return cb, cr
}

// Rows implements [shader.Rower].
func (k *Chroma) Rows(r *shader.Runner, _ *shader.Work, y0, y1 int) {
	keyB, keyR := chroma(k.Key[0], k.Key[1], k.Key[2])
	lo, hi := k.A/100, k.B/100
	for y := y0; y < y1; y++ {
		dst := r.Dst.Row(y)
		for i, p := range r.Src.Row(y) {
			b, r := chroma(glsl.Unit[p&255], glsl.Unit[p>>8&255], glsl.Unit[p>>16&255])
			b, r = keyB-b, keyR-r
			d := glsl.Sqrt(float32(b*b) + float32(r*r))
			m := float32(1)
			switch {
			case d < lo:
				m = 0
			case d < hi:
				m = (d - lo) / (hi - lo)
			}
			if k.Mode == 1 {
				dst[i] = glsl.Store(m)*0x010101 | p&shader.Black
			} else {
				dst[i] = faded(p, glsl.Unit[p>>24]*m)
			}
		}
	}
}

// Luma makes the picture as opaque as it is bright, between two limits in percent (6.2). The
// source's alpha is lost, as in Olive.
type Luma struct {
	Low, High float32
	Invert    bool

	alpha [511]float32 // by the sum of the largest and the smallest channel
}

// Fill implements [shader.Kernel].
func (k *Luma) Fill(r *shader.Runner) {
	lo, hi := k.Low/100, k.High/100
	for i := range k.alpha {
		l := (float32(i) / 255) / 2
		a := l
		switch {
		case l > hi:
			a = 1
		case l < lo:
			a = 0
		}
		if k.Invert {
			a = 1 - a
		}
		k.alpha[i] = a
	}
	r.Each(k)
}

// Rows implements [shader.Rower].
func (k *Luma) Rows(r *shader.Runner, _ *shader.Work, y0, y1 int) {
	for y := y0; y < y1; y++ {
		dst := r.Dst.Row(y)
		for i, p := range r.Src.Row(y) {
			r, g, b := p&255, p>>8&255, p>>16&255
			dst[i] = faded(p, k.alpha[max(r, g, b)+min(r, g, b)])
		}
	}
}

// Despill limits a channel to the mean of the other two (6.3). Channel is 0, 1 or 2 for red,
// green and blue; Factor and Balance are in percent.
type Despill struct {
	Channel         int
	Factor, Balance float32
}

// Fill implements [shader.Kernel].
func (k *Despill) Fill(r *shader.Runner) {
	if k.Channel < 0 || k.Channel > 2 {
		r.Copy()
		return
	}
	r.Each(k)
	r.Same()
}

// Rows implements [shader.Rower].
func (k *Despill) Rows(r *shader.Runner, _ *shader.Work, y0, y1 int) {
	shift := 8 * k.Channel
	first, second := 8, 16
	switch k.Channel {
	case 1:
		first = 0
	case 2:
		first, second = 0, 8
	}
	f, balance := k.Factor/100, k.Balance/100
	for y := y0; y < y1; y++ {
		dst := r.Dst.Row(y)
		for i, p := range r.Src.Row(y) {
			c, a, b := glsl.Unit[p>>shift&255], glsl.Unit[p>>first&255], glsl.Unit[p>>second&255]
			limit := 0.5 * (float32(a*(1+balance)) + float32(b*(1-balance)))
			less := c
			if limit < c {
				less = limit
			}
			dst[i] = p&^(255<<shift) | glsl.Store(float32(less*f)+float32(c*(1-f)))<<shift
		}
	}
}

// Finder keeps the pixels of which a component lies between two limits in percent (6.4).
type Finder struct {
	Component Component
	Low, High float32
	Invert    bool
}

// A Component is what Finder looks at, numbered as in the project.
type Component int

// The components.
const (
	Luminance Component = iota
	Value
	Hue
	Saturation
	Red
	Green
	Blue
)

// Fill implements [shader.Kernel].
func (k *Finder) Fill(r *shader.Runner) { r.Each(k) }

// Rows implements [shader.Rower].
func (k *Finder) Rows(r *shader.Runner, _ *shader.Work, y0, y1 int) {
	for y := y0; y < y1; y++ {
		dst := r.Dst.Row(y)
		for i, p := range r.Src.Row(y) {
			q := k.Component.of(p)
			if out := q > k.High || q < k.Low; out != k.Invert {
				dst[i] = 0
			} else {
				dst[i] = faded(p, glsl.Unit[p>>24])
			}
		}
	}
}

// of returns the component in percent. The hue of grey is no number, and that of black -1 degree,
// as in Olive. A component that there is not is 0.
func (c Component) of(p uint32) float32 {
	r, g, b := glsl.Unit[p&255], glsl.Unit[p>>8&255], glsl.Unit[p>>16&255]
	high, low := max(r, g, b), min(r, g, b)
	switch c {
	case Luminance:
		return 50 * (high + low)
	case Value:
		return 100 * high
	case Hue:
		return shader.Hue(r, g, b) / 3.6
	case Saturation:
		if high == 0 {
			return 0
		}
		return 100 * ((high - low) / high)
	case Red:
		return 100 * r
	case Green:
		return 100 * g
	case Blue:
		return 100 * b
	}
	return 0
}
