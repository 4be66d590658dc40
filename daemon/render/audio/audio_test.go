package audio_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/audio"
)

const rate = 48000

// A medium is a WAV file with its samples.
type medium struct {
	*ove.Footage
	x []int16 // left and right in turn
}

// loud is a medium of random samples of every size, the same for each seed.
func loud(t testing.TB, seed uint64, seconds float64) medium {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	x := make([]int16, 2*int(seconds*rate))
	for i := range x {
		x[i] = int16(random.Uint32())
	}
	path := filepath.Join(t.TempDir(), "loud.wav")
	data, err := binary.Append(nil, binary.LittleEndian, x)
	if err != nil {
		t.Fatal(err)
	}
	ffmpeg(t, string(data), "-f", "s16le", "-ar", "48000", "-ac", "2", "-i", "pipe:0", path)
	return medium{&ove.Footage{ID: int(seed), URL: path, Speed: 1}, x}
}

// from is the medium's sound from a sample on.
func (m medium) from(sample int) []int16 { return m.x[2*sample:] }

func ffmpeg(t testing.TB, stdin string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-v", "error", "-y"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg %q: %v: %s", args, err, &said)
	}
	return out
}

func sequence(fps float64, clips ...*ove.Clip) *ove.Sequence {
	seq := &ove.Sequence{Name: "film", FPS: fps, AudioRate: rate, Clips: clips}
	for i, c := range clips {
		c.ID, c.Parent = i, seq
	}
	return seq
}

// play puts a medium on the timeline, change changes the clip.
func play(m medium, in, out, clipIn ove.Frame, change ...func(*ove.Clip)) *ove.Clip {
	c := &ove.Clip{
		Name: "clip", Enabled: true, In: in, Out: out, ClipIn: clipIn, Speed: 1,
		Kind: ove.Media, Footage: m.Footage, Line: 7,
	}
	return with(c, change...)
}

func null(in, out ove.Frame, change ...func(*ove.Clip)) *ove.Clip {
	return with(&ove.Clip{Name: "null", Enabled: true, In: in, Out: out, Speed: 1}, change...)
}

func nest(seq *ove.Sequence, in, out, clipIn ove.Frame, change ...func(*ove.Clip)) *ove.Clip {
	c := &ove.Clip{Name: "nest", Enabled: true, In: in, Out: out, ClipIn: clipIn, Speed: 1, Kind: ove.Nested, Nested: seq}
	return with(c, change...)
}

func with(c *ove.Clip, change ...func(*ove.Clip)) *ove.Clip {
	for _, f := range change {
		f(c)
	}
	return c
}

// fx adds an effect with a row for each "id=value".
func fx(name string, rows ...string) func(*ove.Clip) {
	e := &ove.Effect{Name: name, Enabled: true}
	for _, row := range rows {
		id, value, _ := strings.Cut(row, "=")
		e.Rows = append(e.Rows, ove.Row{Fields: []ove.Field{{ID: id, Value: value}}})
	}
	return func(c *ove.Clip) { c.Effects = append(c.Effects, e) }
}

func opening(name string, length ove.Frame) func(*ove.Clip) {
	return func(c *ove.Clip) { c.Opening = &ove.Transition{Name: name, Length: length, To: c} }
}

func closing(name string, length ove.Frame) func(*ove.Clip) {
	return func(c *ove.Clip) { c.Closing = &ove.Transition{Name: name, Length: length, From: c} }
}

func speed(s float64, keepPitch bool) func(*ove.Clip) {
	return func(c *ove.Clip) { c.Speed, c.MaintainPitch = s, keepPitch }
}

func reversed(c *ove.Clip) { c.Reverse = true }

// render gives the samples of some frames.
func render(t testing.TB, seq *ove.Sequence, from, to ove.Frame) []int16 {
	t.Helper()
	lib := media.NewLibrary("")
	defer lib.Close()
	out := filepath.Join(t.TempDir(), "out.wav")
	if err := audio.Render(t.Context(), seq, from, to, out, options(lib)); err != nil {
		t.Fatal(err)
	}
	return readWAV(t, out, audio.Samples(seq.AudioRate, seq.FPS, from, to))
}

