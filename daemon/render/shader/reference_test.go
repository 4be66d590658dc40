package shader_test

import (
	"math"

	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/distort"
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
	case *distort.Bulge, *distort.Wave:
		return true
	case *distort.Sphere:
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
