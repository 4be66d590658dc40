package film

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"olive-distributed/daemon/media/probe"
	"olive-distributed/packaging/testdisk"
)

func TestEveryPresetMakesAnExactFilm(t *testing.T) {
	for name, c := range map[string]struct {
		enc Encoding
		ext string
	}{
		"h264 in mp4":             {small("h264"), ".mp4"},
		"h264 in Matroska":        {small("h264"), ".mkv"},
		"h264 as Olive writes it": {Encoding{Width: 96, Height: 64, Rate: probe.Rational{Num: 30000, Den: 1001}, Preset: "h264", Colour: ColourOlive}, ".mp4"},
		"hevc":                    {small("hevc"), ".mp4"},
		"av1":                     {small("av1"), ".mp4"},
		"prores":                  {small("prores"), ".mov"},
		"prores in Matroska":      {small("prores"), ".mkv"},
		"vp9":                     {small("vp9"), ".webm"},
		"lossless":                {small("lossless"), ".mkv"},
		"lossless in QuickTime":   {small("lossless"), ".mov"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			parts := renderParts(t, c.enc, dir, 1, 1, 2, 21)
			for i, again := range renderParts(t, c.enc, dir, 2, 1, 2, 21) {
				if again.SHA256 != parts[i].SHA256 || again.Content != parts[i].Content || again.Extradata != parts[i].Extradata {
					t.Errorf("part %d depends on the number of threads", i)
				}
			}
			film, err := joined(t, c.enc, parts, click(t, dir), dir, c.ext)
			if err != nil {
				t.Fatal(err)
			}
			checkFilm(t, film, c.enc, c.ext == ".mkv" || c.ext == ".webm")
			if got, want := pictureSums(t, film), pictureSums(t, parts[0].Path, parts[1].Path, parts[2].Path); !slices.Equal(got, want) {
				t.Errorf("the film shows other pictures than its parts: %d, want %d", len(got), len(want))
			}
			checkClick(t, film)
		})
	}
}

// checkFilm asks ffprobe for times and tags, without the code that Join itself verifies with.
func checkFilm(t *testing.T, film string, e Encoding, milliseconds bool) {
	t.Helper()
	ask := func(entries string) []string {
		out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v", "-of", "csv=p=0", "-show_entries", entries, film).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	const length = 24 * 1001 / 30000.0
	tolerance := 1e-6
	if milliseconds {
		tolerance = 0.03
	}
	if d := probe.Seconds(ask("format=duration")[0]); math.Abs(d-length) > tolerance {
		t.Errorf("it lasts %f s, want %f", d, length)
	}
	times := ask("packet=pts")
	var pts []int64
	for _, field := range times {
		pts = append(pts, probe.Stamp([]byte(strings.Trim(field, ","))))
	}
	slices.Sort(pts)
	for i, at := range pts {
		want := pts[1] * int64(i)
		if milliseconds {
			want = int64(math.Round(float64(i) * 1001 / 30))
		}
		if at != want {
			t.Errorf("frame %d at %d, want %d", i, at, want)
		}
	}
	tags, want := ask("stream=color_range,color_space,color_transfer,color_primaries"), "tv,bt709,bt709,bt709"
	switch {
	case e.Colour == ColourOlive:
		want = "unknown,unknown,unknown"
	case e.Preset == "lossless":
		want = "gbr,"
	}
	if !strings.Contains(tags[0], want) && e.Preset != "lossless" {
		t.Errorf("tagged %s, want %s", tags[0], want)
	}
}

// checkClick finds the click in the film's sound where it was before it was encoded.
func checkClick(t *testing.T, film string) {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-copyts", "-i", film, "-map", "0:a:0", // on the clock of the pictures
		"-af", "aresample=async=1:first_pts=0", "-ac", "1", "-f", "s16le", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	x := make([]int16, len(out)/2)
	if _, err := binary.Decode(out, binary.LittleEndian, x); err != nil {
		t.Fatal(err)
	}
	loudest := 0
	for i, v := range x {
		if math.Abs(float64(v)) > math.Abs(float64(x[loudest])) {
			loudest = i
		}
	}
	if loudest < clickAt-2 || loudest > clickAt+3 {
		t.Errorf("the click is at sample %d, want %d", loudest, clickAt)
	}
	if len(x) < clickLength-1 {
		t.Errorf("%d samples of sound, want %d", len(x), clickLength)
	}
}

// rot changes one bit in the middle of a file's frames.
func rot(t *testing.T, path string, offset int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte("mdat"))
	if size := len(b); at < 0 || at > size*3/4 {
		t.Fatal("no frames found")
	}
	b[at+offset] ^= 0x10
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAPartThatRotsNeverBecomesAFilm(t *testing.T) {
	for preset, offset := range map[string]int{"h264": 300, "vp9": 300, "av1": 200} {
		t.Run(preset, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			e := small(preset)
			parts := renderParts(t, e, dir, 1, 10, 14)
			rot(t, parts[1].Path, offset)
			again, err := VerifyPart(t.Context(), parts[1].Path, e, 14)
			if err != nil {
				t.Fatalf("the test wants rot that only a checksum finds: %v", err)
			}
			if again.SHA256 == parts[1].SHA256 || again.Content == parts[1].Content {
				t.Error("one bit more or less gives the same checksum")
			}
			_, err = joined(t, e, parts, nil, dir, map[string]string{"h264": ".mp4", "vp9": ".webm", "av1": ".mkv"}[preset])
			var rotten *ContentError
			if !errors.As(err, &rotten) || rotten.Part != 1 || rotten.First != 10 || !strings.Contains(err.Error(), parts[1].Path) {
				t.Errorf("join: %v, want a ContentError about part 1", err)
			}
		})
	}
}

