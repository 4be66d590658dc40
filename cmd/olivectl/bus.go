package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"olive-distributed/cmd/olivectl/exit"
	"olive-distributed/cmd/olivectl/listing"
	"olive-distributed/cmd/olivectl/term"
	"olive-distributed/dbus"
)

// An app is what the commands have in common: the options that each of them takes.
type app struct {
	bus  string // address, "" for the system bus
	json bool
}

func (a *app) add(root *cobra.Command) {
	root.PersistentFlags().StringVar(&a.bus, "bus-address", "", "the D-Bus of the daemons, as `unix:path=PATH` (default: the system bus)")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON")
	_ = root.RegisterFlagCompletionFunc("bus-address", cobra.NoFileCompletions) // the flag exists
}

// with runs do with a client of the daemons. On a terminal, polkit may ask for a password.
func (a *app) with(ctx context.Context, do func(*dbus.Client) error) error {
	client, err := dbus.Connect(ctx, a.bus)
	if err != nil {
		return exit.With(exit.Nobody, fmt.Errorf("%w: the daemons cannot be asked without it", err))
	}
	defer client.Close()
	client.Quiet = true
	if term.Is(os.Stdin) && term.Is(os.Stderr) {
		var agent agent
		defer agent.stop()
		client.Ask = func() { agent.start(a.bus) }
	}
	return outcome(ctx, do(client))
}

// outcome gives an error its exit code, and says what to do about it.
func outcome(ctx context.Context, err error) error {
	var told *exit.Error
	switch {
	case err == nil, errors.As(err, &told):
		return err
	case ctx.Err() != nil:
		return exit.With(exit.Interrupted, errors.New("interrupted"))
	case errors.Is(err, dbus.ErrNoMaster):
		return exit.With(exit.Nobody, fmt.Errorf("%w\nTo start one on this machine: systemctl enable --now olive-master", err))
	case errors.Is(err, dbus.ErrNoWorker):
		return exit.With(exit.Nobody, fmt.Errorf("%w\nTo start one: systemctl enable --now olive-worker", err))
	case errors.Is(err, dbus.ErrNotAuthorized):
		return exit.With(exit.Forbidden, err)
	case refused(err):
		return exit.With(exit.Refused, err)
	}
	return exit.With(exit.Failed, err)
}

// refused says that an error is about the project that was submitted.
func refused(err error) bool {
	return errors.Is(err, dbus.ErrBadProject) || errors.Is(err, dbus.ErrMissingMedia) || errors.Is(err, dbus.ErrAccessDenied)
}

// look asks for the state of the farm and writes it, as JSON or for a person.
func (a *app) look(c *cobra.Command, asJSON func(*dbus.View, time.Time) any, write func(io.Writer, *dbus.View, time.Time) error) error {
	return a.with(c.Context(), func(client *dbus.Client) error {
		v, err := client.Status(c.Context())
		switch {
		case err != nil:
			return err
		case a.json:
			return listing.JSON(c.OutOrStdout(), asJSON(&v, time.Now()))
		}
		return write(c.OutOrStdout(), &v, time.Now())
	})
}
