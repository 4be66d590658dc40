package shader

import "olive-distributed/daemon/render/shader/glsl"

// A Warper says where the pixels of a line sample the source. u and v have an even length and go
// on to the right of the picture where its width is odd; y may be one line below it. No number
// leaves the pixel transparent.
type Warper interface {
	Line(r *Runner, y int, u, v []float32)
}

// warp runs a warper over the picture: pairs of lines, because blocks of 2x2 pixels share a level
// of detail.
type warp struct {
	Warper
	cut bool // points outside the source leave the pixel transparent
}

// Move fills the result with samples of the source where k says. Where cut, nothing of the edges'
// half texel is shown.
func (r *Runner) Move(k Warper, cut bool) {
	r.Sample(true)
	r.warp = warp{k, cut}
	r.Each(&r.warp)
	r.warp = warp{}
}

// Rows implements [Rower].
func (p *warp) Rows(r *Runner, w *Work, y0, y1 int) {
	w.Points.Resize(r.Dst.W)
	pt := &w.Points
	for y := y0; y < y1; y += 2 {
		p.Line(r, y, pt.U[0], pt.V[0])
		p.Line(r, y+1, pt.U[1], pt.V[1])
		upper, lower := r.Dst.Row(y), []uint32(nil)
		if y+1 < y1 {
			lower = r.Dst.Row(y + 1)
		}
		r.Sampler.Warp(upper, lower, pt)
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
	case r.Void: // else no number is outside, and transparent anyway
		for i := range line {
			if glsl.IsNaN(u[i]) || glsl.IsNaN(v[i]) {
				line[i] = 0
			}
		}
	}
}

// Axes is a warper whose u depends on the column and whose v depends on the line.
type Axes struct{ U, V []float32 }

// Reset begins with the pixels' own centres.
func (k *Axes) Reset(r *Runner) {
	k.U, k.V = append(k.U[:0], r.U...), append(k.V[:0], r.V...)
}

// Line implements [Warper].
func (k *Axes) Line(_ *Runner, y int, u, v []float32) {
	copy(u, k.U)
	for i := range v {
		v[i] = k.V[y]
	}
}
