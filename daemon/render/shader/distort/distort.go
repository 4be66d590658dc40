// Package distort has the kernels of Olive's "Distort" category (effects notes 4) and of its corner
// pin (8.2), which run on a [shader.Runner]. Most only say where each pixel samples the source.
// Nothing fails: a place that is no number leaves its pixel transparent.
package distort

import (
	"math"

	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/glsl"
)

// Flip mirrors the picture (4.2).
type Flip struct{ Horizontal, Vertical bool }

// Fill implements [shader.Kernel].
func (k *Flip) Fill(r *shader.Runner) {
	r.Each(k)
	r.Same()
}

// Rows implements [shader.Rower].
func (k *Flip) Rows(r *shader.Runner, _ *shader.Work, y0, y1 int) {
	for y := y0; y < y1; y++ {
		from := y
		if k.Vertical {
			from = r.Dst.H - 1 - y
		}
		src, dst := r.Src.Row(from), r.Dst.Row(y)
		copy(dst, src)
		if k.Horizontal {
			for i, p := range src {
				dst[len(dst)-1-i] = p
			}
		}
	}
}

// Bulge pushes the picture away from a point, or draws it there (4.3). X and Y are in half
// pixels from the middle, Amount is in percent.
type Bulge struct {
	Amount, X, Y float32

	ox, oy, power float32
}

// Fill implements [shader.Kernel].
func (k *Bulge) Fill(r *shader.Runner) {
	k.ox, k.oy = k.X/float32(r.Dst.W), k.Y/float32(r.Dst.H)
	k.power = k.Amount / 100
	r.Move(k, true)
}

// Line implements [shader.Warper].
func (k *Bulge) Line(r *shader.Runner, y int, u, v []float32) {
	qy := 2*r.V[y] - 1 - k.oy
	us := r.U[:len(u)]
	v = v[:len(u)]
	for i := k.octets(r.Vectors, qy, u, v, us); i < len(u); i++ {
		qx := 2*us[i] - 1 - k.ox
		d := float32(qx*qx) + float32(qy*qy)
		if d == 0 {
			u[i], v[i] = (glsl.Pow(0, 1+k.power)+k.ox+1)*0.5, (k.oy+1)*0.5
			continue
		}
		g := k.grow(d)
		u[i], v[i] = (float32(g*qx)+k.ox+1)*0.5, (float32(g*qy)+k.oy+1)*0.5
	}
}

// grow is the distance, given its square, to the power of the effect.
func (k *Bulge) grow(d float32) float32 {
	switch k.power {
	case 0:
		return 1
	case 1:
		return glsl.Sqrt(d)
	}
	return float32(glsl.Exp2(float64(0.5 * float64(k.power) * glsl.Log2(float64(d)))))
}

// Fisheye puts the picture on a half sphere (4.4). Size is in percent.
type Fisheye struct{ Size float32 }

// Fill implements [shader.Kernel].
func (k *Fisheye) Fill(r *shader.Runner) { r.Move(k, false) }

// Line implements [shader.Warper].
func (k *Fisheye) Line(r *shader.Runner, y int, u, v []float32) {
	size := k.Size / 100
	m := 2 - size
	qy := 2*r.V[y] - 1
	for i := range u {
		qx := 2*r.U[i] - 1
		d := glsl.Sqrt(float32(qx*qx) + float32(qy*qy))
		switch {
		case !(d < size):
			u[i], v[i] = r.U[i], r.V[y]
		case d == 0:
			u[i], v[i] = 0.5, 0.5
		default:
			g := float32(glsl.Asin(float64(d)*float64(m)) / (math.Pi * float64(d)))
			u[i], v[i] = float32(g*qx)+0.5, float32(g*qy)+0.5
		}
	}
}

// Ripple moves the picture in rings around a point (4.5). Everything but Time, in seconds of the
// clip, is in percent.
type Ripple struct {
	Speed, Intensity, Frequency, X, Y float32
	Reverse, Stretch                  bool
	Time                              float32

	aspect, cx, cy, phase, height float32
}

// Fill implements [shader.Kernel].
func (k *Ripple) Fill(r *shader.Runner) {
	k.aspect, k.cx, k.cy = 1, 1, 1
	if !k.Stretch {
		k.aspect = float32(r.Dst.W) / float32(r.Dst.H)
		k.cx = 1 + k.aspect/2
	}
	k.cx, k.cy = k.cx+k.X/100, k.cy+k.Y/100
	t := k.Time
	if k.Reverse {
		t = -t
	}
	k.phase = t * k.Speed * 0.05
	k.height = k.Intensity * 0.0005
	r.Move(k, false)
}

// Line implements [shader.Warper].
func (k *Ripple) Line(r *shader.Runner, y int, u, v []float32) {
	py := 2*r.V[y] - k.cy
	f := k.Frequency / 100
	us := r.U[:len(u)]
	v = v[:len(u)]
	for i := k.octets(r.Vectors, py, f, u, v, us, r.V[y]); i < len(u); i++ {
		px := 2*float32(us[i]*k.aspect) - k.cx
		l := glsl.Sqrt(float32(px*px) + float32(py*py))
		_, c := glsl.Sincos(f * (float32(12*l) - k.phase))
		g := c * k.height / l
		u[i], v[i] = us[i]+float32(px*g), r.V[y]+float32(py*g)
	}
}

