package text

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"olive-distributed/daemon/render/text/html"
)

const reference = `<html><body style="font-family:'DejaVu Sans'; color: #ffffff; font-size: 36pt;"><center>Rich <b>Text</b> <i style="color:#ffcc00">sample</i></center><p style="font-size:14pt" align="right">second paragraph</p></body></html>`

// TestTheReferenceDocument holds the check values of the effects notes 9.3.
func TestTheReferenceDocument(t *testing.T) {
	p := rich(t, reference, 640)
	if p.Height != 100 || p.Width != 640 {
		t.Errorf("the document is %d x %d, want 640 x 100", p.Width, p.Height)
	}
	if got := fmt.Sprint(baselines(p.Glyphs)); got != "[49 91]" {
		t.Errorf("baselines %s, want [49 91]", got)
	}
	// Ink read off Olive's render: 113..528 above, 464..634 below.
	split := slices.IndexFunc(p.Glyphs, func(g Glyph) bool { return g.Y == 91 })
	for i, c := range []struct {
		glyphs []Glyph
		x0, x1 int
	}{{p.Glyphs[:split], 113, 528}, {p.Glyphs[split:], 464, 634}} {
		if x0, x1 := ink(c.glyphs); x0 < c.x0-1 || x0 > c.x0+1 || x1 < c.x1-1 || x1 > c.x1+1 {
			t.Errorf("line %d has ink at %d..%d, want %d..%d", i, x0, x1, c.x0, c.x1)
		}
	}
	if c := p.Glyphs[split-1].Color; c.R != 255 || c.G != 0xcc || c.B != 0 {
		t.Errorf("sample is painted in %v", c)
	}
}

// sized is a document of 20 pixels, whose lines are 19 + 5 high.
func sized(body string) string {
	return `<body style="font-size:20px">` + body + `</body>`
}

func TestRichLines(t *testing.T) {
	const ascent, line = 19, 24
	for name, c := range map[string]struct {
		body   string
		width  int
		lines  []float64 // tops
		height int
	}{
		"nothing":                        {"", 200, nil, 8},
		"one line":                       {"aa", 200, []float64{4}, 32},
		"broken at a space":              {"aaaa aaaa", 70, []float64{4, 28}, 56},
		"spaces at the end do not count": {"<pre style='white-space:pre-wrap'>aaaa      aaaa</pre>", 70, []float64{16, 40}, 68},
		"a word that is too long":        {"aaaaaaaaaa", 58, []float64{4, 28, 52}, 80},
		"a letter in no room":            {"aaa", 4, []float64{4, 28, 52}, 80},
		"never broken":                   {"<p style='white-space:nowrap;margin:0px'>aaaa aaaa</p>", 70, []float64{4}, 32},
		"Chinese breaks anywhere":        {"漢字漢字漢字", 52, nil, -1},
		"line breaks":                    {"a<br>b<br><br>c", 200, []float64{4, 28, 76}, 104},
		"margins":                        {"<p>a</p><p style='margin-top:30px'>b</p>", 200, []float64{16, 70}, 98},
		"an empty paragraph of Qt":       {"<p style='-qt-paragraph-type:empty; margin:0px'><br></p>a", 200, []float64{28}, 56},
		"one and a half":                 {"<p style='margin:0px; line-height:150%'>a<br>b</p>", 200, []float64{4, 40}, 80},
		"fixed height":                   {"<p style='margin:0px; line-height:40px; -qt-line-height-type:fixed'>a<br>b</p>", 200, []float64{17, 57}, 88},
		"at least":                       {"<p style='margin:0px; line-height:40px'>a<br>b</p>", 200, []float64{20, 60}, 88},
		"at least, less":                 {"<p style='margin:0px; line-height:4px'>a<br>b</p>", 200, []float64{4, 28}, 56},
		"more between":                   {"<p style='margin:0px; line-height:6px; -qt-line-height-type:line-distance'>a<br>b</p>", 200, []float64{4, 34}, 68},
		"a rule is a line":               {"a<hr>", 200, []float64{4}, 56},
	} {
		t.Run(name, func(t *testing.T) {
			p := rich(t, sized(c.body), c.width)
			if c.height >= 0 && p.Height != c.height {
				t.Errorf("height %d, want %d", p.Height, c.height)
			}
			if c.lines == nil {
				return
			}
			var tops []float64
			for _, y := range baselines(p.Glyphs) {
				tops = append(tops, y-ascent)
			}
			if !slices.Equal(tops, c.lines) {
				t.Errorf("lines at %v, want %v (each %d high)", tops, c.lines, line)
			}
		})
	}
}

