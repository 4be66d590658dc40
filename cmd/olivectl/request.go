package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"olive-distributed/cmd/olivectl/exit"
	"olive-distributed/daemon/master"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/render"
)

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
		return nil, exit.Usagef("%w", err)
	}
	many, targets := len(projects) > 1, map[string]string{}
	var requests []master.Request
	for _, p := range projects {
		r := base
		r.Project = p
		if f.output == "" && !f.local { // the master names it
			requests = append(requests, r)
			continue
		}
		if r.Output, err = f.target(p, preset.Ext, many); err != nil {
			return nil, err
		}
		if other, taken := targets[r.Output]; taken {
			return nil, exit.Usagef("%s and %s would both become %s", other, p, r.Output)
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
		IgnoreMissing: f.ignoreMissing, IgnoreUnsupported: f.ignoreUnsupported, Resume: f.resume, Priority: int(f.priority),
	}
	if r.Colour, err = film.ParseColour(f.colour); err != nil {
		return r, exit.Usagef("--colour: %w", err)
	}
	switch f.split {
	case "auto":
	case "never":
		r.Split = 1
	default:
		if r.Split, err = strconv.Atoi(f.split); err != nil || r.Split < 1 {
			return r, exit.Usagef("--split %s: want auto, never or a number of ranges", f.split)
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
			return r, exit.Usagef("--frames %s: want A:B, two frame numbers with A before B", f.frames)
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
			return "", exit.Usagef("--output %s is one file, but there are several projects: name a folder", f.output)
		}
		switch {
		case isDir, many, strings.HasSuffix(f.output, string(filepath.Separator)):
			if err := os.MkdirAll(f.output, 0o755); err != nil {
				return "", exit.With(exit.Failed, fmt.Errorf("make folder for films: %w", err))
			}
			out = filepath.Join(f.output, name)
		default:
			out = f.output
		}
	}
	out, err := filepath.Abs(out)
	if err != nil {
		return "", exit.With(exit.Failed, err)
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
			return nil, exit.With(exit.Refused, fmt.Errorf("%s does not exist", arg))
		case err != nil:
			return nil, exit.With(exit.Refused, err)
		case !info.IsDir():
			projects = append(projects, arg)
			continue
		}
		entries, err := os.ReadDir(arg)
		if err != nil {
			return nil, exit.With(exit.Refused, err)
		}
		before := len(projects)
		for _, e := range entries {
			if strings.EqualFold(filepath.Ext(e.Name()), ".ove") && !strings.HasPrefix(e.Name(), ".") && !e.IsDir() {
				projects = append(projects, filepath.Join(arg, e.Name()))
			}
		}
		if len(projects) == before {
			return nil, exit.With(exit.Refused, fmt.Errorf("there is no project (*.ove) in %s", arg))
		}
	}
	slices.Sort(projects)
	return slices.Compact(projects), nil
}
