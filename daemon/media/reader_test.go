package media

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// reference is the filter that a Reader must equal.
func reference(ix *Index) string {
	switch {
	case ix.Interlaced && ix.play.Bottom:
		return "yadif=mode=3:parity=1,format=rgba"
	case ix.Interlaced:
		return "yadif=mode=3:parity=0,format=rgba"
	}
	return "format=rgba"
}

func TestAFrameDecodedAloneIsTheFrameOfAFullDecode(t *testing.T) {
	x264 := []string{"-c:v", "libx264", "-preset", "veryfast", "-g", "30", "-bf", "3", "-pix_fmt", "yuv420p"}
	vfr := []string{"-vf", "select='not(mod(n*n,7)-1)+mod(n,3)'", "-fps_mode", "vfr"}
	with := func(args []string, more ...string) []string { return append(args[:len(args):len(args)], more...) }
	for name, args := range map[string][]string{
		"h264 with B frames.mp4":        x264,
		"29.97.mp4":                     with(x264, "-r", "30000/1001"),
		"starts at 10 s.mp4":            with(x264, "-output_ts_offset", "10"),
		"open GOP.mp4":                  with(x264, "-x264-params", "open-gop=1:scenecut=0"),
		"open GOP.mkv":                  with(x264, "-x264-params", "open-gop=1:scenecut=0"),
		"variable rate.mkv":             append(vfr, x264...),
		"transport stream.ts":           x264,
		"h264 without time stamps.h264": x264,
		"hevc, open GOP.mp4": {
			"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:keyint=30:bframes=4:open-gop=1:scenecut=0",
		},
		"program stream.mpg":          {"-c:v", "mpeg2video", "-g", "15", "-bf", "2"},
		"packed B frames.avi":         {"-c:v", "mpeg4", "-g", "30", "-bf", "2"},
		"vp9.mkv":                     {"-c:v", "libvpx-vp9", "-g", "30", "-deadline", "realtime", "-cpu-used", "8"},
		"prores.mov":                  {"-c:v", "prores_ks"},
		"windows media.wmv":           {"-c:v", "wmv2", "-g", "30"},
		"material exchange.mxf":       {"-c:v", "mpeg2video", "-g", "15", "-bf", "2", "-vf", "scale=320:192", "-t", "1"},
		"moving picture.gif":          {"-t", "1"},
		"top field first.mp4":         with(x264, "-flags", "+ilme+ildct", "-x264opts", "tff=1"),
		"bottom field first.ts":       {"-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-top", "0", "-g", "15"},
		"alpha.mov":                   {"-vf", "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='X*2'", "-c:v", "png", "-frames:v", "20"},
		"odd size, full range.mkv":    {"-vf", "scale=95:63", "-c:v", "mjpeg"},
		"planar RGB, twelve bits.mkv": {"-c:v", "ffv1", "-pix_fmt", "gbrp12le", "-t", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := generate(t, filepath.Join(t.TempDir(), name), args...)
			checkAlone(t, path)
		})
	}
}

// checkAlone holds single frames against a full decode.
func checkAlone(t *testing.T, path string) {
	t.Helper()
	l := library(t, "")
	ix := index(t, l, path)
	full := fullDecode(t, path, reference(ix))
	size := 4 * ix.Width * ix.Height
	if len(ix.PTS) != len(full)/size {
		t.Fatalf("%d frames in the index, %d in a full decode", len(ix.PTS), len(full)/size)
	}
	if want := strings.Contains(path, "field first"); ix.Interlaced != want {
		t.Errorf("interlaced: %t, want %t", ix.Interlaced, want)
	}
	last := len(ix.PTS) - 1
	for _, i := range []int{0, 1, last/3 + 1, last} {
		threads := 1 + i%2
		n := min(2, last+1-i)
		got, err := decode(t, l, ix, i, n, threads)
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if !bytes.Equal(got, full[i*size:(i+n)*size]) {
			t.Errorf("frames from %d on are not those of a full decode", i)
		}
	}
}

func TestCutsWithoutReencodingShowWhatFFmpegShows(t *testing.T) {
	dir := t.TempDir()
	whole := generate(t, filepath.Join(dir, "whole.mp4"), "-c:v", "libx264", "-preset", "veryfast", "-g", "30", "-bf", "3",
		"-pix_fmt", "yuv420p", "-x264-params", "open-gop=1:scenecut=0")
	stream := generate(t, filepath.Join(dir, "whole.ts"), "-c:v", "mpeg2video", "-g", "15", "-bf", "2")
	for name, args := range map[string][]string{
		"an edit list hides the first frames.mp4": {"-ss", "1.3", "-i", whole, "-c", "copy"},
		"it starts with a negative time.mp4":      {"-ss", "1.3", "-i", whole, "-c", "copy", "-avoid_negative_ts", "disabled"},
		"it starts late.mp4":                      {"-i", whole, "-ss", "1.3", "-c", "copy"},
		"matroska cut in the middle of a GOP.mkv": {"-i", whole, "-ss", "0.9", "-c", "copy", "-copyinkf"},
		"turned by a quarter.mp4":                 {"-i", whole, "-c", "copy", "-metadata:s:v", "rotate=90"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), name)
			if out, err := exec.Command("ffmpeg", append(append([]string{"-v", "error", "-nostdin"}, args...), path)...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			checkAlone(t, path)
		})
	}
	t.Run("a recording that begins in the middle of a GOP.ts", func(t *testing.T) {
		t.Parallel()
		text, err := os.ReadFile(stream)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "tail.ts")
		if err := os.WriteFile(path, text[len(text)/188/3*188:], 0o600); err != nil {
			t.Fatal(err)
		}
		checkAlone(t, path)
	})
}

