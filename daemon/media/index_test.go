package media

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"olive-distributed/daemon/media/probe"
	"olive-distributed/packaging/testdisk"
)

func TestPickIsTheLastFrameNotAfterTheRoundedTime(t *testing.T) {
	film := &Index{TimeBase: probe.Rational{Num: 1, Den: 90000}, PTS: []int64{126000, 129600, 133200}}
	fields := &Index{TimeBase: probe.Rational{Num: 1, Den: 50}, PTS: fieldTimes([]int64{0, 1, 2}), Interlaced: true}
	for name, c := range map[string]struct {
		ix      *Index
		seconds float64
		want    int
	}{
		"before the first frame, the first":        {film, 0, 0},
		"a negative time, the first":               {film, -3, 0},
		"exactly on a frame":                       {film, 1.44, 1},
		"just before a frame rounds to it":         {film, 1.44 - 0.4/90000, 1},
		"a unit before a frame is the one before":  {film, 1.44 - 1.0/90000, 0},
		"long after the last, the last":            {film, 1e6, 2},
		"beyond all numbers, the last":             {film, 1e300, 2},
		"no number at all, the first":              {film, math.NaN(), 0},
		"a still has one frame":                    {&Index{Still: true, PTS: []int64{0}, TimeBase: probe.Rational{Num: 1, Den: 25}}, 7, 0},
		"interlaced, 3/50 s is field 3 of frame 1": {fields, 3 / 50.0, 3},
		"interlaced, 1/25 s is frame 1":            {fields, 1 / 25.0, 2},
	} {
		if got := c.ix.Pick(c.seconds); got != c.want {
			t.Errorf("%s: frame %d, want %d", name, got, c.want)
		}
	}
}

func TestAtIsOlivesSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pts := rapid.SliceOfN(rapid.Int64Range(-50, 50), 1, 30).Draw(t, "pts")
		slices.Sort(pts)
		at := rapid.Int64Range(-60, 60).Draw(t, "at")
		want := 0
		for i, p := range pts {
			if p <= at {
				want = i
			}
		}
		if got := (&Index{PTS: pts}).At(at); got != want {
			t.Errorf("At(%d) of %v is %d, want %d", at, pts, got, want)
		}
	})
}

