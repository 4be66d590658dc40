package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"olive-distributed/daemon/control"
	"olive-distributed/daemon/master"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/olive"
)

// exportFlags are the options of export as they were typed.
type exportFlags struct {
	local             bool
	output            string
	workers, threads  int
	preset            string
	colour            string
	videoArgs         string
	audioArgs         string
	frames            string
	sequence          string
	engine, editor    string
	split             string
	scratch           string
	ignoreMissing     bool
	ignoreUnsupported bool
	resume            bool
	json              bool
}

func exportCommand() *cobra.Command {
	var f exportFlags
	var on farmFlags
	c := &cobra.Command{
		Use:   "export [--local] PROJECT.ove|FOLDER…",
		Short: "Export projects to films",
		Long: `Export projects to films: on the farm, whose master runs on this machine, or with all of this
machine's cores and no farm (--local). On the farm the jobs go on when olivectl is stopped.

A folder stands for every project in it. The film gets the project's name and lies beside the
project, unless --output says otherwise; a log lies beside the film. Films appear when they are
complete: an export that is stopped or killed leaves nothing in their folder.

Presets: ` + presetList() + `

With --engine olive the pictures come out of the editor as it exports them by default, H.264 with
CRF 36. With --preset h264 --colour olive they become the film as they are; otherwise they are
decoded and encoded once more. The sound is always the built-in engine's.

Exit codes: 0 all films are made; 1 an export failed; 2 wrong usage; 3 a project was refused
(unreadable, media missing, effects not supported); 130 interrupted.`,
		Example: `  olivectl export --local holiday.ove
  olivectl export --local -o films/ --preset prores projects/
  olivectl export --local --frames 0:250 -o look.mp4 holiday.ove`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return export(c, args, &f, &on)
		},
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVar(&f.local, "local", false, "render in this process, without a farm")
	f.add(c)
	o := c.Flags()
	o.IntVar(&f.workers, "workers", 0, "--local: number of workers; 0: as the cores allow")
	o.IntVar(&f.threads, "threads", 0, "--local: threads of each worker; 0: the cores are shared out")
	o.StringVar(&f.editor, "editor", olive.DefaultEditor, "--local: the `PROGRAM` of engine olive")
	o.StringVar(&f.scratch, "scratch", "", "--local: `DIR` for unfinished parts (default: in the user's cache folder)")
	o.BoolVar(&f.resume, "resume", false, "--local: use finished parts of a run that was stopped, and keep them if this one is")
	on.add(c)
	return c
}

// add adds the options that describe a film.
func (f *exportFlags) add(c *cobra.Command) {
	o := c.Flags()
	o.StringVarP(&f.output, "output", "o", "", "the film's `FILE`, or the DIR for films")
	o.StringVar(&f.engine, "engine", "builtin", "what draws: builtin, or olive, the patched editor itself")
	o.StringVar(&f.preset, "preset", "h264", "how to encode: "+strings.Join(presetNames(), ", "))
	o.StringVar(&f.colour, "colour", "bt709", "bt709: convert and tag as BT.709; olive: untagged BT.601, as Olive itself exports")
	o.StringVar(&f.videoArgs, "video-args", "", "codec `ARGUMENTS` instead of the preset's, as \"-c:v libx264 -crf 16\"")
	o.StringVar(&f.audioArgs, "audio-args", "", "audio codec `ARGUMENTS` instead of the preset's")
	o.StringVar(&f.frames, "frames", "", "export only the frames `A:B`, from A up to but not including B")
	o.StringVar(&f.sequence, "sequence", "", "export the sequence of this `NAME`, not the one open in the editor")
	o.StringVar(&f.split, "split", "auto", "auto, never, or the `NUMBER` of ranges to cut the film into")
	o.BoolVar(&f.ignoreMissing, "ignore-missing", false, "export although media are missing: their clips show nothing")
	o.BoolVar(&f.ignoreUnsupported, "ignore-unsupported", false, "export although effects are not supported: without them")
	o.BoolVar(&f.json, "json", false, "print events as JSON, one a line")
}

func presetNames() []string {
	var names []string
	for _, p := range film.Presets() {
		names = append(names, p.Name)
	}
	return names
}

func presetList() string {
	var b strings.Builder
	for _, p := range film.Presets() {
		fmt.Fprintf(&b, "\n  %-9s %s", p.Name, p.Description)
	}
	return b.String()
}

func export(c *cobra.Command, args []string, f *exportFlags, on *farmFlags) error {
	const most = 1024
	if f.workers < 0 || f.workers > most || f.threads < 0 || f.threads > most {
		return usageError("--workers %d --threads %d: want numbers from 0 (chosen for you) to %d", f.workers, f.threads, most)
	}
	requests, err := f.requests(args)
	if err != nil {
		return err
	}
	if !f.local {
		return on.with(c.Context(), func(client *control.Client) error {
			r := &remote{client, newDisplay(c.OutOrStdout(), c.ErrOrStderr(), f.json)}
			err := r.export(c.Context(), requests)
			if errors.Is(err, control.ErrNoMaster) {
				err = fmt.Errorf("%w\nTo export with this machine alone: olivectl export --local …", err)
			}
			return err
		})
	}
	if err := film.CheckTools(c.Context()); err != nil {
		return &exitError{exitFailed, err}
	}
	if f.scratch == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return usageError("no place for unfinished parts (%w): name one with --scratch", err)
		}
		f.scratch = filepath.Join(cache, "olive-distributed")
	}
	workers, threads := shares(f.workers, f.threads, runtime.GOMAXPROCS(0))
	l := &local{engine: f.engine, editor: f.editor, workers: workers, threads: threads, scratch: f.scratch, media: mediaCache(), show: newDisplay(c.OutOrStdout(), c.ErrOrStderr(), f.json)}
	return l.export(c.Context(), requests)
}

