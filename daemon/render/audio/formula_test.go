package audio_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/audio"
)

// logv is Olive's loudness curve.
func logv(x float64) float64 { return (math.Exp(x) - 1) / (math.E - 1) }

// tone is the tone effect's sound from its sample n on.
func tone(n int, frequency, amount, rate float64, mix bool, x []int16) []int16 {
	return each(x, func(i, _ int, v float64) float64 {
		phase := 2 * math.Pi * float64(n+i-1<<31) * frequency / rate
		y := math.Round(math.Sin(phase) * logv(amount/100) * 32767)
		if mix {
			y += v
		}
		return y
	})
}

func linear(p float64) float64 { return p }

func square(p float64) float64 { return p * p }

// TestFormulas compares with sums that know nothing of chunks, curves or decoders. All media are
// WAV, which arrives in chunks of 1024 samples. 30 frames are 48000 samples.
func TestFormulas(t *testing.T) {
	t.Parallel()
	const fps = 30
	a, b := loud(t, 1, 2), loud(t, 2, 1)
	second := func(f func(x []int16) []int16) plain { return silence(30, fps).add(0, rate, f(a.from(0)[:2*rate])) }
	for name, c := range map[string]struct {
		clips []*ove.Clip
		want  plain
	}{
		"a clip starts where it starts": {
			[]*ove.Clip{play(a, 7, 20, 5)},
			silence(30, fps).add(11200, 20800, a.from(8000)),
		},
		"a sound that ends early": {
			[]*ove.Clip{play(b, 0, 30, 20)},
			silence(30, fps).add(0, 16000, b.from(32000)),
		},
		"a start before the medium's": {
			[]*ove.Clip{play(a, 3, 30, -10)},
			silence(30, fps).add(20800, 27200, a.from(0)),
		},
		"half the volume":       {[]*ove.Clip{play(a, 0, 30, 0, fx("/Volume", "volume=0.5"))}, second(func(x []int16) []int16 { return gain(x, 0.5) })},
		"twice the volume":      {[]*ove.Clip{play(a, 0, 30, 0, fx("/Volume", "volume=2"))}, second(func(x []int16) []int16 { return gain(x, 2) })},
		"a turned phase":        {[]*ove.Clip{play(a, 0, 30, 0, fx("/Volume", "volume=-1"))}, second(func(x []int16) []int16 { return gain(x, -1) })},
		"effects in file order": {[]*ove.Clip{play(a, 0, 30, 0, fx("/Volume", "volume=3"), fx("/Volume", "volume=0.3"))}, second(func(x []int16) []int16 { return gain(gain(x, 3), 0.3) })},
		"to the left": {[]*ove.Clip{play(a, 0, 30, 0, fx("/Pan", "pan=-50"))}, second(func(x []int16) []int16 {
			return each(x, func(_, side int, v float64) float64 { return v * []float64{1, 1 - logv(0.5)}[side] })
		})},
		"to the right": {[]*ove.Clip{play(a, 0, 30, 0, fx("/Pan", "pan=30"))}, second(func(x []int16) []int16 {
			return each(x, func(_, side int, v float64) float64 { return v * []float64{1 - logv(0.3), 1}[side] })
		})},
		"left from right": {[]*ove.Clip{play(a, 0, 30, 0, fx("/Fill Left/Right", "type=0"))}, second(func(x []int16) []int16 {
			return each(x, func(i, _ int, _ float64) float64 { return float64(x[2*i+1]) })
		})},
		"right from left": {[]*ove.Clip{play(a, 0, 30, 0, fx("/Fill Left/Right", "type=1"))}, second(func(x []int16) []int16 {
			return each(x, func(i, _ int, _ float64) float64 { return float64(x[2*i]) })
		})},
		"a tone alone": {
			[]*ove.Clip{null(10, 20, fx("/Tone", "type=0", "frequency=440", "amount=30", "mix=1"))},
			silence(30, fps).add(16000, 16000, tone(0, 440, 30, rate, false, make([]int16, 32000))),
		},
		"a tone over a sound":        {[]*ove.Clip{play(a, 0, 30, 0, fx("/Tone"))}, second(func(x []int16) []int16 { return tone(0, 1000, 25, rate, true, x) })},
		"a tone in place of it":      {[]*ove.Clip{play(a, 0, 30, 0, fx("/Tone", "type=0", "frequency=50.5", "amount=100", "mix=0"))}, second(func(x []int16) []int16 { return tone(0, 50.5, 100, rate, false, x) })},
		"unknown effects":            {[]*ove.Clip{play(a, 0, 30, 0, fx("/VST Plugin 2.x"), fx("Distort/Transform"))}, second(func(x []int16) []int16 { return x })},
		"a linear fade in":           {[]*ove.Clip{play(a, 0, 30, 0, opening("/Linear Fade", 10))}, second(func(x []int16) []int16 { return faded(x, 0, 16000, false, linear) })},
		"a linear fade out":          {[]*ove.Clip{play(a, 0, 30, 0, closing("/Linear Fade", 10))}, second(func(x []int16) []int16 { return faded(x, 32000, rate, true, linear) })},
		"an exponential fade in":     {[]*ove.Clip{play(a, 0, 30, 0, opening("/Exponential Fade", 12))}, second(func(x []int16) []int16 { return faded(x, 0, 19200, false, square) })},
		"a logarithmic fade out":     {[]*ove.Clip{play(a, 0, 30, 0, closing("/Logarithmic Fade", 30))}, second(func(x []int16) []int16 { return faded(x, 0, rate, true, math.Sqrt) })},
		"a fade that is a picture's": {[]*ove.Clip{play(a, 0, 30, 0, opening("/Cross Dissolve", 10))}, second(func(x []int16) []int16 { return x })},
		"two sounds that are too loud together": {
			[]*ove.Clip{play(a, 0, 30, 0), play(b, 10, 30, 0)},
			silence(30, fps).add(0, rate, a.from(0)).add(16000, 32000, b.from(0)),
		},
		"three in the order of the file": {
			[]*ove.Clip{play(b, 15, 30, 0), play(a, 0, 30, 0), play(b, 15, 30, 10)},
			silence(30, fps).add(24000, 24000, b.from(0)).add(0, rate, a.from(0)).add(24000, 24000, b.from(16000)),
		},
		"backwards from a frame before the end": {
			[]*ove.Clip{play(b, 0, 30, 0, reversed)},
			silence(30, fps).add(0, 46400, backwards(b.x[:2*46400])),
		},
		"backwards from the middle": {
			[]*ove.Clip{play(b, 10, 20, 14, reversed, fx("/Volume", "volume=0.5"))},
			silence(30, fps).add(16000, 16000, gain(backwards(b.x[:2*24000]), 0.5)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tolerance := 0
			if c.clips[0].Opening != nil || c.clips[0].Closing != nil {
				tolerance = 1 // the way to a factor differs in its last bit
			}
			compare(t, render(t, sequence(fps, c.clips...), 0, 30), c.want, tolerance)
		})
	}
}

