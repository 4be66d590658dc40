package shader_test

import (
	"math"

	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/distort"
	"olive-distributed/daemon/render/shader/grade"
	"olive-distributed/daemon/render/shader/keying"
	"olive-distributed/daemon/render/shader/stylize"
)

// colorReference computes the effects that look at one pixel only.
func colorReference(kernel shader.Kernel, t *texture, x, y int) color {
	c := t.own(x, y)
	u, v := (float64(x)+.5)/t.w, (float64(y)+.5)/t.h
	switch k := kernel.(type) {
	case *distort.Crop:
		return cropReference(k, c, u, v)
	case *grade.Correction:
		return correctionReference(k, c)
	case *grade.HSB:
		return hsbReference(k, c)
	case *grade.Invert:
		for i := range 3 {
			c[i] += (1 - 2*c[i]) * float64(k.Amount) / 100
		}
	case *grade.Noise:
		return noiseReference(k, c, u, v)
	case *keying.Chroma:
		return chromaReference(k, c)
	case *keying.Luma:
		l := (max(c[0], c[1], c[2]) + min(c[0], c[1], c[2])) / 2
		switch {
		case l > float64(k.High)/100:
			l = 1
		case l < float64(k.Low)/100:
			l = 0
		}
		if k.Invert {
			l = 1 - l
		}
		return color{c[0] * l, c[1] * l, c[2] * l, l}
	case *keying.Despill:
		others := [3][2]int{{1, 2}, {0, 2}, {0, 1}}[k.Channel]
		b, f := float64(k.Balance)/100, float64(k.Factor)/100
		m := .5 * (c[others[0]]*(1+b) + c[others[1]]*(1-b))
		c[k.Channel] = min(c[k.Channel], m)*f + c[k.Channel]*(1-f)
	case *keying.Finder:
		q := componentReference(k.Component, c)
		if out := q > float64(k.High) || q < float64(k.Low); out != k.Invert {
			return color{}
		}
		return color{c[0] * c[3], c[1] * c[3], c[2] * c[3], c[3]}
	case *stylize.Posterize:
		g, n := float64(k.Gamma)/100, float64(k.Colors)
		for i := range 3 {
			c[i] = math.Pow(math.Floor(math.Pow(c[i], g)*n)/n, 1/g)
		}
	case *stylize.Vignette:
		return vignetteReference(k, t, c, u, v)
	default:
		panic("no reference")
	}
	return c
}

func cropReference(k *distort.Crop, c color, u, v float64) color {
	a := c[3]
	for _, side := range []struct{ e, cut float64 }{{u, float64(k.Left)}, {v, float64(k.Top)}, {1 - u, float64(k.Right)}, {1 - v, float64(k.Bottom)}} {
		f := math.Pow(2, 10-float64(k.Feather)/10)
		switch {
		case k.Feather == 0 && side.e < side.cut/100:
			a = 0
		case k.Feather != 0 && side.cut > 0:
			a *= clamp(f * (side.e - side.cut/100 + .5/f))
		}
	}
	if k.Invert {
		a = 1 - a
	}
	return color{c[0] * a, c[1] * a, c[2] * a, a}
}

func correctionReference(k *grade.Correction, c color) color {
	tau := float64(k.Temperature) / 100
	warm := color{1, .3900815788*math.Log(tau) - .6318414438, 1}
	if tau > 66 {
		warm[0], warm[1] = 1.2929361861*math.Pow(tau-60, -.1332047592), 1.1298908609*math.Pow(tau-60, -.0755148492)
	}
	if tau < 66 {
		warm[2] = .5432067891*math.Log(tau-10) - 1.1962540891
	}
	contrast, whites, b := float64(k.Contrast)/100, float64(k.Whites)/100, 2-float64(k.Blacks)/100
	for i := range 3 {
		c[i] *= clamp(warm[i])
		if i == 1 {
			c[i] *= 1 + float64(k.Tint)/100
		}
		c[i] *= math.Pow(2, float64(k.Exposure)/100)
		c[i] = contrast*c[i] - .5*(contrast-1)
	}
	dark := c[0] < .5 && c[1] < .5 && c[2] < .5
	light := c[0] > .5 && c[1] > .5 && c[2] > .5
	for i := range 3 {
		if dark {
			if c[i] < 0 {
				return color{0, 0, 0, c[3]}
			}
			c[i] = .5 * math.Pow(2*c[i], 1-float64(k.Shadows)/100)
		} else if light {
			c[i] = .5*math.Pow(2*(c[i]-.5), 1-float64(k.Highlights)/100) + .5
		}
		c[i] = b*(c[i]*whites) - (b - 1)
	}
	luma, s := .2125*c[0]+.7154*c[1]+.0721*c[2], float64(k.Saturation)/100
	for i := range 3 {
		c[i] = luma*(1-s) + c[i]*s
	}
	return c
}

