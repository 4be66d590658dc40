package ove_test

import (
	"slices"
	"testing"

	"olive-distributed/daemon/ove"
)

func TestCandidates(t *testing.T) {
	for name, c := range map[string]struct {
		url, saved, project string
		want                []string
	}{
		"relative, saved elsewhere": {
			"media/a.mp4", "/old/film.ove", "/new/film.ove",
			[]string{"/new/media/a.mp4", "/old/media/a.mp4", "/new/a.mp4"},
		},
		"relative, saved at the same place":         {"a.mp4", "/new/film.ove", "/new/film.ove", []string{"/new/a.mp4"}},
		"relative, saved under a relative name":     {"m/a.mp4", "m/film.ove", "/new/film.ove", []string{"/new/m/a.mp4", "/new/a.mp4"}},
		"relative, upwards":                         {"../a.mp4", "/old/x/film.ove", "/new/x/film.ove", []string{"/new/a.mp4", "/old/a.mp4", "/new/x/a.mp4"}},
		"absolute":                                  {"/media/a.mp4", "/old/film.ove", "/new/film.ove", []string{"/media/a.mp4", "/new/a.mp4"}},
		"absolute, in the project's folder already": {"/new/a.mp4", "/old/film.ove", "/new/film.ove", []string{"/new/a.mp4"}},
		"backslashes": {
			`media\a.mp4`, "/old/film.ove", "/new/film.ove",
			[]string{`/new/media\a.mp4`, `/old/media\a.mp4`, "/new/media/a.mp4", "/old/media/a.mp4", "/new/a.mp4"},
		},
		"absolute of Windows": {`C:\media\a.mp4`, `C:\film.ove`, "/new/film.ove", []string{`/new/C:\media\a.mp4`, "/new/a.mp4"}},
		"project without a folder": {
			"media/a.mp4", "", "film.ove",
			[]string{"media/a.mp4", "a.mp4"},
		},
		"image sequence": {"shot_%04d.png", "", "/new/film.ove", []string{"/new/shot_%04d.png"}},
		"no url":         {"", "/old/film.ove", "/new/film.ove", nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := &ove.Project{URL: c.saved}
			if got := p.Candidates(&ove.Footage{URL: c.url}, c.project); !slices.Equal(got, c.want) {
				t.Errorf("Candidates = %q, want %q", got, c.want)
			}
		})
	}
}

func TestIsImageSequence(t *testing.T) {
	for url, want := range map[string]bool{
		"shot_%04d.png": true, "%d.png": true, "a%3d": true, "%%%d": true,
		"shot_0001.png": false, "100% deal.mp4": false, "100%%d.mp4": false, "a%s.png": false, "%": false, "": false,
	} {
		if got := (&ove.Footage{URL: url}).IsImageSequence(); got != want {
			t.Errorf("IsImageSequence of %q = %v, want %v", url, got, want)
		}
	}
}