func options(lib *media.Library) audio.Options {
	return audio.Options{Library: lib, Path: func(f *ove.Footage) string { return f.URL }}
}

// A fataler is a test of either kind.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func readWAV(t fataler, path string, samples int64) []int16 {
	t.Helper()
	if err := audio.Verify(path, rate, samples); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]int16, 2*samples)
	if _, err := binary.Decode(b[len(b)-2*len(x):], binary.LittleEndian, x); err != nil {
		t.Fatal(err)
	}
	return x
}

// A plain is a sound worked out sample by sample, straight from the formulas.
type plain []int16

func silence(frames ove.Frame, fps float64) plain {
	return make(plain, 2*audio.Samples(rate, fps, 0, frames))
}

// clamped is Olive's conversion to 16 bits.
func clamped(x float64) int16 { return int16(math.Trunc(min(max(x, -32768), 32767))) }

// add mixes n samples of x in at sample at.
func (p plain) add(at, n int, x []int16) plain {
	for i := range 2 * min(n, len(x)/2) {
		p[2*at+i] = clamped(float64(p[2*at+i]) + float64(x[i]))
	}
	return p
}

// each gives a changed copy: f gets the sample's number, its side (0 is left) and its value.
func each(x []int16, f func(i, side int, v float64) float64) []int16 {
	y := make([]int16, len(x))
	for i, v := range x {
		y[i] = clamped(f(i/2, i%2, float64(v)))
	}
	return y
}

func gain(x []int16, by float64) []int16 {
	return each(x, func(_, _ int, v float64) float64 { return v * by })
}

func backwards(x []int16) []int16 {
	y := make([]int16, len(x))
	for i := range len(x) / 2 {
		j := len(x) - 2 - 2*i
		y[2*i], y[2*i+1] = x[j], x[j+1]
	}
	return y
}

// faded applies a fade over samples [start, end) with chunks of 1024 samples: only those chunks
// that end before an opening's end, or start after a closing's start, are faded, and the right side is
// half a sample further.
func faded(x []int16, start, end int, closing bool, shape func(float64) float64) []int16 {
	return each(x, func(i, side int, v float64) float64 {
		first := i / 1024 * 1024
		if !closing && first+1024 >= end || closing && first <= start {
			return v
		}
		p := (float64(i) + float64(side)/2 - float64(start)) / float64(end-start)
		if closing {
			p = 1 - p
		}
		return v * shape(min(max(p, 0), 1))
	})
}

func compare(t *testing.T, got, want []int16, tolerance int) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d samples, want %d", len(got)/2, len(want)/2)
	}
	for i := range got {
		if d := int(got[i]) - int(want[i]); d > tolerance || d < -tolerance {
			t.Fatalf("sample %d side %d is %d, want %d", i/2, i%2, got[i], want[i])
		}
	}
}

