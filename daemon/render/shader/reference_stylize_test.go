package shader_test

import (
	"math"

	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/stylize"
)

// stylizeReference computes the effects of section 7 that take several samples.
func stylizeReference(kernel shader.Kernel, t *texture, x, y int) (color, bool) {
	px, py := float64(x)+.5, float64(y)+.5
	at := func(dx, dy float64) color { return t.at((px+dx)/t.w, (py+dy)/t.h, 0) }
	c := t.own(x, y)
	switch k := kernel.(type) {
	case *stylize.Aberration:
		for i, a := range []float32{k.Red, k.Green, k.Blue} {
			c[i] = at(-float64(a)/100, -float64(a)/100)[i]
		}
		return c, true
	case *stylize.CrossStitch:
		return stitchReference(k, t, x, y), true
	case *stylize.Emboss:
		o, sign, parts := math.Floor(float64(k.Level)), 1., 1.5
		if k.Invert {
			sign = -1
		}
		if k.HSL {
			parts = 3
		}
		a, b, sum := at(o, o), at(-o, -o), 0.
		for i := range 3 {
			sum += .5 + sign*float64(k.Contrast)/100*(a[i]-b[i])
		}
		g := sum / parts * c[3]
		return color{c[0] * g, c[1] * g, c[2] * g, c[3]}, true
	case *stylize.Light:
		p := [2]float64{px/t.w - .5, py/t.h - .5}
		next := func() color {
			p[0], p[1] = p[0]*.992, p[1]*.992
			return t.at(p[0]+.5, p[1]+.5, 0)
		}
		o, z := next(), 0.
		for i := range int(math.Ceil(float64(k.Amount))) {
			s := next()
			z += math.Pow(max(0, .5-math.Hypot(s[0], s[1])), 2) * math.Exp(-.08*float64(i))
		}
		return color{o[0]*o[0] + z, o[1]*o[1] + z, o[2]*o[2] + z, c[3]}, true
	case *stylize.Toonify:
		return toonReference(k, t, x, y), true
	}
	return color{}, false
}

func stitchReference(k *stylize.CrossStitch, t *texture, x, y int) color {
	s := float64(k.Size)
	rest := func(a float64) float64 { return math.Trunc(mod(a, s)) }
	corner := func(x, y float64) (float64, float64) {
		if rest(x) == 0 && rest(y) == 0 {
			return x, y
		}
		return math.Floor(x/s) * s, math.Floor(y/s) * s
	}
	px, py := float64(x)+.5, float64(y)+.5
	left, top := corner(px, py)
	thread := rest(px) == rest(py) || float64(x)-math.Trunc(left) == math.Trunc(top+s-1)-float64(y)
	switch {
	case thread && !k.Invert:
		return color{.2, .15, .05, 1}
	case !thread && k.Invert:
		return color{0, 0, 0, 1}
	}
	return mul(t.warped(x, y, func(x, y float64) (float64, float64) {
		a, b := corner(x, y)
		return a / t.w, b / t.h
	}), 1.4)
}

func toonReference(k *stylize.Toonify, t *texture, x, y int) color {
	lum := func(i, j float64) float64 {
		c := t.at((float64(x)+.5)/t.w+i/t.w, (float64(y)+.5)/t.h+j/t.w, 0)
		return (c[0] + c[1] + c[2]) / 3
	}
	e := math.Abs(lum(-1, 0)-lum(1, 0)) + math.Abs(lum(0, 1)-lum(0, -1)) + math.Abs(lum(-1, -1)-lum(1, 1)) + math.Abs(lum(-1, 1)-lum(1, -1))
	if clamp(float64(k.Edge2)/4*e) >= 1-(float64(k.Edge)-1)/100 {
		return color{0, 0, 0, 1}
	}
	h, s, v := hueOf(t.own(x, y))
	if k.Colors == 0 {
		s = 0
	} else {
		h = math.RoundToEven(h/(360/float64(k.Colors))) * (360 / float64(k.Colors))
		s = math.RoundToEven(100*s/(100/float64(k.SatLevels))) * (100 / float64(k.SatLevels)) / 100
	}
	v = math.RoundToEven(100*v/(100/float64(k.BriLevels))) * (100 / float64(k.BriLevels)) / 100
	if s == 0 {
		return color{v, v, v, 1}
	}
	i := math.Floor(h / 60)
	f := h/60 - i
	p, q, r := v*(1-s), v*(1-s*f), v*(1-s*(1-f))
	table := []color{{v, r, p, 1}, {q, v, p, 1}, {p, v, r, 1}, {p, q, v, 1}, {r, p, v, 1}, {v, p, q, 1}}
	return table[int(min(i, 5))]
}
