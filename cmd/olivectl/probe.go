package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"olive-distributed/cmd/olivectl/exit"
	"olive-distributed/cmd/olivectl/listing"
	"olive-distributed/cmd/olivectl/probe"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/render/olive"
)

func (a *app) probeCommand() *cobra.Command {
	var sequence, engine string
	c := &cobra.Command{
		Use:   "probe PROJECT.ove",
		Short: "Show what is in a project, and whether it can be exported",
		Long: `Show the sequences of a project, and of the one that would be exported: its media and
where they were found, its effects and whether they are supported, and its cuts.

Exit code 0: an export would begin; 3: it would be refused.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: completeProjects,
		RunE: func(c *cobra.Command, args []string) error {
			return a.probe(c, args[0], sequence, engine)
		},
	}
	c.Flags().StringVar(&sequence, "sequence", "", "look at the sequence of this `NAME`, not the one open in the editor")
	c.Flags().StringVar(&engine, "engine", "builtin", "say what the `ENGINE` builtin or olive supports")
	completeWords(c, "engine", "builtin", olive.Name)
	return c
}

func (a *app) probe(c *cobra.Command, path, sequence, engine string) error {
	ctx := c.Context()
	if err := film.CheckTools(ctx); err != nil {
		return exit.With(exit.Failed, err)
	}
	r, err := probe.Look(ctx, path, sequence, engine)
	var refused *probe.RefusedError
	switch {
	case errors.As(err, &refused):
		return exit.With(exit.Refused, err)
	case errors.Is(err, probe.ErrNoEngine):
		return exit.Usagef("%w", err)
	case err != nil && ctx.Err() != nil:
		return exit.With(exit.Interrupted, context.Cause(ctx))
	case err != nil:
		return exit.With(exit.Failed, err)
	case a.json:
		err = listing.JSON(c.OutOrStdout(), r)
	default:
		err = r.Write(c.OutOrStdout())
	}
	switch {
	case err != nil:
		return exit.With(exit.Failed, err)
	case r.Refused:
		return exit.With(exit.Refused, r.Refusal)
	}
	return nil
}
