package ove_test

import (
	"errors"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"olive-distributed/daemon/ove"
)

// everything has each element and attribute once, with values that differ from the defaults.
const everything = "\ufeff" + `<?xml version='1.0' encoding="utf-8"?>
<!-- saved by a person -->
<project>
    <version>190219</version>
    <url>/films/one &amp; two/project.ove</url>
    <folders><folder id="4" name="Rushes" parent="2"/><other/></folders>
    <sequences>
        <sequence id="7" folder="4" name="Main" width="1920" height="1080" framerate="23.9760000000" afreq="44100" alayout="3" open="1" workarea="1" workareaIn="5" workareaOut="50">
            <marker frame="12" name="look"/>
            <clip id="0" enabled="0" name="&lt;first&gt;" clipin="3" in="10" out="40" track="-2" r="1" g="2" b="3" autoscale="1" speed="0.5000000000" maintainpitch="1" reverse="1" type="0" media="9" stream="2">
                <linked><link id="1"/><link id="2"/></linked>
                <marker frame="4" name="cry"/>
                <opening length="8" name="/Cross Dissolve" enabled="0"/>
                <closing length="6" name="/Cross Dissolve" enabled="1"/>
                <effect name="Render/Rich Text" enabled="0">
                    <row><field id="text" value="two&#10;lines"/><field id="unset"/></row>
                    <row/>
                    <row><field id="padding" value="1"><key value="5" frame="7" type="1" prehx="-1" prehy="-2" posthx="3" posthy="4"/><key value="6" frame="9"/></field></row>
                </effect>
            </clip>
            <clip id="1" in="40" out="60" track="-2"><opening shared="0"/></clip>
            <clip id="2" in="0" out="60" track="1" sequence="8"/>
            <clip id="3" in="60" out="60" track="-2" media="99"/>
        </sequence>
        <sequence id="8" name="Inner" width="16384" height="1" framerate="1000" afreq="48000"><future><clip/></future></sequence>
    </sequences>
    <media>
        <footage id="9" folder="4" name="shot" url="shot_%04d.png" duration="4000000" using_inout="1" in="2" out="3" speed="2" alphapremul="1" startnumber="5" proxy="1" proxypath="proxy.mp4">
            <video id="0" width="640" height="360" framerate="nan" infinite="1"/>
            <video id="3" width="64" height="36" framerate="29.97" infinite="0"/>
            <audio id="1" channels="2" layout="3" frequency="48000"/>
            <marker frame="1" name="here"/>
        </footage>
    </media>
</project>
<!-- end -->
`

func TestParseReadsEverything(t *testing.T) {
	p := parse(t, everything)
	footage := &ove.Footage{
		ID: 9, Folder: 4, Name: "shot", URL: "shot_%04d.png", Duration: 4_000_000, UsingInOut: true, In: 2, Out: 3,
		Speed: 2, AlphaPremul: true, StartNumber: 5, Proxy: true, ProxyPath: "proxy.mp4",
		Video: []ove.VideoStream{
			{ID: 0, Width: 640, Height: 360, FrameRate: 0, Infinite: true},
			{ID: 3, Width: 64, Height: 36, FrameRate: 29.97},
		},
		Audio:   []ove.AudioStream{{ID: 1, Channels: 2, Layout: 3, Frequency: 48000}},
		Markers: []ove.Marker{{Frame: 1, Name: "here"}},
	}
	inner := &ove.Sequence{ID: 8, Name: "Inner", Width: 16384, Height: 1, FPS: 1000, AudioRate: 48000}
	main := &ove.Sequence{
		ID: 7, Folder: 4, Name: "Main", Width: 1920, Height: 1080, FPS: 23.976, AudioRate: 44100, AudioLayout: 3,
		Open: true, Workarea: true, WorkareaIn: 5, WorkareaOut: 50, Markers: []ove.Marker{{Frame: 12, Name: "look"}},
	}
	first := &ove.Clip{
		ID: 0, Name: "<first>", ClipIn: 3, In: 10, Out: 40, Track: -2, Color: [3]uint8{1, 2, 3}, Autoscale: true,
		Speed: 0.5, MaintainPitch: true, Reverse: true, Kind: ove.Media, Footage: footage, Stream: 2, Parent: main,
		Links: []int{1, 2}, Markers: []ove.Marker{{Frame: 4, Name: "cry"}}, Line: 10,
		Effects: []*ove.Effect{{Name: "Render/Rich Text", Line: 15, Rows: []ove.Row{
			{Fields: []ove.Field{{ID: "text", Value: "two\nlines"}}},
			{Fields: []ove.Field{}},
			{Fields: []ove.Field{{ID: "padding", Value: "1", Keys: []ove.Key{
				{Frame: 7, Value: "5", Type: ove.Bezier, PreX: -1, PreY: -2, PostX: 3, PostY: 4},
				{Frame: 9, Value: "6", PreX: -40, PostX: 40},
			}}}},
		}}},
	}
	second := &ove.Clip{ID: 1, Enabled: true, In: 40, Out: 60, Track: -2, Speed: 1, Parent: main, Line: 21}
	first.Opening = &ove.Transition{Name: "/Cross Dissolve", Length: 8, To: first}
	first.Closing = &ove.Transition{Name: "/Cross Dissolve", Length: 6, Enabled: true, From: first, To: second}
	second.Opening = first.Closing
	main.Clips = []*ove.Clip{
		first,
		second,
		{ID: 2, Enabled: true, Out: 60, Track: 1, Speed: 1, Kind: ove.Nested, Nested: inner, Parent: main, Line: 22},
		{ID: 3, Enabled: true, In: 60, Out: 60, Track: -2, Speed: 1, Kind: ove.Media, Parent: main, Line: 23},
	}
	want := &ove.Project{
		Version: 190219, URL: "/films/one & two/project.ove",
		Folders:   []*ove.Folder{{ID: 4, Parent: 2, Name: "Rushes"}},
		Footage:   []*ove.Footage{footage},
		Sequences: []*ove.Sequence{main, inner},
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("Parse = %+v\nwant %+v\nfirst clip %+v\nwant       %+v", p, want, p.Sequences[0].Clips[0], first)
	}
}

