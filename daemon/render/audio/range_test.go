package audio_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/audio"
)

// slice compares a range of a timeline with the same samples of the whole; where the range ends in
// the middle of a sample it has one more.
func slice(seq *ove.Sequence, whole, part []int16, from ove.Frame) error {
	start := 2 * int(float64(from)/seq.FPS*float64(seq.AudioRate))
	n := min(len(part), len(whole)-start)
	if n < len(part)-2 {
		return fmt.Errorf("%d samples from %d on of %d", len(part)/2, start/2, len(whole)/2)
	}
	if !slices.Equal(part[:n], whole[start:start+n]) {
		return fmt.Errorf("the range from frame %d on differs from the whole", from)
	}
	return nil
}

// TestRangesOfMedia cuts a timeline of everything whose sound depends on where the decoder, the
// resampler or the effects began.
func TestRangesOfMedia(t *testing.T) {
	t.Parallel()
	a := loud(t, 1, 3)
	coded := filepath.Join(t.TempDir(), "coded.mp4")
	ffmpeg(t, "", "-i", a.URL, "-f", "lavfi", "-i", "testsrc=s=32x32:d=3", "-map", "1", "-map", "0", "-c:v", "mpeg4", "-c:a", "aac", coded)
	aac := medium{Footage: &ove.Footage{ID: 2, URL: coded, Speed: 1}}
	stream := func(c *ove.Clip) { c.Stream = 1 }
	inner := sequence(25, play(aac, 4, 40, 9, stream, opening("/Linear Fade", 10)))
	seq := sequence(29.97,
		play(aac, 0, 40, 5, stream, fx("/Pan", "pan=20"), closing("/Exponential Fade", 15)),
		play(aac, 35, 60, 10, stream, speed(1.37, false)),
		play(a, 10, 55, 0, speed(0.7, true)),
		play(a, 20, 50, 0, speed(1.5, false), reversed),
		nest(inner, 15, 58, 2, fx("/Tone")),
	)
	whole := render(t, seq, 0, 60)
	for _, r := range [][2]ove.Frame{{0, 1}, {0, 33}, {13, 60}, {21, 22}, {37, 59}} {
		if err := slice(seq, whole, render(t, seq, r[0], r[1]), r[0]); err != nil {
			t.Errorf("frames [%d, %d): %v", r[0], r[1], err)
		}
	}
}

// TestRangesOfAnything does the same with random timelines that need no decoder.
func TestRangesOfAnything(t *testing.T) {
	t.Parallel()
	lib := media.NewLibrary("")
	defer lib.Close()
	out := filepath.Join(t.TempDir(), "out.wav")
	hear := func(t *rapid.T, seq *ove.Sequence, from, to ove.Frame) []int16 {
		if err := audio.Render(t.Context(), seq, from, to, out, options(lib)); err != nil {
			t.Fatal(err)
		}
		return readWAV(t, out, audio.Samples(seq.AudioRate, seq.FPS, from, to))
	}
	rapid.Check(t, func(t *rapid.T) {
		seq := anySequence(t, 2)
		length := max(1, min(seq.Length(), 60))
		from := rapid.Int64Range(0, length-1).Draw(t, "from")
		to := rapid.Int64Range(from, length).Draw(t, "to")
		if err := slice(seq, hear(t, seq, 0, length), hear(t, seq, from, to), from); err != nil {
			t.Fatal(err)
		}
	})
}

// anySequence nests up to depth further ones.
func anySequence(t *rapid.T, depth int) *ove.Sequence {
	fps := rapid.SampledFrom([]float64{25, 29.97, 30, 60, 23.976}).Draw(t, "fps")
	var clips []*ove.Clip
	for range rapid.IntRange(1, 4).Draw(t, "clips") {
		in := rapid.Int64Range(0, 40).Draw(t, "in")
		out := in + rapid.Int64Range(0, 40).Draw(t, "length")
		clipIn := rapid.Int64Range(-5, 20).Draw(t, "clipin")
		c := null(in, out)
		if depth > 0 && rapid.Bool().Draw(t, "nested") {
			c = nest(anySequence(t, depth-1), in, out, clipIn)
		}
		c.ClipIn = clipIn
		for range rapid.IntRange(0, 2).Draw(t, "effects") {
			c = with(c, anyEffect(t))
		}
		clips = append(clips, c)
	}
	return sequence(fps, clips...)
}

func anyEffect(t *rapid.T) func(*ove.Clip) {
	value := fmt.Sprint(rapid.IntRange(-100, 100).Draw(t, "value"))
	keys := []ove.Key{{Frame: 3, Value: value}, {Frame: 20, Value: "1", Type: ove.Bezier, PreX: -4, PostX: 4}, {Frame: 30, Value: "0.5"}}
	return rapid.SampledFrom([]func(*ove.Clip){
		fx("/Tone", "type=0", "frequency=1234.5", "amount=40", "mix=1"),
		fx("/Noise", "amount=30", "mix=1"),
		fx("/Pan", "pan="+value),
		func(c *ove.Clip) {
			c.Effects = append(c.Effects, &ove.Effect{
				Name: "/Volume", Enabled: true, Rows: []ove.Row{{Fields: []ove.Field{{ID: "volume", Keys: keys}}}},
			})
		},
	}).Draw(t, "effect")
}
