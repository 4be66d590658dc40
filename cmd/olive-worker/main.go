// Command olive-worker renders ranges for the master that this machine has joined.
//
// Exit codes: 0 ended as asked; 1 failed; 2 wrong usage or configuration.
//
// The first SIGTERM or SIGINT lets it finish the range in hand, or hand it back, as the
// configuration says; the second ends it at once, and the range is handed back.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"olive-distributed/daemon/config"
	"olive-distributed/daemon/systemd"
	"olive-distributed/daemon/worker/machine"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr, signals))
}

// run is the program without its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, signals <-chan os.Signal) int {
	flags := flag.NewFlagSet("olive-worker", flag.ContinueOnError)
	flags.SetOutput(stderr)
	path, err := config.Arguments(flags, args, "/etc/olive/worker.toml")
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	}
	cfg, err := config.LoadWorker(path)
	if err != nil {
		fmt.Fprintf(stderr, "olive-worker: %v\n", err)
		return exitUsage
	}
	log := systemd.NewLog(stderr)
	if err := machine.SetPriority(cfg.Nice, cfg.IONice); err != nil {
		log.Warn("the priority stays as it is", "error", err)
	}
	if err := machine.SetThreads(cfg.Threads); err != nil {
		log.Warn("encoders may use all CPUs", "error", err)
	}
	if cfg.Memory > 0 {
		debug.SetMemoryLimit(cfg.Memory)
	}
	if err := serve(ctx, path, cfg, log, signals); err != nil {
		log.Error("olive-worker ends", "error", err)
		return exitFailed
	}
	return 0
}
