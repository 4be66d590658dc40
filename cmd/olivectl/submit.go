package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"olive-distributed/cmd/olivectl/exit"
	"olive-distributed/cmd/olivectl/follow"
	"olive-distributed/cmd/olivectl/screen"
	"olive-distributed/cmd/olivectl/term"
	"olive-distributed/daemon/master"
	"olive-distributed/dbus"
)

// submitCommand is export without waiting.
func (a *app) submitCommand() *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use:   "submit [options] PROJECT.ove|FOLDER…",
		Short: "Give projects to the farm and return at once",
		Long: `Give projects to the farm and return at once; 'olivectl watch' shows how the jobs go. The project is
read with your rights and need not be readable for others, but the farm's workers must be able to read its
media, and so must you.

The film comes into the master's folder of films, /var/spool/olive/outgoing unless its settings say
otherwise, or where --output says, if both the master and you can write there.`,
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: completeProjects,
		RunE: func(c *cobra.Command, args []string) error {
			requests, err := f.requests(args)
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(client *dbus.Client) error { return a.submitAll(c, client, requests) })
		},
	}
	f.add(c)
	return c
}

func (a *app) submitAll(c *cobra.Command, client *dbus.Client, requests []master.Request) error {
	out := json.NewEncoder(c.OutOrStdout())
	out.SetEscapeHTML(false)
	return submitEach(c.Context(), client, requests,
		func(id uint32, r *master.Request) {
			if a.json {
				_ = out.Encode(submitted{id, r.Project, r.Output})
				return
			}
			fmt.Fprintf(c.OutOrStdout(), "job %d: %s %s %s\n", id, term.Clean(r.Project), term.SignsOf(os.Getenv).Arrow, term.Clean(r.Output))
		},
		func(r *master.Request, err error) {
			fmt.Fprintf(c.ErrOrStderr(), "olivectl: %v\n", err)
			if a.json {
				d := doneOf("submit", err)
				d.Project = r.Project
				_ = out.Encode(d)
			}
		})
}

// submitted is what submit prints as JSON for a project that has become a job.
type submitted struct {
	Job     uint32 `json:"job"`
	Project string `json:"project"`
	Output  string `json:"output"`
}

// submitEach gives projects to the farm and calls ok or bad for each. One that is refused keeps no other
// back; the error has the code of the worst, and no text.
func submitEach(ctx context.Context, client *dbus.Client, requests []master.Request, ok func(uint32, *master.Request), bad func(*master.Request, error)) error {
	worst := new(exit.Error)
	for i := range requests {
		r := &requests[i]
		id, err := submit(ctx, client, r)
		switch {
		case err == nil:
			ok(id, r)
			continue
		case ctx.Err() != nil, errors.Is(err, dbus.ErrNoMaster), errors.Is(err, dbus.ErrNotAuthorized), errors.Is(err, dbus.ErrUnavailable):
			return err // as it would be for all others
		case refused(err):
			worst = worst.Worse(exit.Refused, nil)
		default:
			worst = worst.Worse(exit.Failed, nil)
		}
		bad(r, err)
	}
	return worst.OrNil()
}

// submit gives a project to the farm, and fills in where it lies and where its film will.
func submit(ctx context.Context, client *dbus.Client, r *master.Request) (id uint32, err error) {
	f, err := open(r)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	o := dbus.Options{
		Output: r.Output, Sequence: r.Sequence, Engine: r.Engine, Preset: r.Preset, Colour: r.Colour.String(), VideoArgs: r.VideoArgs, AudioArgs: r.AudioArgs,
		Split: uint32(r.Split), Priority: int32(r.Priority), IgnoreUnsupported: r.IgnoreUnsupported, IgnoreMissing: r.IgnoreMissing,
	}
	if r.Frames != nil {
		o.First, o.End = r.Frames.First, r.Frames.End
	}
	if id, err = client.SubmitFile(ctx, f, o); err != nil || r.Output != "" {
		return id, err
	}
	j, err := client.Job(ctx, id)
	r.Output = j.Output
	return id, err
}

// open opens a project so that the master can read it with our rights. A FIFO does not keep us waiting.
func open(r *master.Request) (*os.File, error) {
	path, err := filepath.Abs(r.Project)
	if err != nil {
		return nil, err
	}
	r.Project = path
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, dbus.ErrBadProject.With(err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, dbus.ErrBadProject.With(cmp.Or(err, fmt.Errorf("%s is not a regular file", path)))
	}
	return f, nil
}

// exportRemote exports on the farm: submit, watch, wait.
func (a *app) exportRemote(c *cobra.Command, requests []master.Request) error {
	ctx := c.Context()
	err := a.with(ctx, func(client *dbus.Client) error {
		w := follow.Watcher{Client: client, Show: screen.New(c.OutOrStdout(), c.ErrOrStderr(), a.json), Open: map[uint32]time.Time{}}
		err := submitEach(ctx, client, requests,
			func(id uint32, r *master.Request) {
				w.Open[id] = time.Now()
				if !a.json {
					w.Show.Say(fmt.Sprintf("job %d: %s %s %s", id, r.Project, term.SignsOf(os.Getenv).Arrow, r.Output))
				}
			},
			func(r *master.Request, err error) { w.Show.Refused(r.Project, err) })
		var worst *exit.Error
		if errors.As(err, &worst) {
			w.Worst = *worst
		}
		if worst != nil || err == nil { // others go on
			if len(w.Open) > 0 && term.Is(c.ErrOrStderr()) && !a.json {
				w.Show.Say("^C ends the waiting, not the jobs")
			}
			err = w.Run(ctx)
		}
		w.Show.Close()
		if ctx.Err() != nil && len(w.Open) > 0 {
			return exit.With(exit.Interrupted, errors.New("interrupted; "+goOn(w.Open)))
		}
		return err
	})
	if errors.Is(err, dbus.ErrNoMaster) {
		err = exit.With(exit.Nobody, fmt.Errorf("%w\nTo export with this machine alone: olivectl export --local …", err))
	}
	return err
}

// goOn tells what becomes of jobs that nobody waits for.
func goOn(open map[uint32]time.Time) string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(open)) {
		ids = append(ids, fmt.Sprint(id))
	}
	list := strings.Join(ids, " ")
	return fmt.Sprintf("the farm goes on: see 'olivectl watch %s', or end it with 'olivectl cancel %s'", list, list)
}