func TestAReaderGivesExactlyItsRange(t *testing.T) {
	path := generate(t, filepath.Join(t.TempDir(), "a.mp4"), "-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-pix_fmt", "yuv420p", "-t", "20")
	l := library(t, "")
	ix := index(t, l, path)
	full := fullDecode(t, path, "format=rgba")
	t.Run("its last frame is followed by the end", func(t *testing.T) {
		r, err := l.Open(t.Context(), ix, 10, 2, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		frame := make([]byte, frameSize)
		for i := 10; i < 12; i++ {
			if r.Pos() != i {
				t.Errorf("at frame %d, want %d", r.Pos(), i)
			}
			if err := r.Next(frame); err != nil || !bytes.Equal(frame, full[i*frameSize:(i+1)*frameSize]) {
				t.Errorf("frame %d: %v", i, err)
			}
		}
		if err := r.Next(frame); err != io.EOF {
			t.Errorf("after the last frame: %v, want io.EOF", err)
		}
	})
	t.Run("a skip arrives where it should, near or far", func(t *testing.T) {
		r, err := l.Open(t.Context(), ix, 0, len(ix.PTS), ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		frame := make([]byte, frameSize)
		for _, n := range []int{3, 0, 40, 29, 10} {
			if err := r.Skip(n); err != nil {
				t.Fatal(err)
			}
			i := r.Pos()
			if err := r.Next(frame); err != nil || !bytes.Equal(frame, full[i*frameSize:(i+1)*frameSize]) {
				t.Errorf("after a skip of %d to frame %d: %v", n, i, err)
			}
		}
	})
	t.Run("frames that are not there are refused", func(t *testing.T) {
		for _, c := range [][2]int{{-1, 1}, {0, len(ix.PTS) + 1}, {len(ix.PTS), 1}, {0, -1}} {
			if r, err := l.Open(t.Context(), ix, c[0], c[1], ReadOptions{}); err == nil {
				r.Close()
				t.Errorf("%d frames from %d on were not refused", c[1], c[0])
			}
		}
	})
	t.Run("reading does not allocate", func(t *testing.T) {
		r, err := l.Open(t.Context(), ix, 0, len(ix.PTS), ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		frame := make([]byte, frameSize)
		if n := testing.AllocsPerRun(50, func() {
			if err := r.Next(frame); err != nil {
				t.Error(err)
			}
		}); n > 0 {
			t.Errorf("%g allocations for a frame", n)
		}
	})
}

func TestADecoderThatIsKilledIsReplacedOrNamed(t *testing.T) {
	path := generate(t, filepath.Join(t.TempDir(), "a.mp4"), "-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-pix_fmt", "yuv420p",
		"-vf", "scale=640:360", "-t", "3")
	l := library(t, "")
	ix := index(t, l, path)
	frame := make([]byte, 4*ix.Width*ix.Height)
	t.Run("in the middle another one goes on", func(t *testing.T) {
		r, err := l.Open(t.Context(), ix, 20, 60, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		full := fullDecode(t, path, "format=rgba")
		for i := 20; i < 80; i++ {
			if i == 40 {
				if err := r.dec.cmd.Process.Signal(syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.Next(frame); err != nil || !bytes.Equal(frame, full[i*len(frame):(i+1)*len(frame)]) {
				t.Fatalf("frame %d: %v", i, err)
			}
		}
	})
	t.Run("at the start of a medium it is an error, but not the medium's", func(t *testing.T) {
		r, err := l.Open(t.Context(), ix, 0, 80, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := r.dec.cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		r.pos = 0
		for err == nil && r.Pos() < 79 {
			err = r.Next(frame)
			r.try = 2
		}
		var short *ShortError
		if err == nil || errors.As(err, &short) || !strings.Contains(err.Error(), "killed") {
			t.Errorf("error %v, want one that says killed", err)
		}
	})
	t.Run("the end of the context is the reason", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := l.Open(ctx, ix, 0, 80, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		cancel()
		for err == nil {
			err = r.Next(frame)
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
	})
}

// What Olive does, and what is proved against it: matrix and range by the tags, BT.601 without.
func TestColoursAreThoseOfTheTags(t *testing.T) {
	dir := t.TempDir()
	pixel := func(name, matrix string) []byte {
		path := generate(t, filepath.Join(dir, name), "-frames:v", "1", "-vf", "format=yuv420p", "-colorspace", matrix, "-c:v", "libx264")
		got, err := decode(t, library(t, ""), index(t, library(t, ""), path), 0, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	untagged, bt601, bt709 := pixel("u.mp4", "unknown"), pixel("6.mp4", "smpte170m"), pixel("7.mp4", "bt709")
	if !bytes.Equal(untagged, bt601) {
		t.Error("an untagged medium is not taken for BT.601")
	}
	if bytes.Equal(bt601, bt709) {
		t.Error("BT.709 looks like BT.601")
	}
}

func BenchmarkDecode(b *testing.B) {
	path := generate(b, filepath.Join(b.TempDir(), "a.mp4"), "-vf", "scale=1920:1080", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
	l := library(b, "")
	ix := index(b, l, path)
	frame := make([]byte, 4*ix.Width*ix.Height)
	b.SetBytes(int64(len(frame)))
	var r *Reader
	for b.Loop() {
		if r == nil || r.Pos() == len(ix.PTS) {
			var err error
			if r, err = l.Open(b.Context(), ix, 0, len(ix.PTS), ReadOptions{Threads: 2}); err != nil {
				b.Fatal(err)
			}
		}
		if err := r.Next(frame); err != nil {
			b.Fatal(err)
		}
		if r.Pos() == len(ix.PTS) {
			r.Close()
		}
	}
	r.Close()
}
