package builtin

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
	"testing"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/raster"
)

// effectXML is an effect whose rows hold the fields, "id=value", of one string each.
func effectXML(name string, rows ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<effect name="%s" enabled="1">`, name)
	for _, row := range rows {
		b.WriteString("<row>")
		for field := range strings.SplitSeq(row, "\x00") {
			if id, value, ok := strings.Cut(field, "="); ok {
				fmt.Fprintf(&b, `<field id="%s" value="%s"/>`, id, html.EscapeString(value))
			}
		}
		b.WriteString("</row>")
	}
	b.WriteString("</effect>")
	return b.String()
}

// titleXML is a Text in DejaVu Sans, with changes to fields by their ids.
func titleXML(changes ...string) string {
	return withChanges("Render/Text", []string{
		"text=Plain Text", "font=DejaVu Sans", "size=48", "color=#ffffff", "halign=4\x00valign=128", "wordwrap=1", "padding=0",
		"posx=0\x00posy=0", "outline=0", "outlinecolor=#000000", "outlinewidth=20", "shadow=0", "shadowcolor=#000000",
		"shadowangle=45", "shadowdistance=5", "shadowsoftness=5", "shadowopacity=80",
	}, changes)
}

func richXML(changes ...string) string {
	return withChanges("Render/Rich Text", []string{
		`text=<body style="font-family:'DejaVu Sans'; color:#fff; font-size:15pt">one<br>two</body>`, "padding=0", "posx=0\x00posy=0", "valign=132", "autoscroll=0",
		"shadow=0", "shadowcolor=#000000", "shadowangle=0", "shadowdistance=0", "shadowsoftness=0", "shadowopacity=0",
	}, changes)
}

func timecodeXML(changes ...string) string {
	return withChanges("Render/Timecode", []string{
		"tc_selector=true", "scale=100", "color=#ffffff", "bgcolor=#000000", "bgalpha=50", "offsetx=0\x00offsety=0", "prepend=",
	}, changes)
}

func withChanges(name string, rows, changes []string) string {
	for _, c := range changes {
		id, _, _ := strings.Cut(c, "=")
		for i, row := range rows {
			fields := strings.Split(row, "\x00")
			for j, f := range fields {
				if strings.HasPrefix(f, id+"=") {
					fields[j] = c
				}
			}
			rows[i] = strings.Join(fields, "\x00")
		}
	}
	return effectXML(name, rows...)
}

// shot is frame 0 of a clip of w x h with the effects.
func shot(t testing.TB, w, h int, effects ...string) *stage {
	t.Helper()
	s := open(t, project(t, sequence(1, w, h, clip(0, 1, 0, 9, "", strings.Join(effects, "")))), 1)
	compose(t, s, 0)
	return s
}

// touched is the box of pixels that are not transparent: x0, y0, x1, y1, the last included.
func touched(m *raster.Image) [4]int {
	box := [4]int{math.MaxInt, math.MaxInt, -1, -1}
	for i, p := range m.Pix {
		if p != 0 {
			x, y := i%m.W, i/m.W
			box = [4]int{min(box[0], x), min(box[1], y), max(box[2], x), max(box[3], y)}
		}
	}
	return box
}

// TestInkOfTexts: the boxes named "Olive" are read off renders of the real editor.
func TestInkOfTexts(t *testing.T) {
	const document = `text=<html><body style="font-family:'DejaVu Sans'; color: #ffffff; font-size: 36pt;"><center>Rich <b>Text</b> <i style="color:#ffcc00">sample</i></center><p style="font-size:14pt" align="right">second paragraph</p></body></html>`
	for name, c := range map[string]struct {
		effect string
		want   [4]int
	}{
		"Olive: one line":            {titleXML(), [4]int{174, 153, 470, 202}},
		"Olive: left top, two lines": {titleXML("text=Left top\nsecond line", "halign=1", "valign=32"), [4]int{3, 11, 360, 136}},
		"Olive: wrapped":             {titleXML("text=This is a rather long line that must be wrapped by the effect", "size=36"), [4]int{17, 103, 622, 254}},
		"Olive: outline":             {titleXML("text=Right bottom, with outline", "size=30", "halign=2", "valign=64", "outline=1", "outlinewidth=4"), [4]int{118, 317, 639, 359}},
		"Olive: timecode":            {timecodeXML(), [4]int{201, 290, 438, 332}},
		"Olive: document":            {richXML(document), [4]int{113, 142, 634, 224}},
		"moved":                      {titleXML("posx=10", "posy=-20"), [4]int{184, 133, 480, 182}},
		"with padding":               {titleXML("halign=1", "valign=32", "padding=20", "text=Left top"), [4]int{26, 31, 262, 93}},
		"a size of nothing":          {titleXML("size=0"), [4]int{math.MaxInt, math.MaxInt, -1, -1}},
		"no text":                    {titleXML("text="), [4]int{math.MaxInt, math.MaxInt, -1, -1}},
		"timecode, moved":            {timecodeXML("offsetx=10.9", "offsety=-20"), [4]int{211, 270, 448, 312}},
		"document at the bottom":     {richXML(document, "valign=64", "padding=20"), [4]int{113, 252, 614, 334}},
		"document at the top":        {richXML(document, "valign=32"), [4]int{113, 12, 634, 94}},
	} {
		t.Run(name, func(t *testing.T) {
			got := touched(&shot(t, 640, 360, c.effect).canvas.Image)
			for i := range got {
				if d := got[i] - c.want[i]; d < -1 || d > 1 {
					t.Fatalf("ink in %v, want %v", got, c.want)
				}
			}
		})
	}
}

// TestPensOfDocumentsStandOnQuarters: between two quarters of a pixel a small letter does not
// move, a large one does.
func TestPensOfDocumentsStandOnQuarters(t *testing.T) {
	at := func(size int, indent string) []uint32 {
		return shot(t, 200, 120, richXML(fmt.Sprintf(`text=<p style="font-family:'DejaVu Sans'; color:#fff; font-size:%dpx; text-indent:%spx">l</p>`, size, indent))).canvas.Pix
	}
	for _, c := range []struct {
		size int
		a, b string
		same bool
	}{
		{63, "0.25", "0.48", true},
		{63, "0", "0.23", true},
		{63, "0.23", "0.25", false},
		{63, "0.75", "1", false},
		{64, "0.27", "0.48", false},
	} {
		if same := slices.Equal(at(c.size, c.a), at(c.size, c.b)); same != c.same {
			t.Errorf("%d pixels, indented by %s and by %s: same picture %v, want %v", c.size, c.a, c.b, same, c.same)
		}
	}
}

func TestOutlinesAreWholePixelsWide(t *testing.T) {
	at := func(width string) []uint32 {
		return shot(t, 200, 120, titleXML("text=l", "outline=1", "outlinewidth="+width)).canvas.Pix
	}
	if !slices.Equal(at("6.1"), at("7")) || slices.Equal(at("6"), at("7")) {
		t.Error("a width of 6.1 is not drawn as 7")
	}
}

func TestTimecodeBoxIsExact(t *testing.T) {
	s := shot(t, 640, 360, timecodeXML())
	for _, at := range [][2]int{{201, 290}, {438, 290}, {201, 332}, {438, 332}} {
		if got := pixel(s, at[0], at[1]); got != [4]int{0, 0, 0, 128} {
			t.Errorf("corner %v is %v, want black at 128", at, got)
		}
	}
	for _, at := range [][2]int{{200, 300}, {439, 300}, {300, 289}, {300, 333}} {
		if got := pixel(s, at[0], at[1]); got != [4]int{} {
			t.Errorf("%v outside the box is %v", at, got)
		}
	}
}

func TestColoursOfTexts(t *testing.T) {
	// The stem of a big l, and what is around it.
	big := func(changes ...string) string {
		return titleXML(append([]string{"text=l", "size=150", "color=#00ff00"}, changes...)...)
	}
	at := func(s *stage, dx, dy int) [4]int { return pixel(s, 100+dx, 100+dy) }
	t.Run("letters lie over the clip", func(t *testing.T) {
		s := shot(t, 200, 200, solidXML("#ff0000", 100), big())
		if in, out := at(s, 0, 0), at(s, 50, 0); in != [4]int{0, 255, 0, 255} || out != [4]int{255, 0, 0, 255} {
			t.Errorf("letter %v, beside %v", in, out)
		}
	})
	t.Run("an outline surrounds them, half of its width outside", func(t *testing.T) {
		s := shot(t, 200, 200, big("outline=1", "outlinecolor=#0000ff", "outlinewidth=19.1"))
		if in, pen, out := at(s, 0, 0), at(s, 16, 0), at(s, 25, 0); in != [4]int{0, 255, 0, 255} || pen != [4]int{0, 0, 255, 255} || out != [4]int{} {
			t.Errorf("letter %v, outline %v, beside %v", in, pen, out)
		}
	})
	t.Run("a shadow falls as far as it is told", func(t *testing.T) {
		s := shot(t, 200, 200, big("shadow=1", "shadowcolor=#ff0000", "shadowangle=0", "shadowdistance=40.9", "shadowsoftness=0", "shadowopacity=50"))
		if in, sh, out := at(s, 0, 0), at(s, 40, 0), at(s, 60, 0); in != [4]int{0, 255, 0, 255} || sh != [4]int{128, 0, 0, 128} || out != [4]int{} {
			t.Errorf("letter %v, shadow %v, beside %v", in, sh, out)
		}
	})
	t.Run("a soft shadow keeps its colour where its alpha fades", func(t *testing.T) {
		s := shot(t, 200, 200, big("shadow=1", "shadowcolor=#ff0000", "shadowangle=0", "shadowdistance=40", "shadowsoftness=9"))
		if sh, halo := at(s, 40, 0), at(s, 53, 0); sh[0] != 204 || sh[3] >= 204 || halo[0] != 0 || halo[3] == 0 {
			t.Errorf("shadow %v, halo %v", sh, halo)
		}
	})
	t.Run("the shadow of a document has its colour and no opacity", func(t *testing.T) {
		s := shot(t, 200, 200, richXML(`text=<body style="font-family:'DejaVu Sans'; font-size:150pt; color:#0f0"><center>l`,
			"shadow=1", "shadowcolor=#ff0000", "shadowdistance=40", "shadowopacity=10"))
		if in, sh := at(s, 0, 0), at(s, 40, 0); in != [4]int{0, 255, 0, 255} || sh != [4]int{255, 0, 0, 255} {
			t.Errorf("letter %v, shadow %v", in, sh)
		}
	})
}

func TestTimecodes(t *testing.T) {
	for _, c := range []struct {
		frame ove.Frame
		rate  float64
		want  string
	}{
		{0, 30, "00:00:00:00"},
		{29, 30, "00:00:00:29"},
		{30, 30, "00:00:01:00"},
		{107999, 30, "00:59:59:29"},
		{30 * 3600 * 100, 30, "100:00:00:00"},
		{24, 23.98, "00:00:01:00"},
		{100, 12.5, "00:00:07:09"},
		{1800, 30000. / 1001, "00:01:00:00"},
		{1799, 29.97, "00:00:59;29"},
		{1800, 29.97, "00:01:00;02"},
		{1801, 29.97, "00:01:00;03"},
		{3597, 29.97, "00:01:59;29"},
		{3598, 29.97, "00:02:00;02"},
		{17981, 29.97, "00:09:59;29"},
		{17982, 29.97, "00:10:00;00"},
		{17984, 29.97, "00:10:00;02"},
		{19782, 29.97, "00:11:00;02"},
		{107892, 29.97, "01:00:00;00"},
		{3599, 59.94, "00:00:59;59"},
		{3600, 59.94, "00:01:00;04"},
		{35964, 59.94, "00:10:00;00"},
		{1440, 23.976, "00:01:00;02"},
		{5, math.NaN(), "00:00:05:00"},
	} {
		if got := formatTimecode(c.frame, c.rate); got != c.want {
			t.Errorf("frame %d at %g is %s, want %s", c.frame, c.rate, got, c.want)
		}
	}
}

// TestTimecodeShowsTheOutermostSequence: also in a nest; the medium's time is the clip's.
func TestTimecodeShowsTheOutermostSequence(t *testing.T) {
	inner := sequence(2, 320, 180, clip(0, 1, 0, 100, "", timecodeXML()))
	outer := sequence(1, 320, 180, fmt.Sprintf(`<clip id="0" enabled="1" name="n" clipin="20" in="10" out="60" track="-1" speed="1" type="2" sequence="2"><linked/>%s</clip>`,
		timecodeXML("tc_selector=false", "offsety=-60")))
	s := open(t, project(t, outer, inner), 1)
	compose(t, s, 15)
	l := s.layers[s.seq.Clips[0]]
	if got := l.effects[0].pass.(*timecode).overlay.shown.text; got != "00:00:00:25" {
		t.Errorf("the nest clip's own time is %s, want 00:00:00:25", got)
	}
	nested := l.nest.layers[l.nest.seq.Clips[0]]
	if got := nested.effects[0].pass.(*timecode).overlay.shown.text; got != "00:00:00:15" {
		t.Errorf("the time inside the nest is %s, want 00:00:00:15", got)
	}
}

// TestGeneratorsOverANestHaveItsTint: the opacity of the nest's last clip counts for what is
// painted on the nest, and once more for the whole (effects notes 9 and 15.13).
func TestGeneratorsOverANestHaveItsTint(t *testing.T) {
	inner := sequence(2, 64, 64, clip(0, 1, 0, 100, "", transformXML(32, 32, 100, 50)+solidXML("#0000ff", 100)))
	for name, effect := range map[string]string{
		"a solid": solidXML("#ff0000", 100),
		"a text":  titleXML("text=l", "size=300", "color=#ff0000", "posy=50"),
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, project(t, sequence(1, 64, 64, `<clip id="0" enabled="1" name="n" clipin="0" in="0" out="60" track="-1" speed="1" type="2" sequence="2"><linked/>`+effect+`</clip>`), inner), 1)
			compose(t, s, 0)
			if got := pixel(s, 32, 32); got != [4]int{64, 0, 32, 96} {
				t.Errorf("the pixel is %v, want [64 0 32 96]", got)
			}
		})
	}
}

// TestScrollingMovesTheSamePicture: every frame is the still document in another place.
func TestScrollingMovesTheSamePicture(t *testing.T) {
	still := shot(t, 300, 200, richXML("valign=32"))
	height := 8 + 2*24
	for scroll, place := range map[string]func(q float64) (x, y int){
		"1": func(q float64) (int, int) { return 0, int(math.Round(-float64(height) + (200+float64(height))*(1-q))) },
		"2": func(q float64) (int, int) { return 0, int(math.Round(-float64(height) + (200+float64(height))*q)) },
		"3": func(q float64) (int, int) { return int(math.Round(-300 + 600*(1-q))), 0 },
		"4": func(q float64) (int, int) { return int(math.Round(-300 + 600*q)), 0 },
	} {
		t.Run("autoscroll "+scroll, func(t *testing.T) {
			s := open(t, project(t, sequence(1, 300, 200, clip(0, 1, 3, 13, "", richXML("valign=32", "autoscroll="+scroll)))), 1)
			for f := range ove.Frame(10) {
				compose(t, s, 3+f)
				dx, dy := place(float64(f) / 10)
				for i, p := range s.canvas.Pix {
					x, y := i%300-dx, i/300-dy
					want := uint32(0)
					if x >= 0 && y >= 0 && x < 300 && y < 200 {
						want = still.canvas.Pix[y*300+x]
					}
					if p != want {
						t.Fatalf("frame %d, moved by %d,%d: pixel %d,%d is %08x, want %08x", f, dx, dy, i%300, i/300, p, want)
					}
				}
			}
		})
	}
}

// TestATextIsPaintedOnce: while nothing changes a frame neither lays out nor allocates, whatever
// goes on below the text.
func TestATextIsPaintedOnce(t *testing.T) {
	for name, effect := range map[string]string{
		"a text over a moving picture":     titleXML("shadow=1", "outline=1"),
		"a document over a moving picture": richXML("shadow=1"),
	} {
		t.Run(name, func(t *testing.T) {
			s := shot(t, 640, 360, effect)
			pass := s.layers[s.seq.Clips[0]].effects[0].pass
			if !pass.constant() {
				t.Error("the effect says that it changes")
			}
			var in, out raster.Texture
			in.Resize(640, 360)
			out.Resize(640, 360)
			frame := ove.Frame(0)
			if n := testing.AllocsPerRun(20, func() {
				frame++
				in.FillRect(0, 0, 640, 360, 0xff000000|uint32(frame))
				pass.run(&in, &out, moment{frame: frame}, nil)
			}); n > 0 {
				t.Errorf("%v allocations a frame", n)
			}
			if out.Pix[0] != in.Pix[0] {
				t.Errorf("the picture below is %08x, want %08x", out.Pix[0], in.Pix[0])
			}
		})
	}
}

// TestKeyframedTextHolds: strings do not mix, and each shows with its own font.
func TestKeyframedTextHolds(t *testing.T) {
	text := strings.Replace(titleXML("size=20"), `<field id="text" value="Plain Text"/>`, `<field id="text" value=""><key value="l" frame="0" type="0"/><key value="WWW" frame="5" type="0"/></field>`, 1)
	text = strings.Replace(text, `<field id="font" value="DejaVu Sans"/>`, `<field id="font" value=""><key value="DejaVu Sans" frame="0" type="0"/><key value="DejaVu Sans Mono" frame="7" type="0"/></field>`, 1)
	s := open(t, project(t, sequence(1, 200, 60, clip(0, 1, 0, 9, "", text))), 1)
	var widths []int
	for f := range ove.Frame(9) {
		compose(t, s, f)
		b := touched(&s.canvas.Image)
		widths = append(widths, b[2]-b[0])
	}
	if narrow, wide, mono := widths[0], widths[5], widths[7]; narrow > 6 || wide < 70 || mono >= wide || mono < 40 ||
		!slices.Equal(widths, []int{narrow, narrow, narrow, narrow, narrow, wide, wide, mono, mono}) {
		t.Errorf("widths %v", widths)
	}
}