func TestRichAcross(t *testing.T) {
	// l is 5.55 wide at 20 px, its stroke from 1.8 to 3.7.
	for name, c := range map[string]struct {
		body   string
		x0, x1 int
	}{
		"left":                    {"lll", 6, 0},
		"right":                   {"<div align=right>lll</div>", 0, 193},
		"the middle":              {"<center>lll</center>", 93, 105},
		"justified, a last line":  {"<div align=justify>l l</div>", 6, 0},
		"a left margin":           {"<div style='margin-left:30px'>l</div>", 36, 0},
		"a right margin":          {"<div align=right style='margin-right:30px'>l</div>", 0, 163},
		"an indent":               {"<div style='text-indent:25px'>l</div>", 31, 0},
		"an indent goes left too": {"<div style='text-indent:-3px'>l</div>", 3, 0},
		"block steps":             {"<div style='-qt-block-indent:2'>l</div>", 86, 0},
		"text that runs left":     {"<div>א</div>", 184, 0},
		"text that is said to":    {"<div dir=rtl>l</div>", 0, 193},
		"blockquote":              {"<blockquote>l</blockquote>", 46, 0},
		"spaces at the end":       {"<pre align=right>l   </pre>", 0, 0},
		"spacing":                 {"<span style='letter-spacing:10px'>ll</span>", 6, 23},
	} {
		t.Run(name, func(t *testing.T) {
			x0, x1 := ink(rich(t, sized(c.body), 200).Glyphs)
			if c.x0 != 0 && (x0 < c.x0-1 || x0 > c.x0) || c.x1 != 0 && (x1 < c.x1 || x1 > c.x1+1) {
				t.Errorf("ink at %d..%d, want %d..%d", x0, x1, c.x0, c.x1)
			}
		})
	}
}

func TestJustifiedLinesFillTheRoom(t *testing.T) {
	p := rich(t, sized("<div align=justify>l l l l l l l l l l l l l l l l l l l l l l l</div>"), 200)
	last := map[float64]float64{}
	for _, g := range p.Glyphs {
		last[g.Y] = max(last[g.Y], g.X)
	}
	lines := baselines(p.Glyphs)
	if len(lines) < 2 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, y := range lines {
		end := last[y] + 5.55
		if full := math.Abs(end-196) < .6; full != (i+1 < len(lines)) {
			t.Errorf("line %d of %d ends at %.1f; the room ends at 196", i, len(lines), end)
		}
	}
}

func TestScriptsDecorationsAndMarks(t *testing.T) {
	t.Run("sub and super", func(t *testing.T) {
		p := rich(t, `<span style="font-size:30px">a<sup>b</sup><sub>c</sub></span>`, 200)
		a, b, c := p.Glyphs[0], p.Glyphs[1], p.Glyphs[2]
		// The small letters are 19 + 5 high: raised by 12, lowered by 4.
		if b.Size != 20 || a.Y-b.Y != 12 || c.Y-a.Y != 4 {
			t.Errorf("baselines %g, %g, %g; sizes %d", a.Y, b.Y, c.Y, b.Size)
		}
		if p.Height != 4+31+9+4 { // ascent of the raised letter, descent of the lowered
			t.Errorf("height %d, want 48", p.Height)
		}
	})
	t.Run("lines", func(t *testing.T) {
		p := rich(t, sized("<u>ll</u><s>l</s><span style='background-color:#f00'>l</span>"), 200)
		if len(p.Over) != 2 || len(p.Under) != 1 {
			t.Fatalf("%d lines, %d backgrounds", len(p.Over), len(p.Under))
		}
		u, s, b := p.Over[0], p.Over[1], p.Under[0]
		if u.X0 != 4 || u.X1 != 15 || u.Y0 <= 23 || u.Y1 > 28 || s.Y0 >= 23 || s.Y0 < 10 || b.Y0 != 4 || b.Y1 != 28 {
			t.Errorf("underline %+v, strike %+v, background %+v", u, s, b)
		}
	})
	t.Run("marks of lists", func(t *testing.T) {
		p := rich(t, sized("<ul><li>l</li></ul><ul type=square><li>l</li></ul><ol start=9><li>l<li>l</ol>"), 200)
		if len(p.Dots) != 1 || len(p.Over) != 1 {
			t.Fatalf("%d dots, %d squares", len(p.Dots), len(p.Over))
		}
		if d := p.Dots[0]; d.X > 40 || d.X < 28 || d.Radius != 4 || d.Hollow {
			t.Errorf("the disc is %+v", d)
		}
		if n := len(p.Glyphs); n != 4+2+3 {
			t.Errorf("%d glyphs, want 4 letters and the marks 9. and 10.", n)
		}
	})
	for n, want := range map[int]string{1: "1. a. A. i. I.", 4: "4. d. D. iv. IV.", 28: "28. ab. AB. xxviii. XXVIII.", 0: "0. 0. 0. 0. 0.", 1994: "1994. bxr. BXR. mcmxciv. MCMXCIV."} {
		var got []string
		for _, m := range []html.Mark{html.Decimal, html.LowerAlpha, html.UpperAlpha, html.LowerRoman, html.UpperRoman} {
			got = append(got, number(m, n))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%d is numbered %s, want %s", n, s, want)
		}
	}
}

