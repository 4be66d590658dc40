package shader

// A warper says where the pixels of a line sample the source. u and v have an even length and go
// on to the right of the picture where its width is odd; y may be one line below it. No number
// leaves the pixel transparent.
type warper interface {
	line(r *Runner, y int, u, v []float32)
}

// warp runs a warper over the picture: pairs of lines, because blocks of 2x2 pixels share a level
// of detail.
type warp struct {
	warper
	cut bool // points outside the source leave the pixel transparent
}

// move fills the result with samples of the source where k says. Where cut, nothing of the edges'
// half texel is shown.
func (r *Runner) move(k warper, cut bool) {
	r.sample(true)
	r.warp = warp{k, cut}
	r.each(&r.warp)
	r.warp = warp{}
}

func (p *warp) rows(r *Runner, w *work, y0, y1 int) {
	w.points.Resize(r.dst.W)
	pt := &w.points
	for y := y0; y < y1; y += 2 {
		p.line(r, y, pt.U[0], pt.V[0])
		p.line(r, y+1, pt.U[1], pt.V[1])
		upper, lower := r.dst.Row(y), []uint32(nil)
		if y+1 < y1 {
			lower = r.dst.Row(y + 1)
		}
		r.sampler.Warp(upper, lower, pt)
		p.discard(r, upper, pt.U[0], pt.V[0])
		p.discard(r, lower, pt.U[1], pt.V[1])
	}
}

// discard makes the pixels transparent that the effect does not draw.
func (p *warp) discard(r *Runner, line []uint32, u, v []float32) {
	switch {
	case p.cut:
		for i := range line {
			if !(u[i] >= 0 && u[i] <= 1 && v[i] >= 0 && v[i] <= 1) {
				line[i] = 0
			}
		}
	case r.void: // else no number is outside, and transparent anyway
		for i := range line {
			if isNaN(u[i]) || isNaN(v[i]) {
				line[i] = 0
			}
		}
	}
}
