package shader

import (
	"math"

	"olive-distributed/daemon/render/raster"
)

// Toonify leaves few hues and levels and draws edges (7.6). The result is opaque.
type Toonify struct {
	Colors, SatLevels, BriLevels float32
	Edge, Edge2                  float32
}

func (k *Toonify) run(r *Runner) {
	r.each(k)
	r.dst.Opaque = true
}

func (k *Toonify) rows(r *Runner, w *work, y0, y1 int) {
	n := r.src.W
	step := float32(r.src.H) / float32(n) // Olive takes 1/W on both axes
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
