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
	"olive-distributed/daemon/media/probe"
	"olive-distributed/daemon/ove"
)

// A Report is what an examination found about the part of a project that an export shows.
type Report struct {
	Media       []MediaUse  `json:"media"`
	Unsupported []EffectUse `json:"unsupported"`
	Effects     []EffectUse `json:"effects"` // every enabled effect in use, supported or not
	Fonts       []FontUse   `json:"fonts"`
	Crowd       int         `json:"crowd"` // at most so many pictures of media are shown at once
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

// maxCrowd bounds how many media are decoded at the same time: each takes a process and tens of
// megabytes.
const maxCrowd = 256

// Crowded refuses what would need too many decoders at once.
func (r *Report) Crowded() error {
	if r.Crowd <= maxCrowd {
		return nil
	}
	return fmt.Errorf("%d media are shown at once, more than the %d that can be decoded together: export some of the tracks on their own first", r.Crowd, maxCrowd)
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
// by Olive's search order, probes them, and asks the engine about every effect and font. projectFile
// is the project's path. Only an ended context, or a machine without any font, is an error; what is wrong with the project is
// in the report.
func Examine(ctx context.Context, lib *media.Library, engine Engine, p *ove.Project, projectFile string, seq *ove.Sequence, span Span) (*Report, error) {
	x := &examination{
		engine: engine, seen: map[visit]bool{},
		media: map[*ove.Footage]*MediaUse{}, effects: map[string]*EffectUse{}, streams: map[*ove.Footage]map[streamUse]bool{},
		crowds: map[*ove.Sequence]int{},
	}
	x.sequence(seq, span, true, true)
	x.findAll(ctx, lib, p, projectFile)
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	r := &Report{Crowd: x.crowd(seq, span)}
	if len(x.orphans) > 0 {
		r.Media = append(r.Media, MediaUse{Name: "?", Problem: "these clips play a medium that the project does not list", Uses: x.orphans})
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
	var err error
	r.Fonts, err = x.fonts(ctx)
	return r, err
}

type examination struct {
	engine  Engine
	seen    map[visit]bool
	media   map[*ove.Footage]*MediaUse
	texts   []textUse // enabled effects, which may have fonts
	orphans []Use     // clips whose footage the project does not hold
	streams map[*ove.Footage]map[streamUse]bool
	effects map[string]*EffectUse
	crowds  map[*ove.Sequence]int
}

// A streamUse is a stream of a medium and what a clip takes it for.
type streamUse struct {
	index int
	kind  string // "video" or "audio"
}

// visit is one way to reach a sequence: a nest on a video track shows only its pictures.
type visit struct {
	seq   *ove.Sequence
	video bool
}

func (x *examination) sequence(seq *ove.Sequence, span Span, video, sound bool) {
	for _, c := range seq.Clips {
		if !c.Enabled || !span.touches(c) {
			continue
		}
		if c.IsVideo() && video || !c.IsVideo() && sound {
			x.clip(c)
		}
	}
}

func (x *examination) clip(c *ove.Clip) {
	use := useOf(c)
	switch {
	case c.Kind == ove.Media && c.Footage == nil:
		x.orphans = append(x.orphans, use)
	case c.Kind == ove.Media:
		m := x.media[c.Footage]
		if m == nil {
			m = &MediaUse{Name: c.Footage.Name, URL: c.Footage.URL}
			x.media[c.Footage] = m
			x.streams[c.Footage] = map[streamUse]bool{}
		}
		m.Uses = append(m.Uses, use)
		kind := "audio"
		if c.IsVideo() {
			kind = "video"
		}
		x.streams[c.Footage][streamUse{c.Stream, kind}] = true
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
		x.texts = append(x.texts, textUse{e, use})
	}
	if v := (visit{c.Nested, c.IsVideo()}); c.Kind == ove.Nested && !x.seen[v] {
		x.seen[v] = true
		x.sequence(c.Nested, everything, v.video, !v.video)
	}
}

// crowd is the greatest number of media that are on screen at the same time, those of nested
// sequences included: each has a decoder and a picture in memory. It is an upper bound.
func (x *examination) crowd(seq *ove.Sequence, span Span) int {
	type step struct {
		at     ove.Frame
		change int
	}
	var steps []step
	for _, c := range seq.Clips {
		weight := 0
		switch {
		case !c.Enabled || !c.IsVideo() || !span.touches(c):
		case c.Kind == ove.Media:
			weight = 1
		case c.Kind == ove.Nested:
			weight = x.nestedCrowd(c.Nested)
		}
		if in, out := c.TimelineIn(), c.TimelineOut(); weight > 0 && in < out {
			steps = append(steps, step{in, weight}, step{out, -weight})
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.change, b.change)) })
	now, most := 0, 0
	for _, s := range steps {
		now += s.change
		most = max(most, now)
	}
	return most
}

func (x *examination) nestedCrowd(seq *ove.Sequence) int {
	n, known := x.crowds[seq]
	if !known {
		n = x.crowd(seq, everything)
		x.crowds[seq] = n
	}
	return n
}

// everything is a span that no clip lies outside of.
var everything = Span{math.MinInt64, math.MaxInt64}

// touches reports whether a clip has frames in the span.
func (s Span) touches(c *ove.Clip) bool { return c.TimelineIn() < s.End && c.TimelineOut() > s.First }

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
		path, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		m, err := Describe(f, path, false)
		if err != nil {
			if first == nil || !errors.Is(err, fs.ErrNotExist) && errors.Is(first, fs.ErrNotExist) {
				first = err
			}
			continue
		}
		use.Path, use.media = m.Path, append(x.proxy(f, projectFile), m)
		return x.probe(ctx, lib, f, m)
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
	m, err := Describe(f, path, true)
	if err != nil {
		return nil
	}
	return []Medium{m}
}

func (x *examination) probe(ctx context.Context, lib *media.Library, f *ove.Footage, m Medium) error {
	path := m.first()
	file, err := lib.Probe(ctx, path)
	if err != nil {
		return err
	}
	for want := range x.streams[f] {
		if !slices.ContainsFunc(file.Streams, func(s probe.Stream) bool { return s.Index == want.index && s.Type == want.kind }) {
			return fmt.Errorf("%s has no %s stream %d: was the file replaced by another?", path, want.kind, want.index)
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
