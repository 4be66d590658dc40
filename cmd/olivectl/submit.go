package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"olive-distributed/daemon/control"
	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
)

// submitCommand is export without waiting.
func submitCommand() *cobra.Command {
	var f exportFlags
	var on farmFlags
	c := &cobra.Command{
		Use:   "submit [options] PROJECT.ove|FOLDER…",
		Short: "Give projects to the farm and return at once",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			requests, err := f.requests(args)
			if err != nil {
				return err
			}
			return on.with(c.Context(), func(client *control.Client) error {
				var errs []error
				for _, r := range requests {
					id, err := submit(c.Context(), client, &r)
					if err != nil {
						errs = append(errs, err)
						continue
					}
					if f.json {
						errs = append(errs, printJSON(c.OutOrStdout(), map[string]any{"job": id, "project": r.Project, "output": r.Output}))
						continue
					}
					fmt.Fprintf(c.OutOrStdout(), "job %d: %s → %s\n", id, r.Project, r.Output)
				}
				return errors.Join(errs...)
			})
		},
	}
	f.add(c)
	on.add(c)
	return c
}

// submit sends a request with paths that mean the same to the master.
func submit(ctx context.Context, client *control.Client, r *master.Request) (uint32, error) {
	var err error
	if r.Project, err = filepath.Abs(r.Project); err != nil {
		return 0, err
	}
	return client.Submit(ctx, *r)
}

// remote exports on the farm: submit, watch, wait.
type remote struct {
	client *control.Client
	show   display
}

// watchPause is the time between two looks at the farm.
const watchPause = time.Second / 2

func (r *remote) export(ctx context.Context, requests []master.Request) error {
	defer r.show.close()
	worst := &exitError{}
	open := map[uint32]time.Time{}
	for _, req := range requests {
		id, err := submit(ctx, r.client, &req)
		var answer *control.Error
		switch {
		case err == nil:
			open[id] = time.Now()
		case errors.As(err, &answer) && answer.Code == control.CodeRefused:
			worst = worse(worst, exitRefused, nil)
			r.show.failed(req, err)
		default:
			return err
		}
	}
	if err := r.follow(ctx, open, &worst); err != nil {
		return err
	}
	if worst.code == 0 {
		return nil
	}
	return worst
}

// follow shows the jobs until all have ended. A master that is away for a while is waited for.
func (r *remote) follow(ctx context.Context, open map[uint32]time.Time, worst **exitError) error {
	tick := time.NewTicker(watchPause)
	defer tick.Stop()
	for len(open) > 0 {
		select {
		case <-ctx.Done():
			return &exitError{exitInterrupted, errors.New("interrupted; the jobs go on, see 'olivectl list', or end them with 'olivectl cancel'")}
		case <-tick.C:
		}
		s, err := r.client.Status(ctx)
		if errors.Is(err, control.ErrNoMaster) {
			continue
		}
		if err != nil {
			return err
		}
		r.show.update(ours(s.View, open))
		for _, j := range s.Jobs {
			if began, mine := open[j.ID]; mine && r.ended(j, time.Since(began), worst) {
				delete(open, j.ID)
			}
		}
		for id := range open {
			if !listed(s.View, id) {
				return fmt.Errorf("job %d is not in the master's list any more: was it forgotten?", id)
			}
		}
	}
	return nil
}

// ended tells the outcome of a job that has one.
func (r *remote) ended(j master.JobView, took time.Duration, worst **exitError) bool {
	switch j.State {
	case farm.Done:
		r.show.film(j.ID, master.Film{Path: j.Output, Frames: j.FramesTotal, Took: took})
	case farm.Failed, farm.Cancelled:
		*worst = worse(*worst, exitFailed, nil)
		r.show.event(master.Event{Time: j.Ended, Job: j.ID, Kind: string(j.State), Text: cmp.Or(j.Error, fmt.Sprintf("job %d was %s", j.ID, j.State))})
	default:
		return false
	}
	return true
}

// ours leaves the jobs of others out.
func ours(v master.View, open map[uint32]time.Time) master.View {
	mine := master.View{Workers: v.Workers}
	for _, j := range v.Jobs {
		if _, ok := open[j.ID]; ok {
			mine.Jobs = append(mine.Jobs, j)
		}
	}
	return mine
}

func listed(v master.View, id uint32) bool {
	for _, j := range v.Jobs {
		if j.ID == id {
			return true
		}
	}
	return false
}
