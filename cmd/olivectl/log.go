package main

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"olive-distributed/cmd/olivectl/follow"
	"olive-distributed/cmd/olivectl/listing"
	"olive-distributed/cmd/olivectl/screen"
	"olive-distributed/dbus"
)

func (a *app) logCommand() *cobra.Command {
	var on bool
	c := &cobra.Command{
		Use: "log JOB", Short: "Show what has happened to a job", Args: cobra.ExactArgs(1),
		Long: `Show what has happened to a job. With --follow, go on with what happens until the job has ended,
or ^C.`,
		ValidArgsFunction: a.completeJobs(one, everyJob),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := jobIDs(args)
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(client *dbus.Client) error {
				l := follow.Log{Client: client, Job: ids[0], Write: a.logWriter(c.OutOrStdout())}
				if on {
					return l.Follow(c.Context())
				}
				return l.More(c.Context())
			})
		},
	}
	c.Flags().BoolVarP(&on, "follow", "f", false, "go on with what happens")
	return c
}

// logWriter writes entries of a job's log: for people, or one JSON object a line.
func (a *app) logWriter(out io.Writer) func(job uint32, log []dbus.LogEntry) error {
	if !a.json {
		return func(_ uint32, log []dbus.LogEntry) error { return listing.WriteLog(out, log) }
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return func(job uint32, log []dbus.LogEntry) error {
		for i := range log {
			if err := enc.Encode(screen.LineOf(job, &log[i])); err != nil {
				return err
			}
		}
		return nil
	}
}
