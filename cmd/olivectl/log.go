package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"olive-distributed/cmd/olivectl/listing"
	"olive-distributed/cmd/olivectl/screen"
	"olive-distributed/dbus"
)

func (a *app) logCommand() *cobra.Command {
	var follow bool
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
				l := logReader{client: client, job: ids[0], write: a.logWriter(c.OutOrStdout())}
				if follow {
					return l.follow(c.Context())
				}
				return l.more(c.Context())
			})
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens")
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

// A logReader reads a job's log as it grows. Signals only tell when to look: the master leaves some out
// when the bus is far behind, its log has all.
type logReader struct {
	client *dbus.Client
	job    uint32
	write  func(job uint32, log []dbus.LogEntry) error
	read   int // entries
}

// more writes what has come since the last time.
func (l *logReader) more(ctx context.Context) error {
	log, err := l.client.Log(ctx, l.job)
	if err != nil || len(log) <= l.read {
		return err
	}
	news := log[l.read:]
	l.read = len(log)
	return l.write(l.job, news)
}

// follow writes until the job has ended.
func (l *logReader) follow(ctx context.Context) error {
	events, err := l.client.Follow(ctx)
	if err != nil {
		return err
	}
	if err := l.more(ctx); err != nil { // a job that is not there, before all
		return err
	}
	for e := range events {
		switch {
		case e.Job == nil || e.Job.ID != l.job:
			continue
		case e.Kind == dbus.JobGone:
			return nil
		}
		if err := l.more(ctx); err != nil {
			return err
		}
		if (e.Kind == dbus.JobAdded || e.Kind == dbus.JobChanged) && screen.Over(e.Job) {
			return nil
		}
	}
	return lost(ctx)
}

// lost is how following ends when nobody has ended it.
func lost(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: the bus has gone", dbus.ErrNoMaster)
}
