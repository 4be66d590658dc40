package shader_test

import (
	"math"

	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/blur"
	"olive-distributed/daemon/render/shader/distort"
	"olive-distributed/daemon/render/shader/grade"
	"olive-distributed/daemon/render/shader/keying"
	"olive-distributed/daemon/render/shader/stylize"
)

// A sample is a kernel with parameters that show what it does.
type sample struct {
	name   string
	kernel shader.Kernel
}

// samples returns one kernel at least of each effect, with lengths for a picture of 64 pixels
// times size.
func samples(size float32) []sample {
	return []sample{
		{"box blur", &blur.Box{Radius: 4.2 * size, Horizontal: true, Vertical: true}},
		{"gaussian blur", &blur.Gaussian{Sigma: 2.3, Horizontal: true, Vertical: true}},
		{"directional blur", &blur.Directional{Length: 14, Angle: 33}},
		{"radial blur", &blur.Radial{Radius: 24, X: 5 * size, Y: -3 * size}},
		{"crop", &distort.Crop{Left: 10, Top: 20, Right: 5, Bottom: 15, Feather: 40}},
		{"flip", &distort.Flip{Horizontal: true, Vertical: true}},
		{"bulge", &distort.Bulge{Amount: 60, X: 10, Y: -4}},
		{"fisheye", &distort.Fisheye{Size: 80}},
		{"ripple", &distort.Ripple{Speed: 80, Intensity: 90, Frequency: 120, X: 3, Time: 1.5}},
		{"sphere", &distort.Sphere{X: 10, Y: -5, Scale: 60, Tile: true, Stretched: true}},
		{"swirl", &distort.Swirl{Radius: 40 * size, Angle: 12, X: 3, Y: 2}},
		{"tile", &distort.Tile{Scale: 40, X: 12, MirrorX: true}},
		{"wave", &distort.Wave{Frequency: 12, Intensity: 15, Evolution: 30}},
		{"color correction", &grade.Correction{Temperature: 4500, Tint: 10, Exposure: 20, Contrast: 120, Highlights: 10, Shadows: 15, Whites: 110, Blacks: 90, Saturation: 140}},
		{"hue, saturation, brightness", &grade.HSB{Hue: 50, Saturation: 130, Brightness: 90}},
		{"invert", &grade.Invert{Amount: 65}},
		{"noise", &grade.Noise{Amount: 40, Color: true, Blend: true, Time: 2.5}},
		{"chroma key", &keying.Chroma{Key: [3]float32{0, 1, 0}, A: 5, B: 35}},
		{"luma key", &keying.Luma{Low: 21, High: 71}},
		{"despill", &keying.Despill{Channel: 1, Factor: 80, Balance: 20}},
		{"color finder", &keying.Finder{Component: keying.Hue, Low: 20, High: 60}},
		{"chromatic aberration", &stylize.Aberration{Red: 210, Green: -60, Blue: -155}},
		{"cross stitch", &stylize.CrossStitch{Size: 6}},
		{"emboss", &stylize.Emboss{Contrast: 60, Level: 2}},
		{"pixelate", &stylize.Pixelate{X: 16, Y: 9}},
		{"posterize", &stylize.Posterize{Colors: 5, Gamma: 80}},
		{"toonify", &stylize.Toonify{Colors: 10, SatLevels: 3, BriLevels: 5, Edge: 15, Edge2: 6}},
		{"vignette", &stylize.Vignette{Size: 60, Softness: 40, X: 5, Y: -5}},
		{"volumetric light", &stylize.Light{Amount: 100}},
		{"corner pin", &distort.CornerPin{
			TopLeft: [2]float64{-25, -12}, TopRight: [2]float64{30, -18},
			BottomRight: [2]float64{26, 20}, BottomLeft: [2]float64{-28, 15}, Perspective: true,
		}},
	}
}

// scenery is a picture with soft and hard edges in all colours; with alpha it is premultiplied.
func scenery(w, h int, alpha bool) *raster.Texture {
	t := &raster.Texture{Image: *raster.NewImage(w, h), Opaque: !alpha}
	for y := range h {
		for x := range w {
			u, v := float64(x)/float64(w), float64(y)/float64(h)
			wave := func(a, b, c float64) uint8 {
				return uint8(127.5 + 127.4*math.Sin(a*u+b*v+c+2*math.Sin(7*u*v)))
			}
			c := [4]uint8{wave(9, 4, 0), wave(-5, 8, 1), wave(3, -11, 2), 255}
			if alpha {
				c[3] = wave(6, 6, 3)
			}
			if (int(8*u)+int(6*v))%5 == 0 {
				c[0], c[1], c[2] = c[1]/4, c[2]/2, 255-c[0]
			}
			t.Row(y)[x] = raster.Color(c[0], c[1], c[2], c[3])
		}
	}
	return t
}

// picture is the result of k on src, on so many goroutines.
func picture(k shader.Kernel, src *raster.Texture, goroutines int) *raster.Texture {
	return drawn(k, src, goroutines, func(*shader.Runner) {})
}

// plainly is picture without vector instructions.
func plainly(k shader.Kernel, src *raster.Texture) *raster.Texture {
	return drawn(k, src, 1, func(r *shader.Runner) { r.Vectors = false })
}

func drawn(k shader.Kernel, src *raster.Texture, goroutines int, prepare func(*shader.Runner)) *raster.Texture {
	pool := raster.NewPool(goroutines)
	defer pool.Close()
	out := &raster.Texture{}
	out.Resize(src.W, src.H)
	r := shader.NewRunner(pool)
	prepare(r)
	r.Run(k, out, src)
	return out
}
