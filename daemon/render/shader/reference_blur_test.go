package shader_test

import (
	"math"

	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/blur"
)

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
	case *blur.Box:
		return two(int(math.Ceil(float64(k.Radius))), even, k.Horizontal, k.Vertical), true
	case *blur.Gaussian:
		s := float64(k.Sigma)
		return two(int(math.Ceil(3*s)), func(d float64) float64 { return math.Exp(-d * d / (2 * s * s)) }, k.Horizontal, k.Vertical), true
	case *blur.Directional:
		sin, cos := math.Sincos(float64(k.Angle) * math.Pi / 180)
		return t.mean(x, y, int(math.Ceil(float64(k.Length))), cos, sin, even), true
	case *blur.Radial:
		return radialReference(k, t, x, y), true
	}
	return color{}, false
}

func radialReference(k *blur.Radial, t *texture, x, y int) color {
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
