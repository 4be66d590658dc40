package text

import (
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
	"testing"

	"olive-distributed/daemon/render/raster/path"
	"olive-distributed/daemon/render/text/font"
	"olive-distributed/daemon/render/text/html"
)

var finder = font.NewFinder()

// stack loads DejaVu Sans, the font of all reference values here.
func stack(t testing.TB, text string) *font.Stack {
	t.Helper()
	runes := font.Runes{}
	runes.Add(text)
	s, err := finder.Open(t.Context(), font.Query{Family: "DejaVu Sans"}, runes)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plain lays out a text in a picture of 640 x 360.
func plain(t testing.TB, in Plain) []Glyph {
	t.Helper()
	in.Fonts = stack(t, in.Text)
	if in.Width == 0 {
		in.Width, in.Height = 640, 360
	}
	return NewSetter().Plain(in)
}

// baselines are the different heights of glyphs, in order.
func baselines(glyphs []Glyph) []float64 {
	var ys []float64
	for _, g := range glyphs {
		if !slices.Contains(ys, g.Y) {
			ys = append(ys, g.Y)
		}
	}
	return ys
}

// ink is the box that the glyphs of a line touch.
func ink(glyphs []Glyph) (x0, x1 int) {
	var p path.Path
	s := NewSetter()
	for i := range glyphs {
		s.Outline(&p, &glyphs[i], glyphs[i].X, glyphs[i].Y)
	}
	var m path.Mask
	m.Fill(&p, 0, 0, image.Rect(-4000, -4000, 4000, 4000))
	x0, x1 = math.MaxInt, math.MinInt
	for i, c := range m.Pix {
		if c > 0 {
			x0, x1 = min(x0, m.X+i%m.W), max(x1, m.X+i%m.W)
		}
	}
	return x0, x1
}

// TestBaselines holds the check values of the effects notes 9.2, read off Olive's renders.
func TestBaselines(t *testing.T) {
	const long = "This is a rather long line that must be wrapped by the effect"
	for name, c := range map[string]struct {
		in   Plain
		want string
	}{
		"64 px, middle":           {Plain{Text: "Plain Text", Size: 64, Across: HCenter, Upright: VCenter}, "[202]"},
		"64 px, top, two lines":   {Plain{Text: "Left top\nsecond line", Size: 64, Across: Left, Upright: Top}, "[60 136]"},
		"48 px, three lines":      {Plain{Text: long, Size: 48, Across: HCenter, Upright: VCenter, Wrap: true}, "[140 197 254]"},
		"48 px, not to be broken": {Plain{Text: long, Size: 48, Across: HCenter, Upright: VCenter}, "[197]"},
		"64 px, bottom":           {Plain{Text: "Ay", Size: 64, Across: HCenter, Upright: Bottom}, "[344]"},
		"bottom, two lines":       {Plain{Text: "Ay\nB", Size: 64, Across: HCenter, Upright: Bottom}, "[268 344]"},
		"an empty line counts":    {Plain{Text: "A\n\nB", Size: 64, Across: Left, Upright: Top}, "[60 212]"},
		"an unknown edge":         {Plain{Text: "A", Size: 64, Upright: 7}, "[202]"},
		"nothing":                 {Plain{Text: "", Size: 64}, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fmt.Sprint(baselines(plain(t, c.in))); got != c.want {
				t.Errorf("baselines %s, want %s", got, c.want)
			}
		})
	}
}

func TestAcross(t *testing.T) {
	for name, c := range map[string]struct {
		in     Plain
		x0, x1 int // ink, 0: not checked
	}{
		// The first two are read off Olive's renders; only right with kerning.
		"middle":      {Plain{Text: "Plain Text", Size: 64, Across: HCenter}, 174, 470},
		"middle, odd": {Plain{Text: "ll", Size: 20, Across: HCenter, Width: 40, Height: 40}, 16, 24},
		"left":        {Plain{Text: "Left top", Size: 64, Across: Left}, 6, 242},
		"right":       {Plain{Text: "lll", Size: 64, Across: Right}, 0, 634},
		"too wide":    {Plain{Text: "WWWWWWWWWWWWWWWW", Size: 64, Across: HCenter, Wrap: true}, -184, 0},
		"justified":   {Plain{Text: "lll l l", Size: 64, Across: Justify}, 6, 0},
		"one word":    {Plain{Text: "lll", Size: 64, Across: Justify}, 6, 0},
		"Hebrew left": {Plain{Text: "שלום", Size: 64, Across: Left}, 5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			x0, x1 := ink(plain(t, c.in))
			if c.x0 != 0 && x0 != c.x0 || c.x1 != 0 && x1 != c.x1 {
				t.Errorf("ink at %d..%d, want %d..%d", x0, x1, c.x0, c.x1)
			}
		})
	}
}

