package builtin

import (
	"slices"
	"strings"
	"testing"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/raster"
)

// kernelXML is an effect with rows of fields such as "a=1 b=2".
func kernelXML(name string, rows ...string) string {
	var fields []string
	for _, row := range rows {
		fields = append(fields, strings.Join(strings.Fields(row), "\x00"))
	}
	return effectXML(name, fields...)
}

// picture composes one frame of a sequence of 32x18 pixels with one clip.
func picture(t *testing.T, frame ove.Frame, effects ...string) *stage {
	t.Helper()
	s := open(t, project(t, sequence(1, 32, 18, clip(7, 1, 0, 60, "", strings.Join(effects, "")))), 1)
	compose(t, s, frame)
	return s
}

func TestAShaderOnAClipWithoutAPictureShadesBlack(t *testing.T) {
	invert := kernelXML("Color/Invert", "amount=100")
	for _, test := range []struct {
		name    string
		effects []string
		want    [4]int
	}{
		{"an effect is enough to be seen", []string{kernelXML("Blur/Box Blur")}, [4]int{0, 0, 0, 255}},
		{"black inverted is white", []string{invert}, [4]int{255, 255, 255, 255}},
		{"the next effect sees the first one's picture", []string{invert, invert}, [4]int{0, 0, 0, 255}},
		{"a pin is a shader", []string{kernelXML("Distort/Corner Pin")}, [4]int{0, 0, 0, 255}},
		{"a transform is not", []string{transformXML(16, 9, 100, 100)}, [4]int{}},
		{"nor is a shake", []string{kernelXML("Distort/Shake")}, [4]int{}},
		{"one that is switched off is not either", []string{strings.Replace(invert, `enabled="1"`, `enabled="0"`, 1)}, [4]int{}},
		{"nor one that is gone from Olive", []string{kernelXML("Stylize/Drop Shadow"), kernelXML("Color/Find Edges")}, [4]int{}},
		{"a generator after it covers it", []string{invert, solidXML("#ff0000", 100)}, [4]int{255, 0, 0, 255}},
		{"a generator before it is shaded", []string{solidXML("#ff0000", 100), invert}, [4]int{0, 255, 255, 255}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := pixel(picture(t, 0, test.effects...), 15, 8); got != test.want {
				t.Errorf("pixel = %v, want %v", got, test.want)
			}
		})
	}
}

// changes is one field of each effect with a value that shows: a misspelt id would keep the default.
var changes = []struct{ effect, rows string }{
	{"Blur/Box Blur", "radius=1|horiz_blur=0|vert_blur=0"},
	{"Blur/Gaussian Blur", "sigma=1|horiz_blur=0|vert_blur=0"},
	{"Blur/Directional Blur", "length=3|angle=70"},
	{"Blur/Radial Blur", "radius=9|center_x=9,center_y=9"},
	{"Distort/Bulge", "amount=-40|xoff=9,yoff=9"},
	{"Distort/Crop", "left=40|top=40|right=40|bottom=40|feather=80|invert=1"},
	{"Distort/Fisheye", "size=60"},
	{"Distort/Flip", "horiz=0|vert=1"},
	{"Distort/Ripple", "speed=700|intensity=700|frequency=300|reverse=1|stretch=1|xoff=30,yoff=30"},
	{"Distort/Sphere", "xoff=40,yoff=40|scale=20|tile=0|hide_edges=1|stretch=0"},
	{"Distort/Swirl", "radius=9|angle=90|center_x=7,center_y=7"},
	{"Distort/Tile", "scale=20|centerx=20,centery=20|mirrorx=1|mirrory=1"},
	{"Distort/Wave", "frequency=30|intensity=40|evolution=50|vertical=1"},
	{"Color/Color Correction", "temperature=3000|tint=40|exposure=50|contrast=40|highlights=60|shadows=60|whites=60|blacks=70|saturation=20"},
	{"Color/Hue/Saturation/Brightness", "hue=90|saturation=30|brightness=40"},
	{"Color/Invert", "amount=30"},
	{"Color/Noise", "amount=90|color=1|blend=0"},
	{"Keying/Chroma Key", "mode=1|key_color=#8040c0|tola=1|tolb=70"},
	{"Keying/Luma Key", "loc=40|hic=60|invert=1"},
	{"Keying/Despill", "channel=2|factorIn=20|balanceIn=90"},
	{"Keying/Color Finder", "compo=4|loc=40|hic=60|invert=1"},
	{"Stylize/Chromatic Aberration", "red_amount=0|green_amount=900|blue_amount=900"},
	{"Stylize/Cross Stitch", "stitching_size=3|invert=1"},
	{"Stylize/Emboss", "contrast100=99|level=3|hslmode=1|invert=1"},
	{"Stylize/Pixelate", "pixels_x=3|pixels_y=2|bypass=1"},
	{"Stylize/Posterize", "numColors=3|gamma_cent=200"},
	{"Stylize/Toonify", "colors=2|sat_levels=1|bri_levels=9|edge_thres=90|edge_thres2=90"},
	{"Stylize/Vignette", "lensRadiusX=70|lensRadiusY=90|circular=1|centerX=20,centerY=20|invert=1"},
	{"Stylize/Volumetric Light", "amount=3"},
	{"Distort/Corner Pin", "topleftx=5,toplefty=2|toprightx=-4,toprighty=3|bottomleftx=4,bottomlefty=-5|bottomrightx=-7,bottomrighty=-1|perspective=0"},
	{"Distort/Shake", "intensity=60|rotation=300|frequency=9"},
}

