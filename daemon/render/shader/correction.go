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
	made   settings // what curves and tables were made from
	curves [3]curve // red, green, blue
	tables [3]table // of red, green and blue
	exact  bool     // tables do not hold the values: they are out of range
	one    bool     // both kinds of pixels have the same table
}

// settings are the exported fields of a Correction.
type settings [9]float32

// A curve takes a channel through all steps but the last one, which mixes channels. Of the two
// kinds, pixels are alike whose channels are all dark or all light.
type curve struct {
	class [256]uint8
	to    [2][256]float32
}

const (
	mixed = iota
	alike
)

// Classes of a channel, which can be added up.
const (
	classDark  = 1
	classLight = 4
)

// kinds tells the kind of a pixel, times 256, by the sum of the classes of its channels.
var kinds = [256]uint16{3 * classDark: alike << 8, 3 * classLight: alike << 8}

// A table holds a channel's shares in all three results, for mixed pixels and then for others.
type table [2 * 256]uint64

func (k *Correction) run(r *Runner) {
	now := settings{k.Temperature, k.Tint, k.Exposure, k.Contrast, k.Highlights, k.Shadows, k.Whites, k.Blacks, k.Saturation}
	if !k.ready || now != k.made { // also when one is no number
		k.ready, k.made = true, now
		for c := range k.curves {
			k.bend(c)
		}
		k.exact = !k.tabulate()
	}
	switch {
	case k.exact:
		r.each((*exactCorrection)(k))
	case k.one:
		r.each((*plainCorrection)(k))
	default:
		r.each(k)
	}
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
		class, bent := uint8(0), x
		switch {
		case x < 0.5: // a negative channel has no power: the whole pixel becomes black
			class, bent = classDark, 0.5*pow(2*x, 1-k.Shadows/100)
		case x > 0.5:
			class, bent = classLight, 0.5*pow(2*(x-0.5), 1-k.Highlights/100)+0.5
		}
		k.curves[c].class[i] = class
		to[mixed][i] = float32(blacks*(x*whites)) - (blacks - 1)
		to[alike][i] = float32(blacks*(bent*whites)) - (blacks - 1)
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
	}
	if !(t >= 66) {
		b = float64(0.5432067891*ln(t-10)) - 1.1962540891
	}
	return [3]float32{clamp01(float32(r)), clamp01(float32(g)), clamp01(float32(b))}
}

// The last step mixes the channels linearly, so each channel's share of all three results is a
// table: three sums of 21 bits, seven of them fraction, that are added up in one word. Their
// range is 16384 levels, half of it below 0.
const (
	sumBits   = 21
	sumPoint  = 7
	sumBias   = 1 << (sumBits - sumPoint - 1)
	sumLimit  = 1250  // of one share, in levels
	sumBroken = -2600 // share of no number: two others cannot bring the result above 0
)

// luma is the weight of the channels in the last step.
var luma = [3]float32{0.2125, 0.7154, 0.0721}

// tabulate fills the tables; it reports whether all shares are in range.
func (k *Correction) tabulate() bool {
	k.one = true
	for c := range k.curves {
		for kind := range k.curves[c].to {
			for i, x := range k.curves[c].to[kind] {
				k.one = k.one && x == k.curves[c].to[mixed][i]
				sum, ok := k.share(c, x)
				if !ok {
					return false
				}
				k.tables[c][kind<<8|i] = sum
			}
		}
	}
	const middle = sumBias<<sumPoint | 1<<(sumPoint-1)
	for i := range k.tables[0] {
		k.tables[0][i] += middle | middle<<sumBits | middle<<(2*sumBits)
	}
	return true
}

// share returns what channel c with value x adds to the results.
func (k *Correction) share(c int, x float32) (sum uint64, ok bool) {
	s := k.Saturation / 100
	for out := range 3 {
		share := float32(luma[c] * (1 - s))
		if out == c {
			share += s
		}
		level := 255 * x * share
		switch {
		case isNaN(level):
			level = sumBroken
		case abs(level) > sumLimit:
			return 0, false
		}
		sum += uint64(int64(floor(level*(1<<sumPoint)+0.5))) << (sumBits * out)
	}
	return sum, true
}

// clamped is the byte of a sum without its fraction.
var clamped = func() (t [2 * sumBias]uint8) {
	for i := range t {
		t[i] = uint8(min(max(i-sumBias, 0), 255))
	}
	return t
}()

// settled is the colour of three sums.
func settled(sum uint64) uint32 {
	const mask = 2*sumBias - 1
	return uint32(clamped[sum>>sumPoint&mask]) | uint32(clamped[sum>>(sumPoint+sumBits)&mask])<<8 | uint32(clamped[sum>>(sumPoint+2*sumBits)&mask])<<16
}

func (k *Correction) rows(r *Runner, _ *work, y0, y1 int) {
	cr, cg, cb := &k.curves[0].class, &k.curves[1].class, &k.curves[2].class
	src, dst := r.src.Pix[y0*r.src.W:y1*r.src.W], r.dst.Pix[y0*r.src.W:y1*r.src.W]
	dst = dst[:len(src)]
	for i, p := range src {
		x, y, z := uint8(p), uint8(p>>8), uint8(p>>16)
		kind := uint32(kinds[cr[x]+cg[y]+cb[z]] & (alike << 8))
		dst[i] = settled(k.tables[0][kind|uint32(x)]+k.tables[1][kind|uint32(y)]+k.tables[2][kind|uint32(z)]) | p&black
	}
}

// plainCorrection has one curve for all pixels.
type plainCorrection Correction

func (k *plainCorrection) rows(r *Runner, _ *work, y0, y1 int) {
	t := &k.tables
	src, dst := r.src.Pix[y0*r.src.W:y1*r.src.W], r.dst.Pix[y0*r.src.W:y1*r.src.W]
	dst = dst[:len(src)]
	for i, p := range src {
		dst[i] = settled(t[0][uint8(p)]+t[1][uint8(p>>8)]+t[2][uint8(p>>16)]) | p&black
	}
}

// exactCorrection computes each pixel in floating point.
type exactCorrection Correction

func (k *exactCorrection) rows(r *Runner, _ *work, y0, y1 int) {
	s := k.Saturation / 100
	cr, cg, cb := &k.curves[0], &k.curves[1], &k.curves[2]
	for y := y0; y < y1; y++ {
		dst := r.dst.Row(y)
		for i, p := range r.src.Row(y) {
			x, y, z := p&255, p>>8&255, p>>16&255
			kind := kinds[cr.class[x]+cg.class[y]+cb.class[z]] >> 8
			red, green, blue := cr.to[kind][x], cg.to[kind][y], cb.to[kind][z]
			grey := float32((float32(luma[0]*red) + float32(luma[1]*green) + float32(luma[2]*blue)) * (1 - s))
			dst[i] = rgb(grey+float32(red*s), grey+float32(green*s), grey+float32(blue*s)) | p&black
		}
	}
}
