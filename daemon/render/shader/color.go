package shader

import "math"

// HSB turns the hue (degrees) and scales saturation and brightness (percent) (5.2). It works on
// premultiplied colours, as all of Olive's colour effects do.
type HSB struct{ Hue, Saturation, Brightness float32 }

func (k *HSB) run(r *Runner) {
	r.each(k)
	r.dst.Opaque, r.dst.Flat = r.src.Opaque, r.src.Flat
}

func (k *HSB) rows(r *Runner, _ *work, y0, y1 int) {
	turn, sat, bri := k.Hue/360, k.Saturation/100, k.Brightness/100
	var last, made uint32
	for y := y0; y < y1; y++ {
		dst := r.dst.Row(y)
		for i, p := range r.src.Row(y) {
			if p != last {
				last = p
				h, s, v := hsv(p)
				h, s, v = h+turn, s*sat, v*bri
				made = rgb(wheel(h+1, s, v), wheel(h+2./3, s, v), wheel(h+1./3, s, v))
			}
			dst[i] = made | p&black
		}
	}
}

// hsv returns a pixel's hue in turns, 0 for grey, its saturation and its value.
func hsv(p uint32) (h, s, v float32) {
	r, g, b := int(p&255), int(p>>8&255), int(p>>16&255)
	high, low := max(r, g, b), min(r, g, b)
	if high == low {
		return 0, 0, unit[high]
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
	return h, d / float32(high), unit[high]
}

// wheel is the channel whose peak is at hue 0.
func wheel(h, s, v float32) float32 {
	h -= floor(h)
	return v * (1 - s + float32(s*clamp01(abs(float32(6*h)-3)-1)))
}

// Invert mixes the picture with its negative, Amount in percent (5.3). Transparent pixels get
// colour, as in Olive.
type Invert struct{ Amount float32 }

func (k *Invert) run(r *Runner) {
	var t [256]uint32
	a := k.Amount / 100
	for i, c := range unit {
		t[i] = store(c + float32((1-2*c)*a))
	}
	r.lookUp(&t)
}

// lookUp replaces every colour channel by its value in t.
func (r *Runner) lookUp(t *[256]uint32) {
	r.table = *t
	r.each(lookUp{})
	r.dst.Opaque, r.dst.Flat = r.src.Opaque, r.src.Flat
}

type lookUp struct{}

func (lookUp) rows(r *Runner, _ *work, y0, y1 int) {
	t := &r.table
	for y := y0; y < y1; y++ {
		dst := r.dst.Row(y)
		for i, p := range r.src.Row(y) {
			dst[i] = t[p&255] | t[p>>8&255]<<8 | t[p>>16&255]<<16 | p&black
		}
	}
}

// Noise adds a pattern that changes with Time, in seconds of the clip (5.4). Amount is in percent.
type Noise struct {
	Amount       float32
	Color, Blend bool
	Time         float32
}

func (k *Noise) run(r *Runner) {
	r.each(k)
	r.dst.Opaque = !k.Blend || r.src.Opaque
}

func (k *Noise) rows(r *Runner, _ *work, y0, y1 int) {
	for y := y0; y < y1; y++ {
		dst, v := r.dst.Row(y), r.vs[y]
		for i, p := range r.src.Row(y) {
			u := r.us[i]
			var n [3]float32
			if k.Color {
				n = [3]float32{k.noise(u, v, 42069), k.noise(u, v, 69220), k.noise(u, v, 1337)}
			} else {
				one := k.noise(u, v, 69420)
				n = [3]float32{one, one, one}
			}
			if k.Blend {
				mid := float32(k.Amount * 0.005)
				dst[i] = rgb(unit[p&255]+2*(n[0]-mid), unit[p>>8&255]+2*(n[1]-mid), unit[p>>16&255]+2*(n[2]-mid)) | p&black
			} else {
				dst[i] = rgb(n[0], n[1], n[2]) | black
			}
		}
	}
}

// noise is a value in [0, Amount%): the digits of a tangent that single precision leaves.
func (k *Noise) noise(u, v, seed float32) float32 {
	const phi, pi, root = float32(0.161803398874989484820459), float32(0.314159265358979323846264), float32(14142.1356237309504880169)
	f := k.Time + seed + phi
	x, y := float32(u*f)-phi, float32(v*f)-pi
	n := float32(tan(sqrt(float32(x*x)+float32(y*y))) * root)
	if math.IsInf(float64(n), 0) {
		return nan
	}
	return (n - floor(n)) * (k.Amount / 100)
}
