package shader_test

import (
	"fmt"
	"testing"

	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader/blur"
	"olive-distributed/daemon/render/shader/distort"
	"olive-distributed/daemon/render/shader/grade"
	"olive-distributed/daemon/render/shader/keying"
	"olive-distributed/daemon/render/shader/stylize"
)

// variants are further parameters of the effects, for each of their switches.
var variants = []sample{
	{"box blur, across", &blur.Box{Radius: 3, Horizontal: true}},
	{"box blur, down, wider than the picture", &blur.Box{Radius: 90, Vertical: true}},
	{"box blur of nothing", &blur.Box{Horizontal: true, Vertical: true}},
	{"gaussian blur, down", &blur.Gaussian{Sigma: 5.5, Vertical: true}},
	{"gaussian blur, as wide as the picture", &blur.Gaussian{Sigma: 21, Horizontal: true, Vertical: true}},
	{"gaussian blur, wider than the picture", &blur.Gaussian{Sigma: 60, Horizontal: true, Vertical: true}},
	{"directional blur, straight up", &blur.Directional{Length: 9, Angle: -90}},
	{"directional blur, longer than the picture", &blur.Directional{Length: 300, Angle: 200}},
	{"radial blur, beside the picture", &blur.Radial{Radius: 60, X: 80, Y: 30}},
	{"crop, hard", &distort.Crop{Left: 12, Top: 23, Right: 31, Bottom: 4}},
	{"crop, hard and inverted", &distort.Crop{Left: 25, Top: 25, Right: 25, Bottom: 25, Invert: true}},
	{"crop, soft and inverted", &distort.Crop{Left: 25, Right: 10, Feather: 70, Invert: true}},
	{"flip, across", &distort.Flip{Horizontal: true}},
	{"bulge, inwards", &distort.Bulge{Amount: -40, X: 3, Y: 5}},
	{"bulge, by the default", &distort.Bulge{Amount: 100}},
	{"bulge, inside out", &distort.Bulge{Amount: -150}},
	{"fisheye, mirrored", &distort.Fisheye{Size: 260}},
	{"fisheye, by the default", &distort.Fisheye{Size: 100}},
	{"ripple, reversed and stretched", &distort.Ripple{Speed: 100, Intensity: 100, Frequency: 100, Reverse: true, Stretch: true, Time: 3.2, Y: 1}},
	{"sphere, round", &distort.Sphere{Scale: 75, HideEdges: true}},
	{"sphere, open", &distort.Sphere{Scale: 90, X: 12}},
	{"swirl, backwards", &distort.Swirl{Radius: 300, Angle: -20}},
	{"tile, mirrored downwards", &distort.Tile{Scale: 33, X: 10, Y: 21, MirrorY: true}},
	{"wave, vertical", &distort.Wave{Frequency: 8, Intensity: 12, Vertical: true}},
	{"color correction, by the default", &grade.Correction{Temperature: 6600, Contrast: 100, Whites: 100, Blacks: 100, Saturation: 100}},
	{"color correction, extreme", &grade.Correction{Temperature: 12000, Tint: -40, Exposure: 300, Contrast: 700, Highlights: -50, Shadows: 100, Whites: 400, Blacks: 30, Saturation: 900}},
	{"color correction, dull", &grade.Correction{Temperature: 2000, Contrast: 60, Highlights: 80, Shadows: -30, Whites: 90, Blacks: 130, Saturation: 0}},
	{"hue, saturation, brightness, backwards", &grade.HSB{Hue: -200, Saturation: 250, Brightness: 140}},
	{"invert, by the default", &grade.Invert{Amount: 100}},
	{"noise, grey", &grade.Noise{Amount: 20, Blend: true, Time: .4}},
	{"noise, alone", &grade.Noise{Amount: 100, Color: true}},
	{"chroma key, mask", &keying.Chroma{Mode: 1, Key: [3]float32{.25, .5, 1}, A: 10, B: 40}},
	{"chroma key, source", &keying.Chroma{Mode: 2, Key: [3]float32{0, 1, 0}, A: 5, B: 25}},
	{"luma key, inverted", &keying.Luma{Low: 31, High: 61, Invert: true}},
	{"despill, red", &keying.Despill{Channel: 0, Factor: 100, Balance: -60}},
	{"despill, blue", &keying.Despill{Channel: 2, Factor: 130, Balance: 40}},
	{"color finder, luminance", &keying.Finder{Component: keying.Luminance, Low: 31.3, High: 72.1, Invert: true}},
	{"color finder, value", &keying.Finder{Component: keying.Value, Low: 31.3, High: 72.1}},
	{"color finder, hue, inverted", &keying.Finder{Component: keying.Hue, Low: 21.3, High: 62.1, Invert: true}},
	{"color finder, saturation", &keying.Finder{Component: keying.Saturation, Low: 21.3, High: 72.1}},
	{"color finder, red", &keying.Finder{Component: keying.Red, Low: 21.3, High: 72.1}},
	{"color finder, green", &keying.Finder{Component: keying.Green, Low: 21.3, High: 72.1, Invert: true}},
	{"color finder, blue", &keying.Finder{Component: keying.Blue, Low: 21.3, High: 72.1}},
	{"chromatic aberration, beyond the picture", &stylize.Aberration{Red: 9000, Green: 350, Blue: -9000}},
	{"cross stitch, inverted", &stylize.CrossStitch{Size: 7.5, Invert: true}},
	{"emboss, by lightness, inverted", &stylize.Emboss{Contrast: 40, Level: 1, HSL: true, Invert: true}},
	{"pixelate, bypassed", &stylize.Pixelate{X: 4, Y: 3, Bypass: true}},
	{"posterize, by the default", &stylize.Posterize{Colors: 8, Gamma: 60}},
	{"toonify, grey", &stylize.Toonify{SatLevels: 4, BriLevels: 4, Edge: 20, Edge2: 5}},
	{"vignette, circular and inverted", &stylize.Vignette{Size: 45, Softness: 38, Circular: true, Invert: true}},
	{"volumetric light, only squared", &stylize.Light{}},
	{"volumetric light, short", &stylize.Light{Amount: 7.5}},
	{"corner pin, bilinear", &distort.CornerPin{
		TopLeft: [2]float64{-20, -12}, TopRight: [2]float64{35, -18}, BottomRight: [2]float64{22, 24}, BottomLeft: [2]float64{-32, 9},
	}},
	{"corner pin, not moved", &distort.CornerPin{
		TopLeft: [2]float64{-32, -18}, TopRight: [2]float64{32, -18}, BottomRight: [2]float64{32, 18}, BottomLeft: [2]float64{-32, 18},
	}},
}

