package stylize

import (
	"math"

	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/glsl"
)

// Toonify leaves few hues and levels and draws edges (7.6). The result is opaque.
type Toonify struct {
	Colors, SatLevels, BriLevels float32
	Edge, Edge2                  float32
}

// Fill implements [shader.Kernel].
func (k *Toonify) Fill(r *shader.Runner) {
	r.Each(k)
	r.Dst.Opaque = true
}

// Rows implements [shader.Rower].
func (k *Toonify) Rows(r *shader.Runner, w *shader.Work, y0, y1 int) {
	n := r.Src.W
	step := float32(r.Src.H) / float32(n) // Olive takes 1/W on both axes
	limit := 1 - (k.Edge-1)/100
	for i := range w.Sums {
		w.Sums[i] = shader.Grow(w.Sums[i], n+2)
	}
	var last, made uint32
	for y := y0; y < y1; y++ {
		for j, s := range w.Sums {
			sums(s, r.Src, y, shader.TapAt(0, float32(float32(j-1)*step), n, r.Src.H))
		}
		dst := r.Dst.Row(y)
		for i, p := range r.Src.Row(y) {
			if k.edge(w, i) >= limit {
				dst[i] = shader.Black
				continue
			}
			if p &^= shader.Black; p != last || made == 0 {
				last, made = p, k.paint(p)|shader.Black
			}
			dst[i] = made
		}
	}
}

// sums fills s with the sums of the channels along a line, scaled by 256, from the pixel left
// of the picture to the one right of it.
func sums(s []int32, src *raster.Texture, y int, t shader.Tap) {
	for i := range s {
		s[i] = int32(sum(shader.Texel(src, i-1, y+t.Y))*(256-t.FY) + sum(shader.Texel(src, i-1, y+t.Y+1))*t.FY)
	}
}

// edge is how much of an edge pixel i is, at most 1.
func (k *Toonify) edge(w *shader.Work, i int) float32 {
	a, b, c := w.Sums[0][i:i+3:i+3], w.Sums[1][i:i+3:i+3], w.Sums[2][i:i+3:i+3]
	diff := func(x, y int32) int32 { return max(x-y, y-x) }
	d := diff(b[0], b[2]) + diff(a[1], c[1]) + diff(a[0], c[2]) + diff(c[0], a[2])
	return glsl.Clamp01(k.Edge2 * 0.25 * (float32(d) / (3 * 255 * 256)))
}

// paint rounds the components of a colour.
func (k *Toonify) paint(p uint32) uint32 {
	r, g, b := glsl.Unit[p&255], glsl.Unit[p>>8&255], glsl.Unit[p>>16&255]
	v := max(r, g, b)
	h, s := shader.Hue(r, g, b), float32(0)
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
		return glsl.RGB(v, v, v)
	}
	h /= 60
	i := glsl.Floor(h)
	f := h - i
	p, q, t := v*(1-s), v*(1-float32(s*f)), v*(1-float32(s*(1-f)))
	switch i {
	case 0:
		return glsl.RGB(v, t, p)
	case 1:
		return glsl.RGB(q, v, p)
	case 2:
		return glsl.RGB(p, v, t)
	case 3:
		return glsl.RGB(p, q, v)
	case 4:
		return glsl.RGB(t, p, v)
	}
	return glsl.RGB(v, p, q)
}
