package shader

import "math"

// Correction is Olive's Color Correction (5.1). Temperature is in kelvin, Tint and Exposure are
// in percent around 0, Highlights and Shadows in percent that are taken away, the others in
// percent.
type Correction struct {
	Temperature, Tint, Exposure, Contrast float32
	Highlights, Shadows, Whites, Blacks   float32
	Saturation                            float32

	ready  bool
	made   settings // what curves were made from
	curves [3]curve // red, green, blue
}

// settings are the exported fields of a Correction.
type settings [9]float32

// A curve takes a channel through all steps but the last one, which mixes channels. Which one
// applies depends on all channels of a pixel: all below the middle, all above, or neither.
type curve struct {
	class [256]uint8
	to    [3][256]float32 // by mixed, dark, light
}

// Classes of a channel, which can be added up: three of dark make dark pixels.
const (
	classDark   = 1
	classLight  = 4
	classBroken = 16 + classDark // dark and negative: its power is no number
)

const (
	mixed = iota
	dark
	light
	broken
)

func (k *Correction) run(r *Runner) {
	now := settings{k.Temperature, k.Tint, k.Exposure, k.Contrast, k.Highlights, k.Shadows, k.Whites, k.Blacks, k.Saturation}
	if !k.ready || now != k.made { // also when one is no number
		k.ready, k.made = true, now
		for c := range k.curves {
			k.bend(c)
		}
	}
	r.each(k)
	r.dst.Opaque, r.dst.Flat = r.src.Opaque, r.src.Flat
}

// bend computes the curve of channel c.
func (k *Correction) bend(c int) {
	gain := k.warmth()[c]
	exposure := float32(exp2(float64(k.Exposure / 100)))
	contrast, whites, blacks := k.Contrast/100, k.Whites/100, 2-k.Blacks/100
	to := &k.curves[c].to
	for i, x := range unit {
		x *= gain
		if c == 1 {
			x *= 1 + k.Tint/100
		}
		x = float32(contrast*(x*exposure)) - 0.5*(contrast-1)
		class := uint8(0)
		switch {
		case x < 0:
			class = classBroken
		case x < 0.5:
			class = classDark
		case x > 0.5:
			class = classLight
		}
		k.curves[c].class[i] = class
		to[mixed][i] = x
		to[dark][i] = 0.5 * pow(2*x, 1-k.Shadows/100)
		to[light][i] = 0.5*pow(2*(x-0.5), 1-k.Highlights/100) + 0.5
		for kind := range to {
			to[kind][i] = float32(blacks*(to[kind][i]*whites)) - (blacks - 1)
		}
	}
}

// warmth returns the factors of the colour temperature.
func (k *Correction) warmth() [3]float32 {
	t := float64(k.Temperature / 100)
	r, g, b := 1., 1., 1.
	ln := func(x float64) float64 {
		if !(x > 0) {
			return math.Inf(-1)
		}
		return float64(log2(min(x, math.MaxFloat64)) * math.Ln2)
	}
	if t > 66 {
		r = 1.2929361861 * float64(pow(float32(t-60), -0.1332047592))
		g = 1.1298908609 * float64(pow(float32(t-60), -0.0755148492))
	} else {
		g = float64(0.3900815788*ln(t)) - 0.6318414438
		b = float64(0.5432067891*ln(t-10)) - 1.1962540891
	}
	return [3]float32{clamp01(float32(r)), clamp01(float32(g)), clamp01(float32(b))}
}

// kinds tells by the sum of three classes which curve applies.
var kinds = func() (t [3*classBroken + 1]uint8) {
	for i := range t {
		switch {
		case i == 3*classDark:
			t[i] = dark
		case i == 3*classLight:
			t[i] = light
		case i&15 == 3*classDark:
			t[i] = broken
		}
	}
	return t
}()

func (k *Correction) rows(r *Runner, _ *work, y0, y1 int) {
	s := k.Saturation / 100
	cr, cg, cb := &k.curves[0], &k.curves[1], &k.curves[2]
	for y := y0; y < y1; y++ {
		dst := r.dst.Row(y)
		for i, p := range r.src.Row(y) {
			x, y, z := p&255, p>>8&255, p>>16&255
			kind := kinds[cr.class[x]+cg.class[y]+cb.class[z]]
			if kind == broken {
				dst[i] = p & black
				continue
			}
			red, green, blue := cr.to[kind][x], cg.to[kind][y], cb.to[kind][z]
			luma := (float32(0.2125*red) + float32(0.7154*green) + float32(0.0721*blue)) * (1 - s)
			dst[i] = rgb(luma+float32(red*s), luma+float32(green*s), luma+float32(blue*s)) | p&black
		}
	}
}
