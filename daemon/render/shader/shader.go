// Package shader runs Olive 0.1's shader effects over pictures. An effect is a [Kernel], a struct
// of its parameters; a [Runner] applies it. The kernels are in rooms of their own, one for each of
// Olive's categories: [olive-distributed/daemon/render/shader/blur], and distort, grade, keying
// and stylize beside it. They make their pictures of what is here: lines spread over goroutines,
// samples that an effect moves, texels at a distance, tables. Section numbers in comments are
// those of the effects notes, which the formulas come from.
//
// Everything here and there is a pure function of pixels and numbers. Nothing fails: a parameter
// that is not finite, or far outside what Olive's controls allow, gives some picture in bounded
// time. The same input gives the same bytes on every machine and with any number of goroutines.
// Nothing allocates once the buffers have grown to the size of the pictures.
package shader

import "olive-distributed/daemon/render/raster"

// A Kernel is one effect with its parameters, which the caller sets before each picture.
type Kernel interface {
	// Fill fills r.Dst from r.Src.
	Fill(r *Runner)
}

// A Rower is a part of a kernel that fills the lines [y0, y1); y0 is even.
type Rower interface {
	Rows(r *Runner, w *Work, y0, y1 int)
}

// A Runner applies kernels, one at a time, on the goroutines of a pool. It keeps the memory that
// they work in. The exported fields are for the kernels, while they run.
type Runner struct {
	Src  *raster.Texture
	Dst  *raster.Texture
	Void bool // there is no picture: every sample is opaque black, outside as well

	Sampler raster.Sampler // of the source, after [Runner.Sample]
	Between raster.Texture // for an effect of two passes
	U, V    []float32      // texture coordinates of the pixels' centres, two more than there are

	// Vectors lets kernels use the vector instructions of the processor, which give the same bytes
	// in less time. [NewRunner] sets it where there are any.
	Vectors bool

	pool  *raster.Pool
	work  []Work
	black raster.Texture // stands in for a picture that is not there
	rows  Rower
	warp  warp
	table [256]uint32
}

// Work is the scratch memory of one goroutine, which kernels [Grow] to what they need.
type Work struct {
	Points raster.Points
	Pixels []uint32
	Lanes  [2][]uint64
	Sum    [2][]uint64
	Sums   [3][]int32
	Light  []float32
	Counts []int

	Sharp, Shrunk raster.Scattered // samples that wait, by their level of detail
}

// NewRunner returns a runner on pool.
func NewRunner(pool *raster.Pool) *Runner {
	return &Runner{pool: pool, work: make([]Work, pool.Workers()), Vectors: vectors()}
}

// Run makes dst, which has its size already, the result of k on src, a texture of the same size.
// A nil src is a clip without a picture: OpenGL samples opaque black then (15.4).
func (r *Runner) Run(k Kernel, dst, src *raster.Texture) {
	r.Void = src == nil
	if r.Void {
		src = r.blackness(dst.W, dst.H)
	}
	r.Src, r.Dst = src, dst
	dst.Touch()
	dst.Opaque, dst.Flat = false, false
	if dst.W > 0 && dst.H > 0 {
		r.U, r.V = centres(r.U, dst.W), centres(r.V, dst.H)
		k.Fill(r)
	}
	r.Src, r.Dst = nil, nil
}

func (r *Runner) blackness(w, h int) *raster.Texture {
	if r.black.W != w || r.black.H != h {
		r.black.Resize(w, h)
		r.black.FillRect(0, 0, w, h, Black)
		r.black.Touch()
		r.black.Opaque, r.black.Flat = true, true
	}
	return &r.black
}

// Black is the opaque pixel without light, and the mask of a pixel's alpha.
const Black = 0xff000000

// Each runs p over all lines of the result.
func (r *Runner) Each(p Rower) { r.Spread(p, r.Dst.H) }

// Spread runs p over n lines, or columns.
func (r *Runner) Spread(p Rower, n int) {
	r.rows = p
	r.pool.Run(n, (*bands)(r))
	r.rows = nil
}

// bands makes a Runner a [raster.Rower] without exporting that.
type bands Runner

// Rows implements [raster.Rower].
func (b *bands) Rows(y0, y1, worker int) {
	r := (*Runner)(b)
	r.rows.Rows(r, &r.work[worker], y0, y1)
}

// Sample prepares r.Sampler for the source; with shrink it has smaller pictures, too, for samples
// that lie far apart.
func (r *Runner) Sample(shrink bool) {
	border := uint32(0)
	if r.Void {
		border = Black
	}
	r.Sampler.Set(r.Src, shrink, border)
}

// Copy is the effect that does nothing.
func (r *Runner) Copy() {
	copy(r.Dst.Pix, r.Src.Pix)
	r.Same()
}

// Same says of a result that it is as opaque, and as flat, as the source.
func (r *Runner) Same() { r.Dst.Opaque, r.Dst.Flat = r.Src.Opaque, r.Src.Flat }

// Grow returns s with n elements, which are undefined.
func Grow[T any](s []T, n int) []T {
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
	s = Grow(s, n+2)
	for i := range s {
		s[i] = (float32(i) + 0.5) / float32(n)
	}
	return s
}
