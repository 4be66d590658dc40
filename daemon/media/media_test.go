package media

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// generate runs ffmpeg to generate a medium.
func generate(t testing.TB, path string, args ...string) string {
	t.Helper()
	args = append([]string{"-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=30:duration=3"}, args...)
	if out, err := exec.Command("ffmpeg", append(args, path)...).CombinedOutput(); err != nil {
		t.Fatalf("make %s: %v\n%s", path, err, out)
	}
	return path
}

func TestAFrameDecodedAloneIsTheFrameOfAFullDecode(t *testing.T) {
	for name, args := range map[string][]string{
		"h264.mp4":   {"-c:v", "libx264", "-g", "40", "-bf", "3", "-pix_fmt", "yuv420p"},
		"open.mp4":   {"-c:v", "libx264", "-g", "30", "-x264-params", "open-gop=1", "-pix_fmt", "yuv420p"},
		"hevc.mp4":   {"-c:v", "libx265", "-x265-params", "log-level=error", "-pix_fmt", "yuv420p"},
		"h264.ts":    {"-c:v", "libx264", "-g", "40", "-pix_fmt", "yuv420p"},
		"mpeg2.mpg":  {"-c:v", "mpeg2video", "-g", "15"},
		"mpeg4.avi":  {"-c:v", "mpeg4", "-g", "30"},
		"prores.mov": {"-c:v", "prores_ks"},
		"alpha.mov":  {"-vf", "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='X*2'", "-c:v", "png", "-frames:v", "20"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := generate(t, filepath.Join(t.TempDir(), name), args...)
			full, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-i", path, "-map", "0:v:0", "-vf", "format=rgba", "-fps_mode", "passthrough", "-f", "rawvideo", "-").Output()
			if err != nil {
				t.Fatal(err)
			}
			l := NewLibrary("")
			defer l.Close()
			ix, err := l.Video(t.Context(), path, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			const size = 96 * 64 * 4
			if len(ix.PTS) != len(full)/size {
				t.Fatalf("%d frames in the index, %d in a full decode", len(ix.PTS), len(full)/size)
			}
			frame := make([]byte, size)
			for _, i := range []int{0, 1, len(ix.PTS) / 2, len(ix.PTS) - 1} {
				r, err := l.Open(t.Context(), ix, i, 1, ReadOptions{Threads: 1})
				if err != nil {
					t.Fatal(err)
				}
				if err := r.Next(frame); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(frame, full[i*size:(i+1)*size]) {
					t.Errorf("frame %d differs", i)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// encode writes n frames of moving grey.
func encode(t testing.TB, e Encoding, path string, first, n, threads int) {
	t.Helper()
	w, err := NewWriter(t.Context(), e, path, threads)
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, 4*e.Width*e.Height)
	for f := first; f < first+n; f++ {
		for i := range frame {
			frame[i] = byte(i/7 + 3*f)
		}
		if err := w.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestEveryPresetGivesTheSameBytesWhateverTheThreadsAndJoins(t *testing.T) {
	for _, p := range Presets() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			e := Encoding{Width: 96, Height: 64, Rate: Rational{Num: 30000, Den: 1001}, Preset: p.Name}
			var parts []string
			for i := range 3 {
				part := filepath.Join(dir, fmt.Sprintf("%d%s", i, p.PartExt))
				encode(t, e, part, 10*i, 10, 1+i)
				parts = append(parts, part)
			}
			again := filepath.Join(dir, "again"+p.PartExt)
			encode(t, e, again, 20, 10, 1)
			a, err := VerifyPart(t.Context(), parts[2], e, 10)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := VerifyPart(t.Context(), again, e, 10); err != nil || a.SHA256 != b.SHA256 {
				t.Errorf("the same frames gave other bytes: %v", err)
			}
			if _, err := VerifyPart(t.Context(), again, e, 11); err == nil {
				t.Error("a part of 10 frames passed for one of 11")
			}
			film := filepath.Join(dir, "film"+p.Ext)
			if err := os.WriteFile(film, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			spec := JoinSpec{Parts: parts, Frames: []int64{10, 10, 10}, Encoding: e, Output: film, Into: film}
			if err := Join(t.Context(), spec); err != nil {
				t.Fatal(err)
			}
			if err := VerifyFilm(t.Context(), film, e, 30, false); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAPartOfAnotherEncoderIsRefused(t *testing.T) {
	dir := t.TempDir()
	e := Encoding{Width: 96, Height: 64, Rate: Rational{Num: 30, Den: 1}, Preset: "h264"}
	other := e
	other.Args = []string{"-crf", "20", "-preset", "ultrafast"}
	a, b, film := filepath.Join(dir, "a.mp4"), filepath.Join(dir, "b.mp4"), filepath.Join(dir, "film.mp4")
	encode(t, e, a, 0, 5, 1)
	encode(t, other, b, 5, 5, 1)
	err := Join(t.Context(), JoinSpec{Parts: []string{a, b}, Frames: []int64{5, 5}, Encoding: e, Output: film, Into: film})
	if err == nil || !strings.Contains(err.Error(), "encoded otherwise") {
		t.Errorf("error %v, want a refusal", err)
	}
}

func TestArgumentsThatNameFilesAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-i", "/etc/passwd"},
		{"-map", "0"},
		{"-passlogfile", "/tmp/x"},
		{"-vf", "movie=/etc/passwd"},
		{"-x264-params", "stats=/tmp/x"},
		{"-x264-params", "qpfile=/etc/passwd"},
		{"-f", "tee"},
		{"/tmp/out.mp4"},
		{"-crf"},
	} {
		e := Encoding{Width: 96, Height: 64, Rate: Rational{Num: 30, Den: 1}, Preset: "h264", Args: args}
		if err := e.Validate(); err == nil {
			t.Errorf("%q passed", args)
		}
	}
}

func TestOddSizesNeedAFormatThatHoldsThem(t *testing.T) {
	e := Encoding{Width: 95, Height: 64, Rate: Rational{Num: 30, Den: 1}, Preset: "h264"}
	if e.Validate() == nil {
		t.Error("h264 took an odd width")
	}
	e.Preset = "lossless"
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoMediumIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "list.m3u8")
	if err := os.WriteFile(list, []byte("#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := NewLibrary("")
	defer l.Close()
	for _, path := range []string{dir, "/etc/passwd", "/dev/zero", list, filepath.Join(dir, "absent")} {
		if f, err := l.Probe(t.Context(), path); err == nil {
			t.Errorf("%s passed as %+v", path, f)
		}
	}
}

func BenchmarkJoin(b *testing.B) {
	dir := b.TempDir()
	e := Encoding{Width: 960, Height: 540, Rate: Rational{Num: 30, Den: 1}, Preset: "lossless"}
	part, film := filepath.Join(dir, "a.mov"), filepath.Join(dir, "film.mkv")
	encode(b, e, part, 0, 60, 2)
	info, err := os.Stat(part)
	if err != nil {
		b.Fatal(err)
	}
	var spec JoinSpec
	for range 1 + int(1e9/info.Size()) {
		spec.Parts, spec.Frames = append(spec.Parts, part), append(spec.Frames, 60)
	}
	if err := os.WriteFile(film, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	spec.Encoding, spec.Output, spec.Into = e, film, film
	b.SetBytes(info.Size() * int64(len(spec.Parts)))
	for b.Loop() {
		if err := Join(b.Context(), spec); err != nil {
			b.Fatal(err)
		}
	}
}
