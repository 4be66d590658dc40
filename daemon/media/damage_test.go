package media

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// rotten makes a medium with noise where some frames in its middle were.
func rotten(t *testing.T, name string, args ...string) (path string, whole []byte) {
	t.Helper()
	path = generate(t, filepath.Join(t.TempDir(), name), args...)
	whole = fullDecode(t, path, "format=rgba")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	state := uint32(7)
	for i := range 4000 {
		state = state*1664525 + 1013904223
		text[len(text)/2+i] = byte(state >> 24)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, whole
}

// look decodes frames [from, to) and collects what is told of damage.
func look(t *testing.T, l *Library, ix *Index, from, to, threads int) (pictures []byte, told []string) {
	t.Helper()
	r, err := l.Open(t.Context(), ix, from, to-from, ReadOptions{Threads: threads, Damaged: func(d Damage) { told = append(told, d.String()) }})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	pictures = make([]byte, (to-from)*frameSize)
	for i := range to - from {
		if err := r.Next(pictures[i*frameSize : (i+1)*frameSize]); err != nil {
			t.Fatalf("frames [%d,%d), frame %d: %v", from, to, from+i, err)
		}
	}
	return pictures, told
}

func TestADamagedMediumShowsTheSameWhereverDecodingStarts(t *testing.T) {
	x264 := []string{"-vf", "noise=alls=20:allf=t", "-c:v", "libx264", "-preset", "fast", "-pix_fmt", "yuv420p"}
	for name, args := range map[string][]string{
		"short groups.mp4": append(slices.Clone(x264), "-g", "20"),
		"open groups.mp4":  append(slices.Clone(x264), "-g", "15", "-x264-params", "open-gop=1"),
		"one group.mkv":    append(slices.Clone(x264), "-g", "1000"),
		"mpeg4.avi":        {"-vf", "noise=alls=20:allf=t", "-c:v", "mpeg4", "-g", "30", "-bf", "2"},
		"mjpeg.mov":        {"-vf", "noise=alls=20:allf=t", "-c:v", "mjpeg"},
		"vp9.webm":         {"-vf", "noise=alls=20:allf=t", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, good := rotten(t, name, args...)
			l := library(t, "")
			ix := index(t, l, path)
			n := len(ix.PTS)
			whole, told := look(t, l, ix, 0, n, 1)
			if bytes.Equal(whole, good) {
				t.Fatal("the test wants damage that can be seen")
			}
			if len(told) == 0 && name != "vp9.webm" { // VP9 has no data that a decoder could find wrong
				t.Error("nothing is said of the damage")
			}
			said := slices.Clone(told)
			for _, threads := range []int{1, 2, 4} {
				for from := 0; from < n; from += 19 + 4*threads {
					to := min(n, from+25)
					got, told := look(t, l, ix, from, to, threads)
					if !bytes.Equal(got, whole[from*frameSize:to*frameSize]) {
						t.Errorf("%d threads show other pictures in [%d,%d)", threads, from, to)
					}
					for _, text := range told {
						if !slices.Contains(said, text) {
							said = append(said, text)
						}
					}
				}
			}
			if len(said) > len(told)+2 {
				t.Errorf("the same damage is told in %d ways: %q", len(said), said)
			}
		})
	}
}

func TestAHealthyMediumIsNotCalledDamaged(t *testing.T) {
	for name, args := range map[string][]string{
		"open groups.mp4": {"-c:v", "libx264", "-preset", "fast", "-pix_fmt", "yuv420p", "-g", "15", "-x264-params", "open-gop=1"},
		"open groups.ts":  {"-c:v", "mpeg2video", "-bf", "2", "-g", "12"},
		"fields.mov":      {"-c:v", "libx264", "-flags", "+ildct+ilme", "-g", "15", "-pix_fmt", "yuv420p"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := library(t, "")
			ix := index(t, l, generate(t, filepath.Join(t.TempDir(), name), args...))
			whole, told := look(t, l, ix, 0, len(ix.PTS), 2)
			for from := 0; from < len(ix.PTS); from += 7 {
				got, more := look(t, l, ix, from, min(from+5, len(ix.PTS)), 2)
				if told = append(told, more...); !bytes.Equal(got, whole[from*frameSize:from*frameSize+len(got)]) {
					t.Errorf("other pictures from %d on", from)
				}
			}
			if len(told) > 0 {
				t.Errorf("told: %q", told)
			}
		})
	}
}

func TestCareIsTakenOfWholeUnits(t *testing.T) {
	ix := &Index{play: play{PTS: make([]int64, 200), Keys: []int{0, 10, 60, 70, 130}, Seeks: true}}
	whole := &Index{play: play{PTS: make([]int64, 200), Keys: []int{0, 10, 60, 70, 130}}}
	fields := &Index{play: play{PTS: make([]int64, 200), Keys: []int{0, 60}, Seeks: true}, Interlaced: true}
	for _, c := range []struct {
		ix          *Index
		frame       int
		start, a, b int
	}{
		{ix, 0, 0, 0, 60},
		{ix, 59, 0, 0, 60},
		{ix, 60, 10, 60, 130},
		{ix, 129, 10, 60, 130},
		{ix, 130, 70, 130, 200},
		{ix, 199, 70, 130, 200},
		{whole, 150, 0, 0, 200},
		{fields, 119, 0, 0, 120},
		{fields, 120, 0, 120, 400},
	} {
		got := c.ix.careAt(c.frame)
		if fmt.Sprint(got.entry, got.first, got.end) != fmt.Sprint(c.start, c.a, c.b) {
			t.Errorf("frame %d: decode from %d for [%d,%d), want %d for [%d,%d)", c.frame, got.entry, got.first, got.end, c.start, c.a, c.b)
		}
	}
}
