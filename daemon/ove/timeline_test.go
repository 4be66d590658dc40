package ove_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"olive-distributed/daemon/ove"

	"pgregory.net/rapid"
)

func TestVideoAt(t *testing.T) {
	content := `<clip id="0" name="a" in="0" out="40" track="-1"><closing length="5" name="/Cross Dissolve"/></clip>
		<clip id="1" name="over" in="10" out="50" track="-2"/>
		<clip id="2" name="b" in="40" out="80" track="-1"><opening shared="0"/></clip>
		<clip id="3" name="sound" in="0" out="90" track="0"/>
		<clip id="4" name="off" enabled="0" in="0" out="90" track="-3"/>
		<clip id="5" name="empty" in="20" out="20" track="-1"/>`
	timeline := parse(t, head+content+tail).Sequences[0].Timeline()
	for name, c := range map[string]struct {
		playhead ove.Frame
		want     string // names, bottom first
		next     ove.Frame
	}{
		"before everything":               {-1, "", 0},
		"one clip":                        {0, "a", 10},
		"higher tracks are drawn later":   {20, "a over", 35},
		"the last frame before a start":   {34, "a over", 35},
		"shared: both, in the file order": {35, "a b over", 45},
		"behind the out of the first":     {44, "a b over", 45},
		"the end is not part of it":       {45, "b over", 50},
		"the other track ends":            {50, "b", 80},
		"disabled clips and sound: no":    {85, "", math.MaxInt64},
		"the end of time":                 {math.MaxInt64, "", math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) {
			if got := names(timeline.VideoAt(nil, c.playhead)); got != c.want {
				t.Errorf("VideoAt(%d) = %q, want %q", c.playhead, got, c.want)
			}
			if got := timeline.Next(c.playhead); got != c.next {
				t.Errorf("Next(%d) = %d, want %d", c.playhead, got, c.next)
			}
		})
	}
}

func names(clips []*ove.Clip) string {
	var list []string
	for _, c := range clips {
		list = append(list, c.Name)
	}
	return strings.Join(list, " ")
}

// scan is what VideoAt promises, word by word.
func scan(s *ove.Sequence, playhead ove.Frame) (found []*ove.Clip) {
	for _, c := range s.Clips {
		if c.Enabled && c.Track < 0 && c.TimelineIn() <= playhead && playhead < c.TimelineOut() {
			found = append(found, c)
		}
	}
	slices.SortStableFunc(found, func(a, b *ove.Clip) int { return cmp.Compare(b.Track, a.Track) })
	return found
}

// drawClips draws the clips of a sequence as XML: crowded, some with shared transitions, some nested.
func drawClips(t *rapid.T, nested ...int) string {
	var b strings.Builder
	closing := -1 // a clip whose closing transition is free
	for id := range rapid.IntRange(0, 12).Draw(t, "clips") {
		in := rapid.IntRange(0, 40).Draw(t, "in")
		fmt.Fprintf(&b, `<clip id="%d" name="c%d" in="%d" out="%d" track="%d" clipin="%d" enabled="%d"`, id, id,
			in, in+rapid.IntRange(0, 30).Draw(t, "length"), rapid.IntRange(-3, 0).Draw(t, "track"),
			rapid.IntRange(-3, 20).Draw(t, "clipin"), min(1, rapid.IntRange(0, 4).Draw(t, "enabled")))
		if len(nested) > 0 && rapid.Bool().Draw(t, "nested") {
			fmt.Fprintf(&b, ` sequence="%d"`, rapid.SampledFrom(nested).Draw(t, "sequence"))
		}
		b.WriteString(">")
		if closing >= 0 && rapid.Bool().Draw(t, "shared") {
			fmt.Fprintf(&b, `<opening shared="%d"/>`, closing)
			closing = -1
		}
		if rapid.Bool().Draw(t, "closing") {
			fmt.Fprintf(&b, `<closing length="%d" name="/Cross Dissolve"/>`, rapid.IntRange(0, 9).Draw(t, "transition"))
			closing = id
		}
		b.WriteString("</clip>\n")
	}
	return b.String()
}

func TestTimelineEqualsAScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, err := ove.Parse(strings.NewReader(head + drawClips(t) + tail))
		if err != nil {
			t.Fatal(err)
		}
		s := p.Sequences[0]
		timeline := s.Timeline()
		var buf []*ove.Clip
		for playhead := ove.Frame(-15); playhead < 90; playhead++ {
			buf = timeline.VideoAt(buf, playhead)
			if want := scan(s, playhead); !slices.Equal(buf, want) {
				t.Fatalf("VideoAt(%d) = %s, want %s", playhead, names(buf), names(want))
			}
			if next := timeline.Next(playhead); next <= playhead || next > playhead+1 && !slices.Equal(buf, scan(s, playhead+1)) {
				t.Fatalf("Next(%d) = %d, but the clips change before", playhead, next)
			}
		}
	})
}

func TestVideoAtDoesNotAllocate(t *testing.T) {
	timeline := parse(t, long(1000)).Sequences[0].Timeline()
	buf := make([]*ove.Clip, 0, 4)
	playhead := ove.Frame(0)
	if n := testing.AllocsPerRun(100, func() { buf = timeline.VideoAt(buf, playhead); playhead += 7 }); n != 0 || len(buf) != 2 {
		t.Errorf("%v allocations for each frame of %d clips, want none for 2", n, len(buf))
	}
}

