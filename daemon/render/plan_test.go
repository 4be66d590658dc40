package render_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/media/probe"
	"olive-distributed/daemon/render"
)

// planned makes a plan of a project with the medium a.mp4.
func planned(t *testing.T) *render.Plan {
	t.Helper()
	path := write(t, footage(1, "a.mp4", ""), clip(0, -1, 0, 10, first, ""), "")
	makeMedium(t, filepath.Join(filepath.Dir(path), "a.mp4"))
	_, digest, err := render.ReadProject(path)
	if err != nil {
		t.Fatal(err)
	}
	return &render.Plan{
		Engine: "builtin", Project: path, Digest: digest, Sequence: 1, Span: render.Span{End: 10}, Media: examine(t, path, nil).Found(),
		Encoding: film.Encoding{Width: 64, Height: 48, Rate: probe.Rational{Num: 30, Den: 1}, Preset: "h264"}, FPS: 30, SoundRate: 48000,
	}
}

func TestAPlanTravelsAsJSON(t *testing.T) {
	p := planned(t)
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var q render.Plan
	if err := json.Unmarshal(data, &q); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*p, q) {
		t.Errorf("got %+v, want %+v", q, *p)
	}
	s, err := q.Open()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Path(s.Sequence.Clips[0].Footage), p.Media[0].Path; got != want || want == "" {
		t.Errorf("the medium is at %q, want %q", got, want)
	}
}

func TestOpenRefusesWhatHasChanged(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, p *render.Plan)
		says   string
	}{
		"the project": {func(t *testing.T, p *render.Plan) { swap(t, p.Project, "<folders/>", "<folders></folders>") }, "has changed"},
		"a medium's content": {func(t *testing.T, p *render.Plan) {
			if err := os.Truncate(p.Media[0].Path, 100); err != nil {
				t.Fatal(err)
			}
		}, "a.mp4 has changed"},
		"a medium's date": {func(t *testing.T, p *render.Plan) {
			if err := os.Chtimes(p.Media[0].Path, time.Time{}, time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
		}, "a.mp4 has changed"},
		"a medium that went": {func(t *testing.T, p *render.Plan) {
			if err := os.Remove(p.Media[0].Path); err != nil {
				t.Fatal(err)
			}
		}, "is not there any more"},
		"a sequence of another project": {func(_ *testing.T, p *render.Plan) { p.Sequence = 9 }, "no sequence with id 9"},
		"a medium of another project":   {func(_ *testing.T, p *render.Plan) { p.Media[0].Footage = 9 }, "footage 9"},
		"no project":                    {func(_ *testing.T, p *render.Plan) { p.Project += ".gone" }, "p.ove.gone"},
	} {
		t.Run(name, func(t *testing.T) {
			p := planned(t)
			c.change(t, p)
			if _, err := p.Open(); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one about %q", err, c.says)
			}
		})
	}
}

func swap(t *testing.T, path, old, replacement string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(data), old, replacement, 1)
	if text == string(data) {
		t.Fatalf("%s is not in %s", old, path)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReadProjectRefuses(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.ove")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, render.MaxProject+1); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ path, says string }{
		"a folder":               {dir, "not a regular file"},
		"a device":               {"/dev/zero", "not a regular file"},
		"a file that is too big": {large, "64 MiB"},
		"nothing":                {filepath.Join(dir, "none.ove"), "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := render.ReadProject(c.path); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one about %q", err, c.says)
			}
		})
	}
}
