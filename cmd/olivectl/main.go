// Command olivectl exports projects of the Olive 0.1 video editor: on a farm, with whose daemons it
// speaks over D-Bus, or by itself.
//
// Exit codes: 0 everything done; 1 an export failed, or the daemon could not do what was asked; 2 wrong
// usage; 3 a project was refused (unreadable, missing media, unsupported effects); 4 no daemon answers;
// 5 not allowed; 130 interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"olive-distributed/cmd/olivectl/exit"
)

func main() {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // under nohup an export outlives its terminal
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program without its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "olivectl",
		Short:         "Export Olive 0.1 projects on many machines, or many cores",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return exit.Usagef("%w\nrun '%s --help' for the options", err, c.CommandPath())
	})
	var a app
	a.add(root)
	root.AddCommand(a.exportCommand(), a.submitCommand(), a.probeCommand(), a.statusCommand())
	root.AddCommand(a.workersCommand(), a.workerCommand(), a.hereCommand(), a.joinCommand())
	root.AddCommand(a.jobVerbs()...)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintf(stderr, "olivectl: %s\n", msg)
	}
	var end *exit.Error
	if errors.As(err, &end) {
		return end.Code
	}
	return exit.Usage // what cobra itself refuses: unknown commands, wrong numbers of arguments
}
