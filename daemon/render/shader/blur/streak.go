package blur

import (
	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/glsl"
	"olive-distributed/daemon/render/trig"
)

// Directional is the mean of Length samples along a line through the pixel (3.3). Angle is in
// degrees, clockwise. Olive rounds the length up.
type Directional struct{ Length, Angle float32 }

// Fill implements [shader.Kernel].
func (k *Directional) Fill(r *shader.Runner) {
	if !(k.Length > 0) || r.Void {
		r.Copy()
		return
	}
	r.Each(k)
}

// angle returns cosine and sine of an angle in degrees.
func angle(degrees float32) (cos, sin float32) {
	s, c := trig.Sincos(float64(degrees) * (pi / 180))
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

// Rows implements [shader.Rower].
func (k *Directional) Rows(r *shader.Runner, w *shader.Work, y0, y1 int) {
	n := glsl.Ceil(k.Length, shader.Far)
	cos, sin := angle(k.Angle)
	div := divideBy(uint64(n) << 8)
	for c := range w.Lanes {
		w.Lanes[c] = shader.Grow(w.Lanes[c], r.Dst.W)
	}
	first, end := steps(n, reach(r.Src))
	for y := y0; y < y1; y++ {
		clear(w.Lanes[0])
		clear(w.Lanes[1])
		for i := first; i < end; i++ {
			d := float32(2*i-n) + 0.5
			t := shader.TapAt(d*cos, d*sin, r.Src.W, r.Src.H)
			add(r, &t, w.Lanes[0], w.Lanes[1], y)
		}
		for i := range r.Dst.W {
			r.Dst.Row(y)[i] = div.pixel(w.Lanes[0][i], w.Lanes[1][i])
		}
	}
}

// A streak is one sample of each pixel of a line, scaled by 256.
type streak struct {
	vectors bool
	x       int       // from the pixel to the left texel
	fx      uint64    // share of the right one, in 1/256
	fy      [2]uint64 // shares of the two lines
}

// add adds the samples at t of line y.
func add(r *shader.Runner, t *shader.Tap, rg, ba []uint64, y int) {
	src := r.Src
	above, below := y+t.Y >= 0 && y+t.Y < src.H, y+t.Y+1 >= 0 && y+t.Y+1 < src.H
	if !above && !below {
		return
	}
	// A line outside has no weight, and the other one stands in for it.
	s := streak{vectors: r.Vectors, x: t.X, fx: uint64(t.FX), fy: [2]uint64{256 - uint64(t.FY), uint64(t.FY)}}
	var upper, lower []uint32
	if above {
		upper = src.Row(y + t.Y)
		lower = upper
	} else {
		s.fy[0] = 0
	}
	if below {
		lower = src.Row(y + t.Y + 1)
	} else {
		s.fy[1] = 0
	}
	if !above {
		upper = lower
	}
	s.samples(rg, ba, upper, lower)
}

// samples adds the samples between two lines to those pixels that have one.
func (s *streak) samples(rg, ba []uint64, upper, lower []uint32) {
	i, end := max(0, -s.x-1), min(len(rg), len(upper)-s.x)
	if i < end && i+s.x < 0 { // its left texel is outside
		s.plain(rg[i:i+1], ba[i:i+1], upper, lower, i+s.x)
		i++
	}
	if i < end {
		i += s.octets(rg[i:end], ba[i:end], upper[i+s.x:], lower[i+s.x:])
		s.plain(rg[i:end], ba[i:end], upper, lower, i+s.x)
	}
}

// plain adds samples one by one; x is the left texel of the first.
func (s *streak) plain(rg, ba []uint64, upper, lower []uint32, x int) {
	const half = 1<<7 | 1<<39
	fx, fy := s.fx, s.fy
	column := func(x int) (rg, ba uint64) {
		a, b := raster.Spread(upper[x]), raster.Spread(lower[x])
		return a&lowLanes*fy[0] + b&lowLanes*fy[1], a>>16&lowLanes*fy[0] + b>>16&lowLanes*fy[1]
	}
	var left [2]uint64
	if x >= 0 && x < len(upper) {
		left[0], left[1] = column(x)
	}
	for i := range rg {
		var right [2]uint64
		if x++; x < len(upper) {
			right[0], right[1] = column(x)
		}
		rg[i] += (left[0]*(256-fx) + right[0]*fx + half) >> 8 & lowLanes
		ba[i] += (left[1]*(256-fx) + right[1]*fx + half) >> 8 & lowLanes
		left = right
	}
}

// Radial is the mean of samples along the line through the pixel and a centre, the more the
// farther it is away (3.4). The centre is in pixels from the middle.
type Radial struct{ Radius, X, Y float32 }

// Fill implements [shader.Kernel].
func (k *Radial) Fill(r *shader.Runner) {
	if !(k.Radius > 0) {
		r.Copy()
		return
	}
	r.Sample(true)
	r.Each(k)
}

// A spoke is the line of samples of one pixel: sample i is at (u + i du, v + i dv).
type spoke struct {
	n            int
	u, v, du, dv float32
}

func (k *Radial) spoke(r *shader.Runner, x, y int) (s spoke) {
	w, h := float32(r.Dst.W), float32(r.Dst.H)
	px, py := float32(x)+0.5, float32(y)+0.5
	dx, dy := px-w/2-k.X, py-h/2-k.Y
	u, v := dx/w, dy/h
	s.n = glsl.Ceil(k.Radius*glsl.Sqrt(float32(u*u)+float32(v*v)), shader.Far)
	l := glsl.Sqrt(float32(dx*dx) + float32(dy*dy))
	cos, sin := glsl.Abs(dx)/l, dy/l
	if dx < 0 {
		sin = -sin
	}
	d := 0.5 - float32(s.n)
	s.u, s.v = (px+float32(d*cos))/w, (py+float32(d*sin))/h
	s.du, s.dv = 2*cos/w, 2*sin/h
	return s
}

// to is the way from the samples of one spoke to those of another.
func (s *spoke) to(e *spoke) spoke {
	return spoke{u: e.u - s.u, v: e.v - s.v, du: e.du - s.du, dv: e.dv - s.dv}
}

// at returns sample i.
func (s *spoke) at(i int) (u, v float32) {
	f := float32(i)
	return s.u + float32(f*s.du), s.v + float32(f*s.dv)
}

// Rows implements [shader.Rower]. The samples of two lines are taken in any order.
func (k *Radial) Rows(r *shader.Runner, w *shader.Work, y0, y1 int) {
	width := r.Dst.W
	for c := range w.Lanes {
		w.Lanes[c] = shader.Grow(w.Lanes[c], 2*width)
	}
	w.Counts = shader.Grow(w.Counts, 2*width)
	for y := y0; y < y1; y += 2 {
		clear(w.Lanes[0])
		clear(w.Lanes[1])
		for x := 0; x < width; x += 2 {
			block := [4]spoke{k.spoke(r, x, y), k.spoke(r, x+1, y), k.spoke(r, x, y+1), k.spoke(r, x+1, y+1)}
			right, down := block[0].to(&block[1]), block[0].to(&block[2])
			for i := range block {
				if column, line := x+i&1, i>>1; column < width && y+line < y1 {
					w.Counts[line*width+column] = block[i].n
					block[i].take(r, w, &right, &down, line*width+column)
				}
			}
		}
		for _, p := range []*raster.Scattered{&w.Sharp, &w.Shrunk} {
			r.Sampler.Sum(p, w.Lanes[0], w.Lanes[1])
		}
		for line := range min(2, y1-y) {
			k.means(r, w, r.Dst.Row(y+line), line*width)
		}
	}
}

// take has the samples of a spoke wait for their sum; the ways to its neighbours decide on the detail of
// each.
func (s *spoke) take(r *shader.Runner, w *shader.Work, right, down *spoke, sum int) {
	if r.Void {
		return
	}
	first, end := steps(s.n, reach(r.Src))
	for i := first; i < end; i++ {
		ux, vx := right.at(i)
		uy, vy := down.at(i)
		u, v := s.at(i)
		d := r.Sampler.Detail(ux, vx, uy, vy)
		waiting := &w.Sharp
		if d != 0 {
			waiting = &w.Shrunk
		}
		if waiting.Add(u, v, d, sum) {
			r.Sampler.Sum(waiting, w.Lanes[0], w.Lanes[1])
		}
	}
}

// means makes the pixels of a line of its sums, the first of which is given.
func (k *Radial) means(r *shader.Runner, w *shader.Work, dst []uint32, first int) {
	for i := range dst {
		switch n := w.Counts[first+i]; {
		case n == 0:
			dst[i] = 0
		case r.Void:
			dst[i] = shader.Black
		default:
			div := divideBy(uint64(n) << 8)
			dst[i] = div.pixel(w.Lanes[0][first+i], w.Lanes[1][first+i])
		}
	}
}