func TestSharedFade(t *testing.T) {
	t.Parallel()
	a, b := loud(t, 1, 2), loud(t, 2, 2)
	from, to := play(a, 0, 30, 0), play(b, 30, 60, 20)
	shared := &ove.Transition{Name: "/Linear Fade", Length: 10, From: from, To: to}
	from.Closing, to.Opening = shared, shared
	// Both sound for twice the length: the first up to frame 40, the second from frame 20, its 10th.
	want := silence(60, 30).
		add(0, 64000, faded(a.from(0)[:2*64000], 32000, 64000, true, linear)).
		add(32000, 64000, faded(b.from(16000), 0, 32000, false, linear))
	compare(t, render(t, sequence(30, from, to), 0, 60), want, 1)
}

// TestKeyframes: within half a frame of a key its value holds, between keys a line runs smoothly.
func TestKeyframes(t *testing.T) {
	t.Parallel()
	a := loud(t, 1, 2)
	e := &ove.Effect{Name: "/Volume", Enabled: true, Rows: []ove.Row{{Fields: []ove.Field{{ID: "volume", Keys: []ove.Key{
		{Frame: 5, Value: "0"}, {Frame: 25, Value: "1"},
	}}}}}}
	pan := &ove.Effect{Name: "/Pan", Enabled: true, Rows: []ove.Row{{Fields: []ove.Field{{ID: "pan", Keys: []ove.Key{
		{Frame: 10, Value: "-100", Type: ove.Hold}, {Frame: 20, Value: "100", Type: ove.Hold},
	}}}}}}
	clip := play(a, 0, 30, 3)
	clip.Effects = []*ove.Effect{e, pan}
	const fps, length = 29.97, 48048 // no half frame falls on a sample
	x := each(a.from(4805)[:2*length], func(i, _ int, v float64) float64 {
		frame := 3 + float64(i)*fps/rate
		switch rounded := math.Floor(frame + 0.5); {
		case rounded <= 5:
			return 0
		case rounded >= 25:
			return v
		}
		return v * (frame - 5) / 20
	})
	x = each(x, func(i, side int, v float64) float64 {
		right := math.Floor(3+float64(i)*fps/rate+0.5) >= 20
		if right == (side == 0) {
			return 0
		}
		return v
	})
	compare(t, render(t, sequence(fps, clip), 0, 30), silence(30, fps).add(0, length, x), 1)
}

