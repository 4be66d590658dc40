package render_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/builtin"
)

// write makes a project file: media is the footage, main the clips of the sequence "Main" (30
// frames/s), nest those of "Nest" (25).
func write(t *testing.T, media, main, nest string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p.ove")
	text := fmt.Sprintf(`<project><version>190219</version><url>p.ove</url><folders/><media>%s</media><sequences>
<sequence id="1" folder="0" name="Main" width="64" height="48" framerate="30" afreq="48000" alayout="3" open="1">%s</sequence>
<sequence id="2" folder="0" name="Nest" width="64" height="48" framerate="25" afreq="48000" alayout="3">%s</sequence></sequences></project>`, media, main, nest)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func clip(id, track, in, out int, source, content string) string {
	return fmt.Sprintf(`<clip id="%d" enabled="1" name="c%d" clipin="0" in="%d" out="%d" track="%d" speed="1" %s><linked/>%s</clip>`, id, id, in, out, track, source, content)
}

func footage(id int, name, attrs string) string {
	return fmt.Sprintf(`<footage id="%d" folder="0" name="%s" url="%s" duration="1" speed="1" %s/>`, id, name, name, attrs)
}

// makeMedium writes a small film with sound beside the project.
func makeMedium(t *testing.T, path string) {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=30:duration=1",
		"-f", "lavfi", "-i", "sine=duration=1", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func examine(t *testing.T, path string, span *render.Span) *render.Report {
	t.Helper()
	p, _, err := render.ReadProject(path)
	if err != nil {
		t.Fatal(err)
	}
	seq, err := render.Choose(p, "")
	if err != nil {
		t.Fatal(err)
	}
	if span == nil {
		span = &render.Span{End: seq.Length()}
	}
	lib := media.NewLibrary(t.TempDir())
	defer lib.Close()
	r, err := render.Examine(t.Context(), lib, builtin.New(lib, 1), p, path, seq, *span)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	unknown = `<effect name="Stylize/Sparkle" enabled="1"/>`
	off     = `<effect name="Stylize/Glitter" enabled="0"/>`
	first   = `media="1" stream="0"`
	nests   = `type="2" sequence="2"`
)

func TestExamineListsEffects(t *testing.T) {
	for name, c := range map[string]struct {
		main, nest string
		span       *render.Span
		want       []string // unsupported effects with the numbers of their clips
	}{
		"an unknown effect":                      {clip(3, -1, 0, 10, "", unknown), "", nil, []string{"Stylize/Sparkle c3"}},
		"one that is switched off":               {clip(3, -1, 0, 10, "", off), "", nil, nil},
		"one outside of the span":                {clip(3, -1, 0, 10, "", unknown) + clip(4, -1, 10, 20, "", ""), "", &render.Span{First: 10, End: 20}, nil},
		"one at the last frame of the span":      {clip(3, -1, 9, 20, "", unknown), "", &render.Span{First: 0, End: 10}, []string{"Stylize/Sparkle c3"}},
		"one in a nest":                          {clip(0, -1, 0, 10, nests, ""), clip(7, -1, 0, 10, "", unknown), nil, []string{"Stylize/Sparkle c7"}},
		"a sound's, in a nest of pictures":       {clip(0, -1, 0, 10, nests, ""), clip(7, 0, 0, 10, "", unknown), nil, nil},
		"a sound's, in a nest of sounds":         {clip(0, 0, 0, 10, nests, ""), clip(7, 0, 0, 10, "", unknown), nil, []string{"Stylize/Sparkle c7"}},
		"a disabled clip's":                      {strings.Replace(clip(3, -1, 0, 10, "", unknown), `enabled="1"`, `enabled="0"`, 1), "", nil, nil},
		"a clip's that a shared dissolve brings": {clip(3, -1, 0, 10, "", `<closing length="3" name="/Cross Dissolve"/>`) + clip(4, -1, 10, 20, "", `<opening shared="3"/>`+unknown), "", &render.Span{First: 0, End: 8}, []string{"Stylize/Sparkle c4"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, e := range examine(t, write(t, "", c.main, c.nest), c.span).Unsupported {
				for _, u := range e.Uses {
					got = append(got, e.Effect+" "+u.Clip)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("unsupported: %q, want %q", got, c.want)
			}
		})
	}
}

func TestExamineFindsMedia(t *testing.T) {
	for name, c := range map[string]struct {
		media, main string
		problem     string // "" for none
	}{
		"a medium beside the project":           {footage(1, "a.mp4", ""), clip(0, -1, 0, 10, first, ""), ""},
		"a medium that is gone":                 {footage(1, "b.mp4", ""), clip(0, -1, 0, 10, first, ""), "not found"},
		"a medium that no clip shows":           {footage(1, "b.mp4", ""), clip(0, -1, 0, 10, "", ""), ""},
		"a clip of a medium that is not listed": {"", clip(0, -1, 0, 10, first, ""), "does not list"},
		"a stream that is not there":            {footage(1, "a.mp4", ""), clip(0, -1, 0, 10, `media="1" stream="7"`, ""), "no video stream 7"},
		"sound on a picture's track":            {footage(1, "a.mp4", ""), clip(0, -1, 0, 10, `media="1" stream="1"`, ""), "no video stream 1"},
		"the same stream as sound too":          {footage(1, "a.mp4", ""), clip(0, -1, 0, 10, `media="1" stream="1"`, "") + clip(1, 0, 0, 10, `media="1" stream="1"`, ""), "no video stream 1"},
		"a folder":                              {footage(1, "folder", ""), clip(0, -1, 0, 10, first, ""), "folder"},
		"text":                                  {footage(1, "p.ove", ""), clip(0, -1, 0, 10, first, ""), "not a medium"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, c.media, c.main, "")
			makeMedium(t, filepath.Join(filepath.Dir(path), "a.mp4"))
			if err := os.Mkdir(filepath.Join(filepath.Dir(path), "folder"), 0o700); err != nil {
				t.Fatal(err)
			}
			missing := examine(t, path, nil).Missing()
			switch {
			case c.problem == "" && len(missing) > 0:
				t.Errorf("missing: %+v, want nothing", missing)
			case c.problem != "" && (len(missing) != 1 || !strings.Contains(missing[0].Problem, c.problem)):
				t.Errorf("missing: %+v, want one: %s", missing, c.problem)
			}
		})
	}
}

func TestExamineCountsDecoders(t *testing.T) {
	stack := func(n int, source string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(clip(i, -1-i, 0, 10, source, ""))
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		main, nest string
		span       *render.Span
		want       int
	}{
		"one after the other":       {clip(0, -1, 0, 10, first, "") + clip(1, -1, 10, 20, first, ""), "", nil, 1},
		"one over the other":        {stack(3, first), "", nil, 3},
		"without a medium":          {stack(3, ""), "", nil, 0},
		"nests multiply":            {stack(3, nests), stack(4, first), nil, 12},
		"outside of the span":       {stack(3, first) + clip(9, -1, 10, 20, first, ""), "", &render.Span{First: 10, End: 20}, 1},
		"sound needs no picture":    {clip(0, 0, 0, 10, first, ""), "", nil, 0},
		"a shared dissolve has two": {clip(0, -1, 0, 10, first, `<closing length="2" name="/Cross Dissolve"/>`) + clip(1, -1, 10, 20, first, `<opening shared="0"/>`), "", nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := examine(t, write(t, "", c.main, c.nest), c.span)
			if r.Crowd != c.want {
				t.Errorf("crowd %d, want %d", r.Crowd, c.want)
			}
			if err := r.Crowded(); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
	if err := examine(t, write(t, "", stack(300, first), ""), nil).Crowded(); err == nil {
		t.Error("300 decoders at once are not refused")
	}
}

func TestTimecode(t *testing.T) {
	for _, c := range []struct {
		frame ove.Frame
		fps   float64
		want  string
	}{
		{0, 30, "00:00:00:00"},
		{107892, 29.97, "00:59:56:12"},
		{90061 * 25, 25, "25:01:01:00"},
		{7, 0.2, "00:00:07:00"},
	} {
		if got := render.Timecode(c.frame, c.fps); got != c.want {
			t.Errorf("Timecode(%d, %v) = %s, want %s", c.frame, c.fps, got, c.want)
		}
	}
}
