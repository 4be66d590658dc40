package render

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"olive-distributed/daemon/ove"
)

// aSequence is a scene with an image sequence of the pictures 9 to 13 in a folder, whose start number is 7.
func aSequence(t *testing.T) (s *Scene, picture func(n int) string) {
	t.Helper()
	dir := t.TempDir()
	pattern := filepath.Join(dir, "s_%03d.png")
	picture = func(n int) string { return fmt.Sprintf(pattern, n) }
	for n := 9; n < 14; n++ {
		at := time.Unix(int64(1e9+n), 0)
		if err := errors.Join(os.WriteFile(picture(n), []byte("pictures"), 0o600), os.Chtimes(picture(n), at, at)); err != nil {
			t.Fatal(err)
		}
	}
	f := &ove.Footage{ID: 1, Name: "s", URL: pattern, StartNumber: 7}
	m, err := Describe(f, pattern, false)
	if err != nil {
		t.Fatal(err)
	}
	settle(t, picture(13))
	return &Scene{Plan: &Plan{Media: []Medium{m}}, project: &ove.Project{Footage: []*ove.Footage{f}}}, picture
}

// settle waits until the clock of the file system has moved on, so that what changes now is told from what was there.
func settle(t *testing.T, file string) {
	t.Helper()
	changed := func(path string) int64 {
		var st syscall.Stat_t
		if err := syscall.Stat(path, &st); err != nil {
			t.Fatal(err)
		}
		return st.Ctim.Nano()
	}
	for hand := file + ".clock"; ; {
		if err := os.WriteFile(hand, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if changed(hand) > changed(file) {
			return
		}
		runtime.Gosched()
	}
}

func TestPicturesAreThoseWithoutAGap(t *testing.T) {
	refusal := errors.New("not this one")
	for name, c := range map[string]struct {
		files []int
		start int
		fifo  int // a picture that is none
		stop  int // the picture at which do fails
		want  []int
		err   error // nil: none; errors.ErrUnsupported: any
	}{
		"from the start number on":                         {files: []int{3, 4, 5}, start: 4, want: []int{4, 5}},
		"a gap ends it":                                    {files: []int{0, 1, 3, 4}, want: []int{0, 1}},
		"the first may be one of five":                     {files: []int{4, 5}, want: []int{4, 5}},
		"the sixth is too late":                            {files: []int{5, 6}, err: fs.ErrNotExist},
		"there is none":                                    {err: fs.ErrNotExist},
		"a FIFO among them is an error, not the end":       {files: []int{0, 1, 3}, fifo: 2, want: []int{0, 1}, err: errors.ErrUnsupported},
		"what is done with one may fail":                   {files: []int{0, 1, 2}, stop: 1, want: []int{0, 1}, err: refusal},
		"a negative start number counts up as ffmpeg does": {files: []int{0, 1}, start: -3, want: []int{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			pattern := filepath.Join(dir, "p%d")
			for _, n := range c.files {
				if err := os.WriteFile(fmt.Sprintf(pattern, n), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.fifo > 0 {
				if err := syscall.Mkfifo(fmt.Sprintf(pattern, c.fifo), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var got []int
			err := Pictures(pattern, c.start, func(n int, file string, info os.FileInfo) error {
				got = append(got, n)
				if file != fmt.Sprintf(pattern, n) || info.Name() != filepath.Base(file) {
					t.Errorf("picture %d is %s, described as %s", n, file, info.Name())
				}
				if c.stop > 0 && n == c.stop {
					return refusal
				}
				return nil
			})
			if !slices.Equal(got, c.want) || (err == nil) != (c.err == nil) {
				t.Errorf("pictures %v, %v, want %v, %v", got, err, c.want, c.err)
			}
			if c.err != nil && c.err != errors.ErrUnsupported && !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
		})
	}
}

func TestAnImageSequenceMustStayWhatItWas(t *testing.T) {
	write := func(n int, text string) func(*testing.T, func(int) string) {
		return func(t *testing.T, picture func(int) string) {
			if err := os.WriteFile(picture(n), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(n int) func(*testing.T, func(int) string) {
		return func(t *testing.T, picture func(int) string) {
			if err := os.Remove(picture(n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		happens func(t *testing.T, picture func(int) string)
		want    []string // nil: it is the same
	}{
		"nothing happens": {func(*testing.T, func(int) string) {}, nil},
		"a picture in the middle is written to": {
			write(11, "Pictures"), []string{"has changed since", "s_011.png"},
		},
		"a picture in the middle is deleted": {remove(11), []string{"s_011.png is not there any more", "retry the job"}},
		"the first is deleted":               {remove(9), []string{"s_009.png is not there any more"}},
		"the last is deleted":                {remove(13), []string{"s_013.png is not there any more"}},
		"all are deleted": {func(t *testing.T, picture func(int) string) {
			for n := 9; n < 14; n++ {
				remove(n)(t, picture)
			}
		}, []string{"s_009.png is not there any more"}},
		"one comes after the last":   {write(14, "more"), []string{"got more pictures"}},
		"one comes before the first": {write(8, "more"), []string{"got more pictures"}},
		"one comes behind a gap":     {write(15, "more"), nil},
		"a twin takes the name of one in the middle": {
			func(t *testing.T, picture func(int) string) { twin(t, picture(12)) }, []string{"was replaced by another file", "s_012.png"},
		},
		"two change their names": {func(t *testing.T, picture func(int) string) {
			if err := errors.Join(os.Rename(picture(10), picture(99)), os.Rename(picture(11), picture(10)), os.Rename(picture(99), picture(11))); err != nil {
				t.Fatal(err)
			}
		}, []string{"has changed since"}},
		"one becomes a FIFO": {func(t *testing.T, picture func(int) string) {
			remove(10)(t, picture)
			if err := syscall.Mkfifo(picture(10), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"s_010.png: a FIFO"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, picture := aSequence(t)
			c.happens(t, picture)
			err := s.Unchanged()
			if (err == nil) != (c.want == nil) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
}

// A worker elsewhere sees the pictures under other names, and with other inodes.
func TestAnImageSequenceSeenElsewhereIsTheSame(t *testing.T) {
	s, picture := aSequence(t)
	there, was := t.TempDir(), s.Plan.Media[0]
	for n := 9; n < 14; n++ {
		data, err := os.ReadFile(picture(n))
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(there, fmt.Sprintf("2-s_%03d.png", n))
		at := time.Unix(int64(1e9+n), 0)
		if err := errors.Join(os.WriteFile(copied, data, 0o600), os.Chtimes(copied, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	s.Plan.Media[0].Path = filepath.Join(there, "2-s_%03d.png")
	if err := s.Unchanged(); err != nil {
		t.Error(err)
	}
	if now, err := Describe(s.project.Footage[0], was.Path, false); err != nil || now != was {
		t.Errorf("described as %+v, then %+v, %v", was, now, err)
	}
}

// TestPicturesAreJudgedOneByOne exchanges one in the middle between the look at it and the judgement.
func TestPicturesAreJudgedOneByOne(t *testing.T) {
	s, picture := aSequence(t)
	r := Report{Media: []MediaUse{{media: s.Plan.Media}}}
	var judged []string
	judge := func(file string) (device, inode uint64, err error) {
		judged = append(judged, filepath.Base(file))
		var st syscall.Stat_t
		err = syscall.Stat(file, &st)
		return uint64(st.Dev), st.Ino, err
	}
	if err := r.Judge(judge); err != nil || len(judged) != 5 || judged[0] != "s_009.png" || judged[4] != "s_013.png" {
		t.Fatalf("%v, judged %v", err, judged)
	}
	twin(t, picture(11))
	if err := r.Judge(judge); err == nil || !strings.Contains(err.Error(), "was replaced while") {
		t.Errorf("a picture that was replaced: %v", err)
	}
}

func TestTooLongASequenceIsRefused(t *testing.T) {
	s, _ := aSequence(t)
	for most, refused := range map[int]bool{4: true, 5: false} {
		n := 0
		err := pictures(s.Plan.Media[0].Path, 7, most, func(int, string, os.FileInfo) error { n++; return nil })
		if (err != nil) != refused || n != min(most, 5) {
			t.Errorf("of at most %d: %d pictures, %v", most, n, err)
		}
	}
}
