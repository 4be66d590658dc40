package shader

import (
	"math/bits"

	"olive-distributed/daemon/render/raster"
)

// A filter computes a line of pixels, or a column, from another of the same length.
type filter interface {
	filter(w *work, dst, src []uint32)
}

// separate runs f along the lines and then, on the result in 8 bits, along the columns, either
// only where asked for (3.1).
func (r *Runner) separate(f filter, horizontal, vertical bool) {
	if r.void || !horizontal && !vertical {
		r.copy()
		return
	}
	r.filtering = filtering{filter: f, from: &r.src.Image, to: &r.dst.Image}
	defer func() { r.filtering = filtering{} }()
	if horizontal && vertical {
		r.mid.Resize(r.dst.W, r.dst.H)
		r.filtering.to = &r.mid.Image
	}
	if horizontal {
		r.spread((*across)(&r.filtering), r.dst.H)
		r.filtering.from, r.filtering.to = r.filtering.to, &r.dst.Image
	}
	if vertical {
		r.spread((*down)(&r.filtering), r.dst.W)
	}
}

// filtering is one pass of a filter.
type filtering struct {
	filter
	from, to *raster.Image
}

type across filtering

func (p *across) rows(_ *Runner, w *work, y0, y1 int) {
	for y := y0; y < y1; y++ {
		p.filter.filter(w, p.to.Row(y), p.from.Row(y))
	}
}

type down filtering

// rows does the columns [x0, x1). They are turned into lines in w.pixels, which keeps the memory
// that the filter touches small and in order.
func (p *down) rows(_ *Runner, w *work, x0, x1 int) {
	n, h := x1-x0, p.from.H
	w.pixels = grow(w.pixels, (n+1)*h)
	out := w.pixels[n*h:]
	for y := range h {
		for i, c := range p.from.Row(y)[x0:x1] {
			w.pixels[i*h+y] = c
		}
	}
	for i := range n {
		column := w.pixels[i*h : (i+1)*h]
		p.filter.filter(w, out, column)
		copy(column, out)
	}
	for y := range h {
		row := p.to.Row(y)[x0:x1]
		for i := range row {
			row[i] = w.pixels[i*h+y]
		}
	}
}

// Two lanes of 32 bits in a word: red and green, or blue and alpha.
const lowLanes = 0x0000ffff0000ffff

func redGreen(p uint32) uint64  { return raster.Spread(p) & lowLanes }
func blueAlpha(p uint32) uint64 { return raster.Spread(p) >> 16 & lowLanes }

// A divider divides numbers below 2^32 by one, rounding to nearest.
type divider struct{ by, inverse uint64 }

func divideBy(n uint64) divider { return divider{n, ^uint64(0)/n + 1} }

func (d *divider) round(n uint64) uint32 {
	q, _ := bits.Mul64(n+d.by/2, d.inverse)
	return uint32(q)
}

// pixel divides four lanes.
func (d *divider) pixel(rg, ba uint64) uint32 {
	return d.round(rg&0xffffffff) | d.round(rg>>32)<<8 | d.round(ba&0xffffffff)<<16 | d.round(ba>>32)<<24
}

// BoxBlur is the mean of 2 Radius texels on each axis, which lie half a texel to the left of and
// above the pixel (3.1). Olive rounds the radius up.
type BoxBlur struct {
	Radius               float32
	Horizontal, Vertical bool

	n   int
	div divider
}

func (k *BoxBlur) run(r *Runner) {
	k.n = ceil(k.Radius, 1<<30)
	k.div = divideBy(2 * uint64(max(k.n, 1)))
	r.separate(k, k.Horizontal && k.n > 0, k.Vertical && k.n > 0)
}

func (k *BoxBlur) filter(_ *work, dst, src []uint32) {
	var rg, ba uint64
	for _, p := range src[:min(k.n, len(src))] {
		rg, ba = rg+redGreen(p), ba+blueAlpha(p)
	}
	for i := range dst {
		dst[i] = k.div.pixel(rg, ba)
		if i+k.n < len(src) {
			p := src[i+k.n]
			rg, ba = rg+redGreen(p), ba+blueAlpha(p)
		}
		if i-k.n >= 0 {
			p := src[i-k.n]
			rg, ba = rg-redGreen(p), ba-blueAlpha(p)
		}
	}
}

// GaussianBlur weighs samples between texels, which lie half a texel to the left of and above the
// pixel on the whole (3.2).
type GaussianBlur struct {
	Sigma                float32
	Horizontal, Vertical bool

	n       int
	made    float32
	weights []uint64
}

// weightBits is the scale of the weights. With sums of two channels it leaves one bit of a lane.
const weightBits = 22

func (k *GaussianBlur) run(r *Runner) {
	side := max(r.dst.W, r.dst.H)
	// So wide a bell gives no pixel more than a quarter of a level.
	const wide = 2048
	k.n = ceil(3*k.Sigma, wide*(side+2))
	if k.n == wide*(side+2) {
		r.dst.Clear(0, r.dst.H)
		if r.void || !k.Horizontal && !k.Vertical {
			r.copy()
		}
		return
	}
	if k.n > 0 && (k.made != k.Sigma || len(k.weights) != k.n) {
		k.weigh()
	}
	r.separate(k, k.Horizontal && k.n > 0, k.Vertical && k.n > 0)
}

// weigh computes the weights at -n + 1/2, -n + 5/2, ... so that they add up to 1.
func (k *GaussianBlur) weigh() {
	k.made = k.Sigma
	k.weights = grow(k.weights, k.n)
	sum := 0.
	at := func(i int) float64 {
		d := (float64(2*i-k.n) + 0.5) / float64(k.Sigma)
		return exp(-d * d / 2)
	}
	for i := range k.weights {
		sum += at(i)
	}
	// Rounding the running total instead of each weight keeps the sum exact.
	total, given := 0., uint64(0)
	for i := range k.weights {
		total += at(i)
		next := uint64(float64(total/sum*(1<<weightBits)) + 0.5)
		k.weights[i], given = next-given, next
	}
}