// shares fills in the numbers of workers and of their threads. One worker keeps about four
// cores busy: decoding, composing and encoding run beside each other.
func shares(workers, threads, cores int) (w, t int) {
	const coresOfOne = 4
	if workers <= 0 {
		workers = max(1, cores/coresOfOne)
	}
	if threads <= 0 {
		threads = max(1, (cores+workers-1)/workers)
	}
	return workers, threads
}

// requests turns arguments and options into what the master is asked for.
func (f *exportFlags) requests(args []string) ([]master.Request, error) {
	base, err := f.request()
	if err != nil {
		return nil, err
	}
	projects, err := findProjects(args)
	if err != nil {
		return nil, err
	}
	preset, err := film.PresetByName(f.preset)
	if err != nil {
		return nil, usageError("%w", err)
	}
	targets := map[string]string{}
	var requests []master.Request
	for _, p := range projects {
		r := base
		r.Project = p
		r.Output, err = f.target(p, preset.Ext, len(projects) > 1)
		if err != nil {
			return nil, err
		}
		if other, taken := targets[r.Output]; taken {
			return nil, usageError("%s and %s would both become %s", other, p, r.Output)
		}
		targets[r.Output] = p
		requests = append(requests, r)
	}
	return requests, nil
}

// request is what all projects have in common.
func (f *exportFlags) request() (r master.Request, err error) {
	r = master.Request{
		Engine: f.engine, Sequence: f.sequence, Preset: f.preset, VideoArgs: strings.Fields(f.videoArgs), AudioArgs: strings.Fields(f.audioArgs),
		IgnoreMissing: f.ignoreMissing, IgnoreUnsupported: f.ignoreUnsupported, Resume: f.resume,
	}
	if r.Colour, err = film.ParseColour(f.colour); err != nil {
		return r, usageError("--colour: %w", err)
	}
	switch f.split {
	case "auto":
	case "never":
		r.Split = 1
	default:
		if r.Split, err = strconv.Atoi(f.split); err != nil || r.Split < 1 {
			return r, usageError("--split %s: want auto, never or a number of ranges", f.split)
		}
	}
	if f.frames != "" {
		var span render.Span
		first, end, ok := strings.Cut(f.frames, ":")
		span.First, err = strconv.ParseInt(first, 10, 64)
		if err == nil {
			span.End, err = strconv.ParseInt(end, 10, 64)
		}
		if !ok || err != nil || span.First < 0 || span.Len() <= 0 {
			return r, usageError("--frames %s: want A:B, two frame numbers with A before B", f.frames)
		}
		r.Frames = &span
	}
	return r, nil
}

// target is where the film of a project goes.
func (f *exportFlags) target(project, ext string, many bool) (string, error) {
	name := strings.TrimSuffix(filepath.Base(project), filepath.Ext(project)) + ext
	out := filepath.Join(filepath.Dir(project), name)
	if f.output != "" {
		info, err := os.Stat(f.output)
		isDir := err == nil && info.IsDir()
		if err == nil && many && !isDir {
			return "", usageError("--output %s is one file, but there are several projects: name a folder", f.output)
		}
		switch {
		case isDir, many, strings.HasSuffix(f.output, string(filepath.Separator)):
			if err := os.MkdirAll(f.output, 0o755); err != nil {
				return "", &exitError{exitFailed, fmt.Errorf("make folder for films: %w", err)}
			}
			out = filepath.Join(f.output, name)
		default:
			out = f.output
		}
	}
	out, err := filepath.Abs(out)
	if err != nil {
		return "", &exitError{exitFailed, err}
	}
	return out, nil
}

// findProjects replaces folders by the projects in them.
func findProjects(args []string) ([]string, error) {
	var projects []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, &exitError{exitRefused, fmt.Errorf("%s does not exist", arg)}
		case err != nil:
			return nil, &exitError{exitRefused, err}
		case !info.IsDir():
			projects = append(projects, arg)
			continue
		}
		entries, err := os.ReadDir(arg)
		if err != nil {
			return nil, &exitError{exitRefused, err}
		}
		before := len(projects)
		for _, e := range entries {
			if strings.EqualFold(filepath.Ext(e.Name()), ".ove") && !strings.HasPrefix(e.Name(), ".") && !e.IsDir() {
				projects = append(projects, filepath.Join(arg, e.Name()))
			}
		}
		if len(projects) == before {
			return nil, &exitError{exitRefused, fmt.Errorf("there is no project (*.ove) in %s", arg)}
		}
	}
	slices.Sort(projects)
	return slices.Compact(projects), nil
}

// interrupted is how an export ends whose context has ended.
func interrupted(ctx context.Context, err error, resume bool) error {
	switch {
	case ctx.Err() == nil:
		return err
	case resume:
		return &exitError{exitInterrupted, errors.New("interrupted; finished parts are kept, go on with --resume")}
	}
	return &exitError{exitInterrupted, errors.New("interrupted; nothing was left behind")}
}
