// Package blur has the kernels of Olive's "Blur" category (effects notes 3), which run on a
// [shader.Runner]. A blur is a mean of samples in whole numbers, so that the order of the sums does
// not show. Nothing fails, and the work is bounded by the picture, however wide a blur is.
package blur

import (
	"math/bits"

	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/glsl"
)

// A filter computes a line of pixels, or a column, from another of the same length.
type filter interface {
	filter(w *shader.Work, dst, src []uint32)
}

// passes is what a blur along both axes does: one pass of a filter at a time.
type passes struct {
	filter
	from, to *raster.Image
}

// separate runs f along the lines and then, on the result in 8 bits, along the columns, either
// only where asked for (3.1).
func (p *passes) separate(r *shader.Runner, f filter, horizontal, vertical bool) {
	if r.Void || !horizontal && !vertical {
		r.Copy()
		return
	}
	*p = passes{filter: f, from: &r.Src.Image, to: &r.Dst.Image}
	defer func() { *p = passes{} }()
	if horizontal && vertical {
		r.Between.Resize(r.Dst.W, r.Dst.H)
		p.to = &r.Between.Image
	}
	if horizontal {
		r.Spread((*across)(p), r.Dst.H)
		p.from, p.to = p.to, &r.Dst.Image
	}
	if vertical {
		r.Spread((*down)(p), r.Dst.W)
	}
}

type across passes

// Rows implements [shader.Rower].
func (p *across) Rows(_ *shader.Runner, w *shader.Work, y0, y1 int) {
	for y := y0; y < y1; y++ {
		p.filter.filter(w, p.to.Row(y), p.from.Row(y))
	}
}

type down passes

// Rows does the columns [x0, x1). They are turned into lines in w.Pixels, which keeps the memory
// that the filter touches small and in order.
func (p *down) Rows(_ *shader.Runner, w *shader.Work, x0, x1 int) {
	n, h := x1-x0, p.from.H
	w.Pixels = shader.Grow(w.Pixels, (n+1)*h)
	out := w.Pixels[n*h:]
	for y := range h {
		for i, c := range p.from.Row(y)[x0:x1] {
			w.Pixels[i*h+y] = c
		}
	}
	for i := range n {
		column := w.Pixels[i*h : (i+1)*h]
		p.filter.filter(w, out, column)
		copy(column, out)
	}
	for y := range h {
		row := p.to.Row(y)[x0:x1]
		for i := range row {
			row[i] = w.Pixels[i*h+y]
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

// Box is the mean of 2 Radius texels on each axis, which lie half a texel to the left of and
// above the pixel (3.1). Olive rounds the radius up.
type Box struct {
	Radius               float32
	Horizontal, Vertical bool

	n      int
	div    divider
	passes passes
}

// Fill implements [shader.Kernel].
func (k *Box) Fill(r *shader.Runner) {
	k.n = glsl.Ceil(k.Radius, 1<<30)
	k.div = divideBy(2 * uint64(max(k.n, 1)))
	k.passes.separate(r, k, k.Horizontal && k.n > 0, k.Vertical && k.n > 0)
}

func (k *Box) filter(_ *shader.Work, dst, src []uint32) {
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

// Gaussian weighs samples between texels, which lie half a texel to the left of and above the
// pixel on the whole (3.2).
type Gaussian struct {
	Sigma                float32
	Horizontal, Vertical bool

	n       int
	made    float32
	weights []uint64
	passes  passes
}

// weightBits is the scale of the weights. With sums of two channels it leaves one bit of a lane.
const weightBits = 22

// Fill implements [shader.Kernel].
func (k *Gaussian) Fill(r *shader.Runner) {
	side := max(r.Dst.W, r.Dst.H)
	// So wide a bell gives no pixel more than a quarter of a level.
	const wide = 2048
	k.n = glsl.Ceil(3*k.Sigma, wide*(side+2))
	if k.n == wide*(side+2) {
		r.Dst.Clear(0, r.Dst.H)
		if r.Void || !k.Horizontal && !k.Vertical {
			r.Copy()
		}
		return
	}
	if k.n > 0 && (k.made != k.Sigma || len(k.weights) != k.n) {
		k.weigh()
	}
	k.passes.separate(r, k, k.Horizontal && k.n > 0, k.Vertical && k.n > 0)
}

// weigh computes the weights at -n + 1/2, -n + 5/2, ... so that they add up to 1.
func (k *Gaussian) weigh() {
	k.made = k.Sigma
	k.weights = shader.Grow(k.weights, k.n)
	sum := 0.
	at := func(i int) float64 {
		d := (float64(2*i-k.n) + 0.5) / float64(k.Sigma)
		return glsl.Exp(-d * d / 2)
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
