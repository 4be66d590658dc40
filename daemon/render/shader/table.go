package shader

import "olive-distributed/daemon/render/shader/glsl"

// LookUp replaces every colour channel by its value in t.
func (r *Runner) LookUp(t *[256]uint32) {
	r.table = *t
	r.Each(lookUp{})
	r.Same()
}

type lookUp struct{}

// Rows implements [Rower].
func (lookUp) Rows(r *Runner, _ *Work, y0, y1 int) {
	t := &r.table
	for y := y0; y < y1; y++ {
		dst := r.Dst.Row(y)
		for i, p := range r.Src.Row(y) {
			dst[i] = t[p&255] | t[p>>8&255]<<8 | t[p>>16&255]<<16 | p&Black
		}
	}
}

// Hue is the hue in degrees, as Color Finder and Toonify have it: of grey no number, and of black
// -1 degree.
func Hue(r, g, b float32) float32 {
	high, low := max(r, g, b), min(r, g, b)
	if high == 0 {
		return -1
	}
	d := high - low
	if d == 0 {
		return glsl.NaN
	}
	var h float32
	switch high {
	case r:
		h = (g - b) / d
	case g:
		h = 2 + (b-r)/d
	default:
		h = 4 + (r-g)/d
	}
	h = float32(h * 60)
	if h < 0 {
		h += 360
	}
	return h
}
