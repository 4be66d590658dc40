// Command olive-mounter mounts what the master shows of a job, for the worker of this machine. The bus starts
// it for a call, and it leaves when nobody calls.
//
// Exit codes: 0 ended as asked, or idle; 1 failed; 2 wrong usage. Wrong settings do not end it: callers are told.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"olive-distributed/daemon/config"
	"olive-distributed/daemon/mounter"
	"olive-distributed/daemon/systemd"
	"olive-distributed/dbus"
)

const (
	exitFailed = 1
	exitUsage  = 2

	sweepTime = 10 * time.Second // for what an earlier worker has left
	closeTime = 10 * time.Second // for those who have called already; TimeoutStopSec= of the unit is longer
	idleTime  = time.Minute      // when the settings do not say
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

// run is the program without its process; it ends with ctx.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("olive-mounter", flag.ContinueOnError)
	flags.SetOutput(stderr)
	path, err := config.Arguments(flags, args, "/etc/olive/mounter.toml")
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	}
	log := systemd.NewLog(stderr)
	if err := serve(ctx, path, log); err != nil {
		log.Error("olive-mounter ends", "error", err)
		return exitFailed
	}
	return 0
}

// serve answers calls until there are none.
func serve(ctx context.Context, path string, log *slog.Logger) error {
	idle := idleTime
	if cfg, err := config.LoadMounter(path); err != nil {
		log.Error("the settings are wrong, nothing is mounted until they are mended", "error", err)
	} else {
		idle = cfg.Idle
	}
	// The connection is to outlive the signal: calls that are under way need it.
	manager, err := mounter.Connect(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	defer manager.Close()
	m := mounter.New(manager, settings(path), mounter.Folder, log)
	sweeping, cancel := context.WithTimeout(ctx, sweepTime)
	err = m.Sweep(sweeping)
	cancel()
	if err != nil {
		log.Warn("not every mount of an earlier worker is gone", "error", err)
	}
	service, err := dbus.ServeMounter(ctx, "", m)
	if err != nil {
		return err
	}
	defer service.Close(closeTime)
	return service.Wait(ctx, idle)
}

// settings reads the settings anew for each mount.
func settings(path string) func() (mounter.Settings, error) {
	return func() (mounter.Settings, error) {
		cfg, err := config.LoadMounter(path)
		return mounter.Settings{Port: cfg.Port, Timeout: cfg.Timeout}, err
	}
}