// background has edges and colours everywhere, and no symmetry.
func background() string {
	return kernelXML("Render/Solid", "type=1", "opacity=100") + kernelXML("Distort/Wave", "frequency=5", "intensity=20") +
		kernelXML("Render/Solid", "type=2", "opacity=40", "color=#ffb060", "checker_size=4")
}

// TestEveryFieldOfEveryEffectCounts changes the fields of an effect one after the other, in a
// setting where all the others have been changed already.
func TestEveryFieldOfEveryEffectCounts(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range changes {
		seen[c.effect] = true
		rows := strings.Split(strings.ReplaceAll(c.rows, ",", " "), "|")
		for i := range rows {
			for field := range strings.FieldsSeq(rows[i]) {
				if fieldCounts(t, c.effect, rows, i, field) {
					continue
				}
				t.Errorf("%s: %s changes nothing", c.effect, field)
			}
		}
	}
	for _, family := range families {
		for name := range family {
			if name != "Distort/Transform" && !strings.HasPrefix(name, "Render/") && !seen[name] {
				t.Errorf("%s is not in this test", name)
			}
		}
	}
}

// fieldCounts reports whether a field makes a difference to the effect's defaults, or to an effect
// of which all other fields are set.
func fieldCounts(t *testing.T, effect string, rows []string, row int, field string) bool {
	t.Helper()
	alone := make([]string, len(rows))
	alone[row] = field
	others := slices.Clone(rows)
	others[row] = strings.Replace(rows[row], field, "", 1)
	differ := func(a, b []string) bool {
		x := picture(t, 20, background(), kernelXML(effect, a...))
		y := picture(t, 20, background(), kernelXML(effect, b...))
		return !slices.Equal(x.canvas.Pix, y.canvas.Pix)
	}
	return differ(alone, nil) || differ(rows, others)
}

func TestTheShadersClockIsTheClips(t *testing.T) {
	// Clip frame 20 at 30 frames per second, wherever the clip lies and however fast it is.
	noise := kernelXML("Color/Noise", "amount=100", "color=1", "blend=0")
	want := picture(t, 20, noise)
	for name, c := range map[string]string{
		"later":    clip(1, 1, 10, 70, "", noise),
		"trimmed":  strings.Replace(clip(1, 1, 25, 70, "", noise), `clipin="0"`, `clipin="15"`, 1),
		"fast":     strings.Replace(clip(1, 1, 10, 70, "", noise), `speed="1"`, `speed="3"`, 1),
		"reversed": clip(1, 1, 10, 70, `reverse="1"`, noise),
	} {
		s := open(t, project(t, sequence(1, 32, 18, c)), 1)
		compose(t, s, 30)
		if !slices.Equal(s.canvas.Pix, want.canvas.Pix) {
			t.Errorf("%s: the noise is another one", name)
		}
	}
	if s := picture(t, 21, noise); slices.Equal(s.canvas.Pix, want.canvas.Pix) {
		t.Error("the noise stands still")
	}
}

func TestKeyframesReachTheShaders(t *testing.T) {
	invert := `<effect name="Color/Invert" enabled="1"><row><field id="amount" value="0"><key value="0" frame="0" type="0"/><key value="100" frame="10" type="0"/></field></row></effect>`
	for frame, want := range map[ove.Frame]int{0: 255, 5: 128, 10: 0, 20: 0} {
		if got := pixel(picture(t, frame, solidXML("#ffffff", 100), invert), 5, 5)[0]; got != want {
			t.Errorf("frame %d = %d, want %d", frame, got, want)
		}
	}
}