func TestUnlimitedWidth(t *testing.T) {
	p := rich(t, sized("aaaa aaaa aaaa<div align=right>l</div>"), -1)
	if len(baselines(p.Glyphs)) != 2 || p.Width < 160 || p.Width > 180 {
		t.Errorf("width %d, lines %v", p.Width, baselines(p.Glyphs))
	}
	if _, x1 := ink(p.Glyphs[len(p.Glyphs)-1:]); x1 < p.Width-9 || x1 > p.Width-4 {
		t.Errorf("the right line ends at %d of %d", x1, p.Width)
	}
}

func FuzzRich(f *testing.F) {
	for _, s := range []string{reference, "<ul><li>a<ol><li dir=rtl>שלום 12 abc</ol>", "<p style='text-indent:1e5px;line-height:-9;margin:-1e9px'>a<sup>b", "漢字\u200d\u0301\tx<br>\u202eabc\u202c"} {
		f.Add(s, 100)
		f.Add(s, -1)
	}
	s := NewSetter()
	f.Fuzz(func(t *testing.T, text string, width int) {
		doc, fonts := load(t, html.Parse(text[:min(len(text), 2000)]))
		width = min(max(width, -100_000), 100_000)
		check(t, s.Rich(doc, fonts, width).Glyphs)
		check(t, s.Plain(Plain{Text: text, Fonts: stack(t, text), Size: width, Width: width, Height: width, Across: Justify, Wrap: true}))
	})
}

func check(t *testing.T, glyphs []Glyph) {
	t.Helper()
	for _, g := range glyphs {
		if g.Face == nil || math.IsNaN(g.X) || math.IsNaN(g.Y) || g.Size < 1 {
			t.Fatalf("glyph %+v", g)
		}
	}
}

// TestLimits: much text, large text, many lines end soon and without a panic.
func TestLimits(t *testing.T) {
	s := NewSetter()
	for name, text := range map[string]string{
		"one line":      strings.Repeat("a", 120_000),
		"many words":    strings.Repeat("ab ", 20_000),
		"many lines":    strings.Repeat("\n", 300_000),
		"many tabs":     strings.Repeat("\t", 20_000),
		"many marks":    "e" + strings.Repeat("\u0301", 20_000),
		"many turns":    strings.Repeat("aא", 10_000),
		"many nestings": strings.Repeat("\u202e(", 10_000),
		"invalid":       strings.Repeat("\xff", 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			check(t, s.Plain(Plain{Text: text, Fonts: stack(t, text), Size: 1 << 40, Width: 500, Height: 400, Across: Justify, Wrap: true}))
			doc, fonts := load(t, html.Parse(`<p style="font-size:9999px">`+text))
			check(t, s.Rich(doc, fonts, 500).Glyphs)
		})
	}
}

func BenchmarkRich(b *testing.B) {
	doc, fonts := load(b, html.Parse(reference))
	s := NewSetter()
	b.ReportAllocs()
	for b.Loop() {
		s.Rich(doc, fonts, 1920)
	}
}
