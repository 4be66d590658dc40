package shader

import (
	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader/glsl"
)

// A Tap is a sample at a fixed distance from its pixel: whole texels X and Y to the right and
// down, and fractions FX and FY in 1/256.
type Tap struct{ X, Y, FX, FY int }

// TapAt converts a distance in texels. Beyond the picture's size it is only known to be beyond;
// no number is so, too.
func TapAt(dx, dy float32, w, h int) Tap {
	x, fx := split(dx, w)
	y, fy := split(dy, h)
	return Tap{x, y, fx, fy}
}

func split(d float32, size int) (n, f int) {
	limit := float32(size + 2)
	if !(d > -limit && d < limit) {
		return size + 2, 0
	}
	n = int(glsl.Floor(float32(d*256) + 0.5))
	return n >> 8, n & 255
}

// Texel is a pixel of m, transparent outside.
func Texel(m *raster.Texture, x, y int) uint32 {
	if uint(x) >= uint(m.W) || uint(y) >= uint(m.H) {
		return 0
	}
	return m.Pix[y*m.W+x]
}

// Far is beyond every picture, and in reach of sums of two.
const Far = 1 << 30
