package media

import (
	"os/exec"
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

// frameSize is one frame of what generate makes, in bytes.
const frameSize = 96 * 64 * 4

// fullDecode is what ffmpeg itself makes of a medium, from its first frame to its last.
func fullDecode(t testing.TB, path, filter string, input ...string) []byte {
	t.Helper()
	args := append([]string{"-v", "error", "-nostdin", "-noautorotate"}, input...)
	args = append(args, "-i", path, "-map", "0:v:0", "-vf", filter, "-fps_mode", "passthrough", "-f", "rawvideo", "-")
	out, err := exec.Command("ffmpeg", args...).Output()
	if err != nil {
		t.Fatalf("decode %s: %v", path, err)
	}
	return out
}

// library is one that the test closes.
func library(t testing.TB, dir string) *Library {
	l := NewLibrary(dir)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// index is the Index of a medium's first stream.
func index(t testing.TB, l *Library, path string) *Index {
	t.Helper()
	ix, err := l.Video(t.Context(), path, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

// decode is count frames from from on.
func decode(t testing.TB, l *Library, ix *Index, from, count, threads int) ([]byte, error) {
	t.Helper()
	r, err := l.Open(t.Context(), ix, from, count, ReadOptions{Threads: threads})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	size := 4 * ix.Width * ix.Height
	out := make([]byte, count*size)
	for i := range count {
		if err := r.Next(out[i*size : (i+1)*size]); err != nil {
			return out[:i*size], err
		}
	}
	return out, nil
}
