package shader_test

import (
	"math"

	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader"
)

// A color is R, G, B, A from 0 to 1.
type color [4]float64

// A texture is the sampler of the effects notes (1.3) word for word, in double precision.
type texture struct {
	w, h   float64
	levels []*raster.Image
}

func newTexture(src *raster.Texture) *texture {
	t := &texture{w: float64(src.W), h: float64(src.H), levels: []*raster.Image{&src.Image}}
	for {
		last := t.levels[len(t.levels)-1]
		if last.W == 1 && last.H == 1 {
			return t
		}
		t.levels = append(t.levels, half(last))
	}
}

// half is the next mip.
func half(m *raster.Image) *raster.Image {
	out := raster.NewImage(max(1, m.W/2), max(1, m.H/2))
	axis := func(i, small, large int) (a, b int, f float64) {
		s := (float64(i)+.5)*float64(large)/float64(small) - .5
		n := math.Floor(s)
		edge := func(k float64) int { return int(min(max(k, 0), float64(large-1))) }
		return edge(n), edge(n + 1), s - n
	}
	for y := range out.H {
		y0, y1, fy := axis(y, out.H, m.H)
		for x := range out.W {
			x0, x1, fx := axis(x, out.W, m.W)
			a, b, c, d := unpack(m.Row(y0)[x0]), unpack(m.Row(y0)[x1]), unpack(m.Row(y1)[x0]), unpack(m.Row(y1)[x1])
			out.Row(y)[x] = pack(lerp(lerp(a, b, fx), lerp(c, d, fx), fy))
		}
	}
	return out
}

func unpack(p uint32) color {
	return color{float64(p&255) / 255, float64(p>>8&255) / 255, float64(p>>16&255) / 255, float64(p>>24) / 255}
}

func pack(c color) uint32 {
	var p uint32
	for i, v := range c {
		if v > 0 { // no number is 0
			p |= uint32(min(math.Floor(255*v+.5), 255)) << (8 * i)
		}
	}
	return p
}

func lerp(a, b color, f float64) color {
	for i := range a {
		a[i] += (b[i] - a[i]) * f
	}
	return a
}

// level samples one mip bilinearly.
func (t *texture) level(n int, u, v float64) color {
	m := t.levels[min(n, len(t.levels)-1)]
	texel := func(x, y float64) color {
		if x < 0 || y < 0 || x >= float64(m.W) || y >= float64(m.H) {
			return color{}
		}
		return unpack(m.Row(int(y))[int(x)])
	}
	s := math.Floor((u*float64(m.W)-.5)*256+.5) / 256
	r := math.Floor((v*float64(m.H)-.5)*256+.5) / 256
	x, y := math.Floor(s), math.Floor(r)
	if s != s || r != r {
		return color{}
	}
	return lerp(lerp(texel(x, y), texel(x+1, y), s-x), lerp(texel(x, y+1), texel(x+1, y+1), s-x), r-y)
}

// at samples at (u, v) with the level of detail lambda.
func (t *texture) at(u, v, lambda float64) color {
	if !(lambda > 0) {
		return t.level(0, u, v)
	}
	n := math.Floor(lambda)
	return lerp(t.level(int(n), u, v), t.level(int(n)+1, u, v), lambda-n)
}

// A place says where a pixel samples.
type place func(x, y float64) (u, v float64)

// lambda is the level of detail of the block of pixel (x, y).
func (t *texture) lambda(x, y int, p place) float64 {
	at := func(dx, dy int) (float64, float64) {
		u, v := p(float64(x&^1+dx)+.5, float64(y&^1+dy)+.5)
		return u * t.w, v * t.h
	}
	u0, v0 := at(0, 0)
	u1, v1 := at(1, 0)
	u2, v2 := at(0, 1)
	across, down := math.Pow(u1-u0, 2)+math.Pow(v1-v0, 2), math.Pow(u2-u0, 2)+math.Pow(v2-v0, 2)
	rho := down
	if across > down {
		rho = across
	}
	if rho != rho {
		return 64
	}
	m, e := math.Frexp(rho)
	return min(.5*(float64(e-1)+2*m-1), 64)
}

