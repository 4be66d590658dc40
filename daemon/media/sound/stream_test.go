package sound

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/media/probe"
)

// soundSource is three seconds in which no two moments are alike, left and right.
const soundSource = "aevalsrc='0.5*sin(400*t*(1+t))|0.4*sin(700*t*(1+t/2))':s=48000:d=3"

// soundFile has ffmpeg make a medium: from soundSource, with a small picture when it is to have one.
func soundFile(t *testing.T, name, args string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	line := []string{"-v", "error", "-nostdin", "-f", "lavfi", "-i", soundSource}
	if strings.Contains(args, "-c:v") {
		line = append(line, "-f", "lavfi", "-i", "testsrc=s=32x32:r=25:d=3")
	}
	line = append(append(line, strings.Fields(args)...), path)
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", line...).CombinedOutput(); err != nil {
		t.Fatalf("make %s: %v: %s", name, err, out)
	}
	return path
}

func openSound(t *testing.T, path string) *Stream {
	t.Helper()
	l := media.NewLibrary(t.TempDir())
	t.Cleanup(func() { l.Close() })
	file, err := l.Probe(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(file.Streams, func(s probe.Stream) bool { return s.Type == "audio" })
	s, err := Examine(t.Context(), l, path, file.Streams[i].Index)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// hear reads a sound to its end: where it began, its samples, its chunks' sizes.
func hear(t *testing.T, s *Stream, spec Spec) (begin float64, x []int16, sizes []int, err error) {
	t.Helper()
	r, err := s.Open(t.Context(), spec)
	if err != nil {
		return 0, nil, nil, err
	}
	defer r.Close()
	if begin, err = r.Begin(); errors.Is(err, io.EOF) {
		return begin, nil, nil, nil
	}
	for {
		chunk, err := r.Next()
		if errors.Is(err, io.EOF) {
			if _, again := r.Next(); !errors.Is(again, io.EOF) {
				t.Errorf("after the end: %v, want EOF again", again)
			}
			return begin, x, sizes, nil
		}
		if err != nil {
			return begin, x, sizes, err
		}
		x, sizes = append(x, chunk...), append(sizes, len(chunk)/2)
	}
}

// decodeAll is what a plain ffmpeg makes of the first audio stream.
func decodeAll(t *testing.T, path string, rate string) []int16 {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-i", path, "-map", "0:a:0",
		"-ac", "2", "-ar", rate, "-f", "s16le", "pipe:1").Output()
	if err != nil {
		t.Fatal(err)
	}
	x := make([]int16, len(out)/2)
	_, err = binary.Decode(out, binary.LittleEndian, x)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// furthest is the largest difference between samples, and where it is; a missing sample counts as 1e6.
func furthest(got, want []int16) (most, at int) {
	for i := range max(len(got), len(want)) {
		d := 1_000_000
		if i < len(got) && i < len(want) {
			d = int(math.Abs(float64(got[i]) - float64(want[i])))
		}
		if d > most {
			most, at = d, i/2
		}
	}
	return most, at
}

func TestSoundReader(t *testing.T) {
	for name, c := range map[string]struct {
		file, args string
		silence    int // samples before the sound: it starts later than the pictures
		// What a cold reader may differ from the others, and for how many samples.
		damaged   int
		tolerance int
		tail      int // samples that a cold reader may give more at the end
	}{
		"PCM at the same rate": {file: "a.wav", args: "-c:a pcm_s16le"},
		// Olive's resampler begins where it seeks to, and so does a cold reader's (the real editor's
		// sound differs by an RMS of 103 from one that keeps its phase).
		"PCM that is resampled":         {file: "a.wav", args: "-ar 44100 -c:a pcm_s24le", damaged: 32, tolerance: 700, tail: 1},
		"mono is heard on both sides":   {file: "a.wav", args: "-af pan=mono|c0=FL"},
		"PCM beside pictures":           {file: "a.mov", args: "-c:v mpeg4 -c:a pcm_s16le"},
		"AAC beside pictures":           {file: "a.mp4", args: "-c:v mpeg4 -c:a aac -aac_pns 0", damaged: 1024, tolerance: 1},
		"AAC without pictures":          {file: "a.m4a", args: "-c:a aac -aac_pns 0", damaged: 1024, tolerance: 1},
		"MP3":                           {file: "a.mp3", args: "-c:a libmp3lame", tail: 1152},
		"FLAC":                          {file: "a.flac", args: ""},
		"Vorbis":                        {file: "a.ogg", args: "-c:a libvorbis", tail: 2048},
		"Opus":                          {file: "a.opus", args: "-c:a libopus", tolerance: 3000, tail: 960},
		"ALAC, which no pipe can carry": {file: "a.m4a", args: "-c:a alac"},
		"AC-3 in a container that cannot seek": {
			file: "a.ts", args: "-c:v mpeg2video -c:a ac3 -muxdelay 0 -muxpreload 0 -output_ts_offset 0.5",
			silence:   24000 - 256, // the encoder starts early
			tolerance: 100,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := soundFile(t, c.file, c.args)
			s := openSound(t, path)
			_, whole, _, err := hear(t, s, Spec{Rate: 48000})
			if err != nil {
				t.Fatal(err)
			}
			want := append(make([]int16, 2*c.silence), decodeAll(t, path, "48000")...)
			if most, at := furthest(whole, want); most > 0 {
				t.Fatalf("the whole sound differs from ffmpeg's by %d at sample %d (%d samples, want %d)", most, at, len(whole)/2, len(want)/2)
			}
			const start = 1.3001
			from := int(math.Round(start * 48000))
			begin, got, _, err := hear(t, s, Spec{Rate: 48000, Start: start})
			if most, at := furthest(got, whole[2*from:]); err != nil || most > 0 || begin != start {
				t.Errorf("from %g s: begins at %g s, differs by %d at sample %d, %v", start, begin, most, at, err)
			}
			begin, got, _, err = hear(t, s, Spec{Rate: 48000, Start: start, Cold: true})
			lead := int(math.Round((start - begin) * 48000))
			if err != nil || lead < 0 || 2*lead > len(got) {
				t.Fatalf("cold from %g s: begins at %g s, %d samples, %v", start, begin, len(got)/2, err)
			}
			got = got[2*lead:]
			if extra := len(got)/2 - len(whole)/2 + from; extra < 0 || extra > c.tail {
				t.Errorf("cold from %g s: %d samples too many, want 0 to %d", start, extra, c.tail)
			}
			got = got[:min(len(got), len(whole)-2*from)]
			if most, at := furthest(got[2*c.damaged:], whole[2*(from+c.damaged):]); most > c.tolerance {
				t.Errorf("cold from %g s: differs by %d at sample %d, want at most %d", start, most, at+c.damaged, c.tolerance)
			}
		})
	}
}

func TestColdAACBeginsWithThePacketOfItsStart(t *testing.T) {
	t.Parallel()
	s := openSound(t, soundFile(t, "a.mp4", "-c:v mpeg4 -g 250 -c:a aac"))
	for start, want := range map[float64]int{0.001: 0, 1024 * 50 / 48000.0: 50 * 1024, 2.5: 117 * 1024} {
		begin, _, sizes, err := hear(t, s, Spec{Rate: 48000, Start: start, Cold: true})
		if err != nil || math.Abs(begin*48000-float64(want)) > 1e-3 || sizes[0] != 1024 {
			t.Errorf("from %g s: begins at sample %g with a chunk of %v, %v; want %d and a whole packet", start, begin*48000, sizes[:1], err, want)
		}
	}
}

func TestSoundTempo(t *testing.T) {
	t.Parallel()
	path := soundFile(t, "a.wav", "-c:a pcm_s16le")
	s := openSound(t, path)
	for name, c := range map[string]struct {
		tempo  float64
		keep   bool
		rate   string // at which a plain ffmpeg decodes the same, "" for none
		length int
	}{
		"twice as fast":              {2, false, "24000", 72000},
		"half as fast":               {0.5, false, "96000", 288000},
		"an odd speed":               {1.37, false, "35036", 105109},
		"twice as fast at its pitch": {2, true, "", 72000},
		"eight times as fast":        {8, true, "", 18586}, // as ffmpeg's atempo, and so Olive, has it
		"next to nothing is nothing": {1 + 1e-13, true, "48000", 144000},
		"a tenth of the speed":       {0.1, false, "480000", 1440000},
	} {
		_, got, _, err := hear(t, s, Spec{Rate: 48000, Tempo: c.tempo, KeepPitch: c.keep})
		if n := len(got) / 2; err != nil || math.Abs(float64(n-c.length)) > 0.04*float64(c.length) {
			t.Errorf("%s: %d samples, %v; want about %d", name, n, err, c.length)
		}
		if c.rate != "" {
			if most, at := furthest(got, decodeAll(t, path, c.rate)); most > 0 {
				t.Errorf("%s: differs from ffmpeg's by %d at sample %d", name, most, at)
			}
		}
	}
}

func TestSoundFilters(t *testing.T) {
	const plain = "aformat=sample_fmts=s16:channel_layouts=stereo:sample_rates="
	for want, spec := range map[string]Spec{
		plain + "48000": {Rate: 48000, Tempo: 1, KeepPitch: true},
		plain + "29412": {Rate: 44100, Tempo: 1.4994},
		plain + "48000,atempo=2.000000,atempo=1.000000":                 {Rate: 48000, Tempo: 2, KeepPitch: true},
		plain + "48000,atempo=0.500000,atempo=0.500000,atempo=0.600000": {Rate: 48000, Tempo: 0.15, KeepPitch: true},
		plain + "48000,atempo=1.100000":                                 {Rate: 48000, Tempo: 1.1, KeepPitch: true},
	} {
		if got := spec.filters(); got != want {
			t.Errorf("%+v gives %q, want %q", spec, got, want)
		}
	}
}

func TestSoundAfterItsEnd(t *testing.T) {
	t.Parallel()
	for _, path := range []string{soundFile(t, "a.mp4", "-c:v mpeg4 -c:a aac"), soundFile(t, "a.wav", "")} {
		s := openSound(t, path)
		for _, cold := range []bool{true, false} {
			if _, x, _, err := hear(t, s, Spec{Rate: 48000, Start: 100, Cold: cold}); err != nil || len(x) > 0 {
				t.Errorf("%s, cold %t: %d samples, %v; want none and no error", filepath.Base(path), cold, len(x)/2, err)
			}
		}
	}
}

// damage overwrites a part of a file, or cuts it off when with is nil.
func damage(t *testing.T, path string, at float64, with []byte) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	offset := int(at * float64(len(b)))
	if with == nil {
		b = b[:offset]
	} else {
		copy(b[offset:], with)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDamagedSound(t *testing.T) {
	t.Parallel()
	junk := bytes.Repeat([]byte{0xa7, 0x11, 0x5b, 0xfe, 0x00, 0x93}, 200)
	for name, c := range map[string]struct {
		file, args string
		at         float64
		with       []byte
		ends       bool // early, which is no error
	}{
		"junk in AAC":              {"a.mp4", "-c:v mpeg4 -q:v 31 -c:a aac -b:a 320k -movflags faststart", 0.5, junk, false},
		"junk in FLAC":             {"a.flac", "", 0.5, junk, false},
		"junk in a TS":             {"a.ts", "-c:v mpeg2video -q:v 31 -c:a ac3 -b:a 448k", 0.5, junk, false},
		"Matroska that breaks off": {"a.mkv", "-c:v mpeg4 -c:a aac", 0.5, nil, false},
		"WAV that breaks off":      {"a.wav", "", 0.5, nil, true},
		"a TS that breaks off":     {"a.ts", "-c:v mpeg2video -c:a ac3", 0.6, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := damage(t, soundFile(t, c.file, c.args), c.at, c.with)
			l := media.NewLibrary(t.TempDir())
			defer l.Close()
			s, err := Examine(t.Context(), l, path, strings.Count(c.args, "-c:v"))
			var x []int16
			if err == nil {
				_, x, _, err = hear(t, s, Spec{Rate: 48000, Cold: true})
			}
			if c.ends && (err != nil || len(x) == 0) {
				t.Errorf("%d samples, %v; want a short sound and no error", len(x)/2, err)
			}
			if !c.ends && (err == nil || !strings.Contains(err.Error(), path)) {
				t.Errorf("%d samples, %v; want an error that names %s", len(x)/2, err, path)
			}
		})
	}
}

func TestSoundRefusals(t *testing.T) {
	t.Parallel()
	path := soundFile(t, "a.wav", "")
	l := media.NewLibrary("")
	defer l.Close()
	if _, err := Examine(t.Context(), l, filepath.Dir(path), 0); !errors.Is(err, probe.ErrNotMedium) {
		t.Errorf("a folder: %v, want %v", err, probe.ErrNotMedium)
	}
	if _, err := Examine(t.Context(), l, path, 3); err == nil || !strings.Contains(err.Error(), "stream 3") {
		t.Errorf("a stream that is not there: %v", err)
	}
	s := openSound(t, path)
	for _, spec := range []Spec{{}, {Rate: 48000, Tempo: 1000}, {Rate: 48000, Tempo: math.NaN()}, {Rate: 48000, Start: math.Inf(1)}} {
		if _, err := s.Open(t.Context(), spec); err == nil {
			t.Errorf("%+v is accepted", spec)
		}
	}
}

func TestSoundEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := openSound(t, soundFile(t, "a.mp4", "-c:v mpeg4 -c:a aac"))
	ctx, cancel := context.WithCancelCause(t.Context())
	r, err := s.Open(ctx, Spec{Rate: 48000, Cold: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	cancel(enough)
	for err == nil {
		_, err = r.Next()
	}
	if !errors.Is(err, enough) {
		t.Errorf("after the context ended: %v, want %v", err, enough)
	}
}

// FuzzChunks feeds the reader of chunks with anything.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("RIFF....AVI LIST....hdrlLIST....movi00wb\x04\x00\x00\x00abcd00wb\x02\x00\x00\x00ab"))
	f.Add([]byte("moviJUNK\x01\x00\x00\x00x00wb\xff\xff\xff\xff"))
	f.Add([]byte("mmovi00wb\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &chain{out: bufio.NewReader(bytes.NewReader(b)), cancel: func() {}}
		total := 0
		for {
			x, err := c.next()
			if err != nil {
				break
			}
			if len(x)%2 != 0 {
				t.Fatalf("%d values in a chunk of pairs", len(x))
			}
			total += 2 * len(x)
		}
		if total > len(b) {
			t.Fatalf("%d bytes of sound out of %d", total, len(b))
		}
	})
}

func TestSoundOfATruncatedMP4IsAnError(t *testing.T) {
	t.Parallel()
	path := damage(t, soundFile(t, "a.mp4", "-c:v mpeg4 -c:a aac -movflags faststart"), 0.5, nil)
	l := media.NewLibrary("")
	defer l.Close()
	s, err := Examine(t.Context(), l, path, 1)
	if err == nil {
		_, _, _, err = hear(t, s, Spec{Rate: 48000, Cold: true})
	}
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want one that names %s", err, path)
	}
}
