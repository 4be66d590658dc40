package main

import (
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

func (a *app) workersCommand() *cobra.Command {
	return &cobra.Command{
		Use: "workers", Short: "Show the workers of the farm", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.look(c, func(v *dbus.View, _ time.Time) any { return listing.WorkersOf(v) }, listing.WriteWorkers)
		},
	}
}

// workerCommand groups what the master does to one of its workers.
func (a *app) workerCommand() *cobra.Command {
	c := &cobra.Command{Use: "worker", Short: "Add, remove and control workers of the farm, from the master's machine"}
	c.AddCommand(a.addCommand())
	for _, v := range []struct{ verb, short string }{
		{"revoke", "End workers' certificates and connections, at once and for good"},
		{"pause", "Hand nothing more to workers; what they render they may finish"},
		{"resume", "Let paused workers go on"},
		{"drain", "Let workers finish what they render and then give them nothing more"},
	} {
		c.AddCommand(&cobra.Command{
			Use: v.verb + " NAME…", Short: v.short, Args: cobra.MinimumNArgs(1), ValidArgsFunction: a.completeWorkers(v.verb),
			RunE: func(c *cobra.Command, args []string) error {
				for _, name := range args {
					if err := checkWorker(name); err != nil {
						return err
					}
				}
				return a.with(c.Context(), func(client *dbus.Client) error { return a.doWorkers(c, client, v.verb, args) })
			},
		})
	}
	return c
}

// doWorkers does something to each worker, as [app.each] does to jobs.
func (a *app) doWorkers(c *cobra.Command, client *dbus.Client, verb string, names []string) error {
	var errs []error
	for _, name := range names {
		err := client.DoWorker(c.Context(), name, verb)
		errs = append(errs, err)
		if a.json {
			d := doneOf(verb, err)
			d.Worker = name
			errs = append(errs, json.NewEncoder(c.OutOrStdout()).Encode(d))
		}
	}
	return errors.Join(errs...)
}

// checkWorker refuses what no worker is called.
func checkWorker(name string) error {
	if !pki.ValidName(name) {
		return exit.Usagef("%q is no name of a worker: want 1 to 64 of a-z, 0-9 and '-', with a letter or digit at both ends", name)
	}
	return nil
}

func (a *app) addCommand() *cobra.Command {
	var lifetime time.Duration
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Print the line that makes another machine a worker",
		Long: `Print the line to run, as root, on the machine that is to become the worker NAME. It holds a
secret that works once, for 15 minutes unless --lifetime or the master's settings say otherwise.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkWorker(args[0]); err != nil {
				return err
			}
			return a.with(c.Context(), func(client *dbus.Client) error {
				line, err := client.Invite(c.Context(), args[0], lifetime)
				switch {
				case err != nil:
					return err
				case a.json:
					return json.NewEncoder(c.OutOrStdout()).Encode(done{Worker: args[0], Did: "add", Line: line})
				}
				_, err = fmt.Fprintln(c.OutOrStdout(), line)
				return err
			})
		},
	}
	c.Flags().DurationVar(&lifetime, "lifetime", 0, "how long the line works, as `30m`; 0: as the master's settings say")
	return c
}
