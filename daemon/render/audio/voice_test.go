package audio

import (
	"fmt"
	"strings"
	"testing"

	"olive-distributed/daemon/ove"
)

// TestDecodersAreOpenOnlyWhileTheySound: what is open is bounded by what sounds.
func TestDecodersAreOpenOnlyWhileTheySound(t *testing.T) {
	seq := &ove.Sequence{FPS: 30, AudioRate: 48000}
	for i := range ove.Frame(300) {
		seq.Clips = append(seq.Clips, &ove.Clip{
			Enabled: true, In: 30 * i, Out: 30*i + 60, Speed: 1, Parent: seq, Effects: []*ove.Effect{{Name: "/Tone", Enabled: true}},
		})
	}
	r, err := newRenderer(seq, 0, seq.Length(), Options{})
	if err != nil || len(r.voices) != 300 {
		t.Fatalf("%d voices, %v; want 300", len(r.voices), err)
	}
	most := 0
	block := make([]int16, 2*blockSize)
	for at := int64(0); at < r.total; at += blockSize {
		if err := r.mix(t.Context(), block, at); err != nil {
			t.Fatal(err)
		}
		most = max(most, len(r.active))
	}
	if most < 2 || most > 3+ahead {
		t.Errorf("%d voices were open at a time, want the 2 or 3 that sound and %d more", most, ahead)
	}
	if len(r.active) > 1 {
		t.Errorf("%d voices are open at the end", len(r.active))
	}
}

// TestNestsThatMultiply: ten sequences, each of which shows the next one ten times.
func TestNestsThatMultiply(t *testing.T) {
	inner := &ove.Sequence{FPS: 30, AudioRate: 48000}
	inner.Clips = []*ove.Clip{{Enabled: true, Out: 10, Speed: 1, Parent: inner, Effects: []*ove.Effect{{Name: "/Tone", Enabled: true}}}}
	for range 10 {
		outer := &ove.Sequence{FPS: 30, AudioRate: 48000}
		for range 10 {
			outer.Clips = append(outer.Clips, &ove.Clip{Enabled: true, Out: 10, Speed: 1, Kind: ove.Nested, Nested: inner, Parent: outer})
		}
		inner = outer
	}
	if _, err := newRenderer(inner, 0, 10, Options{}); err == nil || !strings.Contains(err.Error(), "nest less") {
		t.Errorf("%v, want a refusal", err)
	}
}

func TestPlacesOfVoices(t *testing.T) {
	leaf := func(fps float64, in, out, clipIn ove.Frame) *ove.Sequence {
		s := &ove.Sequence{FPS: fps, AudioRate: 48000}
		s.Clips = []*ove.Clip{{
			Enabled: true, In: in, Out: out, ClipIn: clipIn, Speed: 1, Parent: s, Effects: []*ove.Effect{{Name: "/Noise", Enabled: true}},
		}}
		return s
	}
	nested := func(inner *ove.Sequence, in, out, clipIn ove.Frame) *ove.Sequence {
		s := &ove.Sequence{FPS: 30, AudioRate: 48000}
		s.Clips = []*ove.Clip{{Enabled: true, In: in, Out: out, ClipIn: clipIn, Speed: 1, Kind: ove.Nested, Nested: inner, Parent: s}}
		return s
	}
	for name, c := range map[string]struct {
		seq  *ove.Sequence
		want string // start, end in samples, and the clip's own frame at the start
	}{
		"alone":                                  {leaf(30, 10, 20, 3), "16000-32000 frame 10"},
		"nested":                                 {nested(leaf(30, 10, 20, 3), 5, 40, 2), "20800-36800 frame 10"},
		"nested, the nest starts later":          {nested(leaf(30, 10, 20, 3), 5, 40, 14), "8000-17600 frame 14"},
		"nested, the nest ends earlier":          {nested(leaf(30, 10, 20, 3), 5, 18, 2), "20800-28800 frame 10"},
		"nested twice":                           {nested(nested(leaf(30, 10, 20, 3), 5, 40, 2), 3, 30, 6), "16000-32000 frame 10"},
		"nested at 25, ends late":                {nested(leaf(25, 5, 50, 5), 40, 75, 3), "68800-144000 frame 5"},
		"nested at 60, ends early":               {nested(leaf(60, 20, 100, 0), 0, 60, 0), "16000-40000 frame 20"},
		"nested at 25, no longer than was mixed": {nested(leaf(25, 0, 500, 0), 0, 300, 0), "0-504000 frame 0"},
	} {
		r, err := newRenderer(c.seq, 0, c.seq.Length(), Options{})
		if err != nil || len(r.voices) != 1 {
			t.Fatalf("%s: %d voices, %v", name, len(r.voices), err)
		}
		v := r.voices[0]
		if got := fmt.Sprintf("%d-%d frame %d", v.start, v.end, v.playhead); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
