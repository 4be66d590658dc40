package stylize

import (
	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/glsl"
)

// CrossStitch makes a cloth of the picture (7.2). Size is that of a stitch in pixels.
type CrossStitch struct {
	Size   float32
	Invert bool

	cells shader.Axes
	left  []int // of each column's stitch
	rest  []int // place of pixel i, column or line, in its stitch
}

// Fill implements [shader.Kernel].
func (k *CrossStitch) Fill(r *shader.Runner) {
	r.Sample(true)
	k.cells.Reset(r)
	k.left = shader.Grow(k.left, len(k.cells.U))
	for i := range k.cells.U {
		k.cells.U[i], k.left[i] = k.start(i)/float32(r.Dst.W), glsl.Whole(k.start(i), -shader.Far, shader.Far)
	}
	for i := range k.cells.V {
		k.cells.V[i] = k.start(i) / float32(r.Dst.H)
	}
	k.rest = shader.Grow(k.rest, max(r.Dst.W, r.Dst.H)+2)
	for i := range k.rest {
		k.rest[i] = glsl.Whole(glsl.Mod(float32(i)+0.5, k.Size), -shader.Far, shader.Far)
	}
	r.Each(k)
}

// start is where the stitch of pixel i begins, on either axis.
func (k *CrossStitch) start(i int) float32 { return glsl.Floor((float32(i)+0.5)/k.Size) * k.Size }

// Rows implements [shader.Rower].
func (k *CrossStitch) Rows(r *shader.Runner, w *shader.Work, y0, y1 int) {
	w.Points.Resize(r.Dst.W)
	for y := y0; y < y1; y += 2 {
		for j := range 2 {
			k.Line(r, y+j, w.Points.U[j], w.Points.V[j])
		}
		details := r.Sampler.Details(&w.Points)
		for j := range min(2, y1-y) {
			k.stitch(r, y+j, w.Points.U[j], w.Points.V[j], details)
		}
	}
}

// Line sets the sample points: a pixel that begins a stitch on both axes samples itself.
func (k *CrossStitch) Line(r *shader.Runner, y int, u, v []float32) {
	k.cells.Line(r, y, u, v)
	if k.rest[y] != 0 {
		return
	}
	for i := range u {
		if k.rest[i] == 0 {
			u[i], v[i] = r.U[i], r.V[y]
		}
	}
}

func (k *CrossStitch) stitch(r *shader.Runner, y int, u, v []float32, details []raster.Detail) {
	bottom := glsl.Whole(float32(k.start(y))+k.Size-1, -shader.Far, shader.Far)
	dst := r.Dst.Row(y)
	for i := range dst {
		thread := k.rest[i] == k.rest[y] || i-k.left[i] == bottom-y
		switch {
		case thread == k.Invert:
			dst[i] = brighter(r.Sampler.At(u[i], v[i], details[i>>1]))
		case k.Invert:
			dst[i] = shader.Black
		default:
			dst[i] = glsl.RGB(0.2, 0.15, 0.05) | shader.Black
		}
	}
}

// brighter is 1.4 of a sample, in all channels.
func brighter(rg, ba uint64) uint32 {
	const f = 1.4 / (255 * 65536)
	lane := func(v uint64) float32 { return float32(uint32(v)) * float32(f) }
	return glsl.RGB(lane(rg), lane(rg>>32), lane(ba)) | glsl.Store(lane(ba>>32))<<24
}
