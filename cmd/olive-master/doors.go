package main

import (
	"context"
	"fmt"
	"os/user"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"olive-distributed/daemon/config"
	"olive-distributed/daemon/door"
	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/spool"
	"olive-distributed/dbus"
)

// openDoors lets users in, once the master runs: by the bus, and by the hot folder. Rooms that
// run are given to room. What it returns lets no more in, and waits for those who are inside.
func (d *daemon) openDoors(ctx context.Context, room func(func() error)) (shut func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var doors sync.WaitGroup
	var last []func()
	shut = func() {
		cancel()
		doors.Wait()
		for _, f := range last {
			f()
		}
	}
	start := func(f func() error) {
		doors.Add(1)
		room(func() error {
			defer doors.Done()
			return f()
		})
	}
	var hot *spool.Spool
	if d.cfg.Spool != "" {
		if hot, err = spool.Open(d.cfg.Spool, door.Check, door.Intake{Door: d.door}, spool.Options{Largest: render.MaxProject, Log: d.log}); err != nil {
			return shut, fmt.Errorf("open the hot folder: %w", err)
		}
		last = append(last, func() { _ = hot.Close() })
		d.checkModes(hot)
	}
	if err := d.door.Open(ctx, d.master, hot); err != nil {
		return shut, err
	}
	start(func() error { d.door.Run(ctx); return nil })
	if d.cfg.Bus != config.NoBus {
		address := d.cfg.Bus
		if address == config.SystemBus {
			address = ""
		}
		service, err := dbus.ServeMaster(ctx, address, version(), d.door)
		if err != nil {
			return shut, fmt.Errorf("%w: is the bus there, or else set bus = \"none\" in %s", err, d.path)
		}
		d.service.Store(service)
		last = append(last, service.Close)
		start(func() error { return service.Run(ctx) })
	}
	if hot != nil {
		start(func() error {
			if err := hot.Run(ctx); ctx.Err() == nil {
				return fmt.Errorf("serve the hot folder: %w", err)
			}
			return nil
		})
	}
	return shut, nil
}

// checkModes tells what is wrong with the hot folder.
func (d *daemon) checkModes(hot *spool.Spool) {
	gid := -1
	if g, err := user.LookupGroup("olive"); err == nil {
		if n, err := strconv.Atoi(g.Gid); err == nil {
			gid = n
		}
	}
	for _, fault := range hot.CheckModes(gid) {
		d.log.Warn("the hot folder is not as it should be", "fault", fault)
	}
}

// version is that of the program, as far as the build knows.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}

func policyOf(cfg config.Master) farm.Policy {
	return farm.Policy{
		Range: cfg.Farm.Range, LeaseTimeout: cfg.Farm.LeaseTimeout,
		StallTimeout: cfg.Farm.StallTimeout, MaxFailures: cfg.Farm.MaxFailures,
	}
}

func lifeOf(cfg config.Master) time.Duration {
	return time.Duration(cfg.Join.CertificateDays) * 24 * time.Hour
}

func keepOf(cfg config.Master) time.Duration { return time.Duration(cfg.History.Days) * 24 * time.Hour }

// reload reads the configuration again. What can change while workers and jobs are there does; the
// rest is told.
func (d *daemon) reload(ctx context.Context) error {
	now, err := config.LoadMaster(d.path)
	if err != nil {
		return fmt.Errorf("nothing has changed: %w", err)
	}
	if err := d.master.Configure(ctx, policyOf(now), keepOf(now)); err != nil {
		return err
	}
	d.settings.Lock()
	defer d.settings.Unlock()
	d.authority.SetLife(lifeOf(now))
	d.cfg.Farm, d.cfg.History, d.cfg.Join = now.Farm, now.History, now.Join
	d.log.Info("the configuration was read again")
	if now != d.cfg {
		d.log.Warn("some settings have changed that count only after a restart: all but [history], [farm] and [join]", "file", d.path)
	}
	return nil
}
