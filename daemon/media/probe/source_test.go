package probe

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPatternsOfNumberedPictures(t *testing.T) {
	for path, want := range map[string]string{
		"/m/seq_%03d.png": "/m/seq_007.png", "/m/%d.png": "/m/7.png", "/m/a%012d": "/m/a000000000007",
		"/m/seq.png": "", "/m/%s.png": "", "/m/%d%d.png": "", "/m/%3d.png": "", "/m/%099d.png": "", "/m/%-3d.png": "", "/m/%": "",
	} {
		p, ok := parsePattern(path)
		if ok != (want != "") || ok && p.file(7) != want {
			t.Errorf("%s: %+v, %t, want %q", path, p, ok, want)
		}
	}
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"/m/seq_%03d.png", "%d", "%%d", "a%0d", "%020d/x"} {
		f.Add(seed, 7)
	}
	f.Fuzz(func(t *testing.T, path string, n int) {
		p, ok := parsePattern(path)
		if !ok {
			return
		}
		if name := p.file(n); strings.Contains(filepath.Base(name), "%") || filepath.Dir(name) != filepath.Dir(path) || len(name) > len(path)+40 {
			t.Errorf("%q gives %q", path, name)
		}
	})
}

func TestALongSoundIsReadByFFmpegAsWell(t *testing.T) {
	t.Parallel()
	const data = 5 << 30 // bytes, all of them a hole in the file
	head := []byte("RF64\xff\xff\xff\xffWAVEds64\x1c\x00\x00\x00")
	head = binary.LittleEndian.AppendUint64(head, data+72)
	head = binary.LittleEndian.AppendUint64(head, data)
	head = binary.LittleEndian.AppendUint64(head, data/4)
	head = append(head, "\x00\x00\x00\x00fmt \x10\x00\x00\x00\x01\x00\x02\x00\x80\xbb\x00\x00\x00\xee\x02\x00\x04\x00\x10\x00data\xff\xff\xff\xff"...)
	path := filepath.Join(t.TempDir(), "long.wav")
	if err := os.WriteFile(path, head, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(head))+data); err != nil {
		t.Fatal(err)
	}
	src, err := Open(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Headers(t.Context(), src)
	if want := data / 4 / 48000.0; err != nil || f.Duration < want-0.01 || f.Duration > want+0.01 {
		t.Errorf("%+v, %v; want %g s", f, err, want)
	}
}
