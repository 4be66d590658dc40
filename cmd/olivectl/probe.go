package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"olive-distributed/cmd/olivectl/listing"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/builtin"
	"olive-distributed/daemon/render/olive"
)

// probeResult is what probe prints; its JSON names are an interface.
type probeResult struct {
	Project   string          `json:"project"`
	Sequences []probeSequence `json:"sequences"`
	Chosen    string          `json:"sequence"` // the one that an export takes
	Cuts      []ove.Frame     `json:"cuts"`     // of the chosen one
	*render.Report
}

type probeSequence struct {
	Name      string    `json:"name"`
	Width     int       `json:"width"`
	Height    int       `json:"height"`
	FPS       float64   `json:"fps"`
	Frames    ove.Frame `json:"frames"`
	Length    string    `json:"length"` // timecode
	AudioRate int       `json:"audio_rate"`
	Clips     int       `json:"clips"`
}

func (a *app) probeCommand() *cobra.Command {
	var sequence, engine string
	c := &cobra.Command{
		Use:   "probe PROJECT.ove",
		Short: "Show what is in a project, and whether it can be exported",
		Long: `Show the sequences of a project, and of the one that would be exported: its media and
where they were found, its effects and whether they are supported, and its cuts.

Exit code 0: an export would begin; 3: it would be refused.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: completeProjects,
		RunE: func(c *cobra.Command, args []string) error {
			return probe(c, args[0], sequence, engine, a.json)
		},
	}
	c.Flags().StringVar(&sequence, "sequence", "", "look at the sequence of this `NAME`, not the one open in the editor")
	c.Flags().StringVar(&engine, "engine", "builtin", "say what the `ENGINE` builtin or olive supports")
	return c
}

func probe(c *cobra.Command, path, sequence, engine string, asJSON bool) error {
	ctx := c.Context()
	if err := film.CheckTools(ctx); err != nil {
		return &exitError{exitFailed, err}
	}
	project, _, err := render.ReadProject(path)
	if err != nil {
		return &exitError{exitRefused, fmt.Errorf("%s: %w", path, err)}
	}
	seq, err := render.Choose(project, sequence)
	if err != nil {
		return &exitError{exitRefused, fmt.Errorf("%s: %w", path, err)}
	}
	library := media.NewLibrary("")
	defer library.Close()
	ours := builtin.New(library, 1)
	engines := map[string]render.Engine{ours.Name(): ours, olive.Name: olive.New(ours, olive.Options{})}
	if engines[engine] == nil {
		return usageError("there is no engine %q: use builtin or olive", engine)
	}
	report, err := render.Examine(ctx, library, engines[engine], project, path, seq, render.Span{End: seq.Length()})
	if ctx.Err() != nil {
		return &exitError{exitInterrupted, context.Cause(ctx)}
	}
	if err != nil {
		return &exitError{exitFailed, fmt.Errorf("%s: %w", path, err)}
	}
	r := probeResult{Project: path, Chosen: seq.Name, Cuts: seq.Cuts(), Report: report}
	for _, s := range project.Sequences {
		r.Sequences = append(r.Sequences, probeSequence{
			Name: s.Name, Width: s.Width, Height: s.Height, FPS: s.FPS, Frames: s.Length(),
			Length: render.Timecode(s.Length(), s.FPS), AudioRate: s.AudioRate, Clips: len(s.Clips),
		})
	}
	if asJSON {
		err = listing.JSON(c.OutOrStdout(), r)
	} else {
		err = r.print(c.OutOrStdout())
	}
	if err != nil {
		return &exitError{exitFailed, err}
	}
	switch {
	case seq.Length() == 0:
		return &exitError{exitRefused, fmt.Errorf("%s: sequence %q is empty: there is nothing to export", path, seq.Name)}
	case report.Crowded() != nil:
		return &exitError{exitRefused, fmt.Errorf("%s: %w", path, report.Crowded())}
	case len(report.Missing())+len(report.Unsupported) > 0:
		return &exitError{exitRefused, nil}
	}
	return nil
}

// print writes the result for a person.
func (r *probeResult) print(w io.Writer) error {
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
