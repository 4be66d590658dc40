// Package shader computes Olive 0.1's shader effects: one kernel per effect, a struct of its
// parameters that a [Runner] applies to a picture. Section numbers in comments are those of the
// effects notes, which the formulas come from.
//
// Everything here is a pure function of pixels and numbers. Nothing fails: a parameter that is
// not finite, or far outside what Olive's controls allow, gives some picture in bounded time. The
// same input gives the same bytes on every machine and with any number of goroutines; that is why
// the products in sums are converted explicitly, which keeps a compiler from fusing them, and why
// the functions of package math that are not exact are not used. Nothing allocates once the
// buffers have grown to the size of the pictures.
package shader

import "olive-distributed/daemon/render/raster"

// A Kernel is one effect with its parameters, which the caller sets before each picture.
type Kernel interface {
	// run fills r.dst from r.src.
	run(r *Runner)
}

// A Runner applies kernels, one at a time, on the goroutines of a pool. It keeps the memory that
// they work in.
type Runner struct {
	pool *raster.Pool
	work []work

	src  *raster.Texture
	dst  *raster.Texture
	void bool // there is no picture: every sample is opaque black, outside as well

	sampler   raster.Sampler
	mid       raster.Texture // between the two passes of a blur
	black     raster.Texture // stands in for a picture that is not there
	rows      rower
	warp      warp
	table     [256]uint32
	filtering filtering
	us, vs    []float32 // texture coordinates of the pixels' centres, two more than there are
}

// work is the scratch memory of one goroutine.
type work struct {
	points raster.Points
	pixels []uint32
	lanes  [2][]uint64
	sum    [2][]uint64
	sums   [3][]int32
	light  []float32
}

// rower is a part of a kernel that fills the lines [y0, y1); y0 is even.
type rower interface {
	rows(r *Runner, w *work, y0, y1 int)
}

// NewRunner returns a runner on pool.
func NewRunner(pool *raster.Pool) *Runner {
	return &Runner{pool: pool, work: make([]work, pool.Workers())}
}

// Run makes dst, which has its size already, the result of k on src, a texture of the same size.
// A nil src is a clip without a picture: OpenGL samples opaque black then (15.4).
func (r *Runner) Run(k Kernel, dst, src *raster.Texture) {
	r.void = src == nil
	if r.void {
		src = r.blackness(dst.W, dst.H)
	}
	r.src, r.dst = src, dst
	dst.Touch()
	dst.Opaque, dst.Flat = false, false
	if dst.W > 0 && dst.H > 0 {
		r.us, r.vs = centres(r.us, dst.W), centres(r.vs, dst.H)
		k.run(r)
	}
	r.src, r.dst = nil, nil
}

func (r *Runner) blackness(w, h int) *raster.Texture {
	if r.black.W != w || r.black.H != h {
		r.black.Resize(w, h)
		r.black.FillRect(0, 0, w, h, black)
		r.black.Touch()
		r.black.Opaque, r.black.Flat = true, true
	}
	return &r.black
}

const black = 0xff000000 // opaque

// each runs p over all lines of the result.
func (r *Runner) each(p rower) { r.spread(p, r.dst.H) }

// spread runs p over n lines, or columns.
func (r *Runner) spread(p rower, n int) {
	r.rows = p
	r.pool.Run(n, (*bands)(r))
	r.rows = nil
}

// bands makes a Runner a [raster.Rower] without exporting that.
type bands Runner

// Rows implements [raster.Rower].
func (b *bands) Rows(y0, y1, worker int) {
	r := (*Runner)(b)
	r.rows.rows(r, &r.work[worker], y0, y1)
}

// sample prepares r.sampler for the source.
func (r *Runner) sample(shrink bool) {
	border := uint32(0)
	if r.void {
		border = black
	}
	r.sampler.Set(r.src, shrink, border)
}

// copy is the effect that does nothing.
func (r *Runner) copy() {
	copy(r.dst.Pix, r.src.Pix)
	r.dst.Opaque, r.dst.Flat = r.src.Opaque, r.src.Flat
}

// grow returns s with n elements, which are undefined.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// centres returns the texture coordinates of the centres of n pixels and of two beyond.
func centres(s []float32, n int) []float32 {
	if len(s) == n+2 {
		return s
	}
	s = grow(s, n+2)
	for i := range s {
		s[i] = (float32(i) + 0.5) / float32(n)
	}
	return s
}
