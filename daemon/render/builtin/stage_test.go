package builtin

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/text/font"
)

// project wraps sequences, given as attributes and clips, in a project file.
func project(t testing.TB, sequences ...string) *ove.Project {
	t.Helper()
	p, err := ove.Parse(strings.NewReader(`<?xml version="1.0" encoding="UTF-8"?>
<project><version>190219</version><url>x.ove</url><folders/><media/><sequences>` + strings.Join(sequences, "") + `</sequences></project>`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sequence(id, w, h int, clips ...string) string {
	return fmt.Sprintf(`<sequence id="%d" folder="0" name="s%d" width="%d" height="%d" framerate="30" afreq="48000" alayout="3">%s</sequence>`,
		id, id, w, h, strings.Join(clips, ""))
}

// clip is a clip of frames [in, out) on a video track, 1 being the bottom.
func clip(id, track, in, out int, attrs, content string) string {
	return fmt.Sprintf(`<clip id="%d" enabled="1" name="c%d" clipin="0" in="%d" out="%d" track="%d" autoscale="0" speed="1" %s><linked/>%s</clip>`,
		id, id, in, out, -track, attrs, content)
}

func solidXML(color string, opacity int) string {
	return fmt.Sprintf(`<effect name="Render/Solid" enabled="1"><row><field id="type" value="0"/></row><row><field id="opacity" value="%d"/></row><row><field id="color" value="%s"/></row></effect>`, opacity, color)
}

func transformXML(x, y, scale float64, opacity int) string {
	return fmt.Sprintf(`<effect name="Distort/Transform" enabled="1"><row><field id="posx" value="%g"/><field id="posy" value="%g"/></row><row><field id="scalex" value="%g"/></row><row/><row/><row/><row><field id="opacity" value="%d"/></row></effect>`, x, y, scale, opacity)
}

var testFonts = font.NewFinder()

// open makes a stage of the project's first sequence that needs no media.
func open(t testing.TB, p *ove.Project, threads int) *stage {
	t.Helper()
	seq := p.Sequences[0]
	pool := raster.NewPool(threads)
	t.Cleanup(pool.Close)
	sc := &scene{Scene: &render.Scene{Plan: &render.Plan{}, Sequence: seq}, fonts: testFonts, pool: pool, runner: shader.NewRunner(pool), threads: threads}
	s, err := newStage(sc, seq, render.Span{End: seq.Length()})
	if err != nil {
		t.Fatal(err)
	}
	s.canvas.Image = *raster.NewImage(seq.Width, seq.Height)
	return s
}

func compose(t testing.TB, s *stage, playhead ove.Frame) {
	t.Helper()
	s.scene.top = playhead
	if _, err := s.compose(t.Context(), playhead); err != nil {
		t.Fatal(err)
	}
}

// pixel returns R, G, B, A.
func pixel(s *stage, x, y int) [4]int {
	p := s.canvas.Row(y)[x]
	return [4]int{int(p & 255), int(p >> 8 & 255), int(p >> 16 & 255), int(p >> 24)}
}

func TestPicture(t *testing.T) {
	fade := func(name string, n int) string {
		return fmt.Sprintf(`<%s length="%d" name="/Cross Dissolve" enabled="1"/>`, name, n)
	}
	red, blue := solidXML("#ff0000", 100), solidXML("#0000ff", 100)
	for _, test := range []struct {
		name  string
		clips []string
		frame ove.Frame
		want  [4]int // at 10,10 of 32x32
	}{
		{"nothing is transparent black", []string{clip(0, 1, 5, 9, "", red)}, 0, [4]int{}},
		{"a solid fills its clip", []string{clip(0, 1, 0, 9, "", red)}, 0, [4]int{255, 0, 0, 255}},
		{"the higher track is on top", []string{clip(0, 2, 0, 9, "", blue), clip(1, 1, 0, 9, "", red)}, 0, [4]int{0, 0, 255, 255}},
		{"on one track the later in the file is on top", []string{clip(0, 1, 0, 9, "", blue), clip(1, 1, 0, 9, "", red)}, 0, [4]int{255, 0, 0, 255}},
		{"a disabled clip shows nothing", []string{strings.Replace(clip(0, 1, 0, 9, "", red), `enabled="1"`, `enabled="0"`, 1)}, 0, [4]int{}},
		{"a disabled effect does nothing", []string{clip(0, 1, 0, 9, "", strings.Replace(red, `enabled="1"`, `enabled="0"`, 1))}, 0, [4]int{}},
		{"a clip without a picture shows nothing", []string{clip(0, 1, 0, 9, "", transformXML(16, 16, 100, 100))}, 0, [4]int{}},
		{"an effect that nobody knows is left out", []string{clip(0, 1, 0, 9, "", strings.Replace(blue, "Render/Solid", "Made/Up", 1)+red)}, 0, [4]int{255, 0, 0, 255}},
		{"an opening starts at nothing", []string{clip(0, 1, 0, 9, "", fade("opening", 4)+red)}, 0, [4]int{}},
		{"and grows by equal steps", []string{clip(0, 1, 0, 9, "", fade("opening", 4)+red)}, 1, [4]int{64, 0, 0, 64}},
		{"a closing ends one step above nothing", []string{clip(0, 1, 0, 9, "", fade("closing", 5)+red)}, 8, [4]int{51, 0, 0, 51}},
		{"opacities multiply", []string{clip(0, 1, 0, 9, "", fade("opening", 4)+transformXML(16, 16, 100, 50)+red)}, 2, [4]int{64, 0, 0, 64}},
		{"opacity above 100 is 100", []string{clip(0, 1, 0, 9, "", transformXML(16, 16, 100, 250)+red)}, 0, [4]int{255, 0, 0, 255}},
		{"a half transparent solid mixes", []string{clip(0, 1, 0, 9, "", red), clip(1, 2, 0, 9, "", solidXML("#0000ff", 50))}, 0, [4]int{128, 0, 127, 255}},
		{"a solid over a solid in one clip", []string{clip(0, 1, 0, 9, "", red+solidXML("#0000ff", 50))}, 0, [4]int{128, 0, 127, 255}},
		{"a shared dissolve keeps the outgoing clip whole", []string{clip(0, 1, 0, 10, "", fade("closing", 4)+red), clip(1, 1, 10, 20, "", `<opening shared="0"/>`+blue)}, 10, [4]int{127, 0, 128, 255}},
		{"and begins before the cut", []string{clip(0, 1, 0, 10, "", fade("closing", 4)+red), clip(1, 1, 10, 20, "", `<opening shared="0"/>`+blue)}, 8, [4]int{191, 0, 64, 255}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, project(t, sequence(1, 32, 32, test.clips...)), 1)
			compose(t, s, test.frame)
			if got := pixel(s, 10, 10); got != test.want {
				t.Errorf("frame %d = %v, want %v", test.frame, got, test.want)
			}
		})
	}
}

func TestTransformMovesScalesAndKeepsTheAnchorInPlace(t *testing.T) {
	p := project(t, sequence(1, 40, 40, clip(0, 1, 0, 9, "", `<effect name="Distort/Transform" enabled="1">
<row><field id="posx" value="10"/><field id="posy" value="30"/></row><row><field id="scalex" value="50"/></row>
<row/><row><field id="rotation" value="90"/></row><row><field id="anchorx" value="-20"/><field id="anchory" value="20"/></row></effect>`+solidXML("#00ff00", 100))))
	s := open(t, p, 1)
	compose(t, s, 0)
	// The anchor is the picture's lower left corner, put at (10,30); turned clockwise by 90
	// degrees it is the upper left one of a picture of 20 x 20.
	for y := range 40 {
		for x := range 40 {
			inside := x >= 10 && x < 30 && y >= 30
			if got := pixel(s, x, y)[3] != 0; got != inside {
				t.Fatalf("pixel %d,%d drawn: %v, want %v", x, y, got, inside)
			}
		}
	}
}

func TestANestFadesWithItsTopmostClip(t *testing.T) {
	// olive-0.1.md 10: the nest's picture is multiplied by the opacity of the last clip drawn in it.
	main := sequence(1, 16, 16, clip(0, 1, 0, 9, `type="2" sequence="2"`, ""))
	nest := sequence(2, 16, 16,
		clip(0, 1, 0, 9, "", solidXML("#ff0000", 100)),
		clip(1, 2, 0, 9, "", transformXML(100, 100, 100, 50)+solidXML("#0000ff", 100)))
	s := open(t, project(t, main, nest), 1)
	compose(t, s, 0)
	if got, want := pixel(s, 4, 4), [4]int{128, 0, 0, 128}; got != want {
		t.Errorf("nest = %v, want %v: half of red, although the blue clip does not touch it", got, want)
	}
}

func TestANestRunsAtItsOwnRateAndEnds(t *testing.T) {
	nest := strings.Replace(sequence(2, 16, 16, clip(0, 1, 0, 5, "", solidXML("#ff0000", 100)), clip(1, 1, 5, 10, "", solidXML("#00ff00", 100))), `framerate="30"`, `framerate="15"`, 1)
	s := open(t, project(t, sequence(1, 16, 16, clip(0, 1, 0, 60, `type="2" sequence="2"`, "")), nest), 1)
	for frame, want := range map[ove.Frame][4]int{0: {255, 0, 0, 255}, 9: {0, 255, 0, 255}, 8: {255, 0, 0, 255}, 18: {0, 255, 0, 255}, 19: {}, 20: {}} {
		compose(t, s, frame)
		if got := pixel(s, 4, 4); got != want {
			t.Errorf("frame %d = %v, want %v", frame, got, want)
		}
	}
}

func TestAutoscaleOnlyWhenBothSidesDiffer(t *testing.T) {
	for _, test := range []struct {
		w, h int
		want bool // pixel 1,1 of the 32x32 sequence is drawn
	}{{16, 16, true}, {32, 16, false}, {16, 32, false}} {
		main := sequence(1, 32, 32, strings.Replace(clip(0, 1, 0, 9, `type="2" sequence="2"`, ""), `autoscale="0"`, `autoscale="1"`, 1))
		s := open(t, project(t, main, sequence(2, test.w, test.h, clip(0, 1, 0, 9, "", solidXML("#ff0000", 100)))), 1)
		compose(t, s, 0)
		if got := pixel(s, 1, 1)[3] > 0; got != test.want {
			t.Errorf("%dx%d in 32x32: corner drawn is %v, want %v", test.w, test.h, got, test.want)
		}
	}
}

func TestChecksStartBlackAndRoundTheirSizeUp(t *testing.T) {
	solid := `<effect name="Render/Solid" enabled="1"><row><field id="type" value="2"/></row><row><field id="opacity" value="100"/></row><row><field id="color" value="#00ff00"/></row><row><field id="checker_size" value="3.2"/></row></effect>`
	s := open(t, project(t, sequence(1, 32, 32, clip(0, 1, 0, 9, "", solid))), 1)
	compose(t, s, 0)
	for x := range 32 {
		want := [4]int{0, 0, 0, 255}
		if x/4%2 == 1 {
			want[1] = 255
		}
		if got := pixel(s, x, 0); got != want {
			t.Fatalf("pixel %d,0 = %v, want %v", x, got, want)
		}
	}
}

func TestBarsCoverThePicture(t *testing.T) {
	solid := `<effect name="Render/Solid" enabled="1"><row><field id="type" value="1"/></row><row><field id="opacity" value="100"/></row></effect>`
	s := open(t, project(t, sequence(1, 70, 50, clip(0, 1, 0, 9, "", solid))), 1)
	compose(t, s, 0)
	for at, want := range map[[2]int][4]int{
		{1, 1}: {192, 192, 192, 255}, {69, 1}: {0, 0, 192, 255}, {1, 35}: {0, 0, 192, 255}, {1, 45}: {0, 33, 76, 255},
		{15, 45}: {255, 255, 255, 255}, {52, 45}: {9, 9, 9, 255}, {54, 45}: {19, 19, 19, 255}, {57, 45}: {29, 29, 29, 255},
	} {
		if got := pixel(s, at[0], at[1]); got != want {
			t.Errorf("pixel %v = %v, want %v", at, got, want)
		}
	}
}

func TestKeyframesMoveALayer(t *testing.T) {
	tr := `<effect name="Distort/Transform" enabled="1"><row><field id="posx" value="0"><key value="16" frame="0" type="0"/><key value="36" frame="10" type="0"/></field><field id="posy" value="16"><key value="16" frame="0" type="0"/></field></row></effect>`
	s := open(t, project(t, sequence(1, 32, 32, clip(0, 1, 0, 20, "", tr+solidXML("#ff0000", 100)))), 1)
	for frame, left := range map[ove.Frame]int{0: 0, 5: 10, 10: 20, 15: 20} {
		compose(t, s, frame)
		if pixel(s, left, 5)[3] != 255 || left > 0 && pixel(s, left-1, 5)[3] != 0 {
			t.Errorf("frame %d: the left edge is not at %d", frame, left)
		}
	}
}

func TestAFrameAllocatesNothing(t *testing.T) {
	s := open(t, project(t, sequence(1, 64, 64,
		clip(0, 1, 0, 1000, "", transformXML(20, 20, 60, 80)+solidXML("#ff0000", 50)),
		clip(1, 2, 0, 1000, `type="2" sequence="2"`, transformXML(32, 32, 140, 80))), sequence(2, 48, 48, clip(0, 1, 0, 1000, "", solidXML("#00ff00", 100)))), 2)
	frame := ove.Frame(0)
	n := testing.AllocsPerRun(50, func() {
		compose(t, s, frame)
		frame++
	})
	if n != 0 {
		t.Errorf("%v allocations per frame, want none", n)
	}
}

func TestAnyOrderAndAnyThreadsGiveTheSamePicture(t *testing.T) {
	p := project(t, sequence(1, 64, 48,
		clip(0, 1, 0, 40, "", transformXML(30, 20, 150, 90)+solidXML("#804020", 100)),
		clip(1, 2, 5, 35, "", `<opening length="9" name="/Cross Dissolve" enabled="1"/>`+transformXML(20, 20, 37, 80)+solidXML("#2080ff", 70))))
	want := map[ove.Frame][]uint32{}
	s := open(t, p, 1)
	for f := ove.Frame(0); f < 40; f++ {
		compose(t, s, f)
		want[f] = append([]uint32(nil), s.canvas.Pix...)
	}
	other := open(t, p, 3)
	for f := ove.Frame(39); f >= 0; f -= 3 {
		compose(t, other, f)
		for i, p := range other.canvas.Pix {
			if p != want[f][i] {
				t.Fatalf("frame %d, pixel %d: %08x backwards on 3 threads, %08x forwards on 1", f, i, p, want[f][i])
			}
		}
	}
}

func TestNaNInAProjectDrawsNothing(t *testing.T) {
	s := open(t, project(t, sequence(1, 16, 16, clip(0, 1, 0, 9, "", transformXML(math.NaN(), 8, 100, 100)+solidXML("#ff0000", 100)))), 1)
	compose(t, s, 0)
}