// TestJustifyAddsWholeSpaces: every gap grows by the same number of spaces, as many as fit.
func TestJustifyAddsWholeSpaces(t *testing.T) {
	glyphs := plain(t, Plain{Text: "a b  c", Size: 20, Across: Justify, Width: 300, Height: 100})
	n := len(glyphs)
	if n%2 != 0 { // three letters, three spaces, and two for every step
		t.Fatalf("%d glyphs: the gaps have grown unevenly", n)
	}
	const space, c = 651. * 20 / 2048, 1126. * 20 / 2048
	if end := glyphs[n-1].X + c; end > 300.5 || end+2*space < 300 {
		t.Errorf("the line ends at %.1f of 300: not as far as whole spaces of %.2f take it", end, space)
	}
}

// wrapped shows how a text is broken.
func wrapped(t *testing.T, text string, width int) string {
	t.Helper()
	in := Plain{Text: text, Fonts: stack(t, text), Size: 20, Width: width, Wrap: true}
	s := NewSetter()
	var lines []string
	for _, hard := range hardLines(text) {
		for _, l := range s.softLines(nil, &in, hard) {
			lines = append(lines, string(l.p.text[l.from:l.to]))
		}
	}
	return strings.Join(lines, "|")
}

func TestWordWrap(t *testing.T) {
	// At 20 px a is 12.25 wide, a space 6.36.
	for name, c := range map[string]struct {
		text  string
		width int
		want  string
	}{
		"fits":                               {"aa aa", 55, "aa aa"},
		"does not":                           {"aa aa", 54, "aa|aa"},
		"several lines":                      {"aa aa aa aa aa", 60, "aa aa|aa aa|aa"},
		"a long word first":                  {"aaaaaa a a", 40, "aaaaaa a a"},
		"a long word later":                  {"a aaaaaa a", 40, "a|aaaaaa a"},
		"the break takes one space":          {"aa  aa", 40, "aa |aa"},
		"a space at the start is a break":    {" aaaa", 40, "|aaaa"},
		"line feeds are kept":                {"a\n\na", 40, "a||a"},
		"no room at all":                     {"a a", 0, "a a"},
		"less than no room":                  {"a a", -5, "a a"},
		"Chinese has no spaces":              {"漢字漢字漢字", 40, "漢字漢字漢字"},
		"control characters vanish":          {"a\x01\ra", 100, "aa"},
		"a tab is not a place to break":      {"a\ta", 50, "a\ta"},
		"right to left breaks at spaces too": {"שלום שלום", 60, "שלום|שלום"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := wrapped(t, c.text, c.width); got != c.want {
				t.Errorf("%q in %d pixels: %s, want %s", c.text, c.width, got, c.want)
			}
		})
	}
}