func TestPlacesAtBrokenRates(t *testing.T) {
	t.Parallel()
	a := loud(t, 1, 2)
	at := func(frame float64, fps float64) int { return int(math.Floor(frame / fps * rate)) }
	for _, fps := range []float64{29.97, 23.976, 59.94, 12.5} {
		want := silence(30, fps).add(at(7, fps), at(19, fps)-at(7, fps), a.from(int(math.Round(5/fps*rate))))
		compare(t, render(t, sequence(fps, play(a, 7, 19, 5)), 0, 30), want, 0)
	}
}

// decoded is what a plain ffmpeg makes of a file.
func decoded(t *testing.T, path, rate string) []int16 {
	t.Helper()
	raw := ffmpeg(t, "", "-i", path, "-ac", "2", "-ar", rate, "-f", "s16le", "pipe:1")
	x := make([]int16, len(raw)/2)
	if _, err := binary.Decode(raw, binary.LittleEndian, x); err != nil {
		t.Fatal(err)
	}
	return x
}

func TestConversions(t *testing.T) {
	t.Parallel()
	a := loud(t, 1, 2)
	mono := filepath.Join(t.TempDir(), "mono.wav")
	ffmpeg(t, "", "-i", a.URL, "-ac", "1", mono)
	slow := filepath.Join(t.TempDir(), "slow.wav")
	ffmpeg(t, "", "-i", a.URL, "-ar", "44100", slow)
	of := func(path string) medium { return medium{Footage: &ove.Footage{ID: 9, URL: path, Speed: 1}} }
	twice := of(a.URL)
	twice.Speed = 2
	for name, c := range map[string]struct {
		clip *ove.Clip
		want []int16
	}{
		"twice as fast":               {play(a, 0, 20, 0, speed(2, false)), decoded(t, a.URL, "24000")},
		"half as fast":                {play(a, 0, 20, 0, speed(0.5, false)), decoded(t, a.URL, "96000")},
		"half as fast, twice as fast": {play(twice, 0, 20, 0, speed(0.5, false)), a.x},
		"twice as fast from frame 10": {play(a, 0, 20, 10, speed(2, false)), decoded(t, a.URL, "24000")[2*16000:]},
		"mono":                        {play(of(mono), 0, 20, 0), decoded(t, mono, "48000")},
		"another rate":                {play(of(slow), 0, 20, 0), decoded(t, slow, "48000")},
		"backwards, twice as fast":    {play(a, 0, 20, 0, speed(2, false), reversed), backwards(decoded(t, a.URL, "24000")[:2*46400])},
	} {
		got, want := render(t, sequence(30, c.clip), 0, 20), silence(20, 30).add(0, 32000, c.want)
		if name == "twice as fast from frame 10" { // resampling starts anew there
			got, want = got[100:], want[100:]
		}
		t.Run(name, func(t *testing.T) { compare(t, got, want, 1) })
	}
}

