package grade

import (
	"math"

	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/glsl"
)

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
	below  [3]uint16
	point  uint
	exact  bool // tables do not hold the values: they are out of range
	one    bool // both kinds of pixels have the same table
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

// Classes of a channel, which can be added up. A dark one may have no number.
const (
	classDark   = 1
	classLight  = 4
	classMask   = 15
	classBroken = 16
	allDark     = 3 * classDark
	allLight    = 3 * classLight
)

// kind says which curve pixels of a sum of classes have.
func kind(sum uint64) int {
	if c := sum & classMask; c == allDark || c == allLight {
		return alike
	}
	return mixed
}

// A table holds what each value of a channel adds to the three results, and its class, in lanes
// of 16 bits: for mixed pixels and for others.
type table [256][2]uint64

// Fill implements [shader.Kernel].
func (k *Correction) Fill(r *shader.Runner) {
	now := settings{k.Temperature, k.Tint, k.Exposure, k.Contrast, k.Highlights, k.Shadows, k.Whites, k.Blacks, k.Saturation}
	if !k.ready || now != k.made { // also when one is no number
		k.ready, k.made = true, now
		for c := range k.curves {
			k.bend(c)
		}
		k.exact = !k.tabulate()
	}
	if k.exact {
		r.Each((*exactCorrection)(k))
	} else {
		r.Each(k)
	}
	r.Same()
}

