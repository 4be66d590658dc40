package render

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/ove"
)

// A Report is what an examination found about the part of a project that an export shows.
type Report struct {
	Media       []MediaUse  `json:"media"`
	Unsupported []EffectUse `json:"unsupported"`
	Effects     []EffectUse `json:"effects"` // every enabled effect in use, supported or not
}

// A MediaUse is a medium with the clips that show it.
type MediaUse struct {
	Name    string   `json:"name"`
	URL     string   `json:"url"`
	Path    string   `json:"path,omitempty"`    // where it was found
	Problem string   `json:"problem,omitempty"` // why it cannot be used
	Uses    []Use    `json:"uses"`
	media   []Medium // the file, and its proxy if there is one
}

// An EffectUse is an effect with the clips that have it.
type EffectUse struct {
	Effect    string `json:"effect"`
	Supported bool   `json:"supported"`
	Uses      []Use  `json:"uses"`
}

// A Use is a place on a timeline.
type Use struct {
	Clip     string    `json:"clip"`
	Sequence string    `json:"sequence"`
	Track    string    `json:"track"` // "V1" is the bottom video track, "A1" the first audio track
	In       ove.Frame `json:"in"`
	Out      ove.Frame `json:"out"`
	Timecode string    `json:"timecode"` // of In, HH:MM:SS:FF
	Line     int       `json:"line"`     // in the project file
}

// String tells the place in one line.
func (u Use) String() string {
	return fmt.Sprintf("%s %s clip %q (%s, line %d)", u.Timecode, u.Track, u.Clip, u.Sequence, u.Line)
}

// Missing lists the media that cannot be used.
func (r *Report) Missing() []MediaUse {
	return slices.DeleteFunc(slices.Clone(r.Media), func(m MediaUse) bool { return m.Problem == "" })
}

// Found lists the media of a plan.
func (r *Report) Found() []Medium {
	var found []Medium
	for _, m := range r.Media {
		if m.Problem == "" {
			found = append(found, m.media...)
		}
	}
	return found
}

// Examine looks through everything that the span of seq shows or sounds: it finds the media
// by Olive's search order, probes them, and asks the engine about every effect. projectFile
// is the project's path. Only an ended context is an error; what is wrong with the project is
// in the report.
func Examine(ctx context.Context, lib *media.Library, engine Engine, p *ove.Project, projectFile string, seq *ove.Sequence, span Span) (*Report, error) {
	x := &examination{
		engine: engine, seen: map[visit]bool{},
		media: map[*ove.Footage]*MediaUse{}, effects: map[string]*EffectUse{}, streams: map[*ove.Footage]map[int]string{},
	}
	x.sequence(seq, span, true, true)
	r := &Report{}
	x.findAll(ctx, lib, p, projectFile)
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	for _, f := range slices.SortedFunc(maps.Keys(x.media), func(a, b *ove.Footage) int { return cmp.Compare(a.ID, b.ID) }) {
		r.Media = append(r.Media, *x.media[f])
	}
	for _, name := range slices.Sorted(maps.Keys(x.effects)) {
		use := *x.effects[name]
		r.Effects = append(r.Effects, use)
		if !use.Supported {
			r.Unsupported = append(r.Unsupported, use)
		}
	}
	return r, nil
}

type examination struct {
	engine  Engine
	seen    map[visit]bool
	media   map[*ove.Footage]*MediaUse
	streams map[*ove.Footage]map[int]string // streams in use, with the type the clip needs
	effects map[string]*EffectUse
}

// visit is one way to reach a sequence: a nest on a video track shows only its pictures.
type visit struct {
	seq   *ove.Sequence
	video bool
}

func (x *examination) sequence(seq *ove.Sequence, span Span, video, sound bool) {
	for _, c := range seq.Clips {
		if !c.Enabled || c.TimelineIn() >= span.End || c.TimelineOut() <= span.First {
			continue
		}
		if c.IsVideo() && video || !c.IsVideo() && sound {
			x.clip(c)
		}
	}
}

