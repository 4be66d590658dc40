// Package probe looks into a project: what it shows, whether all of it is there, and whether an engine can
// draw it. It changes nothing. An error that is a [*RefusedError] is about the project.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/builtin"
	"olive-distributed/daemon/render/olive"
)

// ErrNoEngine means that there is no engine of the name.
var ErrNoEngine = errors.New("use builtin or olive")

// A RefusedError is why a project cannot be read.
type RefusedError struct {
	Project string // path
	Err     error
}

func (e *RefusedError) Error() string { return e.Project + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *RefusedError) Unwrap() error { return e.Err }

// A Result is what is in a project. Its JSON names are an interface.
type Result struct {
	Project   string      `json:"project"`
	Sequences []Sequence  `json:"sequences"`
	Chosen    string      `json:"sequence"` // the one that an export takes
	Cuts      []ove.Frame `json:"cuts"`     // of the chosen one
	*render.Report

	Refused bool  `json:"-"` // an export would be
	Refusal error `json:"-"` // why, unless the report tells
}

// A Sequence is one of a project.
type Sequence struct {
	Name      string    `json:"name"`
	Width     int       `json:"width"`
	Height    int       `json:"height"`
	FPS       float64   `json:"fps"`
	Frames    ove.Frame `json:"frames"`
	Length    string    `json:"length"` // timecode
	AudioRate int       `json:"audio_rate"`
	Clips     int       `json:"clips"`
}

// Look looks into the project at a path, at the sequence of that name, "" for the one open in the editor.
func Look(ctx context.Context, path, sequence, engine string) (*Result, error) {
	project, _, err := render.ReadProject(path)
	if err != nil {
		return nil, &RefusedError{path, err}
	}
	seq, err := render.Choose(project, sequence)
	if err != nil {
		return nil, &RefusedError{path, err}
	}
	library := media.NewLibrary("")
	defer library.Close()
	ours := builtin.New(library, 1)
	engines := map[string]render.Engine{ours.Name(): ours, olive.Name: olive.New(ours, olive.Options{})}
	if engines[engine] == nil {
		return nil, fmt.Errorf("there is no engine %q: %w", engine, ErrNoEngine)
	}
	report, err := render.Examine(ctx, library, engines[engine], project, path, seq, render.Span{End: seq.Length()})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r := &Result{Project: path, Chosen: seq.Name, Cuts: seq.Cuts(), Report: report}
	for _, s := range project.Sequences {
		r.Sequences = append(r.Sequences, Sequence{
			Name: s.Name, Width: s.Width, Height: s.Height, FPS: s.FPS, Frames: s.Length(),
			Length: render.Timecode(s.Length(), s.FPS), AudioRate: s.AudioRate, Clips: len(s.Clips),
		})
	}
	if seq.Length() == 0 {
		r.Refusal = &RefusedError{path, fmt.Errorf("sequence %q is empty: there is nothing to export", seq.Name)}
	} else if err := report.Crowded(); err != nil {
		r.Refusal = &RefusedError{path, err}
	}
	r.Refused = r.Refusal != nil || len(report.Missing())+len(report.Unsupported) > 0
	return r, nil
}

// Write writes the result for a person.
func (r *Result) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "SEQUENCE\tSIZE\tRATE\tLENGTH\tFRAMES\tCLIPS\n")
	for _, s := range r.Sequences {
		mark := ""
		if s.Name == r.Chosen {
			mark = " *"
		}
		fmt.Fprintf(t, "%s%s\t%dx%d\t%.6g fps, %d Hz\t%s\t%d\t%d\n", s.Name, mark, s.Width, s.Height, s.FPS, s.AudioRate, s.Length, s.Frames, s.Clips)
	}
	if len(r.Media) > 0 {
		fmt.Fprintf(t, "\nMEDIUM\tCLIPS\tFOUND\n")
	}
	for _, m := range r.Media {
		where := m.Path
		if m.Problem != "" {
			where = "NOT USABLE: " + m.Problem
		}
		fmt.Fprintf(t, "%s\t%d\t%s\n", m.Name, len(m.Uses), where)
	}
	if len(r.Effects) > 0 {
		fmt.Fprintf(t, "\nEFFECT\tCLIPS\tSUPPORT\n")
	}
	for _, e := range r.Effects {
		support := "yes"
		if !e.Supported {
			support = "NO, first at " + e.Uses[0].String()
		}
		fmt.Fprintf(t, "%s\t%d\t%s\n", e.Effect, len(e.Uses), support)
	}
	if len(r.Fonts) > 0 {
		fmt.Fprintf(t, "\nFONT\tCLIPS\tSET IN\n")
	}
	for _, f := range r.Fonts {
		set := f.Family
		if f.Substituted {
			set += ", since it is not installed"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\n", strings.TrimSpace(f.Asked+style(f.Font)), len(f.Uses), set)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d cuts%s\n", len(r.Cuts), cutList(r.Cuts))
	return err
}

// style names a font's style where it is not the usual one.
func style(f render.Font) string {
	text := ""
	if f.Bold {
		text += " bold"
	}
	if f.Italic {
		text += " italic"
	}
	return text
}

// cutList prints the first cuts.
func cutList(cuts []ove.Frame) string {
	const shown = 12
	if len(cuts) == 0 {
		return ""
	}
	text := fmt.Sprint(cuts[:min(len(cuts), shown)])
	if len(cuts) > shown {
		text = strings.TrimSuffix(text, "]") + " …]"
	}
	return " at frames " + text
}
