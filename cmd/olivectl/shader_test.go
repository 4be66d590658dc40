package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// shaderEffects are all effects that compute a picture, with fields that set them off.
var shaderEffects = []string{
	"Blur/Box Blur", "Blur/Gaussian Blur", "Blur/Directional Blur", "Blur/Radial Blur",
	"Distort/Bulge", "Distort/Crop", "Distort/Fisheye", "Distort/Flip", "Distort/Ripple", "Distort/Sphere", "Distort/Swirl", "Distort/Tile", "Distort/Wave",
	"Distort/Corner Pin", "Distort/Shake",
	"Color/Color Correction", "Color/Hue/Saturation/Brightness", "Color/Invert", "Color/Noise",
	"Keying/Chroma Key", "Keying/Color Finder", "Keying/Despill", "Keying/Luma Key",
	"Stylize/Chromatic Aberration", "Stylize/Cross Stitch", "Stylize/Emboss", "Stylize/Pixelate", "Stylize/Posterize", "Stylize/Toonify", "Stylize/Vignette", "Stylize/Volumetric Light",
}

// firstField is a number of an effect's first row, which the project moves by keyframes.
var firstField = map[string]string{
	"Blur/Box Blur": "radius", "Blur/Gaussian Blur": "sigma", "Blur/Directional Blur": "length", "Blur/Radial Blur": "radius",
	"Distort/Bulge": "amount", "Distort/Crop": "left", "Distort/Fisheye": "size", "Distort/Ripple": "speed", "Distort/Sphere": "xoff", "Distort/Swirl": "radius",
	"Distort/Tile": "scale", "Distort/Wave": "frequency", "Distort/Corner Pin": "topleftx", "Distort/Shake": "intensity",
	"Color/Color Correction": "temperature", "Color/Hue/Saturation/Brightness": "hue", "Color/Invert": "amount", "Color/Noise": "amount", "Keying/Luma Key": "loc",
	"Stylize/Chromatic Aberration": "red_amount", "Stylize/Cross Stitch": "stitching_size", "Stylize/Emboss": "contrast100", "Stylize/Pixelate": "pixels_x",
	"Stylize/Posterize": "numColors", "Stylize/Toonify": "colors", "Stylize/Vignette": "lensRadiusX", "Stylize/Volumetric Light": "amount",
}

// effect is an effect whose first number goes from 5 to 60 in the first second.
func effect(name string) string {
	if firstField[name] == "" {
		return fmt.Sprintf(`<effect name="%s" enabled="1"/>`, name)
	}
	return fmt.Sprintf(`<effect name="%s" enabled="1"><row><field id="%s" value="5"><key value="5" frame="0" type="0"/><key value="60" frame="30" type="1" prehx="-9" prehy="0"/></field></row></effect>`, name, firstField[name])
}

// shaded is a project in which every effect runs alone on a medium, and some in chains, on a nest,
// and on a clip without a picture.
func shaded(t testing.TB, dir string) string {
	var main strings.Builder
	const each = 4 // frames, so that ranges begin and end within clips
	for i, name := range shaderEffects {
		main.WriteString(video(i, 1, each*i, each*(i+1), 3*i%50, 1+i%2, `speed="1"`, effect(name)))
	}
	end := each * len(shaderEffects)
	chain := effect("Color/Color Correction") + effect("Blur/Gaussian Blur") + effect("Distort/Swirl") + effect("Stylize/Vignette")
	main.WriteString(video(60, 2, 11, end, 5, 2, `speed="1.3"`, `<opening length="20" name="/Cross Dissolve" enabled="1"/>`+chain+effect("Distort/Shake")+effect("Distort/Corner Pin")))
	fmt.Fprintf(&main, `<clip id="61" enabled="1" name="nest" clipin="4" in="20" out="%d" track="-3" speed="1" type="2" sequence="2"><linked/>%s</clip>`, end, effect("Distort/Ripple")+effect("Keying/Luma Key"))
	fmt.Fprintf(&main, `<clip id="62" enabled="1" name="null" clipin="0" in="40" out="%d" track="-4" speed="1"><linked/>%s</clip>`, end, effect("Color/Noise")+effect("Distort/Crop"))
	nested := video(0, 1, 0, 100, 0, 1, `speed="0.5" reverse="1"`, effect("Distort/Wave")) + video(1, 2, 5, 50, 30, 2, `speed="1"`, effect("Color/Noise")+effect("Stylize/Pixelate"))
	return writeProject(t, dir, main.String(), nested)
}

// TestAnySplitOfShaderEffectsGivesTheSameFilm is range invariance: what a worker renders does not
// depend on where its range begins, nor on how many threads it has.
func TestAnySplitOfShaderEffectsGivesTheSameFilm(t *testing.T) {
	dir := t.TempDir()
	makeMedia(t, dir)
	project := shaded(t, dir)
	want := pictures(t, exportFilm(t, project, "--split", "never", "--workers", "1", "--threads", "1"))
	if n := 4 * len(shaderEffects); len(want) != n {
		t.Fatalf("%d frames, want %d", len(want), n)
	}
	same := func(t *testing.T, got [][]byte, first int) {
		t.Helper()
		for i := range got {
			if !bytes.Equal(got[i], want[first+i]) {
				t.Errorf("frame %d differs from the film that was not cut", first+i)
			}
		}
	}
	r := rand.New(rand.NewPCG(uint64(os.Getpid()), 2))
	split, workers, threads := fmt.Sprint(2+r.IntN(12)), fmt.Sprint(1+r.IntN(3)), fmt.Sprint(1+r.IntN(3))
	t.Run(fmt.Sprintf("%s ranges on %s workers of %s threads", split, workers, threads), func(t *testing.T) {
		got := pictures(t, exportFilm(t, project, "--split", split, "--workers", workers, "--threads", threads))
		if len(got) != len(want) {
			t.Fatalf("%d frames, want %d", len(got), len(want))
		}
		same(t, got, 0)
	})
	a := r.IntN(len(want) - 20)
	t.Run(fmt.Sprintf("frames %d:%d", a, a+15), func(t *testing.T) {
		got := pictures(t, exportFilm(t, project, "--frames", fmt.Sprintf("%d:%d", a, a+15)))
		if len(got) != 15 {
			t.Fatalf("%d frames, want 15", len(got))
		}
		same(t, got, a)
	})
}
