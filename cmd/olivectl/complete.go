package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"olive-distributed/cmd/olivectl/screen"
	"olive-distributed/cmd/olivectl/term"
	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

// A jobFilter says to which jobs a command applies.
type jobFilter func(*dbus.Job) bool

func everyJob(*dbus.Job) bool     { return true }
func unfinished(j *dbus.Job) bool { return !screen.Over(j) }
func finished(j *dbus.Job) bool   { return screen.Over(j) }
func failed(j *dbus.Job) bool     { return j.State == farm.Failed }
func paused(j *dbus.Job) bool     { return j.State == farm.Paused }
func pausable(j *dbus.Job) bool   { return j.State == farm.Queued || j.State == farm.Running }

// How many arguments a command completes.
const (
	one  = 1
	many = 1 << 10
)

// completion is how cobra completes arguments.
type completion = func(c *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective)

// Limits of a completion: nobody waits longer for it, or reads more.
const (
	completePatience = time.Second / 2
	completeMost     = 200
)

// farmNow asks the master for a completion. Without one there is nothing to complete, and none is started.
func (a *app) farmNow(ctx context.Context) dbus.View {
	ctx, cancel := context.WithTimeout(ctx, completePatience)
	defer cancel()
	client, err := dbus.Connect(ctx, a.bus)
	if err != nil {
		return dbus.View{}
	}
	defer client.Close()
	client.Quiet, client.NoStart = true, true
	v, err := client.Status(ctx)
	if err != nil {
		return dbus.View{}
	}
	return v
}

// completeJobs completes numbers of jobs, the newest first, with their names beside them.
func (a *app) completeJobs(most int, fits jobFilter) completion {
	return func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var list []cobra.Completion
		jobs := a.farmNow(c.Context()).Jobs
		for _, j := range slices.Backward(jobs) {
			id := strconv.FormatUint(uint64(j.ID), 10)
			if fits(&j) && !slices.Contains(args, id) && len(list) < completeMost {
				list = append(list, cobra.CompletionWithDesc(id, fmt.Sprintf("%s, %s, %d %%", term.Clean(j.Name), j.State, screen.Percent(&j))))
			}
		}
		return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// helps says whether what is done to a worker may change it. One that renders may be paused too.
func helps(verb, state string) bool {
	gone := state == dbus.Draining || state == dbus.Drained
	switch verb {
	case "resume":
		return gone || state == dbus.Paused || state == dbus.Rendering
	case "drain":
		return !gone
	}
	return true
}

// completeWorkers completes names of workers.
func (a *app) completeWorkers(verb string) completion {
	return func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var list []cobra.Completion
		for _, w := range a.farmNow(c.Context()).Workers {
			if !w.Revoked && helps(verb, w.State) && !slices.Contains(args, w.Name) && len(list) < completeMost {
				list = append(list, cobra.CompletionWithDesc(term.Clean(w.Name), w.State))
			}
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeProjects completes paths of projects, and of folders, which the shells add.
func completeProjects(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return []cobra.Completion{"ove"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeWords completes the value of a flag.
func completeWords(c *cobra.Command, flag string, words ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
}
