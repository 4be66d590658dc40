package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"olive-distributed/cmd/olivectl/exit"
	"olive-distributed/cmd/olivectl/listing"
	"olive-distributed/daemon/pki"
	"olive-distributed/dbus"
)

// hereCommand groups what is done to the worker on this machine, over its own bus name.
func (a *app) hereCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "here", Short: "See and control the worker that runs on this machine",
		Long: `See and control the worker that runs on this machine, whichever master it has. 'olivectl worker' is
the same from the master's side, for all workers of the farm.`,
	}
	c.AddCommand(&cobra.Command{
		Use: "status", Short: "Show what this machine's worker is at", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), func(client *dbus.Client) error {
				s, err := client.WorkerStatus(c.Context())
				if err != nil {
					return err
				}
				h := listing.HereOf(&s)
				if a.json {
					return listing.JSON(c.OutOrStdout(), h)
				}
				return listing.WriteHere(c.OutOrStdout(), &h)
			})
		},
	})
	for _, v := range []struct{ verb, short string }{
		{"pause", "Have this machine's worker take no more work; what it renders it finishes"},
		{"resume", "Let this machine's worker go on"},
		{"drain", "Have this machine's worker finish what it renders, and end until it is started again"},
	} {
		c.AddCommand(&cobra.Command{
			Use: v.verb, Short: v.short, Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				return a.with(c.Context(), func(client *dbus.Client) error {
					err := client.DoLocalWorker(c.Context(), v.verb)
					if a.json && !errors.Is(err, dbus.ErrNoWorker) {
						err = errors.Join(err, json.NewEncoder(c.OutOrStdout()).Encode(doneOf(v.verb, err)))
					}
					return err
				})
			},
		})
	}
	return c
}

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show how the farm is, in some lines", Args: cobra.NoArgs,
		Long: `Show how the farm is, in some lines: the master, if it runs on this machine, and the worker, if one does.
It starts neither.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), func(client *dbus.Client) error {
				client.NoStart = true
				s, err := status(c.Context(), client)
				switch {
				case err != nil:
					return err
				case a.json:
					return listing.JSON(c.OutOrStdout(), s)
				}
				return listing.WriteStatus(c.OutOrStdout(), s)
			})
		},
	}
}

// status asks the daemons of this machine; the error is that of the master, when there is no worker either.
func status(ctx context.Context, client *dbus.Client) (*listing.Status, error) {
	s := &listing.Status{}
	worker, noWorker := client.WorkerStatus(ctx)
	if noWorker == nil {
		h := listing.HereOf(&worker)
		s.Here = &h
	}
	v, err := client.Status(ctx)
	if errors.Is(err, dbus.ErrNoMaster) && noWorker == nil {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	version, err := client.Version(ctx)
	s.Master = listing.MasterOf(&v, version)
	return s, err
}

// defaultWorkerState is where olive-worker looks for its identity.
const defaultWorkerState = "/var/lib/olive-worker"

func (a *app) joinCommand() *cobra.Command {
	var token, state string
	c := &cobra.Command{
		Use:   "join HOST:PORT --token TOKEN",
		Short: "Make this machine a worker of the master at HOST",
		Long: `Make this machine a worker. 'olivectl worker add' on the master prints the whole line. The
worker makes its own key, which never leaves it, and gets a certificate that renews itself.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			t, err := pki.ParseToken(token)
			if err != nil {
				return exit.Usagef("%w", err)
			}
			id, err := pki.Join(c.Context(), args[0], t, state, time.Now())
			if err != nil {
				return outcome(c.Context(), err)
			}
			if a.json {
				return json.NewEncoder(c.OutOrStdout()).Encode(joined{id.Name(), id.Master()})
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "This machine is worker %q of %s now. Start it: systemctl enable --now olive-worker\n", id.Name(), id.Master())
			return err
		},
	}
	c.Flags().StringVar(&token, "token", "", "the `TOKEN` of 'olivectl worker add'")
	c.Flags().StringVar(&state, "state", defaultWorkerState, "`DIR` for the worker's identity")
	_ = c.MarkFlagRequired("token") // the flags exist
	_ = c.MarkFlagDirname("state")
	return c
}

// joined is what join prints as JSON.
type joined struct {
	Worker string `json:"worker"`
	Master string `json:"master"` // HOST:PORT
}
