package shader

import "olive-distributed/daemon/render/raster"

// DirectionalBlur is the mean of Length samples along a line through the pixel (3.3). Angle is in
// degrees, clockwise. Olive rounds the length up.
type DirectionalBlur struct{ Length, Angle float32 }

func (k *DirectionalBlur) run(r *Runner) {
	if !(k.Length > 0) || r.void {
		r.copy()
		return
	}
	r.each(k)
}

// angle returns cosine and sine of an angle in degrees.
func angle(degrees float32) (cos, sin float32) {
	s, c := sincos64(float64(degrees) * (pi / 180))
	return float32(c), float32(s)
}

const pi = 3.14159265358979323846

// steps returns the samples [first, end) of n that are at most reach from the pixel. Sample i is
// at 2i - n + 1/2.
func steps(n, reach int) (first, end int) {
	return max(0, (n-reach)/2), min(n, (n+reach)/2+1)
}

// reach is beyond every sample that meets a picture.
func reach(m *raster.Texture) int { return m.W + m.H + 4 }

func (k *DirectionalBlur) rows(r *Runner, w *work, y0, y1 int) {
	n := ceil(k.Length, far)
	cos, sin := angle(k.Angle)
	div := divideBy(uint64(n) << 8)
	for c := range w.lanes {
		w.lanes[c] = grow(w.lanes[c], r.dst.W)
	}
	first, end := steps(n, reach(r.src))
	for y := y0; y < y1; y++ {
		clear(w.lanes[0])
		clear(w.lanes[1])
		for i := first; i < end; i++ {
			d := float32(2*i-n) + 0.5
			t := tapAt(d*cos, d*sin, r.src.W, r.src.H)
			t.add(w.lanes[0], w.lanes[1], r.src, y)
		}
		for i := range r.dst.W {
			r.dst.Row(y)[i] = div.pixel(w.lanes[0][i], w.lanes[1][i])
		}
	}
}

// add adds the samples of line y, scaled by 256.
func (t *tap) add(rg, ba []uint64, src *raster.Texture, y int) {
	var upper, lower []uint32
	if y+t.y >= 0 && y+t.y < src.H {
		upper = src.Row(y + t.y)
	}
	if y+t.y+1 >= 0 && y+t.y+1 < src.H {
		lower = src.Row(y + t.y + 1)
	}
	if upper == nil && lower == nil {
		return
	}
	fx, fy := uint64(t.fx), uint64(t.fy)
	left := t.column(upper, lower, max(0, -t.x-1)+t.x, fy)
	for i := max(0, -t.x-1); i < min(len(rg), src.W-t.x); i++ {
		right := t.column(upper, lower, i+t.x+1, fy)
		rg[i] += (left[0]*(256-fx) + right[0]*fx + 1<<7 + 1<<39) >> 8 & lowLanes
		ba[i] += (left[1]*(256-fx) + right[1]*fx + 1<<7 + 1<<39) >> 8 & lowLanes
		left = right
	}
}

// column is a texel between two lines, scaled by 256.
func (t *tap) column(upper, lower []uint32, x int, fy uint64) (v [2]uint64) {
	if uint(x) < uint(len(upper)) {
		v[0], v[1] = redGreen(upper[x])*(256-fy), blueAlpha(upper[x])*(256-fy)
	}
	if uint(x) < uint(len(lower)) {
		v[0], v[1] = v[0]+redGreen(lower[x])*fy, v[1]+blueAlpha(lower[x])*fy
	}
	return v
}

// RadialBlur is the mean of samples along the line through the pixel and a centre, the more the
// farther it is away (3.4). The centre is in pixels from the middle.
type RadialBlur struct{ Radius, X, Y float32 }

func (k *RadialBlur) run(r *Runner) {
	if !(k.Radius > 0) {
		r.copy()
		return
	}
	r.sample(true)
	r.each(k)
}

// A spoke is the line of samples of one pixel.
type spoke struct {
	x, y, cos, sin float32
	n              int
}

func (k *RadialBlur) spoke(r *Runner, x, y int) (s spoke) {
	w, h := float32(r.dst.W), float32(r.dst.H)
	s.x, s.y = float32(x)+0.5, float32(y)+0.5
	dx, dy := s.x-w/2-k.X, s.y-h/2-k.Y
	u, v := dx/w, dy/h
	s.n = ceil(k.Radius*sqrt(float32(u*u)+float32(v*v)), far)
	l := sqrt(float32(dx*dx) + float32(dy*dy))
	s.cos, s.sin = abs(dx)/l, dy/l
	if dx < 0 {
		s.sin = -s.sin
	}
	return s
}

// at returns the coordinates of sample i, or of the end of a spoke that has fewer.
func (s *spoke) at(i int, w, h float32) (u, v float32) {
	d := float32(2*min(i, s.n)-s.n) + 0.5
	return (s.x + float32(d*s.cos)) / w, (s.y + float32(d*s.sin)) / h
}

func (k *RadialBlur) rows(r *Runner, _ *work, y0, y1 int) {
	for y := y0; y < y1; y += 2 {
		for x := 0; x < r.dst.W; x += 2 {
			block := [4]spoke{k.spoke(r, x, y), k.spoke(r, x+1, y), k.spoke(r, x, y+1), k.spoke(r, x+1, y+1)}
			for i := range block {
				if x, y := x+i&1, y+i>>1; x < r.dst.W && y < y1 {
					r.dst.Row(y)[x] = k.mean(r, &block, &block[i])
				}
			}
		}
	}
}

// mean takes the samples of spoke s of a block, whose steps decide together on the detail.
func (k *RadialBlur) mean(r *Runner, block *[4]spoke, s *spoke) uint32 {
	if s.n == 0 {
		return 0
	}
	if r.void {
		return black
	}
	w, h := float32(r.dst.W), float32(r.dst.H)
	var rg, ba uint64
	first, end := steps(s.n, reach(r.src))
	for i := first; i < end; i++ {
		u0, v0 := block[0].at(i, w, h)
		u1, v1 := block[1].at(i, w, h)
		u2, v2 := block[2].at(i, w, h)
		u, v := s.at(i, w, h)
		a, b := r.sampler.At(u, v, r.sampler.Detail(u1-u0, v1-v0, u2-u0, v2-v0))
		rg += (a + 1<<7 + 1<<39) >> 8 & lowLanes
		ba += (b + 1<<7 + 1<<39) >> 8 & lowLanes
	}
	div := divideBy(uint64(s.n) << 8)
	return div.pixel(rg, ba)
}