// bend computes the curve of channel c.
func (k *Correction) bend(c int) {
	gain := k.warmth()[c]
	exposure := float32(glsl.Exp2(float64(k.Exposure / 100)))
	contrast, whites, blacks := k.Contrast/100, k.Whites/100, 2-k.Blacks/100
	to := &k.curves[c].to
	for i, x := range glsl.Unit {
		x *= gain
		if c == 1 {
			x *= 1 + k.Tint/100
		}
		x = float32(contrast*(x*exposure)) - 0.5*(contrast-1)
		class, bent := uint8(0), x
		switch {
		case x < 0.5:
			class, bent = classDark, 0.5*glsl.Pow(2*x, 1-k.Shadows/100)
			if glsl.IsNaN(bent) { // a negative channel has no power: the whole pixel becomes black
				class += classBroken
			}
		case x > 0.5:
			class, bent = classLight, 0.5*glsl.Pow(2*(x-0.5), 1-k.Highlights/100)+0.5
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
		return float64(glsl.Log2(min(x, math.MaxFloat64)) * math.Ln2)
	}
	if t > 66 {
		r = 1.2929361861 * float64(glsl.Pow(float32(t-60), -0.1332047592))
		g = 1.1298908609 * float64(glsl.Pow(float32(t-60), -0.0755148492))
	} else {
		g = float64(0.3900815788*ln(t)) - 0.6318414438
	}
	if !(t >= 66) {
		b = float64(0.5432067891*ln(t-10)) - 1.1962540891
	}
	return [3]float32{glsl.Clamp01(float32(r)), glsl.Clamp01(float32(g)), glsl.Clamp01(float32(b))}
}

// luma is the weight of the channels in the last step.
var luma = [3]float32{0.2125, 0.7154, 0.0721}

// The last step mixes the channels linearly, so each channel's share of all three results is a
// table. Shares are whole numbers from 0 on with maxPoint fraction bits, fewer where the sums are
// large; what the least ones are below 0 is taken from the sum.
const (
	minPoint = 4
	maxPoint = 7
)

// share is what channel c with value x adds to result out, in levels.
func (k *Correction) share(c, out int, x float32) float32 {
	s := k.Saturation / 100
	share := float32(luma[c] * (1 - s))
	if out == c {
		share += s
	}
	return 255 * x * share
}

// tabulate fills the tables; it reports whether all sums are in range.
func (k *Correction) tabulate() bool {
	k.one = true
	k.tables = [3]table{}
	for c := range k.curves {
		for i, x := range k.curves[c].to[mixed] {
			k.one = k.one && x == k.curves[c].to[alike][i]
			k.tables[c][i][mixed] = uint64(k.curves[c].class[i]) << 48
		}
	}
	for k.point = maxPoint; k.point >= minPoint; k.point-- {
		if k.lane(0) && k.lane(1) && k.lane(2) {
			return true
		}
	}
	return false
}

// lane fills the lane of result out; it reports whether all sums are in range.
func (k *Correction) lane(out int) bool {
	least, most := 1<<(k.point-1), 0 // of sums; the half rounds
	var shares [3][256][2]int
	for c := range shares {
		low, high := math.MaxInt32, math.MinInt32
		for i := range shares[c] {
			for kind := range shares[c][i] {
				level := k.share(c, out, k.curves[c].to[kind][i])
				switch {
				case glsl.IsNaN(level) && kind == alike && k.curves[c].class[i] >= classBroken:
					continue // the pixel is black
				case !(glsl.Abs(level) < 1<<16):
					return false
				}
				n := int(glsl.Floor(level*float32(int(1)<<k.point) + 0.5))
				shares[c][i][kind] = n
				low, high = min(low, n), max(high, n)
			}
		}
		least, most = least+low, most+high-low
		for i := range shares[c] {
			for kind := range shares[c][i] {
				shares[c][i][kind] = max(0, shares[c][i][kind]-low)
			}
		}
	}
	above := max(least, 0)
	if most+above > math.MaxUint16 {
		return false
	}
	k.below[out] = uint16(min(above-least, math.MaxUint16))
	for c := range shares {
		for i := range shares[c] {
			for kind, n := range shares[c][i] {
				if c == 0 {
					n += above
				}
				t := &k.tables[c][i][kind]
				*t = *t&^(0xffff<<(16*out)) | uint64(n)<<(16*out)
			}
		}
	}
	return true
}

// settled is the colour of three sums.
func (k *Correction) settled(sum uint64) uint32 {
	var p uint32
	for out, below := range k.below {
		level := max(int(sum>>(16*out)&0xffff)-int(below), 0) >> k.point
		p |= uint32(min(level, 255)) << (8 * out)
	}
	return p
}

// Rows implements [shader.Rower].
func (k *Correction) Rows(r *shader.Runner, _ *shader.Work, y0, y1 int) {
	t := &k.tables
	src, dst := r.Src.Pix[y0*r.Src.W:y1*r.Src.W], r.Dst.Pix[y0*r.Src.W:y1*r.Src.W]
	dst = dst[:len(src)]
	for i := k.octets(r.Vectors, dst, src); i < len(src); i++ {
		p := src[i]
		red, green, blue := &t[0][uint8(p)], &t[1][uint8(p>>8)], &t[2][uint8(p>>16)]
		sum := red[mixed] + green[mixed] + blue[mixed]
		if class := sum >> 48; !k.one && kind(class) == alike {
			if class&^classMask != 0 {
				dst[i] = p & shader.Black
				continue
			}
			sum = red[alike] + green[alike] + blue[alike]
		}
		dst[i] = k.settled(sum) | p&shader.Black
	}
}

// exactCorrection computes each pixel in floating point.
type exactCorrection Correction

// Rows implements [shader.Rower].
func (k *exactCorrection) Rows(r *shader.Runner, _ *shader.Work, y0, y1 int) {
	s := k.Saturation / 100
	cr, cg, cb := &k.curves[0], &k.curves[1], &k.curves[2]
	for y := y0; y < y1; y++ {
		dst := r.Dst.Row(y)
		for i, p := range r.Src.Row(y) {
			x, y, z := p&255, p>>8&255, p>>16&255
			kind := kind(uint64(cr.class[x]) + uint64(cg.class[y]) + uint64(cb.class[z]))
			red, green, blue := cr.to[kind][x], cg.to[kind][y], cb.to[kind][z]
			grey := float32((float32(luma[0]*red) + float32(luma[1]*green) + float32(luma[2]*blue)) * (1 - s))
			dst[i] = glsl.RGB(grey+float32(red*s), grey+float32(green*s), grey+float32(blue*s)) | p&shader.Black
		}
	}
}