func TestJoinRefusesWhatIsNoFilm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := small("lossless")
	parts := renderParts(t, e, dir, 1, 10, 14)
	sound := click(t, dir)
	stranger := renderParts(t, Encoding{Width: 64, Height: 64, Rate: e.Rate, Preset: "lossless"}, t.TempDir(), 1, 14)[0]
	missing := parts[1]
	missing.Path = filepath.Join(dir, "gone.mov")
	short := parts[1]
	short.Frames = 15
	changed := *sound
	changed.SHA256 = strings.Repeat("0", 64)
	none := *sound
	none.Path = dir
	for name, c := range map[string]struct {
		parts []Part
		sound *Part
		ext   string
		want  string
	}{
		"no parts":                     {nil, nil, ".mkv", "no parts"},
		"a part of another size":       {[]Part{parts[0], stranger}, nil, ".mkv", "encoded otherwise"},
		"a part that is gone":          {[]Part{parts[0], missing}, nil, ".mkv", "gone.mov"},
		"a part with fewer frames":     {[]Part{parts[0], short}, nil, ".mkv", "24 frames, want 25"},
		"the parts in the wrong order": {[]Part{parts[1], {Path: parts[0].Path, Frames: 10, Content: parts[1].Content}}, nil, ".mkv", "frames from 14 on are not those of part 1"},
		"a sound that has changed":     {parts, &changed, ".mkv", "sound.wav has changed"},
		"a sound that is a folder":     {parts, &none, ".mkv", "directory"},
		"a container that suits not":   {parts, nil, ".mp4", "cannot be written as"},
	} {
		_, err := joined(t, e, c.parts, c.sound, t.TempDir(), c.ext)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}
	if err := VerifyFilm(t.Context(), parts[0].Path, e, parts[:1], true); err == nil || !strings.Contains(err.Error(), "streams") {
		t.Errorf("a film without its sound: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Join(cancelled, JoinSpec{Parts: parts, Encoding: e, Output: "x.mkv", Into: filepath.Join(dir, "x")}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context ended: %v", err)
	}
}

