package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"olive-distributed/cmd/olivectl/exit"
	"olive-distributed/cmd/olivectl/local"
	"olive-distributed/cmd/olivectl/screen"
	"olive-distributed/daemon/media/film"
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
	priority          int32
	ignoreMissing     bool
	ignoreUnsupported bool
	resume            bool
}

func (a *app) exportCommand() *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use:   "export [--local] PROJECT.ove|FOLDER…",
		Short: "Export projects to films, and wait for them",
		Long: `Export projects to films, and wait for them: on the farm whose master runs on this machine, or with
all of this machine's cores and no farm (--local).

On the farm, ^C ends the waiting only: the jobs go on, 'olivectl watch' shows them again and 'olivectl
cancel' ends them. With --local, ^C ends the export and leaves nothing behind.

A folder stands for every project in it. The film gets the project's name, and a log lies beside it. On
the farm it comes into the master's folder of films, /var/spool/olive/outgoing unless its settings say
otherwise; with --local it lies beside the project. --output says where else. Films appear when they are
complete.

Presets: ` + presetList() + `

With --engine olive the pictures come out of the editor as it exports them by default, H.264 with
CRF 36. With --preset h264 --colour olive they become the film as they are; otherwise they are
decoded and encoded once more. The sound is always the built-in engine's.

Exit codes: 0 all films are made; 1 an export failed; 2 wrong usage; 3 a project was refused
(unreadable, media missing, effects not supported); 4 no master answers; 5 not allowed; 130
interrupted.`,
		Example: `  olivectl export holiday.ove
  olivectl export --local -o films/ --preset prores projects/
  olivectl export --local --frames 0:250 -o look.mp4 holiday.ove`,
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: completeProjects,
		RunE: func(c *cobra.Command, args []string) error { return a.export(c, args, &f) },
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVar(&f.local, "local", false, "render in this process, without a farm")
	f.add(c)
	o := c.Flags()
	o.IntVar(&f.workers, "workers", 0, "--local: `NUMBER` of workers; 0: as the cores allow")
	o.IntVar(&f.threads, "threads", 0, "--local: `NUMBER` of threads of each worker; 0: the cores are shared out")
	o.StringVar(&f.editor, "editor", olive.DefaultEditor, "--local: the `PROGRAM` of engine olive")
	o.StringVar(&f.scratch, "scratch", "", "--local: `DIR` for unfinished parts (default: in the user's cache folder)")
	o.BoolVar(&f.resume, "resume", false, "--local: use finished parts of a run that was stopped, and keep them if this one is")
	_ = c.MarkFlagDirname("scratch") // the flag exists
	return c
}

// add adds the options that describe a film.
func (f *exportFlags) add(c *cobra.Command) {
	o := c.Flags()
	o.StringVarP(&f.output, "output", "o", "", "the film's `FILE`, or the DIR for films")
	o.StringVar(&f.engine, "engine", "builtin", "the `ENGINE` that draws: builtin, or olive, the patched editor itself")
	o.StringVar(&f.preset, "preset", "h264", "the `PRESET` to encode with: "+strings.Join(presetNames(), ", "))
	o.StringVar(&f.colour, "colour", "bt709", "`COLOUR` bt709: convert and tag as BT.709; olive: untagged BT.601, as Olive itself exports")
	o.StringVar(&f.videoArgs, "video-args", "", "codec `ARGUMENTS` instead of the preset's, as \"-c:v libx264 -crf 16\"")
	o.StringVar(&f.audioArgs, "audio-args", "", "audio codec `ARGUMENTS` instead of the preset's")
	o.StringVar(&f.frames, "frames", "", "export only the frames `A:B`, from A up to but not including B")
	o.StringVar(&f.sequence, "sequence", "", "export the sequence of this `NAME`, not the one open in the editor")
	o.StringVar(&f.split, "split", "auto", "auto, never, or the `NUMBER` of ranges to cut the film into")
	o.BoolVar(&f.ignoreMissing, "ignore-missing", false, "export although media are missing: their clips show nothing")
	o.BoolVar(&f.ignoreUnsupported, "ignore-unsupported", false, "export although effects are not supported: without them")
	o.Int32Var(&f.priority, "priority", 0, "on the farm: jobs with a higher `NUMBER` come first")
	completeWords(c, "preset", presetNames()...)
	completeWords(c, "engine", "builtin", olive.Name)
	completeWords(c, "colour", "bt709", "olive")
	completeWords(c, "split", "auto", "never")
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

func (a *app) export(c *cobra.Command, args []string, f *exportFlags) error {
	if err := f.check(c); err != nil {
		return err
	}
	requests, err := f.requests(args)
	if err != nil {
		return err
	}
	if !f.local {
		return a.exportRemote(c, requests)
	}
	if err := film.CheckTools(c.Context()); err != nil {
		return exit.With(exit.Failed, err)
	}
	if f.scratch == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return exit.Usagef("no place for unfinished parts (%w): name one with --scratch", err)
		}
		f.scratch = filepath.Join(cache, "olive-distributed")
	}
	workers, threads := shares(f.workers, f.threads, runtime.GOMAXPROCS(0))
	farm := local.Farm{
		Engine: f.engine, Editor: f.editor, Workers: workers, Threads: threads, Scratch: f.scratch, Media: mediaCache(),
		Show: screen.New(c.OutOrStdout(), c.ErrOrStderr(), a.json),
	}
	return farm.Export(c.Context(), requests)
}

// check refuses options that would say nothing, or nothing sensible.
func (f *exportFlags) check(c *cobra.Command) error {
	const most = 1024
	if f.workers < 0 || f.workers > most || f.threads < 0 || f.threads > most {
		return exit.Usagef("--workers %d --threads %d: want numbers from 0 (chosen for you) to %d", f.workers, f.threads, most)
	}
	unused, where := []string{"workers", "threads", "editor", "scratch", "resume"}, "--local only"
	if f.local {
		unused, where = []string{"priority", "bus-address"}, "the farm, not for --local"
	}
	for _, name := range unused {
		if c.Flags().Changed(name) {
			return exit.Usagef("--%s is for %s", name, where)
		}
	}
	return nil
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

// mediaCache is where what is known of media is kept between exports; without a home, nowhere.
func mediaCache() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "olive-distributed-media")
}