// warped is T where p says.
func (t *texture) warped(x, y int, p place) color {
	u, v := p(float64(x)+.5, float64(y)+.5)
	return t.at(u, v, t.lambda(x, y, p))
}

// own is the pixel itself.
func (t *texture) own(x, y int) color { return unpack(t.levels[0].Row(y)[x]) }

func clamp(x float64) float64 { return min(max(x, 0), 1) }

func mod(x, y float64) float64 { return x - y*math.Floor(x/y) }

func mul(c color, f float64) color { return color{c[0] * f, c[1] * f, c[2] * f, c[3] * f} }

// reference computes pixel (x, y) of k's effect as the notes say; exact says that every pixel must
// agree to one level.
func reference(kernel shader.Kernel, t *texture, x, y int) color {
	if c, ok := blurReference(kernel, t, x, y); ok {
		return c
	}
	if p := placeReference(kernel, t); p != nil {
		if cut(kernel) {
			if u, v := p(float64(x)+.5, float64(y)+.5); !(u >= 0 && v >= 0 && u <= 1 && v <= 1) {
				return color{}
			}
		}
		return t.warped(x, y, p)
	}
	if c, ok := stylizeReference(kernel, t, x, y); ok {
		return c
	}
	return colorReference(kernel, t, x, y)
}

func cut(kernel shader.Kernel) bool {
	switch k := kernel.(type) {
	case *shader.Bulge, *shader.Wave:
		return true
	case *shader.Sphere:
		return !k.Tile && k.HideEdges
	}
	return false
}

// mean samples at offsets -n+1/2, -n+5/2, ... along (dx, dy) and weighs them.
func (t *texture) mean(x, y int, n int, dx, dy float64, weight func(d float64) float64) color {
	var sum color
	total := 0.
	for i := range n {
		d := float64(2*i-n) + .5
		total += weight(d)
		sum = add(sum, mul(t.at((float64(x)+.5+d*dx)/t.w, (float64(y)+.5+d*dy)/t.h, 0), weight(d)))
	}
	return mul(sum, 1/total)
}

func add(a, b color) color { return color{a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]} }

func even(float64) float64 { return 1 }

// pass applies f to every pixel and stores the result in 8 bits.
func (t *texture) pass(f func(x, y int) color) *texture {
	out := &raster.Texture{Image: *raster.NewImage(int(t.w), int(t.h))}
	for y := range out.H {
		for x := range out.W {
			out.Row(y)[x] = pack(f(x, y))
		}
	}
	return newTexture(out)
}

func blurReference(kernel shader.Kernel, t *texture, x, y int) (color, bool) {
	two := func(n int, weight func(float64) float64, h, v bool) color {
		if n == 0 {
			return t.own(x, y)
		}
		if h && v {
			// Only the column of the pixel is needed of the first pass.
			column := &texture{w: t.w, h: t.h, levels: []*raster.Image{raster.NewImage(int(t.w), int(t.h))}}
			for j := range int(t.h) {
				column.levels[0].Row(j)[x] = pack(t.mean(x, j, n, 1, 0, weight))
			}
			return column.mean(x, y, n, 0, 1, weight)
		}
		if h {
			return t.mean(x, y, n, 1, 0, weight)
		}
		return t.mean(x, y, n, 0, 1, weight)
	}
	switch k := kernel.(type) {
	case *shader.BoxBlur:
		return two(int(math.Ceil(float64(k.Radius))), even, k.Horizontal, k.Vertical), true
	case *shader.GaussianBlur:
		s := float64(k.Sigma)
		return two(int(math.Ceil(3*s)), func(d float64) float64 { return math.Exp(-d * d / (2 * s * s)) }, k.Horizontal, k.Vertical), true
	case *shader.DirectionalBlur:
		sin, cos := math.Sincos(float64(k.Angle) * math.Pi / 180)
		return t.mean(x, y, int(math.Ceil(float64(k.Length))), cos, sin, even), true
	case *shader.RadialBlur:
		return radialReference(k, t, x, y), true
	}
	return color{}, false
}

