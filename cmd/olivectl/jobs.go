package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"olive-distributed/cmd/olivectl/exit"
	"olive-distributed/cmd/olivectl/listing"
	"olive-distributed/dbus"
)

// jobVerbs are the commands that do something to jobs.
func (a *app) jobVerbs() []*cobra.Command {
	var commands []*cobra.Command
	for _, v := range []struct {
		verb, short string
		fits        jobFilter
	}{
		{"cancel", "End jobs for good; their parts are removed", unfinished},
		{"pause", "Hand out nothing more of jobs; what is being rendered goes on", pausable},
		{"resume", "Go on with paused jobs", paused},
		{"retry", "Give failed jobs another chance; what is completed stays", failed},
		{"forget", "Remove jobs that have ended from the list", finished},
	} {
		commands = append(commands, &cobra.Command{
			Use: v.verb + " JOB…", Short: v.short, Args: cobra.MinimumNArgs(1), ValidArgsFunction: a.completeJobs(many, v.fits),
			RunE: func(c *cobra.Command, args []string) error {
				ids, err := jobIDs(args)
				if err != nil {
					return err
				}
				return a.with(c.Context(), func(client *dbus.Client) error {
					return a.each(c.OutOrStdout(), v.verb, ids, func(id uint32) error { return client.DoJob(c.Context(), id, v.verb) })
				})
			},
		})
	}
	return append(commands, a.priorityCommand(), a.listCommand(), a.showCommand(), a.logCommand(), a.watchCommand())
}

// A done is what a command has done to one job or worker, or why it has not.
type done struct {
	Job     uint32 `json:"job,omitempty"`
	Worker  string `json:"worker,omitempty"`
	Project string `json:"project,omitempty"`
	Did     string `json:"did,omitempty"`
	Line    string `json:"line,omitempty"`  // to run on the new worker
	Error   string `json:"error,omitempty"` // the last word of org.olive.Error.NAME
	Text    string `json:"text,omitempty"`
}

// doneOf tells of an outcome.
func doneOf(verb string, err error) done {
	if err == nil {
		return done{Did: verb}
	}
	d := done{Error: dbus.ErrFailed.Name, Text: err.Error()}
	if e := new(dbus.Error); errors.As(err, &e) {
		d.Error = e.Name
	}
	return d
}

// each does something to each job, also when another one could not be done, and tells it in JSON.
func (a *app) each(out io.Writer, verb string, ids []uint32, do func(uint32) error) error {
	var errs []error
	for _, id := range ids {
		err := do(id)
		errs = append(errs, err)
		if errors.Is(err, dbus.ErrNoMaster) {
			break
		}
		if a.json {
			d := doneOf(verb, err)
			d.Job = id
			errs = append(errs, json.NewEncoder(out).Encode(d))
		}
	}
	return errors.Join(errs...)
}

func jobIDs(args []string) ([]uint32, error) {
	var ids []uint32
	for _, a := range args {
		id, err := strconv.ParseUint(a, 10, 32)
		if err != nil || id == 0 {
			return nil, exit.Usagef("%q is no job: want its number, see 'olivectl list'", a)
		}
		ids = append(ids, uint32(id))
	}
	return ids, nil
}

func (a *app) priorityCommand() *cobra.Command {
	return &cobra.Command{
		Use: "priority JOB NUMBER", Short: "Move a job in the queue: higher numbers come first, 0 is usual", Args: cobra.ExactArgs(2),
		Example:           "  olivectl priority 3 10\n  olivectl priority 3 -- -10   # after all others",
		ValidArgsFunction: a.completeJobs(one, unfinished),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := jobIDs(args[:1])
			if err != nil {
				return err
			}
			n, err := strconv.ParseInt(args[1], 10, 32)
			if err != nil {
				return exit.Usagef("%q is no priority: want a whole number", args[1])
			}
			return a.with(c.Context(), func(client *dbus.Client) error {
				return a.each(c.OutOrStdout(), "priority", ids, func(id uint32) error { return client.SetPriority(c.Context(), id, int32(n)) })
			})
		},
	}
}

func (a *app) listCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Show the jobs of the farm", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.look(c, func(v *dbus.View, now time.Time) any { return listing.JobsOf(v, now) }, listing.WriteJobs)
		},
	}
}

func (a *app) showCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show JOB", Short: "Show all about a job: its ranges, who renders them, and the end of its log", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeJobs(one, everyJob),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := jobIDs(args)
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(client *dbus.Client) error { return a.show(c.Context(), c.OutOrStdout(), client, ids[0]) })
		},
	}
}

func (a *app) show(ctx context.Context, out io.Writer, client *dbus.Client, id uint32) error {
	j, err := client.Job(ctx, id)
	if err != nil {
		return err
	}
	if a.json {
		return listing.JSON(out, listing.JobOf(&j, time.Now()))
	}
	log, err := client.Log(ctx, id)
	if err != nil {
		return err
	}
	return listing.WriteJob(out, &j, log, time.Now())
}