func TestScripts(t *testing.T) {
	ids := func(text string) []string {
		var out []string
		for _, g := range plain(t, Plain{Text: text, Size: 20, Across: Left}) {
			out = append(out, fmt.Sprint(g.ID))
		}
		return out
	}
	t.Run("Hebrew runs to the left", func(t *testing.T) {
		word, last := ids("אב"), ids("ב")
		if len(word) != 2 || word[0] != last[0] {
			t.Errorf("glyphs %v; the leftmost is not the last letter's, %v", word, last)
		}
	})
	t.Run("numbers in Hebrew do not", func(t *testing.T) {
		one, two, all := ids("1"), ids("2"), ids("א12")
		if len(all) != 3 || all[0] != one[0] || all[1] != two[0] {
			t.Errorf("glyphs %v, want 1 (%v) and 2 (%v) first", all, one, two)
		}
	})
	t.Run("Latin within Hebrew keeps its order", func(t *testing.T) {
		a, b, all := ids("a"), ids("b"), ids("א ab א")
		if i := slices.Index(all, a[0]); i < 0 || i+1 >= len(all) || all[i+1] != b[0] {
			t.Errorf("glyphs %v: ab (%v %v) is not there", all, a, b)
		}
	})
	t.Run("Arabic letters join", func(t *testing.T) {
		alone, joined := ids("ه"), ids("ههه")
		if len(joined) != 3 || slices.Contains(joined, alone[0]) || joined[0] == joined[1] {
			t.Errorf("glyphs %v of three letters that join; alone it is %v", joined, alone)
		}
	})
	t.Run("accents are composed", func(t *testing.T) {
		if a, b := ids("é"), ids("e\u0301"); !slices.Equal(a, b) {
			t.Errorf("e and accent are %v, é is %v", b, a)
		}
	})
	t.Run("ligatures", func(t *testing.T) {
		if got := ids("fi"); len(got) != 1 {
			t.Errorf("fi is %d glyphs, want its ligature", len(got))
		}
	})
	t.Run("what no font has is the box", func(t *testing.T) {
		if got := ids("\U000e0fff\U0001f9ff漢"); slices.Contains(got, "-1") || len(got) == 0 {
			t.Errorf("glyphs %v", got)
		}
	})
	t.Run("tabs stop every 80 pixels", func(t *testing.T) {
		g := plain(t, Plain{Text: "a\tb\t\tc", Size: 20, Across: Left})
		if len(g) != 3 || g[1].X != 80 || g[2].X != 240 {
			t.Errorf("letters at %v", g)
		}
	})
}

// rich lays out a document of DejaVu Sans.
func rich(t testing.TB, text string, width int) *Page {
	t.Helper()
	doc, fonts := load(t, html.Parse(text))
	return NewSetter().Rich(doc, fonts, width)
}

func load(t testing.TB, doc *html.Document) (*html.Document, Fonts) {
	t.Helper()
	need := map[font.Query]font.Runes{}
	Needs(doc, need)
	fonts := Fonts{}
	for q, runes := range need {
		ask := q
		ask.Family = "DejaVu Sans"
		s, err := finder.Open(t.Context(), ask, runes)
		if err != nil {
			t.Fatal(err)
		}
		fonts[q] = s
	}
	return doc, fonts
}

// TestAdvancesAreCutOff: FreeType's advances are cut off to 1/64 pixel. An a of 48 pixels is
// 1882.5/64 wide.
func TestAdvancesAreCutOff(t *testing.T) {
	text := strings.Repeat("a", 100)
	if got, want := NewSetter().Line(text, stack(t, text), 48).Width, 188200/64+1; got != want {
		t.Errorf("100 letters are %d pixels wide, want %d", got, want)
	}
}

// TestHintedHeights: where the letters of DejaVu Sans end in Olive's renders of Rich Text.
func TestHintedHeights(t *testing.T) {
	s := NewSetter()
	for _, c := range []struct {
		letter       string
		size         int
		above, below float64 // the baseline, in pixels
	}{
		{"x", 19, 11, 0},
		{"d", 19, 15, 0},
		{"p", 19, 11, 4},
		{"h", 48, 37, 0},
		{"R", 48, 35, 0},
		{"c", 48, 26.5, .5},
		{"p", 48, 26.5, 10},
	} {
		l := s.Line(c.letter, stack(t, c.letter), c.size)
		l.Glyphs[0].Hint = true
		var p path.Path
		s.Outline(&p, &l.Glyphs[0], 0, 0)
		var m path.Mask
		m.Fill(&p, 0, 100, image.Rect(0, 0, 100, 200))
		above, below := extent(&m)
		if math.Abs(100-above-c.above) > .1 || math.Abs(below-100-c.below) > .1 {
			t.Errorf("%s of %d pixels reaches %.2f above and %.2f below its baseline, want %g and %g", c.letter, c.size, 100-above, below-100, c.above, c.below)
		}
	}
}

// extent is where a shape begins and ends, read off the fullest pixel of its first and last row.
func extent(m *path.Mask) (top, bottom float64) {
	first, last := -1, 0
	fullest := make([]float64, m.H)
	for y := range m.H {
		for _, c := range m.Pix[y*m.W : (y+1)*m.W] {
			fullest[y] = max(fullest[y], float64(c)/255)
		}
		if fullest[y] > 0 {
			if first < 0 {
				first = y
			}
			last = y
		}
	}
	return float64(m.Y+first+1) - fullest[first], float64(m.Y+last) + fullest[last]
}
