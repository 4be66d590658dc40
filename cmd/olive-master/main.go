// Command olive-master owns the jobs of a farm: it takes projects, hands out ranges to workers over
// one mutually authenticated port, and joins what they render into films.
//
// Exit codes: 0 ended as asked, or --check found the store whole; 1 failed, or the store is
// damaged; 2 wrong usage or configuration.
//
// The first SIGTERM or SIGINT ends it, within 5 s: jobs stay in its log and go on when it is started
// again. The second ends it at once, as a power cut would.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"olive-distributed/daemon/bus/journal"
	"olive-distributed/daemon/config"
	"olive-distributed/daemon/systemd"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // then signals do what they do to any program
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program without its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("olive-master", flag.ContinueOnError)
	flags.SetOutput(stderr)
	check := flags.Bool("check", false, "verify the log of a master that is not running, change nothing, and end")
	path, err := config.Arguments(flags, args, "/etc/olive/master.toml")
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	}
	cfg, err := config.LoadMaster(path)
	if err != nil {
		fmt.Fprintf(stderr, "olive-master: %v\n", err)
		return exitUsage
	}
	if *check {
		return checkStore(cfg, stdout, stderr)
	}
	log := systemd.NewLog(stderr)
	if err := serve(ctx, path, cfg, log); err != nil {
		log.Error("olive-master ends", "error", err)
		return exitFailed
	}
	return 0
}

// journalDir is where the log lies in the state folder.
func journalDir(cfg config.Master) string { return filepath.Join(cfg.State, "journal") }

// checkStore verifies a store offline.
func checkStore(cfg config.Master, stdout, stderr io.Writer) int {
	report, err := journal.Check(journalDir(cfg))
	if err != nil {
		fmt.Fprintf(stderr, "olive-master: %v\n", err)
		return exitFailed
	}
	fmt.Fprintf(stdout, "The store is whole: %d jobs and %d workers, %d events (%d in the snapshot), %d bytes.\n",
		report.Jobs, report.Workers, report.Events, report.Covered, report.Bytes)
	for _, torn := range report.Torn {
		fmt.Fprintf(stdout, "An end that was never acknowledged goes at the next start: %s\n", torn)
	}
	return 0
}