func (x *examination) clip(c *ove.Clip) {
	use := useOf(c)
	if c.Kind == ove.Media && c.Footage != nil {
		m := x.media[c.Footage]
		if m == nil {
			m = &MediaUse{Name: c.Footage.Name, URL: c.Footage.URL}
			x.media[c.Footage] = m
			x.streams[c.Footage] = map[int]string{}
		}
		m.Uses = append(m.Uses, use)
		x.streams[c.Footage][c.Stream] = map[bool]string{true: "video", false: "audio"}[c.IsVideo()]
	}
	for _, e := range c.Effects {
		if !e.Enabled {
			continue
		}
		u := x.effects[e.Name]
		if u == nil {
			u = &EffectUse{Effect: e.Name, Supported: x.engine.Supports(e.Name)}
			x.effects[e.Name] = u
		}
		u.Uses = append(u.Uses, use)
	}
	if v := (visit{c.Nested, c.IsVideo()}); c.Kind == ove.Nested && !x.seen[v] {
		x.seen[v] = true
		x.sequence(c.Nested, Span{math.MinInt64, math.MaxInt64}, v.video, !v.video)
	}
}

// findAll finds every footage, several at a time: each starts a child.
func (x *examination) findAll(ctx context.Context, lib *media.Library, p *ove.Project, projectFile string) {
	var all sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for f, use := range x.media {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if err := x.find(ctx, lib, p, projectFile, f, use); err != nil {
				use.Problem = err.Error()
			}
		})
	}
	all.Wait()
}

// find resolves a footage and checks that the streams its clips want are there.
func (x *examination) find(ctx context.Context, lib *media.Library, p *ove.Project, projectFile string, f *ove.Footage, use *MediaUse) error {
	var first error
	for _, path := range p.Candidates(f, projectFile) {
		m, err := stat(f, path, false)
		if err != nil {
			if first == nil || !errors.Is(err, fs.ErrNotExist) && errors.Is(first, fs.ErrNotExist) {
				first = err
			}
			continue
		}
		m.Path, err = filepath.Abs(path)
		if err != nil {
			return err
		}
		use.Path, use.media = m.Path, append(x.proxy(f, projectFile), m)
		return x.probe(ctx, lib, f, m.Path)
	}
	if first == nil || errors.Is(first, fs.ErrNotExist) {
		return fmt.Errorf("not found; looked for %v", p.Candidates(f, projectFile))
	}
	return first
}

// proxy returns the proxy that Olive would show, if there is one. Olive looks from its working
// directory, which for a project that was opened by a double click is the project's.
func (x *examination) proxy(f *ove.Footage, projectFile string) []Medium {
	if !f.Proxy || f.ProxyPath == "" {
		return nil
	}
	path := f.ProxyPath
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(projectFile), path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	m, err := stat(f, path, true)
	if err != nil {
		return nil
	}
	return []Medium{m}
}

func (x *examination) probe(ctx context.Context, lib *media.Library, f *ove.Footage, path string) error {
	path = firstFile(f, path)
	file, err := lib.Probe(ctx, path)
	if err != nil {
		return err
	}
	for stream, want := range x.streams[f] {
		i := slices.IndexFunc(file.Streams, func(s media.Stream) bool { return s.Index == stream })
		if i < 0 || file.Streams[i].Type != want {
			return fmt.Errorf("%s has no %s stream %d: was the file replaced by another?", path, want, stream)
		}
	}
	return nil
}

func useOf(c *ove.Clip) Use {
	track := fmt.Sprintf("A%d", c.Track+1)
	if c.IsVideo() {
		track = fmt.Sprintf("V%d", -c.Track)
	}
	return Use{
		Clip: c.Name, Sequence: c.Parent.Name, Track: track, In: c.In, Out: c.Out,
		Timecode: Timecode(c.In, c.Parent.FPS), Line: c.Line,
	}
}

// Timecode formats a frame as HH:MM:SS:FF at the rounded rate, without dropping.
func Timecode(frame ove.Frame, fps float64) string {
	rate := max(ove.Frame(math.Round(fps)), 1)
	s := frame / rate
	return fmt.Sprintf("%02d:%02d:%02d:%02d", s/3600, s/60%60, s%60, frame%rate)
}
