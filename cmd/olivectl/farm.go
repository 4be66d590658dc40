package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"olive-distributed/daemon/control"
	"olive-distributed/daemon/farm"
)

// defaultSocket is where olive-master listens unless its configuration says otherwise.
const defaultSocket = "/run/olive/control.sock"

// farmFlags are the options of every command that speaks to the master.
type farmFlags struct {
	socket string
	json   bool
}

func (f *farmFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.socket, "socket", defaultSocket, "the master's control `SOCKET`")
}

func (f *farmFlags) addJSON(c *cobra.Command) {
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
}

// with runs do with a client of the master.
func (f *farmFlags) with(ctx context.Context, do func(*control.Client) error) error {
	client := control.NewClient(f.socket)
	defer client.Close()
	err := do(client)
	var told *exitError
	var answer *control.Error
	switch {
	case err == nil, errors.As(err, &told):
		return err
	case ctx.Err() != nil:
		return &exitError{exitInterrupted, errors.New("interrupted")}
	case errors.As(err, &answer) && answer.Code == control.CodeRefused:
		return &exitError{exitRefused, err}
	}
	return &exitError{exitFailed, err}
}

// printJSON writes a value for machines.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// jobVerbs are the commands that do something to jobs.
func jobVerbs() []*cobra.Command {
	var commands []*cobra.Command
	for _, v := range []struct{ verb, short string }{
		{"cancel", "End jobs for good; their parts are removed"},
		{"pause", "Hand out nothing more of jobs; what is being rendered goes on"},
		{"resume", "Go on with paused jobs"},
		{"retry", "Give failed jobs another chance; what is completed stays"},
		{"forget", "Remove jobs that have ended from the list"},
	} {
		var f farmFlags
		c := &cobra.Command{
			Use: v.verb + " JOB…", Short: v.short, Args: cobra.MinimumNArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				ids, err := jobIDs(args)
				if err != nil {
					return err
				}
				return f.with(c.Context(), func(client *control.Client) error {
					var errs []error
					for _, id := range ids {
						errs = append(errs, client.Job(c.Context(), id, v.verb))
					}
					return errors.Join(errs...)
				})
			},
		}
		f.add(c)
		commands = append(commands, c)
	}
	return append(commands, priorityCommand(), listCommand(), logCommand())
}

func jobIDs(args []string) ([]uint32, error) {
	var ids []uint32
	for _, a := range args {
		id, err := strconv.ParseUint(a, 10, 32)
		if err != nil {
			return nil, usageError("%q is no job: want its number, see 'olivectl list'", a)
		}
		ids = append(ids, uint32(id))
	}
	return ids, nil
}

func priorityCommand() *cobra.Command {
	var f farmFlags
	c := &cobra.Command{
		Use: "priority JOB NUMBER", Short: "Move a job in the queue: higher numbers come first, 0 is usual", Args: cobra.ExactArgs(2),
		Example: "  olivectl priority 3 10\n  olivectl priority 3 -- -10   # after all others",
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := jobIDs(args[:1])
			if err != nil {
				return err
			}
			n, err := strconv.ParseInt(args[1], 10, 32)
			if err != nil {
				return usageError("%q is no priority: want a whole number", args[1])
			}
			return f.with(c.Context(), func(client *control.Client) error { return client.SetPriority(c.Context(), ids[0], int(n)) })
		},
	}
	f.add(c)
	return c
}

func listCommand() *cobra.Command {
	var f farmFlags
	c := &cobra.Command{
		Use: "list", Aliases: []string{"status"}, Short: "Show the jobs and the workers of the farm", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.with(c.Context(), func(client *control.Client) error {
				s, err := client.Status(c.Context())
				switch {
				case err != nil:
					return err
				case f.json:
					return printJSON(c.OutOrStdout(), listingOf(s))
				}
				return printStatus(c.OutOrStdout(), s, time.Now())
			})
		},
	}
	f.add(c)
	f.addJSON(c)
	return c
}

// printStatus shows jobs, then workers.
func printStatus(out io.Writer, s control.Status, now time.Time) error {
	if s.Degraded != "" {
		fmt.Fprintf(out, "The master takes nothing now: %s\n\n", s.Degraded)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(s.Jobs) == 0 {
		fmt.Fprintln(w, "No jobs.")
	} else {
		fmt.Fprintln(w, "JOB\tNAME\tSTATE\tDONE\tSPEED\tLEFT\tFILM")
	}
	for _, j := range s.Jobs {
		speed, left := "", ""
		if j.State == farm.Running && j.Speed > 0 {
			speed, left = fmt.Sprintf("%.1f frames/s", j.Speed), j.Left.Round(time.Second).String()
		}
		state := string(j.State)
		if j.Crew == 0 && (j.State == farm.Running || j.State == farm.Queued) {
			state += ", no worker can do it"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%d %%\t%s\t%s\t%s\n", j.ID, j.Spec.Name, state, 100*j.FramesDone/max(j.FramesTotal, 1), speed, left, j.Output)
	}
	fmt.Fprintln(w)
	printWorkers(w, s, now)
	return w.Flush()
}

func printWorkers(w io.Writer, s control.Status, now time.Time) {
	if len(s.Workers)+len(s.Enrolled) == 0 {
		fmt.Fprintln(w, "No workers: add one with 'olivectl worker add NAME'.")
		return
	}
	fmt.Fprintln(w, "WORKER\tSTATE\tTHREADS\tSPEED\tAT\tCERTIFICATE")
	for _, m := range members(s) {
		v := m.view
		threads, speed := "", ""
		if v.Spec.Threads > 0 {
			threads = strconv.Itoa(v.Spec.Threads)
		}
		if v.Speed > 0 {
			speed = fmt.Sprintf("%.1f frames/s", v.Speed)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", m.name, workerState(v), threads, speed, workerAt(s, v), certificate(m.enrolled, now))
	}
}

func workerState(v farm.WorkerView) string {
	switch {
	case v.Spec.Name == "":
		return "never seen"
	case !v.Live:
		return "away"
	case v.Paused:
		return "paused"
	case v.Holds.Job != 0:
		return "renders"
	}
	return "waits"
}

// workerAt tells what a worker renders.
func workerAt(s control.Status, v farm.WorkerView) string {
	for _, j := range s.Jobs {
		if r, ok := held(j, v); ok {
			if r.Content == farm.Sound {
				return fmt.Sprintf("job %d, sound", j.ID)
			}
			return fmt.Sprintf("job %d, %d of %d–%d", j.ID, v.Frames, r.First, r.End)
		}
	}
	return ""
}

func certificate(e control.Enrolled, now time.Time) string {
	switch {
	case e.Name == "":
		return "none"
	case e.Revoked:
		return "revoked"
	case now.After(e.Expires):
		return "expired"
	}
	return "until " + e.Expires.Format(time.DateOnly)
}

func logCommand() *cobra.Command {
	var f farmFlags
	c := &cobra.Command{
		Use: "log JOB", Short: "Show what has happened to a job", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := jobIDs(args)
			if err != nil {
				return err
			}
			return f.with(c.Context(), func(client *control.Client) error {
				log, err := client.Log(c.Context(), ids[0])
				switch {
				case err != nil:
					return err
				case f.json:
					return printJSON(c.OutOrStdout(), log)
				}
				for _, e := range log {
					fmt.Fprintf(c.OutOrStdout(), "%s  %s\n", e.Time.Local().Format(time.DateTime), e.Text)
				}
				return nil
			})
		},
	}
	f.add(c)
	f.addJSON(c)
	return c
}
