package film

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"olive-distributed/daemon/media/probe"
)

// small is an encoding of a rate that no clock counts exactly.
func small(preset string) Encoding {
	return Encoding{Width: 96, Height: 64, Rate: probe.Rational{Num: 30000, Den: 1001}, Preset: preset}
}

// renderParts encodes and verifies consecutive parts of the given lengths.
func renderParts(t testing.TB, e Encoding, dir string, threads int, lengths ...int) []Part {
	t.Helper()
	p, err := PresetByName(e.Preset)
	if err != nil {
		t.Fatal(err)
	}
	var parts []Part
	first := 0
	for i, n := range lengths {
		path := filepath.Join(dir, fmt.Sprintf("it's part %d, %d%s", i, threads, p.PartExt))
		encode(t, e, path, first, n, threads)
		part, err := VerifyPart(t.Context(), path, e, int64(n))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
		first += n
	}
	return parts
}

const (
	clickAt     = 12000 // sample of the one click in what click makes
	clickLength = 38439 // samples: 24 frames at 30000/1001, rounded up
)

// click is a WAV file of silence but for one click.
func click(t testing.TB, dir string) *Part {
	t.Helper()
	path := filepath.Join(dir, "sound.wav")
	source := fmt.Sprintf("aevalsrc='if(between(n,%d,%d),0.9,0)':s=48000,aformat=s16:channel_layouts=stereo", clickAt, clickAt+1)
	out, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", source,
		"-af", fmt.Sprintf("atrim=end_sample=%d", clickLength), "-c:a", "pcm_s16le", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sum, size, err := Checksum(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return &Part{Path: path, Frames: 24, Size: size, SHA256: sum}
}

// joined joins parts to a film of that extension.
func joined(t testing.TB, e Encoding, parts []Part, sound *Part, dir, ext string) (string, error) {
	t.Helper()
	film := filepath.Join(dir, "film"+ext)
	if err := os.WriteFile(film, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return film, Join(t.Context(), JoinSpec{Parts: parts, Audio: sound, Encoding: e, Output: film, Into: film})
}

// pictureSums are the decoded pictures of files, one line each.
func pictureSums(t testing.TB, paths ...string) (sums []string) {
	t.Helper()
	for _, path := range paths {
		out, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-").Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "#") {
				sums = append(sums, strings.TrimSpace(line[strings.LastIndex(line, ",")+1:]))
			}
		}
	}
	return sums
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