func TestParseReadsSmallPieces(t *testing.T) {
	whole, err := ove.Parse(strings.NewReader(everything))
	if err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]io.Reader{
		"single bytes":       iotest.OneByteReader(strings.NewReader(everything)),
		"EOF with the data":  iotest.DataErrReader(strings.NewReader(everything)),
		"half of the buffer": iotest.HalfReader(strings.NewReader(everything)),
	} {
		t.Run(name, func(t *testing.T) {
			if p, err := ove.Parse(source); err != nil || !reflect.DeepEqual(p, whole) {
				t.Errorf("Parse = %v, %v, want the same project", p, err)
			}
		})
	}
}

// The settings of a sound plug-in are one long text; the value of a rich text may be long, too.
func TestParseReadsLongTexts(t *testing.T) {
	text := strings.Repeat("QUJD&amp;\r\n", 100_000)
	content := `<clip in="0" out="1" track="0"><effect name="/VST Plugin 2.x"><data>` + text + `</data></effect>` +
		`<effect><row><field id="text" value="` + text + `"/></row></effect></clip>`
	effects := clips(t, content)[0].Effects
	if got, want := effects[1].Rows[0].Fields[0].Value, strings.Repeat("QUJD&\n", 100_000); got != want {
		t.Errorf("got %d bytes, want %d", len(got), len(want))
	}
}

func TestParseReportsTheReadersError(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, n := range []int{0, 1, 100, len(everything) - 1} {
		_, err := ove.Parse(io.MultiReader(strings.NewReader(everything[:n]), iotest.ErrReader(broken)))
		if _, positioned := errors.AsType[*ove.Error](err); !errors.Is(err, broken) || positioned {
			t.Errorf("after %d bytes: Parse = %v, want the reader's own error", n, err)
		}
	}
}

// A film of 100,000 clips must not need more than 200 MB: all that is ever allocated is less.
func TestParseOf100000Clips(t *testing.T) {
	file := long(100_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p := parse(t, file)
	runtime.ReadMemStats(&after)
	s := p.Sequences[0]
	if len(s.Clips) != 100_000 || s.Length() != 500_000 {
		t.Errorf("got %d clips, %d frames, want 100000 clips, 500000 frames", len(s.Clips), s.Length())
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 150<<20 {
		t.Errorf("Parse allocated %d MB, want at most 150", used>>20)
	}
	if got := len(s.Cuts()); got != 49_999 {
		t.Errorf("got %d cuts, want 49999", got)
	}
}

func BenchmarkParse100000Clips(b *testing.B) {
	file := long(100_000)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		parse(b, file)
	}
}

func TestMainSequence(t *testing.T) {
	one, two, open := sequence(1, 25, ""), sequence(2, 25, ""), strings.Replace(sequence(3, 25, ""), "name", `open="" name`, 1)
	again := strings.Replace(sequence(4, 25, ""), "name", `open="0" name`, 1)
	for name, c := range map[string]struct {
		file string
		want string // name of the sequence, or part of the error
	}{
		"the only sequence":                   {project(one), "S1"},
		"the open one":                        {project(one, open, two), "S3"},
		"the last open one, value ignored":    {project(again, open, one), "S3"},
		"none open: the choices are named":    {project(one, two), `choose one of "S1", "S2"`},
		"no sequence at all is an error, too": {project(), "no sequence"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := parse(t, c.file).Main()
			if got := outcome(s, err); !strings.Contains(got, c.want) {
				t.Errorf("Main = %s, want %s", got, c.want)
			}
		})
	}
}

func TestSequenceByName(t *testing.T) {
	twin := strings.Replace(sequence(3, 25, ""), "S3", "S1", 1)
	for name, c := range map[string]struct{ file, ask, want string }{
		"found":                       {project(sequence(1, 25, ""), sequence(2, 25, "")), "S2", "S2"},
		"unknown: the names are told": {project(sequence(1, 25, ""), sequence(2, 25, "")), "s2", `choose one of "S1", "S2"`},
		"two of the same name":        {project(sequence(1, 25, ""), twin), "S1", "rename"},
		"empty project":               {project(), "S1", "no sequence"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := parse(t, c.file).Sequence(c.ask)
			if got := outcome(s, err); !strings.Contains(got, c.want) {
				t.Errorf("Sequence(%q) = %s, want %s", c.ask, got, c.want)
			}
		})
	}
}

// outcome is the name of the sequence or the text of the error.
func outcome(s *ove.Sequence, err error) string {
	if err != nil {
		return err.Error()
	}
	return s.Name
}
