package builtin

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"olive-distributed/daemon/render/raster"
)

func TestFontsTellsWhatIsSubstituted(t *testing.T) {
	p := project(t, sequence(1, 32, 32, clip(0, 1, 0, 9, "",
		titleXML("font=No Such Font 7")+titleXML()+richXML(`text=<p style="font-family:'Nope'"><b>a</b></p><p style="font-family:'DejaVu Serif'">b<b>c</b></p>d`)+timecodeXML()+solidXML("#fff", 1))))
	e := New(nil, 1)
	var got []string
	for _, effect := range p.Sequences[0].Clips[0].Effects {
		list, err := e.Fonts(t.Context(), effect)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			got = append(got, fmt.Sprint(m.Asked, " ", m.Substituted))
			if len(m.SHA256) != 64 || m.Family == "" {
				t.Errorf("%+v names no file", m)
			}
		}
	}
	if want := []string{"No Such Font 7 true", "DejaVu Sans false", "'DejaVu Serif' false", "'Nope' true"}; !slices.Equal(got, want) {
		t.Errorf("fonts %q, want %q", got, want)
	}
}

func TestAnotherFontThanTheMastersIsRefused(t *testing.T) {
	e := New(nil, 1)
	have, err := e.Fonts(t.Context(), project(t, sequence(1, 32, 32, clip(0, 1, 0, 9, "", titleXML()))).Sequences[0].Clips[0].Effects[0])
	if err != nil || len(have) != 1 {
		t.Fatal(have, err)
	}
	if err := e.CheckFonts(t.Context(), have); err != nil {
		t.Error(err)
	}
	have[0].SHA256 = strings.Repeat("0", 64)
	if err := e.CheckFonts(t.Context(), have); err == nil || !strings.Contains(err.Error(), "DejaVu Sans") {
		t.Errorf("another file: %v", err)
	}
}

func TestWithoutFontsTheClipIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	s := open(t, project(t, sequence(1, 32, 32, clip(0, 1, 0, 9, "", titleXML("font=Another")))), 1)
	_, err := s.compose(t.Context(), 0)
	if err == nil || !strings.Contains(err.Error(), `clip "c0"`) || !strings.Contains(err.Error(), "fontconfig") {
		t.Errorf("error %v", err)
	}
}

// FuzzTextEffects: fields of any content neither panic nor run for ever.
func FuzzTextEffects(f *testing.F) {
	f.Add("Plain Text", "DejaVu Sans", 48., 0., 0., 4, 128, 20., 45., "1")
	f.Add("<p style='font-size:1e9pt'>\u202e&#x5d0;", "-f", math.Inf(1), math.NaN(), -1e300, 8, 64, math.NaN(), 1e300, "0")
	f.Fuzz(func(t *testing.T, text, family string, size, pos, padding float64, across, upright int, width, angle float64, on string) {
		text = strings.ToValidUTF8(strings.Map(printable, text[:min(len(text), 300)]), "?")
		n := func(id string, v float64) string { return fmt.Sprintf("%s=%g", id, v) }
		common := []string{"text=" + text, n("posx", pos), n("posy", -pos), n("padding", padding), n("shadowangle", angle), n("shadowdistance", width), n("shadowsoftness", size), "shadow=" + strings.Map(printable, on), fmt.Sprint("valign=", upright)}
		if len(family) > 2 {
			family = "DejaVu Sans" // each unknown family is a question to fontconfig
		}
		shot(t, 64, 36,
			titleXML(append(common, "font="+strings.Map(printable, family), n("size", size), fmt.Sprint("halign=", across), "outline=1", n("outlinewidth", width))...),
			richXML(append(common, fmt.Sprint("autoscroll=", across))...),
			timecodeXML(n("scale", size), n("offsetx", pos), n("bgalpha", angle), "prepend="+text))
	})
}

func printable(r rune) rune {
	if r < ' ' && r != '\n' && r != '\t' || r == 0xfffe || r == 0xffff {
		return -1
	}
	return r
}

// BenchmarkText measures, at 1080p, what a text costs when it is painted anew and when it is
// only put over a picture that moves.
func BenchmarkText(b *testing.B) {
	for name, effect := range map[string]string{
		"title":             titleXML("size=96"),
		"title with shadow": titleXML("size=96", "shadow=1", "outline=1"),
		"document":          richXML(`text=<body style="font-family:'DejaVu Sans'; font-size:30pt; color:#fff">` + strings.Repeat("a line of words ", 40)),
		"timecode":          timecodeXML(),
	} {
		s := shot(b, 1920, 1080, effect)
		pass := s.layers[s.seq.Clips[0]].effects[0].pass
		var in, out raster.Texture
		in.Resize(1920, 1080)
		out.Resize(1920, 1080)
		for _, kept := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s, kept %v", name, kept), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if !kept {
						forget(pass)
					}
					pass.run(&in, &out, moment{}, nil)
				}
			})
		}
	}
}

// forget makes a pass lay out and paint again.
func forget(p pass) {
	switch p := p.(type) {
	case *title:
		p.overlay.drawn = false
	case *richTitle:
		p.overlay.drawn, p.page = false, nil
		clear(p.ink.stamps)
	case *timecode:
		p.overlay.drawn = false
	}
}