// hueOf is the hue in degrees by sectors, and what else describes a colour.
func hueOf(c color) (h, s, v float64) {
	high, low := max(c[0], c[1], c[2]), min(c[0], c[1], c[2])
	if high == 0 {
		return -1, 0, 0
	}
	d := high - low
	switch {
	case c[0] == high:
		h = (c[1] - c[2]) / d
	case c[1] == high:
		h = 2 + (c[2]-c[0])/d
	default:
		h = 4 + (c[0]-c[1])/d
	}
	h *= 60
	if h < 0 {
		h += 360
	}
	return h, d / high, high
}

func hsbReference(k *grade.HSB, c color) color {
	h, s, v := hueOf(c)
	if s == 0 {
		h = 0
	}
	h = h/360 + float64(k.Hue)/360
	s, v = s*float64(k.Saturation)/100, v*float64(k.Brightness)/100
	for i, shift := range []float64{1, 2. / 3, 1. / 3} {
		c[i] = v * ((1 - s) + s*clamp(math.Abs(6*mod(h+shift, 1)-3)-1))
	}
	return c
}

// noiseReference rounds to float32 after each operation: the digits that are left are the effect.
func noiseReference(k *grade.Noise, c color, u, v float64) color {
	noise := func(seed float32) float64 {
		f := k.Time + seed + float32(.161803398874989484820459)
		x := float32(float32(u)*f) - float32(.161803398874989484820459)
		y := float32(float32(v)*f) - float32(.314159265358979323846264)
		d := float32(math.Sqrt(float64(float32(x*x) + float32(y*y))))
		n := float32(math.Tan(float64(d))) * float32(14142.1356237)
		return (float64(n) - math.Floor(float64(n))) * float64(k.Amount) / 100
	}
	n := [3]float64{noise(42069), noise(69220), noise(1337)}
	if !k.Color {
		n = [3]float64{noise(69420), noise(69420), noise(69420)}
	}
	if !k.Blend {
		return color{n[0], n[1], n[2], 1}
	}
	for i := range 3 {
		c[i] += 2 * (n[i] - float64(k.Amount)*.005)
	}
	return c
}

func chromaReference(k *keying.Chroma, c color) color {
	cb := func(c color) float64 { return .5 - .1145721061*c[0] - .3854278939*c[1] + .5*c[2] }
	cr := func(c color) float64 { return .5 + .5*c[0] - .4541529083*c[1] - .0458470917*c[2] }
	key := color{float64(k.Key[0]), float64(k.Key[1]), float64(k.Key[2])}
	d := math.Hypot(cb(c)-cb(key), cr(c)-cr(key))
	a, b, m := float64(k.A)/100, float64(k.B)/100, 1.
	switch {
	case d < a:
		m = 0
	case d < b:
		m = (d - a) / (b - a)
	}
	switch k.Mode {
	case 0:
		return color{c[0] * c[3] * m, c[1] * c[3] * m, c[2] * c[3] * m, c[3] * m}
	case 1:
		return color{m, m, m, c[3]}
	}
	return c
}

func componentReference(component keying.Component, c color) float64 {
	h, s, v := hueOf(c)
	switch component {
	case keying.Luminance:
		return 50 * (max(c[0], c[1], c[2]) + min(c[0], c[1], c[2]))
	case keying.Value:
		return 100 * v
	case keying.Hue:
		return h / 3.6
	case keying.Saturation:
		return 100 * s
	}
	return 100 * c[component-keying.Red]
}

func vignetteReference(k *stylize.Vignette, t *texture, c color, u, v float64) color {
	if k.Circular {
		a := t.w / t.h
		u = u*a - (1 - 1/a)
	}
	d := math.Hypot(u-(.5+float64(k.X)/100), v-(.5+float64(k.Y)/100))
	s := float64(k.Size) / 100
	q := clamp((d - s) / (.99*s*(1-float64(k.Softness)/100) - s))
	m := q * q * (3 - 2*q)
	if k.Invert {
		m = 1 - m
	}
	return mul(c, m)
}