func TestEffectsRunInTheOrderOfTheFile(t *testing.T) {
	crop, invert := kernelXML("Distort/Crop", "left=50"), kernelXML("Color/Invert")
	solid := solidXML("#ffffff", 100)
	if got, want := pixel(picture(t, 0, solid, crop, invert), 2, 2), [4]int{255, 255, 255, 0}; got != want {
		t.Errorf("cropped, then inverted = %v, want %v: colour without alpha, as in Olive", got, want)
	}
	if got, want := pixel(picture(t, 0, solid, invert, crop), 2, 2), [4]int{}; got != want {
		t.Errorf("inverted, then cropped = %v, want %v", got, want)
	}
}

func TestAShakeFollowsFromTheClipAndThePlace(t *testing.T) {
	at := func(id, index int, f ove.Frame) shape {
		s := shape{quad: raster.Centred(32, 18), matrix: raster.Identity}
		env := effectEnv{layer: &layer{clip: &ove.Clip{ID: id}}, index: index}
		newShake(&ove.Effect{}, env).shape.shape(&s, moment{frame: f, seconds: float64(f) / 30})
		return s
	}
	if at(3, 1, 12) != at(3, 1, 12) {
		t.Error("the same clip shakes in two ways")
	}
	for name, other := range map[string]shape{"another clip": at(4, 1, 12), "another place": at(3, 2, 12), "another frame": at(3, 1, 40)} {
		if other == at(3, 1, 12) {
			t.Errorf("%s shakes alike", name)
		}
	}
	most := 0
	for f := range ove.Frame(300) {
		most = max(most, at(3, 1, f).quad[0].X+16, -at(3, 1, f).quad[0].X-16)
	}
	if most < 3 || most > 25 {
		t.Errorf("in ten seconds the clip moves %d pixels at most, want some of 25", most)
	}
}

func TestAPinMovesTheCornersByWholePixels(t *testing.T) {
	s := picture(t, 0, solidXML("#ff0000", 100), kernelXML("Distort/Corner Pin", "topleftx=8.9 toplefty=4.9", "toprightx=-8.9 toprighty=4.9", "bottomleftx=8.9 bottomlefty=-4.9", "bottomrightx=-8.9 bottomrighty=-4.9"))
	for y := range 18 {
		for x := range 32 {
			// -16 + 8.9 = -7.1 is cut to -7: the corners go to 9, 5 and 23, 13.
			if got, want := pixel(s, x, y)[3] > 0, x >= 9 && x < 23 && y >= 5 && y < 13; got != want {
				t.Fatalf("pixel %d,%d drawn: %v, want %v", x, y, got, want)
			}
		}
	}
}

func TestAPinAfterAShakeIsDrawnAnew(t *testing.T) {
	effects := background() + kernelXML("Distort/Shake", "intensity=60") + kernelXML("Distort/Corner Pin", "topleftx=11", "toprightx=-9")
	s := open(t, project(t, sequence(1, 32, 18, clip(7, 1, 0, 200, "", effects))), 1)
	for f := range ove.Frame(200) { // the quad's size changes where a corner crosses the middle
		compose(t, s, f)
		fresh := open(t, project(t, sequence(1, 32, 18, clip(7, 1, 0, 200, "", effects))), 1)
		compose(t, fresh, f)
		if !slices.Equal(s.canvas.Pix, fresh.canvas.Pix) {
			t.Fatalf("frame %d depends on the frames that were drawn before", f)
		}
	}
}

func TestEffectsOnANestSeeItsPicture(t *testing.T) {
	nest := sequence(2, 16, 16, clip(0, 1, 0, 60, "", solidXML("#0000ff", 100)))
	p := project(t, sequence(1, 32, 32, clip(1, 1, 0, 60, `type="2" sequence="2"`, kernelXML("Color/Invert")+kernelXML("Distort/Crop", "left=50"))), nest)
	s := open(t, p, 1)
	compose(t, s, 3)
	if got, want := pixel(s, 20, 16), [4]int{255, 255, 0, 255}; got != want {
		t.Errorf("right half of the nest = %v, want %v", got, want)
	}
	if got := pixel(s, 10, 16); got != [4]int{} {
		t.Errorf("left half of the nest = %v, want nothing", got)
	}
}

func TestShadersAllocateNothingPerFrame(t *testing.T) {
	var chain strings.Builder
	for _, c := range changes {
		chain.WriteString(kernelXML(c.effect, strings.Split(strings.ReplaceAll(c.rows, ",", " "), "|")...))
	}
	s := open(t, project(t, sequence(1, 64, 48, clip(0, 1, 0, 1000, "", background()+chain.String()))), 1)
	frame := ove.Frame(0)
	if n := testing.AllocsPerRun(5, func() { compose(t, s, frame); frame++ }); n != 0 {
		t.Errorf("%v allocations per frame, want none", n)
	}
}
