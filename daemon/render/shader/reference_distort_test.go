package shader_test

import (
	"math"

	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/distort"
	"olive-distributed/daemon/render/shader/stylize"
)

// placeReference returns where a warp samples, or nil for another effect.
func placeReference(kernel shader.Kernel, t *texture) place {
	w, h := t.w, t.h
	switch k := kernel.(type) {
	case *distort.Flip:
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
	case *distort.Bulge:
		ox, oy := float64(k.X)/w, float64(k.Y)/h
		return func(x, y float64) (float64, float64) {
			qx, qy := 2*x/w-1-ox, 2*y/h-1-oy
			sin, cos := math.Sincos(math.Atan2(qy, qx))
			r := math.Pow(math.Hypot(qx, qy), 1+float64(k.Amount)/100)
			return (r*cos + ox + 1) / 2, (r*sin + oy + 1) / 2
		}
	case *distort.Fisheye:
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
	case *distort.Ripple:
		return rippleReference(k, t)
	case *distort.Sphere:
		return sphereReference(k, t)
	case *distort.Swirl:
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
	case *distort.Tile:
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
	case *distort.Wave:
		bend := func(a float64) float64 {
			return math.Sin((a-float64(k.Evolution)/100)*float64(k.Frequency)) * float64(k.Intensity) / 100
		}
		return func(x, y float64) (float64, float64) {
			if k.Vertical {
				return x/w - bend(y/h), y / h
			}
			return x / w, y/h - bend(x/w)
		}
	case *stylize.Pixelate:
		return func(x, y float64) (float64, float64) {
			if k.Bypass {
				return x / w, y / h
			}
			return x/w - mod(x/w, 1/float64(k.X)), y/h - mod(y/h, 1/float64(k.Y))
		}
	case *distort.CornerPin:
		return pinReference(k, t)
	}
	return nil
}

func rippleReference(k *distort.Ripple, t *texture) place {
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

func sphereReference(k *distort.Sphere, t *texture) place {
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
func pinReference(k *distort.CornerPin, t *texture) place {
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