func TestFailuresNameMediumAndClip(t *testing.T) {
	t.Parallel()
	m := loud(t, 1, 1)
	flac := filepath.Join(t.TempDir(), "damaged.flac")
	ffmpeg(t, "", "-i", m.URL, flac)
	b, err := os.ReadFile(flac)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[len(b)/2:], strings.Repeat("junk", 100))
	if err := os.WriteFile(flac, b, 0o600); err != nil {
		t.Fatal(err)
	}
	lib := media.NewLibrary("")
	defer lib.Close()
	out := filepath.Join(t.TempDir(), "out.wav")
	for path, more := range map[string]string{
		flac: "CRC", filepath.Join(t.TempDir(), "gone.wav"): "no such file", t.TempDir(): "directory",
	} {
		seq := sequence(30, play(medium{Footage: &ove.Footage{URL: path, Speed: 1}}, 0, 30, 0))
		err := audio.Render(t.Context(), seq, 0, 30, out, options(lib))
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), `clip "clip"`) ||
			!strings.Contains(err.Error(), "line 7") || !strings.Contains(err.Error(), more) {
			t.Errorf("%s: %v; want an error with the path, the clip and %q", path, err, more)
		}
	}
	seq := sequence(30, play(m, 0, 30, 0))
	if err := audio.Render(t.Context(), seq, 0, 30, filepath.Join(out, "x"), options(lib)); err == nil {
		t.Error("no error for a file that cannot be made")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	opt := options(lib)
	opt.Progress = func(int64, int64) { cancel(enough) }
	if err := audio.Render(ctx, seq, 0, 30, out, opt); !errors.Is(err, enough) {
		t.Errorf("cancelled: %v, want %v", err, enough)
	}
}

func TestWhatIsLeftOutIsSilent(t *testing.T) {
	t.Parallel()
	m := loud(t, 1, 0.1)
	gone := medium{Footage: &ove.Footage{ID: 99, Speed: 1}}
	off := func(c *ove.Clip) { c.Enabled = false }
	video := func(c *ove.Clip) { c.Track = -1 }
	inner := sequence(30, play(m, 0, 3, 0))
	for name, c := range map[string]struct {
		clip   *ove.Clip
		sounds bool
	}{
		"a medium":                           {play(m, 0, 3, 0), true},
		"a disabled clip":                    {play(m, 0, 3, 0, off), false},
		"a clip on a video track":            {play(m, 0, 3, 0, video), false},
		"a missing medium":                   {play(gone, 0, 3, 0), false},
		"a null clip":                        {null(0, 3), false},
		"a null clip with a volume":          {null(0, 3, fx("/Volume", "volume=2")), false},
		"a null clip with a tone":            {null(0, 3, fx("/Tone")), true},
		"a clip outside":                     {play(m, 30, 33, 0), false},
		"a nested sequence":                  {nest(inner, 0, 3, 0), true},
		"a nested sequence behind its sound": {nest(inner, 0, 30, 3), false},
		"a nested picture":                   {nest(inner, 0, 3, 0, video), false},
	} {
		seq := sequence(30, c.clip)
		if got := audio.Silent(seq, 0, 10, options(nil)); got == c.sounds {
			t.Errorf("%s: Silent says %t", name, got)
		}
		if c.sounds {
			continue
		}
		compare(t, render(t, seq, 0, 10), silence(10, 30), 0)
	}
}

func TestKnown(t *testing.T) {
	for name, want := range map[string]bool{
		"/Volume": true, "/Pan": true, "/Fill Left/Right": true, "/Tone": true, "/Noise": true,
		"/VST Plugin 2.x": false, "Color/Noise": false, "/Transform": false, "": false,
	} {
		if got := audio.Known(name); got != want {
			t.Errorf("Known(%q) = %t", name, got)
		}
	}
}

func TestSoundNeverOutlastsThePictures(t *testing.T) {
	for _, c := range []struct {
		rate     int
		fps      float64
		from, to ove.Frame
		want     int64
	}{
		{48000, 30, 0, 90, 144000},
		{48000, 30, 30, 90, 96000},
		{48000, 29.97, 0, 1, 1601},   // 1601.6
		{48000, 29.97, 0, 5, 8008},   // exactly
		{48000, 23.98, 0, 24, 48048}, // stamped as 24000/1001
		{44100, 24, 0, 1, 1837},      // 1837.5
		{48000, 30, 5, 5, 0},
		{48000, 0.01, 0, 1 << 31, (1 << 31) * 4800000},
	} {
		if got := audio.Samples(c.rate, c.fps, c.from, c.to); got != c.want {
			t.Errorf("Samples(%d, %g, %d, %d) = %d, want %d", c.rate, c.fps, c.from, c.to, got, c.want)
		}
	}
}