func radialReference(k *shader.RadialBlur, t *texture, x, y int) color {
	spoke := func(x, y float64) (n int, sin, cos float64) {
		dx, dy := x-t.w/2-float64(k.X), y-t.h/2-float64(k.Y)
		sin, cos = math.Sincos(math.Atan(dy / dx))
		return int(math.Ceil(float64(k.Radius) * math.Hypot(dx/t.w, dy/t.h))), sin, cos
	}
	n, _, _ := spoke(float64(x)+.5, float64(y)+.5)
	var sum color
	for i := range n {
		step := func(x, y float64) (u, v float64) {
			n, sin, cos := spoke(x, y)
			d := float64(2*min(i, n)-n) + .5
			return (x + d*cos) / t.w, (y + d*sin) / t.h
		}
		sum = add(sum, t.warped(x, y, step))
	}
	return mul(sum, 1/float64(max(n, 1)))
}

// placeReference returns where a warp samples, or nil for another effect.
func placeReference(kernel shader.Kernel, t *texture) place {
	w, h := t.w, t.h
	switch k := kernel.(type) {
	case *shader.Flip:
		return func(x, y float64) (float64, float64) {
			u, v := x/w, y/h
			if k.Horizontal {
				u = 1 - u
			}
			if k.Vertical {
				v = 1 - v
			}
			return u, v
		}
	case *shader.Bulge:
		ox, oy := float64(k.X)/w, float64(k.Y)/h
		return func(x, y float64) (float64, float64) {
			qx, qy := 2*x/w-1-ox, 2*y/h-1-oy
			sin, cos := math.Sincos(math.Atan2(qy, qx))
			r := math.Pow(math.Hypot(qx, qy), 1+float64(k.Amount)/100)
			return (r*cos + ox + 1) / 2, (r*sin + oy + 1) / 2
		}
	case *shader.Fisheye:
		return func(x, y float64) (float64, float64) {
			m := 2 - float64(k.Size)/100
			qx, qy := 2*x/w-1, 2*y/h-1
			d := math.Hypot(qx, qy)
			if d >= 2-m {
				return x / w, y / h
			}
			d *= m
			r := math.Atan2(d, math.Sqrt(max(1-d*d, 0))) / math.Pi
			sin, cos := math.Sincos(math.Atan2(qy, qx))
			return r*cos + .5, r*sin + .5
		}
	case *shader.Ripple:
		return rippleReference(k, t)
	case *shader.Sphere:
		return sphereReference(k, t)
	case *shader.Swirl:
		cx, cy := w/2+float64(k.X), h/2+float64(k.Y)
		return func(x, y float64) (float64, float64) {
			qx, qy := x-cx, y-cy
			if d, r := math.Hypot(qx, qy), float64(k.Radius); d < r {
				s := (r - d) / r
				sin, cos := math.Sincos(-.4 * float64(k.Angle) * s * s)
				qx, qy = qx*cos-qy*sin, qx*sin+qy*cos
			}
			return (qx + cx) / w, (qy + cy) / h
		}
	case *shader.Tile:
		tile := func(a, centre float64, mirror bool) float64 {
			a = (a-.5)/(float64(k.Scale)/100) + .5 - centre/100
			if mirror && mod(a, 2) > 1 {
				return 1 - mod(a, 1)
			}
			return mod(a, 1)
		}
		return func(x, y float64) (float64, float64) {
			return tile(x/w, float64(k.X), k.MirrorX), tile(y/h, float64(k.Y), k.MirrorY)
		}
	case *shader.Wave:
		bend := func(a float64) float64 {
			return math.Sin((a-float64(k.Evolution)/100)*float64(k.Frequency)) * float64(k.Intensity) / 100
		}
		return func(x, y float64) (float64, float64) {
			if k.Vertical {
				return x/w - bend(y/h), y / h
			}
			return x / w, y/h - bend(x/w)
		}
	case *shader.Pixelate:
		return func(x, y float64) (float64, float64) {
			if k.Bypass {
				return x / w, y / h
			}
			return x/w - mod(x/w, 1/float64(k.X)), y/h - mod(y/h, 1/float64(k.Y))
		}
	case *shader.CornerPin:
		return pinReference(k, t)
	}
	return nil
}