func TestTheSoundOfAFilmHasNoHole(t *testing.T) {
	stream := map[string]string{"time_base": "1/48000"}
	p := func(pts int64) probe.Packet { return probe.Packet{PTS: pts, Duration: 1024} }
	for name, c := range map[string]struct {
		packets []probe.Packet
		want    string
	}{
		"AAC with its lead-in":    {[]probe.Packet{p(-1024), p(0), p(1024), p(2048)}, ""},
		"nothing":                 {nil, "empty"},
		"a hole":                  {[]probe.Packet{p(0), p(1024), p(2048 + 1024)}, "hole"},
		"it starts late":          {[]probe.Packet{p(3000), p(4024)}, "starts"},
		"it ends early":           {[]probe.Packet{p(0)}, "ends"},
		"it goes on for too long": {[]probe.Packet{p(0), p(1024), p(2048), p(3072), p(4096)}, "ends"},
	} {
		err := checkSound(stream, c.packets, 3072/48000.0)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestAPartIsHeldAgainstThePlan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := small("h264")
	path := filepath.Join(dir, "a.mp4")
	encode(t, e, path, 0, 6, 1)
	olive, wide, other := e, e, small("hevc")
	olive.Colour, wide.Width = ColourOlive, 98
	for name, c := range map[string]struct {
		e      Encoding
		frames int64
	}{
		"one frame less": {e, 5},
		"one frame more": {e, 7},
		"another codec":  {other, 6},
		"another size":   {wide, 6},
		"other colours":  {olive, 6},
		"another rate":   {Encoding{Width: 96, Height: 64, Rate: probe.Rational{Num: 25, Den: 1}, Preset: "h264"}, 6},
	} {
		if _, err := VerifyPart(t.Context(), path, c.e, c.frames); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Truncate(path, 1<<40); err != nil { // a hole, which takes an hour to read
		t.Fatal(err)
	}
	if _, err := VerifyPart(t.Context(), path, e, 6); err == nil || !strings.Contains(err.Error(), "more than 6 frames can take") {
		t.Errorf("a part of a terabyte: %v", err)
	}
	if err := os.Truncate(path, 900); err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyPart(t.Context(), path, e, 6); err == nil {
		t.Error("a part that is cut short passes")
	}
}

func TestAWriterThatFailsLeavesNoFile(t *testing.T) {
	e := Encoding{Width: 640, Height: 480, Rate: probe.Rational{Num: 25, Den: 1}, Preset: "lossless"}
	noise := make([]byte, 4*e.Width*e.Height)
	for i := range noise {
		noise[i] = byte(i * i >> 3)
	}
	path := filepath.Join(testdisk.Small(t, 256), "a.mov")
	w, err := NewWriter(t.Context(), e, path, 1)
	for i := 0; err == nil && i < 60; i++ {
		err = w.Write(noise)
	}
	if err = errors.Join(err, w.Close()); err == nil || !strings.Contains(err.Error(), "No space left") {
		t.Errorf("on a full disk: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file is left: %v", err)
	}
	w, err = NewWriter(t.Context(), e, filepath.Join(t.TempDir(), "b.mov"), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(noise[1:]); err == nil {
		t.Error("a frame of the wrong size is taken")
	}
	w.Abort()
	if _, err := os.Stat(w.path); !errors.Is(err, os.ErrNotExist) || w.Close() == nil {
		t.Errorf("after Abort: %v", err)
	}
}

// BenchmarkJoin joins 1 GB from page cache, verification included.
func BenchmarkJoin(b *testing.B) {
	dir := b.TempDir()
	e := Encoding{Width: 1920, Height: 1080, Rate: probe.Rational{Num: 30, Den: 1}, Preset: "lossless"}
	frame := make([]byte, 4*e.Width*e.Height)
	state := uint32(1)
	for i := range frame {
		state = state*1664525 + 1013904223
		frame[i] = byte(state >> 24)
	}
	path := filepath.Join(dir, "part.mov")
	w, err := NewWriter(b.Context(), e, path, 2)
	if err != nil {
		b.Fatal(err)
	}
	const frames = 20
	for range frames {
		if err := w.Write(frame); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	part, err := VerifyPart(b.Context(), path, e, frames)
	if err != nil {
		b.Fatal(err)
	}
	parts := slices.Repeat([]Part{part}, int(1<<30/part.Size))
	b.SetBytes(part.Size * int64(len(parts)))
	for b.Loop() {
		if _, err := joined(b, e, parts, nil, dir, ".mov"); err != nil {
			b.Fatal(err)
		}
	}
}
