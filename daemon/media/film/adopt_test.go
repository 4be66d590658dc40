package film

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// foreign encodes a film as an editor does: its own idea of the rate, sound, no colour tags.
func foreign(t *testing.T, frames int, more ...string) string {
	t.Helper()
	film := filepath.Join(t.TempDir(), "it's a film.mp4")
	args := []string{
		"-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc=size=96x64:rate=2997/100",
		"-f", "lavfi", "-i", "sine=sample_rate=48000:duration=2", "-frames:v", strconv.Itoa(frames), "-shortest", "-pix_fmt", "yuv420p",
		"-c:v", "libx264", "-crf", "36", "-c:a", "aac",
	}
	out, err := exec.Command("ffmpeg", append(append(args, more...), film)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return film
}

func TestAdopt(t *testing.T) {
	e := small("h264")
	e.Colour = ColourOlive
	for name, c := range map[string]struct {
		film   string
		frames int
		says   string // of the error; "": none
	}{
		"all of it":                              {foreign(t, 24), 24, ""},
		"one frame":                              {foreign(t, 1), 1, ""},
		"several groups of pictures":             {foreign(t, 40, "-g", "7"), 40, ""},
		"a frame too many that nothing needs":    {foreign(t, 25, "-bf", "0"), 24, ""},
		"a group of pictures too many":           {foreign(t, 21, "-g", "7"), 14, ""},
		"a frame too many that others refer to":  {foreign(t, 24, "-bf", "3", "-b_strategy", "0"), 3, "cannot be cut off"},
		"a frame too few":                        {foreign(t, 23), 24, "23 frames, want 24"},
		"another size":                           {foreign(t, 24, "-s", "64x64"), 24, `width is "64"`},
		"another codec":                          {foreign(t, 24, "-c:v", "mpeg4"), 24, `codec_name is "mpeg4"`},
		"colour tags":                            {foreign(t, 24, "-colorspace", "bt709"), 24, "color_space"},
		"a frame that is late":                   {foreign(t, 24, "-bsf:v", "setts=pts=PTS+400*gte(N\\,20):dts=DTS"), 24, "not shown when it is due"},
		"sound alone":                            {foreign(t, 24, "-vn"), 24, "no picture"},
		"a film that does not start with itself": {cutFront(t, foreign(t, 24, "-bf", "0")), 10, "is not a key frame"},
		"half a file":                            {half(t, foreign(t, 24)), 24, "it's a film.mp4"},
	} {
		t.Run(name, func(t *testing.T) {
			part := filepath.Join(t.TempDir(), "part.mp4")
			err := Adopt(t.Context(), c.film, e, int64(c.frames), part)
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v, want one about %q", err, c.says)
				}
				if _, err := os.Stat(part); err == nil {
					t.Error("a part is left")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := VerifyPart(t.Context(), part, e, int64(c.frames)); err != nil {
				t.Error(err)
			}
			if got, want := pictureSums(t, part), pictureSums(t, c.film)[:c.frames]; !slices.Equal(got, want) {
				t.Errorf("%d pictures are not the film's first %d", len(got), len(want))
			}
		})
	}
	if err := Adopt(t.Context(), foreign(t, 24, "-bf", "3", "-b_strategy", "0"), e, 3, filepath.Join(t.TempDir(), "part.mp4")); !errors.Is(err, ErrEntangled) {
		t.Errorf("error %v, want ErrEntangled", err)
	}
}

// cutFront takes the first packet away.
func cutFront(t *testing.T, film string) string {
	t.Helper()
	cut := filepath.Join(t.TempDir(), "cut.mp4")
	out, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-copyts", "-i", film, "-map", "0:v", "-c", "copy", "-bsf:v", "noise=drop=eq(n\\,0)", cut).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return cut
}

// half breaks a file off.
func half(t *testing.T, film string) string {
	t.Helper()
	info, err := os.Stat(film)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(film, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	return film
}

func TestAdoptedPartsJoin(t *testing.T) {
	e := small("h264")
	e.Colour = ColourOlive
	dir := t.TempDir()
	var parts []Part
	var want []string
	for i, n := range []int{14, 2, 8} {
		film := foreign(t, n)
		path := filepath.Join(dir, strconv.Itoa(i)+".mp4")
		if err := Adopt(t.Context(), film, e, int64(n), path); err != nil {
			t.Fatal(err)
		}
		p, err := VerifyPart(t.Context(), path, e, int64(n))
		if err != nil {
			t.Fatal(err)
		}
		parts, want = append(parts, p), append(want, pictureSums(t, film)...)
	}
	film, err := joined(t, e, parts, click(t, dir), dir, ".mp4")
	if err != nil {
		t.Fatal(err)
	}
	if got := pictureSums(t, film); !slices.Equal(got, want) {
		t.Errorf("the film's %d pictures are not those of its parts, %d", len(got), len(want))
	}
}
