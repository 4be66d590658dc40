package raster

import "math"

// A Texture is a picture with its mip chain. The chain is made when a draw asks for it and
// kept until the picture changes.
type Texture struct {
	Image
	Opaque bool // every pixel has alpha 255: lets a draw copy instead of blend
	Flat   bool // every pixel is the same: lets a draw skip most samples
	mips   []*Image
	valid  int // number of mips that fit the picture
}

// Touch says that the pixels have changed.
func (t *Texture) Touch() { t.valid = 0 }

// level returns mip n, 0 being the picture, clamped to the last (1 x 1).
func (t *Texture) level(n int) *Image {
	if n == 0 || (t.W <= 1 && t.H <= 1) {
		return &t.Image
	}
	return t.mips[min(n, t.valid)-1]
}

// lastLevel is the number of the 1 x 1 level.
func (t *Texture) lastLevel() int {
	n := 0
	for s := max(t.W, t.H); s > 1; s /= 2 {
		n++
	}
	return n
}

// prepare makes the mips 1..n, as far as the chain goes.
func (t *Texture) prepare(n int) {
	for n = min(n, t.lastLevel()); t.valid < n; t.valid++ {
		from := t.level(t.valid)
		if len(t.mips) == t.valid {
			t.mips = append(t.mips, &Image{})
		}
		to := t.mips[t.valid]
		to.Resize(max(1, from.W/2), max(1, from.H/2))
		halve(to, from)
	}
}

// halve fills to, half the size of from rounded down, by bilinear samples at the pixel
// centres, clamped at the edges (effects notes 1.3). For even sizes that is the mean of 2 x 2.
func halve(to, from *Image) {
	if from.W == 2*to.W && from.H == 2*to.H {
		for y := range to.H {
			a, b, d := from.Row(2*y), from.Row(2*y+1), to.Row(y)
			for x := halves(d, a, b); x < len(d); x++ {
				s := spread(a[2*x]) + spread(a[2*x+1]) + spread(b[2*x]) + spread(b[2*x+1])
				d[x] = pack((s + 0x0002000200020002) >> 2 & lanes)
			}
		}
		return
	}
	sx, sy := float64(from.W)/float64(to.W), float64(from.H)/float64(to.H)
	for y := range to.H {
		y0, y1, fy := clampTap(float64((float64(y)+.5)*sy)-.5, from.H)
		a, b, d := from.Row(y0), from.Row(y1), to.Row(y)
		for x := range d {
			x0, x1, fx := clampTap(float64((float64(x)+.5)*sx)-.5, from.W)
			d[x] = narrow(bilerp(a[x0], a[x1], b[x0], b[x1], fx, fy))
		}
	}
}

// clampTap returns the two texels around s, clamped to the picture, and the weight of the
// second in 1/256.
func clampTap(s float64, size int) (i0, i1 int, f uint64) {
	fixed := int(math.Floor(s*256 + .5))
	i := fixed >> 8
	return min(max(i, 0), size-1), min(max(i+1, 0), size-1), uint64(fixed & 255)
}

// low keeps two of four lanes and gives each room for 32 bits.
const low = 0x0000ffff0000ffff

// bilerp mixes four pixels, top left, top right, bottom left, bottom right, with weights in
// 1/256; the result is scaled by 65536.
func bilerp(p00, p10, p01, p11 uint32, fx, fy uint64) (rg, ba uint64) {
	top := spread(p00)*(256-fx) + spread(p10)*fx
	bot := spread(p01)*(256-fx) + spread(p11)*fx
	return top&low*(256-fy) + bot&low*fy, top>>16&low*(256-fy) + bot>>16&low*fy
}

// narrow rounds lanes that are scaled by 65536, (R, G) and (B, A), to a pixel.
func narrow(rg, ba uint64) uint32 {
	const half, byteLanes = 0x0000800000008000, 0x000000ff000000ff
	return pack((rg+half)>>16&byteLanes | (ba+half)&(byteLanes<<16))
}
