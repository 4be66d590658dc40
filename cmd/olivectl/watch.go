package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"olive-distributed/cmd/olivectl/exit"
	"olive-distributed/cmd/olivectl/follow"
	"olive-distributed/cmd/olivectl/screen"
	"olive-distributed/dbus"
)

func (a *app) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "watch [JOB…]", Short: "Show live how jobs go",
		Long: `Show live how jobs go and what the workers are at: as bars on a terminal, as lines elsewhere.
With jobs, until these have ended; without, all jobs until ^C, which ends nothing but the showing.

Exit codes: 0 all jobs are done; 1 one has failed or was cancelled; 130 interrupted.`,
		ValidArgsFunction: a.completeJobs(many, unfinished),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := jobIDs(args)
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(client *dbus.Client) error {
				w := follow.Watcher{Client: client, Show: a.shown(c.OutOrStdout()), All: len(ids) == 0, Open: map[uint32]time.Time{}}
				defer w.Show.Close()
				for _, id := range ids {
					if _, err := client.Job(c.Context(), id); err != nil {
						return err
					}
					w.Open[id] = time.Now()
				}
				err := w.Run(c.Context())
				if c.Context().Err() != nil {
					return exit.With(exit.Interrupted, nil)
				}
				return err
			})
		},
	}
}

// shown is a display whose progress is what is asked for, and belongs on standard output.
func (a *app) shown(out io.Writer) screen.Display {
	if a.json {
		return screen.New(out, io.Discard, true)
	}
	return screen.New(io.Discard, out, false)
}
