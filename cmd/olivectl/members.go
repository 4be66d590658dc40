package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"olive-distributed/daemon/control"
	"olive-distributed/daemon/pki"
)

// workerCommand groups what is done to one worker.
func workerCommand() *cobra.Command {
	c := &cobra.Command{Use: "worker", Short: "Add and remove workers of the farm"}
	c.AddCommand(addCommand())
	for _, v := range []struct{ verb, short string }{
		{"revoke", "End a worker's certificates and connections, at once"},
		{"pause", "Hand nothing more to a worker; what it renders it may finish"},
		{"resume", "Let a paused worker go on"},
	} {
		var f farmFlags
		sub := &cobra.Command{
			Use: v.verb + " NAME", Short: v.short, Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				if err := checkWorker(args[0]); err != nil {
					return err
				}
				return f.with(c.Context(), func(client *control.Client) error { return client.Worker(c.Context(), args[0], v.verb) })
			},
		}
		f.add(sub)
		c.AddCommand(sub)
	}
	return c
}

// checkWorker refuses what no worker is called.
func checkWorker(name string) error {
	if !pki.ValidName(name) {
		return usageError("%q is no name of a worker: want 1 to 64 of a-z, 0-9 and '-', with a letter or digit at both ends", name)
	}
	return nil
}

func addCommand() *cobra.Command {
	var f farmFlags
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Print the line that makes another machine a worker",
		Long: `Print the line to run, as root, on the machine that is to become the worker NAME. It holds a
secret that works once, for 15 minutes.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkWorker(args[0]); err != nil {
				return err
			}
			return f.with(c.Context(), func(client *control.Client) error {
				line, err := client.Invite(c.Context(), args[0])
				if err == nil {
					fmt.Fprintln(c.OutOrStdout(), line)
				}
				return err
			})
		},
	}
	f.add(c)
	return c
}

// defaultWorkerState is where olive-worker looks for its identity.
const defaultWorkerState = "/var/lib/olive-worker"

func joinCommand() *cobra.Command {
	var token, state string
	c := &cobra.Command{
		Use:   "join HOST:PORT --token TOKEN",
		Short: "Make this machine a worker of the master at HOST",
		Long: `Make this machine a worker. 'olivectl worker add' on the master prints the whole line. The
worker makes its own key, which never leaves it, and gets a certificate that renews itself.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := pki.ParseToken(token)
			if err != nil {
				return usageError("%w", err)
			}
			id, err := pki.Join(c.Context(), args[0], t, state, time.Now())
			if err != nil {
				if c.Context().Err() != nil {
					return &exitError{exitInterrupted, errors.New("interrupted")}
				}
				return &exitError{exitFailed, err}
			}
			fmt.Fprintf(c.OutOrStdout(), "This machine is worker %q of %s now. Start it: systemctl enable --now olive-worker\n", id.Name(), id.Master())
			return nil
		},
	}
	c.Flags().StringVar(&token, "token", "", "the `TOKEN` of 'olivectl worker add'")
	c.Flags().StringVar(&state, "state", defaultWorkerState, "`DIR` for the worker's identity")
	_ = c.MarkFlagRequired("token") // the flag exists
	return c
}