func TestCuts(t *testing.T) {
	inner := `<clip in="0" out="20" track="-1"/><clip in="20" out="50" track="-1"/><clip in="50" out="90" track="-1"/>`
	for name, c := range map[string]struct {
		sequences []string
		want      []ove.Frame
	}{
		"no clips":                     {[]string{sequence(1, 25, "")}, nil},
		"start and end are no cuts":    {[]string{sequence(1, 25, `<clip in="0" out="9" track="-1"/>`)}, nil},
		"sorted and unique":            {[]string{sequence(1, 25, `<clip in="9" out="30" track="-2"/><clip in="0" out="9" track="-1"/><clip in="9" out="20" track="-1"/>`)}, []ove.Frame{9, 20}},
		"disabled ones and sound: no":  {[]string{sequence(1, 25, `<clip in="3" out="9" enabled="0" track="-1"/><clip in="4" out="9" track="1"/><clip in="5" out="99" track="-1"/>`)}, []ove.Frame{5}},
		"before 0":                     {[]string{sequence(1, 25, `<clip in="-5" out="5" track="-1"/><clip in="5" out="9" track="-1"/>`)}, []ove.Frame{5}},
		"extended by a transition":     {[]string{sequence(1, 30, shared)}, []ove.Frame{34, 46}},
		"nested":                       {[]string{sequence(1, 25, `<clip in="100" out="160" clipin="5" track="-1" sequence="2"/>`), sequence(2, 25, inner)}, []ove.Frame{100, 115, 145}},
		"nested at half the rate":      {[]string{sequence(1, 50, `<clip in="0" out="110" track="-1" sequence="2"/>`), sequence(2, 25, inner)}, []ove.Frame{39, 99}}, // 39/50*25 = 19.5
		"nested at double rate":        {[]string{sequence(1, 25, `<clip in="0" out="40" track="-1" sequence="2"/>`), sequence(2, 50, inner)}, []ove.Frame{10, 25}},
		"nested at half speed: no":     {[]string{sequence(1, 25, `<clip in="0" out="60" track="-1" speed="0.5" sequence="2"/>`), sequence(2, 25, inner)}, []ove.Frame{20, 50}},
		"nested cut on the clip's own": {[]string{sequence(1, 25, `<clip in="7" out="90" clipin="20" track="-1" sequence="2"/>`), sequence(2, 25, inner)}, []ove.Frame{7, 37, 77}},
		"nested sound only":            {[]string{sequence(1, 25, `<clip in="0" out="60" track="1" sequence="2"/>`), sequence(2, 25, inner)}, nil},
		"nested, ends before the clip": {[]string{sequence(1, 25, `<clip in="0" out="99" clipin="-9" track="-1" sequence="2"/>`), sequence(2, 25, `<clip in="0" out="20" track="-1"/>`)}, []ove.Frame{9, 29}},
		"nested, ends by its length":   {[]string{sequence(1, 30, `<clip in="0" out="99" track="-1" sequence="2"/>`), sequence(2, 30, shared+`<clip in="0" out="82" track="0"/>`)}, []ove.Frame{34, 46, 80, 82}},
		"two levels": {[]string{
			sequence(1, 25, `<clip in="10" out="60" clipin="10" track="-1" sequence="2"/>`),
			sequence(2, 25, `<clip in="0" out="90" track="-1" clipin="5" sequence="3"/>`), sequence(3, 25, inner),
		}, []ove.Frame{10, 15, 45}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := parse(t, project(c.sequences...)).Sequences[0].Cuts(); !slices.Equal(got, c.want) {
				t.Errorf("Cuts = %d, want %d", got, c.want)
			}
		})
	}
}

// Between cuts, the clips at a frame are the same, and those of the nests too.
func TestCutsAreWherePicturesChange(t *testing.T) {
	rates := rapid.SampledFrom([]float64{23.976, 25, 30, 50})
	rapid.Check(t, func(t *rapid.T) {
		file := project(
			sequence(1, rates.Draw(t, "rate"), drawClips(t, 2, 3)),
			sequence(2, rates.Draw(t, "rate"), drawClips(t, 3)),
			sequence(3, rates.Draw(t, "rate"), drawClips(t)))
		p, err := ove.Parse(strings.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		s := p.Sequences[0]
		cuts := s.Cuts()
		for playhead := ove.Frame(1); playhead < s.Length(); playhead++ {
			_, cut := slices.BinarySearch(cuts, playhead)
			if before, now := deep(s, playhead-1), deep(s, playhead); before != now && !cut {
				t.Fatalf("frame %d is no cut in %d, but shows %q after %q in\n%s", playhead, cuts, now, before, file)
			}
		}
		if !slices.IsSorted(cuts) || len(cuts) > 0 && (cuts[0] <= 0 || cuts[len(cuts)-1] >= s.Length()) {
			t.Fatalf("Cuts = %d of %d frames", cuts, s.Length())
		}
	})
}

// deep names all clips that are active at a frame, those of nests in brackets.
func deep(s *ove.Sequence, playhead ove.Frame) string {
	if playhead >= s.Length() {
		return ""
	}
	var b strings.Builder
	for _, c := range scan(s, playhead) {
		b.WriteString(c.Name)
		if c.Kind == ove.Nested {
			b.WriteString("[" + deep(c.Nested, c.NestedFrame(playhead)) + "]")
		}
		b.WriteString(" ")
	}
	return b.String()
}

func BenchmarkVideoAtOf100000Clips(b *testing.B) {
	timeline := parse(b, long(100_000)).Sequences[0].Timeline()
	buf := make([]*ove.Clip, 0, 4)
	playhead := ove.Frame(0)
	for b.Loop() {
		buf = timeline.VideoAt(buf, playhead)
		playhead = (playhead + 9973) % 500_000
	}
}
