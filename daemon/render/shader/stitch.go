package shader

import "olive-distributed/daemon/render/raster"

// CrossStitch makes a cloth of the picture (7.2). Size is that of a stitch in pixels.
type CrossStitch struct {
	Size   float32
	Invert bool

	cells axes
	left  []int // of each column's stitch
	rest  []int // place of pixel i, column or line, in its stitch
}

func (k *CrossStitch) run(r *Runner) {
	r.sample(true)
	k.cells.set(r)
	k.left = grow(k.left, len(k.cells.u))
	for i := range k.cells.u {
		k.cells.u[i], k.left[i] = k.start(i)/float32(r.dst.W), whole(k.start(i), -far, far)
	}
	for i := range k.cells.v {
		k.cells.v[i] = k.start(i) / float32(r.dst.H)
	}
	k.rest = grow(k.rest, max(r.dst.W, r.dst.H)+2)
	for i := range k.rest {
		k.rest[i] = whole(mod(float32(i)+0.5, k.Size), -far, far)
	}
	r.each(k)
}

// far is beyond every picture, and in reach of sums of two.
const far = 1 << 30

// start is where the stitch of pixel i begins, on either axis.
func (k *CrossStitch) start(i int) float32 { return floor((float32(i)+0.5)/k.Size) * k.Size }

func (k *CrossStitch) rows(r *Runner, w *work, y0, y1 int) {
	w.points.Resize(r.dst.W)
	for y := y0; y < y1; y += 2 {
		for j := range 2 {
			k.line(r, y+j, w.points.U[j], w.points.V[j])
		}
		details := r.sampler.Details(&w.points)
		for j := range min(2, y1-y) {
			k.stitch(r, y+j, w.points.U[j], w.points.V[j], details)
		}
	}
}

// line sets the sample points: a pixel that begins a stitch on both axes samples itself.
func (k *CrossStitch) line(r *Runner, y int, u, v []float32) {
	k.cells.line(r, y, u, v)
	if k.rest[y] != 0 {
		return
	}
	for i := range u {
		if k.rest[i] == 0 {
			u[i], v[i] = r.us[i], r.vs[y]
		}
	}
}

func (k *CrossStitch) stitch(r *Runner, y int, u, v []float32, details []raster.Detail) {
	bottom := whole(float32(k.start(y))+k.Size-1, -far, far)
	dst := r.dst.Row(y)
	for i := range dst {
		thread := k.rest[i] == k.rest[y] || i-k.left[i] == bottom-y
		switch {
		case thread == k.Invert:
			dst[i] = brighter(r.sampler.At(u[i], v[i], details[i>>1]))
		case k.Invert:
			dst[i] = black
		default:
			dst[i] = rgb(0.2, 0.15, 0.05) | black
		}
	}
}

// brighter is 1.4 of a sample, in all channels.
func brighter(rg, ba uint64) uint32 {
	const f = 1.4 / (255 * 65536)
	lane := func(v uint64) float32 { return float32(uint32(v)) * float32(f) }
	return rgb(lane(rg), lane(rg>>32), lane(ba)) | store(lane(ba>>32))<<24
}