func TestPacketsThatCannotBeTrusted(t *testing.T) {
	p := func(pts, dts int64) probe.Packet { return probe.Packet{PTS: pts, DTS: dts} }
	for name, c := range map[string]struct {
		packets []probe.Packet
		want    []int64
	}{
		"B frames are sorted":          {[]probe.Packet{p(0, -1), p(2, 0), p(1, 1)}, []int64{0, 1, 2}},
		"hidden frames are left out":   {[]probe.Packet{{PTS: -1, DTS: -1, Discarded: true}, p(0, 0)}, []int64{0}},
		"a missing time":               {[]probe.Packet{p(0, 0), p(probe.NoPTS, 1)}, nil},
		"a time that comes twice":      {[]probe.Packet{p(0, 0), p(0, 1)}, nil},
		"decoding times run backwards": {[]probe.Packet{p(5, 5), p(6, 1)}, nil},
		"a damaged packet":             {[]probe.Packet{p(0, 0), {PTS: 1, DTS: 1, Corrupt: true}}, nil},
	} {
		if got := shownPTS(c.packets); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestStills(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		args  []string
		still bool
		alpha bool
	}{
		"a picture.png":              {[]string{"-frames:v", "1", "-pix_fmt", "rgba"}, true, true},
		"a photo.jpg":                {[]string{"-frames:v", "1"}, true, false},
		"a gif with one frame.gif":   {[]string{"-frames:v", "1"}, true, true},
		"a gif with frames.gif":      {[]string{"-frames:v", "3"}, false, true},
		"a png that moves.apng":      {[]string{"-frames:v", "3"}, false, false},
		"a film of one frame.mp4":    {[]string{"-frames:v", "1", "-c:v", "mpeg4"}, false, false},
		"photos without a box.mjpeg": {[]string{"-frames:v", "3"}, false, false},
	} {
		path := generate(t, filepath.Join(dir, name), c.args...)
		l := library(t, "")
		ix := index(t, l, path)
		if ix.Still != c.still || ix.Alpha != c.alpha || math.IsInf(ix.Duration, 1) != c.still || ix.Still && len(ix.PTS) != 1 {
			t.Errorf("%s: still %t, alpha %t, %g s, %d frames", name, ix.Still, ix.Alpha, ix.Duration, len(ix.PTS))
		}
		if f, err := l.Probe(t.Context(), path); err != nil || f.Still != c.still {
			t.Errorf("%s: Probe says still: %t, %v", name, f.Still, err)
		}
		if got, err := decode(t, l, ix, len(ix.PTS)-1, 1, 1); err != nil || ix.Still && !bytes.Equal(got, fullDecode(t, path, "format=rgba")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNumberedPicturesPlayAt25FramesPerSecond(t *testing.T) {
	dir := t.TempDir()
	path := generate(t, filepath.Join(dir, "seq_%03d.png"), "-frames:v", "8", "-start_number", "98")
	if err := os.Remove(filepath.Join(dir, "seq_104.png")); err != nil {
		t.Fatal(err)
	}
	l := library(t, "")
	ix, err := l.Video(t.Context(), path, 0, 96) // ffmpeg looks four numbers ahead
	if err != nil {
		t.Fatal(err)
	}
	if len(ix.PTS) != 6 || ix.Still || ix.Pick(0.1) != 3 || ix.Pick(99) != 5 || math.Abs(ix.Duration-0.24) > 1e-9 {
		t.Errorf("%d frames up to the gap, still %t, frame %d at 0.1 s, lasts %g s", len(ix.PTS), ix.Still, ix.Pick(0.1), ix.Duration)
	}
	got, err := decode(t, l, ix, 4, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"seq_102.png", "seq_103.png"} {
		if !bytes.Equal(got[i*frameSize:(i+1)*frameSize], fullDecode(t, filepath.Join(dir, name), "format=rgba")) {
			t.Errorf("frame %d is not %s", 4+i, name)
		}
	}
	if _, err := l.Video(t.Context(), path, 0, 50); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a run that is not there: %v", err)
	}
}

func TestMediaThatDoNotHoldWhatTheyPromise(t *testing.T) {
	dir := t.TempDir()
	h264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-pix_fmt", "yuv420p"}
	cut := func(name string, args ...string) string {
		path := generate(t, filepath.Join(dir, name), args...)
		info, err := os.Stat(path)
		if err == nil {
			err = os.Truncate(path, info.Size()*6/10)
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, path := range map[string]string{
		"an mp4 that is cut short":                cut("a.mp4", append(h264, "-movflags", "+faststart")...),
		"a Matroska file that is cut short":       cut("a.mkv", h264...),
		"an AVI that is cut short":                cut("a.avi", "-c:v", "mpeg4"),
		"an mp4 whose table of frames is missing": cut("b.mp4", h264...),
	} {
		ix, err := library(t, "").Video(t.Context(), path, 0, 0)
		if err == nil || !strings.Contains(err.Error(), path) || name != "an mp4 whose table of frames is missing" && !errors.Is(err, probe.ErrCutShort) {
			t.Errorf("%s: %v, %v", name, ix, err)
		}
	}
	t.Run("more frames than can be made up for end the decoding", func(t *testing.T) {
		path := generate(t, filepath.Join(dir, "hole.mkv"), "-c:v", "mjpeg")
		l := library(t, "")
		ix := index(t, l, path)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		clear(text[len(text)/3 : len(text)*5/6]) // half of the pictures, their headers included
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = decode(t, l, ix, 0, len(ix.PTS), 1)
		var short *ShortError
		if !errors.As(err, &short) || !errors.Is(err, io.ErrUnexpectedEOF) || short.Path != path || short.Frame < 25 || short.Frame > 75 {
			t.Errorf("error %v, want a ShortError about the middle of %s", err, path)
		}
	})
}

func TestAnIndexIsMadeOnceAndKept(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	path := generate(t, filepath.Join(dir, "a.ts"), "-c:v", "mpeg2video", "-t", "1")
	l := library(t, cache)
	var all sync.WaitGroup
	answers := make([]*Index, 8)
	for i := range answers {
		all.Go(func() { answers[i], _ = l.Video(t.Context(), path, 0, 0) })
	}
	all.Wait()
	for _, ix := range answers {
		if ix == nil || ix != answers[0] {
			t.Fatal("eight askers at once got more than one index")
		}
	}
	kept := func(l *Library) (*Index, error) {
		tools := os.Getenv("PATH")
		t.Setenv("PATH", "")
		defer t.Setenv("PATH", tools)
		return l.Video(t.Context(), path, 0, 0)
	}
	ix, err := kept(library(t, cache))
	if err != nil || !slices.Equal(ix.PTS, answers[0].PTS) || !ix.play.Remuxed {
		t.Fatalf("a second library made it anew: %v", err)
	}
	if _, err := decode(t, l, ix, 3, 2, 1); err != nil {
		t.Errorf("decode from the kept copy: %v", err)
	}
	if err := os.Remove(ix.play.Path); err != nil {
		t.Fatal(err)
	}
	if _, err := kept(library(t, cache)); err == nil {
		t.Error("an index whose copy is gone was used")
	}
	generate(t, path, "-c:v", "mpeg2video", "-t", "0.5")
	if ix := index(t, l, path); len(ix.PTS) != 15 {
		t.Errorf("after the file has changed: %d frames, want 15", len(ix.PTS))
	}
}

func TestALibraryWithoutAFolderLeavesNothing(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	path := generate(t, filepath.Join(t.TempDir(), "a.mpg"), "-c:v", "mpeg2video", "-t", "1")
	l := NewLibrary("")
	if ix := index(t, l, path); !ix.play.Remuxed {
		t.Error("a program stream was not remuxed")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := l.Video(t.Context(), path, 0, 1); !errors.Is(err, errClosed) {
		// The index itself is remembered, a new question is not answered.
		if _, err := l.Probe(t.Context(), generate(t, filepath.Join(t.TempDir(), "b.mpg"), "-t", "0.2")); !errors.Is(err, errClosed) {
			t.Errorf("a closed library answered: %v", err)
		}
	}
}

func TestAFullDiskUnderTheCacheIsNamed(t *testing.T) {
	path := generate(t, filepath.Join(t.TempDir(), "a.ts"), "-c:v", "mpeg2video", "-q:v", "2", "-vf", "scale=640:360")
	_, err := library(t, testdisk.Small(t, 256)).Video(t.Context(), path, 0, 0)
	if err == nil || !strings.Contains(err.Error(), "no space left on device, make room") {
		t.Errorf("error %v, want one that says that the disk is full, and what to do", err)
	}
}