// Sphere rolls the picture on a ball (4.6). X, Y and Scale are in percent.
type Sphere struct {
	X, Y, Scale                float32
	Tile, HideEdges, Stretched bool

	ox, oy, ax, ay, scale float32
}

// Fill implements [shader.Kernel].
func (k *Sphere) Fill(r *shader.Runner) {
	w, h := float32(r.Dst.W), float32(r.Dst.H)
	k.ax, k.ay = 1, 1
	switch {
	case k.Stretched:
	case r.Dst.W > r.Dst.H:
		k.ax = w / h
	default:
		k.ay = h / w
	}
	k.scale = 1.5 - k.Scale/100
	k.ox, k.oy = 0.5-k.X/100, 0.5-k.Y/100
	r.Move(k, k.HideEdges && !k.Tile)
}

// Line implements [shader.Warper].
func (k *Sphere) Line(r *shader.Runner, y int, u, v []float32) {
	b := 2*r.V[y] - 1
	py := float32(2*float32(r.V[y]*k.ay)) - k.ay
	for i := range u {
		px := float32(2*float32(r.U[i]*k.ax)) - k.ax
		d := float32(px*px) + float32(py*py)
		if !(d <= 1) || d == 0 {
			u[i], v[i] = glsl.NaN, glsl.NaN
			continue
		}
		g := k.scale * ((1 - glsl.Sqrt(1-d)) / d)
		u[i], v[i] = float32((2*r.U[i]-1)*g)+k.ox, float32(b*g)+k.oy
		if k.Tile {
			u[i], v[i] = u[i]-glsl.Floor(u[i]), v[i]-glsl.Floor(v[i])
		}
	}
}

// Swirl turns the picture around a point, most at the point itself (4.7). Radius and the
// point, measured from the middle, are in pixels.
type Swirl struct{ Radius, Angle, X, Y float32 }

// Fill implements [shader.Kernel].
func (k *Swirl) Fill(r *shader.Runner) { r.Move(k, false) }

// whirl is what the pixels of a line have in common.
type whirl struct{ cx, cy, qy, qy2, perRadius, perU, perV, vy float32 }

// Line implements [shader.Warper].
func (k *Swirl) Line(r *shader.Runner, y int, u, v []float32) {
	w, h := float32(r.Dst.W), float32(r.Dst.H)
	c := whirl{cx: w/2 + k.X, cy: h/2 + k.Y, perRadius: 1 / k.Radius, perU: 1 / w, perV: 1 / h, vy: r.V[y]}
	c.qy = float32(y) + 0.5 - c.cy
	c.qy2 = float32(c.qy * c.qy)
	us := r.U[:len(u)]
	v = v[:len(u)]
	for i := k.octets(r.Vectors, &c, u, v, us); i < len(u); i++ {
		u[i], v[i] = us[i], c.vy
		qx := float32(i) + 0.5 - c.cx
		d := glsl.Sqrt(float32(qx*qx) + c.qy2)
		if !(d < k.Radius) {
			continue
		}
		s := (k.Radius - d) * c.perRadius
		sin, cos := glsl.Sincos(-0.4 * k.Angle * s * s)
		u[i] = (float32(qx*cos) - float32(c.qy*sin) + c.cx) * c.perU
		v[i] = (float32(qx*sin) + float32(c.qy*cos) + c.cy) * c.perV
	}
}

// Tile repeats the picture (4.8). Scale and the point that stays are in percent.
type Tile struct {
	Scale, X, Y      float32
	MirrorX, MirrorY bool

	axes shader.Axes
}

// Fill implements [shader.Kernel].
func (k *Tile) Fill(r *shader.Runner) {
	k.axes.Reset(r)
	k.wrap(k.axes.U, k.X/100, k.MirrorX)
	k.wrap(k.axes.V, k.Y/100, k.MirrorY)
	r.Move(&k.axes, false)
}

func (k *Tile) wrap(axis []float32, centre float32, mirror bool) {
	scale := k.Scale / 100
	for i, a := range axis {
		x := (a-0.5)/scale + 0.5 - centre
		axis[i] = x - glsl.Floor(x)
		if mirror && glsl.Mod(x, 2) > 1 {
			axis[i] = 1 - axis[i]
		}
	}
}

// Wave bends the picture (4.9). Frequency is in radians over the picture, the others are in
// percent.
type Wave struct {
	Frequency, Intensity, Evolution float32
	Vertical                        bool

	shift []float32 // of each column, or line
}

// Fill implements [shader.Kernel].
func (k *Wave) Fill(r *shader.Runner) {
	along := r.U
	if k.Vertical {
		along = r.V
	}
	k.shift = shader.Grow(k.shift, len(along))
	for i, a := range along {
		s, _ := glsl.Sincos((a - k.Evolution/100) * k.Frequency)
		k.shift[i] = s * (k.Intensity / 100)
	}
	r.Move(k, true)
}

// Line implements [shader.Warper].
func (k *Wave) Line(r *shader.Runner, y int, u, v []float32) {
	for i := range u {
		if k.Vertical {
			u[i], v[i] = r.U[i]-k.shift[y], r.V[y]
		} else {
			u[i], v[i] = r.U[i], r.V[y]-k.shift[i]
		}
	}
}
