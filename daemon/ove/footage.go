package ove

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func (r *reader) readFootage(e *element) error {
	if !e.is("footage") {
		return r.skip()
	}
	if err := r.count(&r.counts.footage, 100_000, "footage items"); err != nil {
		return err
	}
	e.need("id", "url")
	f := &Footage{
		ID:          int(e.integer("id", 0, -maxFrame, maxFrame)),
		Folder:      int(e.hint("folder")),
		Name:        string(e.label("name")),
		URL:         string(e.label("url")),
		Duration:    e.hint("duration"),
		UsingInOut:  e.flag("using_inout", false),
		In:          e.hint("in"),
		Out:         e.hint("out"),
		Speed:       e.number("speed", 1, minSpeed, maxSpeed),
		AlphaPremul: e.flag("alphapremul", false),
		StartNumber: int(e.integer("startnumber", 0, 0, maxFrame)),
		Proxy:       e.flag("proxy", false),
		ProxyPath:   string(e.label("proxypath")),
	}
	if other := r.footage[f.ID]; other != nil {
		e.reject("the id %d is used twice, by %q too", f.ID, brief(other.Name))
	}
	if e.err != nil {
		return e.err
	}
	r.footage[f.ID] = f
	r.project.Footage = append(r.project.Footage, f)
	return r.children(func(e *element) error { return r.readStream(e, f) })
}

// readStream trusts nothing: the values are hints, and Olive itself overwrites them.
func (r *reader) readStream(e *element, f *Footage) error {
	switch string(e.name) {
	case "marker":
		return r.readMarker(e, &f.Markers)
	case "video", "audio":
		if err := r.count(&r.counts.streams, 1_000_000, "media streams"); err != nil {
			return err
		}
	}
	switch string(e.name) {
	case "video":
		f.Video = append(f.Video, VideoStream{
			ID:        int(e.hint("id")),
			Width:     int(e.hint("width")),
			Height:    int(e.hint("height")),
			FrameRate: toDouble(e.value("framerate")),
			Infinite:  e.flag("infinite", false),
		})
	case "audio":
		f.Audio = append(f.Audio, AudioStream{
			ID:        int(e.hint("id")),
			Channels:  int(e.hint("channels")),
			Layout:    int(e.hint("layout")),
			Frequency: int(e.hint("frequency")),
		})
	}
	return r.skip()
}

var printf = regexp.MustCompile(`%[0-9]*d`)

// IsImageSequence reports whether the URL is a printf pattern like "shot_%04d.png".
func (f *Footage) IsImageSequence() bool {
	return printf.MatchString(strings.ReplaceAll(f.URL, "%%", ""))
}

// Candidates lists the places of f's file in Olive's order: as written, from the project's
// folder, from the folder of the project's own URL (where it was saved), and the bare file name
// in the project's folder. The caller takes the first that is a file.
//
// Olive looks at its working folder first; a daemon's has no meaning, so here a relative URL
// starts at the project's folder. A URL with backslashes is tried as written, then with slashes:
// it may come from Windows.
func (p *Project) Candidates(f *Footage, projectFile string) []string {
	if f.URL == "" {
		return nil
	}
	folder := filepath.Dir(projectFile)
	var list []string
	for _, url := range []string{f.URL, strings.ReplaceAll(f.URL, `\`, "/")} {
		if filepath.IsAbs(url) {
			list = append(list, filepath.Clean(url))
		} else if !drive.MatchString(url) {
			list = append(list, filepath.Join(folder, url))
			if filepath.IsAbs(p.URL) {
				list = append(list, filepath.Join(filepath.Dir(p.URL), url))
			}
		}
		list = append(list, filepath.Join(folder, filepath.Base(url)))
	}
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(list, func(path string) bool {
		again := seen[path]
		seen[path] = true
		return again
	})
}

// drive matches an absolute path of Windows.
var drive = regexp.MustCompile(`^[A-Za-z]:[/\\]`)
