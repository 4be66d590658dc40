package shader_test

import (
	"fmt"
	"testing"

	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader"
)

// variants are further parameters of the effects, for each of their switches.
var variants = []sample{
	{"box blur, across", &shader.BoxBlur{Radius: 3, Horizontal: true}},
	{"box blur, down, wider than the picture", &shader.BoxBlur{Radius: 90, Vertical: true}},
	{"box blur of nothing", &shader.BoxBlur{Horizontal: true, Vertical: true}},
	{"gaussian blur, down", &shader.GaussianBlur{Sigma: 5.5, Vertical: true}},
	{"gaussian blur, as wide as the picture", &shader.GaussianBlur{Sigma: 21, Horizontal: true, Vertical: true}},
	{"gaussian blur, wider than the picture", &shader.GaussianBlur{Sigma: 60, Horizontal: true, Vertical: true}},
	{"directional blur, straight up", &shader.DirectionalBlur{Length: 9, Angle: -90}},
	{"directional blur, longer than the picture", &shader.DirectionalBlur{Length: 300, Angle: 200}},
	{"radial blur, beside the picture", &shader.RadialBlur{Radius: 60, X: 80, Y: 30}},
	{"crop, hard", &shader.Crop{Left: 12, Top: 23, Right: 31, Bottom: 4}},
	{"crop, hard and inverted", &shader.Crop{Left: 25, Top: 25, Right: 25, Bottom: 25, Invert: true}},
	{"crop, soft and inverted", &shader.Crop{Left: 25, Right: 10, Feather: 70, Invert: true}},
	{"flip, across", &shader.Flip{Horizontal: true}},
	{"bulge, inwards", &shader.Bulge{Amount: -40, X: 3, Y: 5}},
	{"bulge, by the default", &shader.Bulge{Amount: 100}},
	{"bulge, inside out", &shader.Bulge{Amount: -150}},
	{"fisheye, mirrored", &shader.Fisheye{Size: 260}},
	{"fisheye, by the default", &shader.Fisheye{Size: 100}},
	{"ripple, reversed and stretched", &shader.Ripple{Speed: 100, Intensity: 100, Frequency: 100, Reverse: true, Stretch: true, Time: 3.2, Y: 1}},
	{"sphere, round", &shader.Sphere{Scale: 75, HideEdges: true}},
	{"sphere, open", &shader.Sphere{Scale: 90, X: 12}},
	{"swirl, backwards", &shader.Swirl{Radius: 300, Angle: -20}},
	{"tile, mirrored downwards", &shader.Tile{Scale: 33, X: 10, Y: 21, MirrorY: true}},
	{"wave, vertical", &shader.Wave{Frequency: 8, Intensity: 12, Vertical: true}},
	{"color correction, by the default", &shader.Correction{Temperature: 6600, Contrast: 100, Whites: 100, Blacks: 100, Saturation: 100}},
	{"color correction, extreme", &shader.Correction{Temperature: 12000, Tint: -40, Exposure: 300, Contrast: 700, Highlights: -50, Shadows: 100, Whites: 400, Blacks: 30, Saturation: 900}},
	{"color correction, dull", &shader.Correction{Temperature: 2000, Contrast: 60, Highlights: 80, Shadows: -30, Whites: 90, Blacks: 130, Saturation: 0}},
	{"hue, saturation, brightness, backwards", &shader.HSB{Hue: -200, Saturation: 250, Brightness: 140}},
	{"invert, by the default", &shader.Invert{Amount: 100}},
	{"noise, grey", &shader.Noise{Amount: 20, Blend: true, Time: .4}},
	{"noise, alone", &shader.Noise{Amount: 100, Color: true}},
	{"chroma key, mask", &shader.ChromaKey{Mode: 1, Key: [3]float32{.25, .5, 1}, A: 10, B: 40}},
	{"chroma key, source", &shader.ChromaKey{Mode: 2, Key: [3]float32{0, 1, 0}, A: 5, B: 25}},
	{"luma key, inverted", &shader.LumaKey{Low: 31, High: 61, Invert: true}},
	{"despill, red", &shader.Despill{Channel: 0, Factor: 100, Balance: -60}},
	{"despill, blue", &shader.Despill{Channel: 2, Factor: 130, Balance: 40}},
	{"color finder, luminance", &shader.ColorFinder{Component: shader.Luminance, Low: 31.3, High: 72.1, Invert: true}},
	{"color finder, value", &shader.ColorFinder{Component: shader.Value, Low: 31.3, High: 72.1}},
	{"color finder, hue, inverted", &shader.ColorFinder{Component: shader.Hue, Low: 21.3, High: 62.1, Invert: true}},
	{"color finder, saturation", &shader.ColorFinder{Component: shader.Saturation, Low: 21.3, High: 72.1}},
	{"color finder, red", &shader.ColorFinder{Component: shader.Red, Low: 21.3, High: 72.1}},
	{"color finder, green", &shader.ColorFinder{Component: shader.Green, Low: 21.3, High: 72.1, Invert: true}},
	{"color finder, blue", &shader.ColorFinder{Component: shader.Blue, Low: 21.3, High: 72.1}},
	{"chromatic aberration, beyond the picture", &shader.Aberration{Red: 9000, Green: 350, Blue: -9000}},
	{"cross stitch, inverted", &shader.CrossStitch{Size: 7.5, Invert: true}},
	{"emboss, by lightness, inverted", &shader.Emboss{Contrast: 40, Level: 1, HSL: true, Invert: true}},
	{"pixelate, bypassed", &shader.Pixelate{X: 4, Y: 3, Bypass: true}},
	{"posterize, by the default", &shader.Posterize{Colors: 8, Gamma: 60}},
	{"toonify, grey", &shader.Toonify{SatLevels: 4, BriLevels: 4, Edge: 20, Edge2: 5}},
	{"vignette, circular and inverted", &shader.Vignette{Size: 45, Softness: 38, Circular: true, Invert: true}},
	{"volumetric light, only squared", &shader.Light{}},
	{"volumetric light, short", &shader.Light{Amount: 7.5}},
	{"corner pin, bilinear", &shader.CornerPin{
		TopLeft: [2]float64{-20, -12}, TopRight: [2]float64{35, -18}, BottomRight: [2]float64{22, 24}, BottomLeft: [2]float64{-32, 9},
	}},
	{"corner pin, not moved", &shader.CornerPin{
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