func rippleReference(k *shader.Ripple, t *texture) place {
	aspect, cx := 1., 1.
	if !k.Stretch {
		aspect = t.w / t.h
		cx = 1 + aspect/2
	}
	cx, cy := cx+float64(k.X)/100, 1+float64(k.Y)/100
	tau := float64(k.Time)
	if k.Reverse {
		tau = -tau
	}
	return func(x, y float64) (float64, float64) {
		px, py := 2*x/t.w*aspect-cx, 2*y/t.h-cy
		l := math.Hypot(px, py)
		g := math.Cos(float64(k.Frequency)/100*(12*l-tau*float64(k.Speed)*.05)) * float64(k.Intensity) * .0005
		return x/t.w + px/l*g, y/t.h + py/l*g
	}
}

func sphereReference(k *shader.Sphere, t *texture) place {
	ax, ay := 1., 1.
	if !k.Stretched {
		if t.w > t.h {
			ax = t.w / t.h
		} else {
			ay = t.h / t.w
		}
	}
	return func(x, y float64) (float64, float64) {
		px, py := 2*x/t.w*ax-ax, 2*y/t.h*ay-ay
		r := px*px + py*py
		f := (1 - math.Sqrt(1-r)) / r // no number outside
		f *= 1.5 - float64(k.Scale)/100
		u, v := (2*x/t.w-1)*f+.5-float64(k.X)/100, (2*y/t.h-1)*f+.5-float64(k.Y)/100
		if k.Tile {
			u, v = mod(u, 1), mod(v, 1)
		}
		return u, v
	}
}

// pinReference uses complex numbers for the plane.
func pinReference(k *shader.CornerPin, t *texture) place {
	point := func(p [2]float64) complex128 { return complex(p[0], p[1]) }
	cross := func(a, b complex128) float64 { return real(a)*imag(b) - imag(a)*real(b) }
	abs := func(a complex128) float64 { return math.Hypot(real(a), imag(a)) }
	p0, p1, p2, p3 := point(k.BottomLeft), point(k.BottomRight), point(k.TopLeft), point(k.TopRight)
	share := func(a, b float64) (tl, tr, br, bl float64) {
		if a >= b {
			return 1 - a, a - b, b, 0
		}
		return 1 - b, 0, a, b - a
	}
	if k.Perspective {
		at := p0 + complex(cross(p1-p0, p2-p1)/cross(p3-p0, p2-p1), 0)*(p3-p0)
		d0, d1, d2, d3 := abs(at-p0), abs(at-p1), abs(at-p3), abs(at-p2)
		return func(x, y float64) (float64, float64) {
			tl, tr, br, bl := share(x/t.w, y/t.h)
			tl, tr, br, bl = tl/((d1+d3)/d3), tr/((d0+d2)/d2), br/((d1+d3)/d1), bl/((d0+d2)/d0)
			return (tr + br) / (tl + tr + br + bl), (br + bl) / (tl + tr + br + bl)
		}
	}
	return func(x, y float64) (float64, float64) {
		tl, tr, br, _ := share(x/t.w, y/t.h)
		q := complex(tl, 0)*(p2-p0) + complex(tr, 0)*(p3-p0) + complex(br, 0)*(p1-p0)
		b1, b2, b3 := p1-p0, p2-p0, p0-p1-p2+p3
		a, b, c := cross(b2, b3), cross(b3, q)-cross(b1, b2), cross(b1, q)
		s := -c / b
		if math.Abs(a) >= .001 {
			s = (-b + math.Sqrt(b*b-4*a*c)) / (2 * a)
		}
		d := b1 + complex(s, 0)*b3
		if math.Abs(real(d)) > math.Abs(imag(d)) {
			return (real(q) - real(b2)*s) / real(d), 1 - s
		}
		return (imag(q) - imag(b2)*s) / imag(d), 1 - s
	}
}
