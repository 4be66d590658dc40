package media

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// alphaRamp makes the picture more transparent from right to left.
const alphaRamp = "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='X*2'"

func TestEveryKindOfPictureIsDecodedAsFFmpegDoes(t *testing.T) {
	for name, c := range map[string]struct {
		args  []string
		alpha bool
	}{
		"fragmented.mp4":        {[]string{"-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "6", "-pix_fmt", "yuv420p", "-movflags", "frag_keyframe+empty_moov"}, false},
		"live, no duration.mkv": {[]string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "6", "-pix_fmt", "yuv420p", "-live", "1"}, false},
		"ten bits, 4:4:4.mkv":   {[]string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p10le"}, false},
		"grey.mkv":              {[]string{"-c:v", "ffv1", "-pix_fmt", "gray"}, false},
		"palette.mov":           {[]string{"-vf", "split[a][b];[a]palettegen[p];[b][p]paletteuse", "-c:v", "qtrle", "-pix_fmt", "rgb24"}, false},
		"palette.png":           {[]string{"-vf", "split[a][b];[a]palettegen[p];[b][p]paletteuse", "-frames:v", "1", "-pix_fmt", "pal8"}, true},
		"prores 4444.mov":       {[]string{"-vf", alphaRamp, "-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"}, true},
		"animation.mov":         {[]string{"-vf", alphaRamp, "-c:v", "qtrle", "-pix_fmt", "argb"}, true},
		"picture.webp":          {[]string{"-frames:v", "1", "-c:v", "libwebp", "-lossless", "1"}, true},
		"vp9 whose alpha Olive's decoder does not see.webm": {[]string{"-vf", alphaRamp, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-pix_fmt", "yuva420p"}, false},
		"dropped frames.avi": {[]string{"-vf", "select='mod(n,5)-2'", "-fps_mode", "vfr", "-c:v", "mpeg4", "-bf", "0"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := generate(t, filepath.Join(t.TempDir(), name), append(c.args, "-t", "0.5")...)
			checkAlone(t, path)
			if ix := index(t, library(t, ""), path); ix.Alpha != c.alpha || !ix.Still && (ix.Duration < 0.4 || ix.Duration > 0.7) {
				t.Errorf("alpha %t, want %t; %g s", ix.Alpha, c.alpha, ix.Duration)
			}
		})
	}
}

func TestATransportStreamStartsWhenItsClockSays(t *testing.T) {
	t.Parallel()
	ix := index(t, library(t, ""), generate(t, filepath.Join(t.TempDir(), "a.ts"), "-c:v", "mpeg2video", "-t", "0.4"))
	// Olive does not take the start away: its first frames show the first picture.
	if ix.Start < 1 || ix.Pick(0) != 0 || ix.Pick(1) != 0 || ix.Pick(ix.Start+0.11) != 3 {
		t.Errorf("starts at %g s; frame %d at 0 s, %d at 0.11 s after the start", ix.Start, ix.Pick(0), ix.Pick(ix.Start+0.11))
	}
}

func TestCoverArtIsAStillBesideTheSound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cover := generate(t, filepath.Join(dir, "cover.jpg"), "-frames:v", "1")
	path := filepath.Join(dir, "song.mp3")
	if out, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "sine=d=0.5", "-i", cover, "-map", "0", "-map", "1",
		"-c:v", "copy", "-disposition:v", "attached_pic", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l := library(t, "")
	f, err := l.Probe(t.Context(), path)
	if err != nil || len(f.Streams) != 2 || !f.Streams[1].Attached || f.Still {
		t.Fatalf("%+v, %v", f, err)
	}
	ix, err := l.Video(t.Context(), path, 1, 0)
	if err != nil || !ix.Still {
		t.Fatalf("%+v, %v", ix, err)
	}
	if got, err := decode(t, l, ix, 0, 1, 1); err != nil || !bytes.Equal(got, fullDecode(t, cover, "format=rgba")) {
		t.Errorf("the cover is another picture: %v", err)
	}
}

func TestAMediumWhoseSizeChangesMidwayIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := generate(t, filepath.Join(dir, "a.ts"), "-c:v", "mpeg2video", "-t", "0.4")
	b := generate(t, filepath.Join(dir, "b.ts"), "-vf", "scale=128:80", "-c:v", "mpeg2video", "-t", "0.4", "-output_ts_offset", "0.4")
	var both []byte
	for _, path := range []string{a, b} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, text...)
	}
	path := filepath.Join(dir, "both.ts")
	if err := os.WriteFile(path, both, 0o600); err != nil {
		t.Fatal(err)
	}
	l := library(t, "")
	ix, err := l.Video(t.Context(), path, 0, 0)
	if err == nil {
		_, err = decode(t, l, ix, 0, len(ix.PTS), 1)
	}
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want one that names %s", err, path)
	}
}

func TestAFileThatIsReplacedDuringAJobGivesNoWrongPicture(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "15"}
	path := generate(t, filepath.Join(dir, "a.mp4"), append(x264, "-t", "2")...)
	l := library(t, "")
	ix := index(t, l, path)
	for name, args := range map[string][]string{
		"by a shorter one":       {"-t", "0.5"},
		"by one of another size": {"-vf", "scale=64:64", "-t", "2"},
		"by one of another rate": {"-r", "24", "-t", "2"},
	} {
		other := generate(t, filepath.Join(dir, "b.mp4"), append(append([]string{}, x264...), args...)...)
		if err := os.Rename(other, path); err != nil {
			t.Fatal(err)
		}
		_, err := decode(t, l, ix, 20, 30, 1)
		var short *ShortError
		if !errors.As(err, &short) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v, want a ShortError", name, err)
		}
	}
}