// TestKernelsFollowTheFormulas holds every kernel against the notes' formulas in double precision.
// Where a formula has a threshold or a seam, single precision may fall on the other side of it:
// few pixels may differ by more than one level.
func TestKernelsFollowTheFormulas(t *testing.T) {
	pictures := map[string]*raster.Texture{"opaque": scenery(64, 36, false), "with alpha, of odd size": scenery(61, 37, true)}
	for _, s := range append(samples(1), variants...) {
		for name, src := range pictures {
			t.Run(s.name+"/"+name, func(t *testing.T) {
				got, ref := picture(s.kernel, src, 1), newTexture(src)
				off, far, first := 0, 0, ""
				for y := range src.H {
					for x := range src.W {
						want := pack(reference(s.kernel, ref, x, y))
						d := distance(got.Row(y)[x], want)
						if d > 1 {
							off++
						}
						if d > 2 {
							far++
						}
						if d > 1 && first == "" {
							first = fmt.Sprintf("pixel %d,%d = %08x, want %08x", x, y, got.Row(y)[x], want)
						}
					}
				}
				if n := len(src.Pix); off > n/100 || far > n/500 {
					t.Errorf("of %d pixels %d differ by more than 1 and %d by more than 2; %s", n, off, far, first)
				} else if off > 0 {
					t.Logf("of %d pixels %d differ by more than 1 and %d by more than 2; %s", n, off, far, first)
				}
			})
		}
	}
}

// distance is the largest difference of a channel.
func distance(a, b uint32) (most int) {
	for shift := 0; shift < 32; shift += 8 {
		d := int(a>>shift&255) - int(b>>shift&255)
		most = max(most, d, -d)
	}
	return most
}
