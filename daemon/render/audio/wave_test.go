package audio

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestWaveHeader(t *testing.T) {
	const most = (math.MaxUint32 - 64) / 4 // samples in a plain WAV file
	for name, c := range map[string]struct {
		samples int64
		id      string
		length  int
	}{
		"nothing":                  {0, "RIFF", 44},
		"a second":                 {48000, "RIFF", 44},
		"the longest that fits":    {most, "RIFF", 44},
		"the shortest that is not": {most + 1, "RF64", 80},
		"a day":                    {86400 * 48000, "RF64", 80},
		"a year":                   {365 * 86400 * 48000, "RF64", 80},
	} {
		h := waveHeader(48000, c.samples)
		if string(h[:4]) != c.id || len(h) != c.length {
			t.Errorf("%s: %q, %d bytes; want %q, %d", name, h[:4], len(h), c.id, c.length)
		}
		start, size, rate, err := wavData(bytes.NewReader(h))
		if err != nil || start != int64(len(h)) || size != 4*c.samples || rate != 48000 {
			t.Errorf("%s: data from %d on, %d bytes at %d, %v; want %d, %d at 48000", name, start, size, rate, err, len(h), 4*c.samples)
		}
		riff := uint64(binary.LittleEndian.Uint32(h[4:]))
		if c.id == "RF64" {
			if riff != math.MaxUint32 || binary.LittleEndian.Uint64(h[36:]) != uint64(c.samples) {
				t.Errorf("%s: the 32-bit size is %d, the count of samples %d", name, riff, binary.LittleEndian.Uint64(h[36:]))
			}
			riff = binary.LittleEndian.Uint64(h[20:])
		}
		if want := uint64(len(h)) - 8 + uint64(4*c.samples); riff != want {
			t.Errorf("%s: the file is said to have %d bytes after the first 8, want %d", name, riff, want)
		}
	}
}

func TestWaveFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.wav")
	w, err := createWave(path, 44100, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.write([]int16{1, -2, math.MinInt16, math.MaxInt16}); err != nil {
		t.Fatal(err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	if err := Verify(path, 44100, 2); err != nil {
		t.Error(err)
	}
	b, err := os.ReadFile(path)
	if want := "\x01\x00\xfe\xff\x00\x80\xff\x7f"; err != nil || string(b[44:]) != want {
		t.Errorf("samples %x, %v; want %x", b[44:], err, want)
	}
	for name, c := range map[string]struct {
		rate    int
		samples int64
	}{"another rate": {48000, 2}, "another length": {44100, 3}} {
		if Verify(path, c.rate, c.samples) == nil {
			t.Errorf("Verify accepts %s", name)
		}
	}
	if err := os.Truncate(path, 1<<40); err != nil { // a hole, which takes an hour to read
		t.Fatal(err)
	}
	if Verify(path, 44100, 2) == nil {
		t.Error("Verify accepts a file that goes on behind its samples")
	}
	if err := os.WriteFile(path, append(b[:12:12], make([]byte, 1<<20)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if Verify(path, 44100, 2) == nil {
		t.Error("Verify accepts empty chunks without end")
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 50); err != nil {
		t.Fatal(err)
	}
	if Verify(path, 44100, 2) == nil {
		t.Error("Verify accepts a file that is cut short")
	}
}

func FuzzWaveData(f *testing.F) {
	f.Add(waveHeader(48000, 7))
	f.Add(waveHeader(48000, 1<<31))
	f.Fuzz(func(t *testing.T, b []byte) {
		start, size, _, err := wavData(bytes.NewReader(b))
		if err == nil && (start < 20 || start > int64(len(b))) {
			t.Fatalf("samples from byte %d on (%d bytes) in a header of %d", start, size, len(b))
		}
	})
}

func TestASoundOfMoreThanFourGigabytes(t *testing.T) {
	const samples = 5 << 28 // 5 GiB, of which the disk holds the header only
	path := filepath.Join(t.TempDir(), "long.wav")
	if err := os.WriteFile(path, waveHeader(48000, samples), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 80+4*samples); err != nil {
		t.Fatal(err)
	}
	if err := Verify(path, 48000, samples); err != nil {
		t.Error(err)
	}
	out, err := exec.Command("ffprobe", "-v", "error", "-of", "csv=p=0", "-show_entries", "stream=duration_ts", path).Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != strconv.Itoa(samples) {
		t.Errorf("ffprobe sees %s samples, want %d: %v", got, samples, err)
	}
	if err := os.Truncate(path, 80+4*samples-4); err != nil {
		t.Fatal(err)
	}
	if Verify(path, 48000, samples) == nil {
		t.Error("Verify accepts a file that ends a sample early")
	}
}