func TestNestedSequences(t *testing.T) {
	t.Parallel()
	a := loud(t, 1, 2)
	clip := func() *ove.Clip { return play(a, 5, 35, 2, fx("/Volume", "volume=0.8"), opening("/Linear Fade", 5)) }
	for name, c := range map[string]struct {
		inner *ove.Sequence
		nest  func(*ove.Sequence) *ove.Clip
		want  plain
	}{
		"from before the clip to after it": {
			sequence(30, clip()),
			func(s *ove.Sequence) *ove.Clip { return nest(s, 10, 50, 0, fx("/Volume", "volume=0.5")) },
			silence(60, 30).add(24000, 48000, gain(faded(gain(a.from(3200), 0.8), 0, 8000, false, linear), 0.5)),
		},
		"from the middle of the clip": {
			sequence(30, play(a, 5, 35, 2)),
			func(s *ove.Sequence) *ove.Clip { return nest(s, 10, 20, 12) },
			silence(60, 30).add(16000, 16000, a.from(9*1600)),
		},
		"in two steps, with a tone on the way": {
			sequence(30, nest(sequence(30, play(a, 0, 30, 0)), 10, 40, 0, fx("/Tone", "type=0", "frequency=100", "amount=50", "mix=1"))),
			func(s *ove.Sequence) *ove.Clip { return nest(s, 5, 45, 0, fx("/Volume", "volume=0.5")) },
			silence(60, 30).add(24000, 48000, gain(tone(0, 100, 50, rate, true, a.from(0)), 0.5)),
		},
		// Olive measures the end, frame 30, with the inner rate: 30/25 seconds, not 30/30.
		"at another rate": {
			sequence(25, play(a, 5, 50, 0)),
			func(s *ove.Sequence) *ove.Clip { return nest(s, 10, 30, 0) },
			silence(60, 30).add(16*1600, 57600-16*1600, a.from(0)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compare(t, render(t, sequence(30, c.nest(c.inner)), 0, 60), c.want, 1)
		})
	}
}

func TestNoiseIsEvenAndAlwaysTheSame(t *testing.T) {
	noise := func(id int) []int16 {
		seq := sequence(30, null(0, 30, fx("/Noise", "amount=50", "mix=1")))
		seq.Clips[0].ID = id
		return render(t, seq, 0, 30)
	}
	x := noise(1)
	compare(t, noise(1), x, 0)
	if fmt.Sprint(noise(2)[:20]) == fmt.Sprint(x[:20]) {
		t.Error("two clips have the same noise")
	}
	most := 32768 * logv(0.5)
	var sum, squares, sides float64
	for i, v := range x {
		sum += float64(v)
		squares += float64(v) * float64(v)
		sides += float64(v) * float64(x[i^1])
		if math.Abs(float64(v)) > most {
			t.Fatalf("sample %d is %d, beyond %g", i/2, v, most)
		}
	}
	n := float64(len(x))
	if mean, power := sum/n, math.Sqrt(squares/n); math.Abs(mean) > 100 || math.Abs(power/most-1/math.Sqrt(3)) > 0.01 {
		t.Errorf("mean %g, power %g; want 0 and %g", mean, power, most/math.Sqrt(3))
	}
	if math.Abs(sides/squares) > 0.02 {
		t.Errorf("left and right are alike: %g", sides/squares)
	}
}

func TestSkippedEffects(t *testing.T) {
	t.Parallel()
	a := loud(t, 1, 1)
	clip := play(a, 0, 30, 0, fx("/Volume", "volume=0"), fx("/Volume", "volume=0.5"))
	lib := media.NewLibrary("")
	defer lib.Close()
	opt := options(lib)
	opt.Skip = func(e *ove.Effect) bool { return e == clip.Effects[0] }
	out := filepath.Join(t.TempDir(), "out.wav")
	var steps []int64
	opt.Progress = func(done, total int64) {
		if total != rate {
			t.Errorf("progress of %d samples, want %d", total, rate)
		}
		steps = append(steps, done)
	}
	if err := audio.Render(t.Context(), sequence(30, clip), 0, 30, out, opt); err != nil {
		t.Fatal(err)
	}
	compare(t, readWAV(t, out, rate), silence(30, 30).add(0, rate, gain(a.x, 0.5)), 0)
	if len(steps) < 2 || steps[len(steps)-1] != rate {
		t.Errorf("progress %v, want several steps up to %d", steps, rate)
	}
}
