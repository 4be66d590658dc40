package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"olive-distributed/daemon/bus"
	"olive-distributed/daemon/bus/journal"
	"olive-distributed/daemon/config"
	"olive-distributed/daemon/door"
	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/pki"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/builtin"
	"olive-distributed/daemon/render/olive"
	"olive-distributed/daemon/share"
	"olive-distributed/daemon/systemd"
	"olive-distributed/daemon/worker"
	"olive-distributed/daemon/worker/machine"
	"olive-distributed/dbus"
	"olive-distributed/nfsd"
)

// farewell is how long what is under way may take when the master ends, and then the journal.
const farewell = 2 * time.Second

// A daemon is the rooms of a running master.
type daemon struct {
	path      string // of the configuration
	settings  sync.Mutex
	cfg       config.Master
	log       *slog.Logger
	authority *pki.Authority
	journal   *journal.Journal
	library   *media.Library
	master    *master.Master
	bus       *bus.Server
	shares    *share.Shares // nil: workers elsewhere see nothing
	nfs       *nfsd.Server  // likewise
	door      *door.Door
	service   atomic.Pointer[dbus.MasterService] // nil: not on a bus
	probe     func() (machine.Spec, error)       // of this machine, once
}

// serve runs a master until ctx ends.
func serve(ctx context.Context, path string, cfg config.Master, log *slog.Logger) error {
	if err := film.CheckTools(ctx); err != nil {
		return err
	}
	d := &daemon{path: path, cfg: cfg, log: log}
	d.door = door.New(d, d.reload, log)
	defer d.close()
	if err := d.open(ctx); err != nil {
		return err
	}
	port, err := farmPort(cfg)
	if err != nil {
		return err
	}
	defer port.Close()
	return d.run(ctx, port)
}

// farmPort is the farm's port: systemd's socket, or else one of our own.
func farmPort(cfg config.Master) (net.Listener, error) {
	port, err := systemd.Listener("farm")
	if port == nil && err == nil {
		port, err = net.Listen("tcp", cfg.Listen)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for workers: %w", err)
	}
	return port, nil
}

// open opens everything that lies on the disk, and builds the rooms on it.
func (d *daemon) open(ctx context.Context) (err error) {
	if err := os.MkdirAll(d.cfg.State, 0o700); err != nil {
		return fmt.Errorf("make state folder: %w", err)
	}
	policy := policyOf(d.cfg)
	// A farm with certificates had a journal: one that is gone is not taken for a new one. So the
	// journal is made first.
	_, missing := os.Stat(filepath.Join(d.cfg.State, "pki", "ca.pem"))
	var state *farm.Farm
	d.journal, state, err = journal.Open(ctx, journal.Config{
		Dir: journalDir(d.cfg), MustExist: missing == nil, Policy: policy, MaxBytes: d.cfg.Limits.Journal, Log: d.log, OnHealth: d.tellHealth,
	})
	if err != nil {
		return err
	}
	if d.authority, err = pki.Open(filepath.Join(d.cfg.State, "pki"), time.Now()); err != nil {
		return err
	}
	d.authority.SetLife(lifeOf(d.cfg))
	d.library = media.NewLibrary(filepath.Join(d.cfg.State, "media"))
	if err := d.openShares(); err != nil {
		return err
	}
	engine := builtin.New(d.library, runtime.GOMAXPROCS(0))
	d.master, err = master.New(master.Config{
		Library: d.library, Engine: engine, More: []render.Engine{olive.New(engine, olive.Options{})}, Folder: filepath.Join(d.cfg.State, "jobs"), Policy: policy,
		Journal: d.journal, Farm: state, Keep: keepOf(d.cfg),
		Encoders: d.encoders(ctx), Observe: d.observe, Ended: d.door.Ended, Stop: d.stopWorker, Shares: d.shares,
	})
	if err != nil {
		return err
	}
	d.bus, err = bus.New(d.withFiles(d.busConfig()))
	return err
}

// busConfig says who answers what.
func (d *daemon) busConfig() bus.Config {
	return bus.Config{
		TLS: d.authority.ServerConfig(time.Now), Identify: pki.Identify, Log: d.log,
		Limits:   bus.Limits{Connections: d.cfg.Limits.Connections},
		Services: map[string]bus.Service{pki.ProtoJoin: {Anonymous: true, Serve: serveHTTP(d.authority.Handler(time.Now, d.log), d.log)}},
		Handlers: d.master.Handlers(), Codes: worker.Codes(),
	}
}

// run serves until ctx ends or a room fails, and then lets what is under way finish for a moment.
func (d *daemon) run(ctx context.Context, port net.Listener) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// The rooms outlive each other in this order: first no more calls come in, then the master
	// ends, and last what it has decided is written down.
	var callers, rooms sync.WaitGroup
	masterCtx, stopMaster := context.WithCancel(context.WithoutCancel(ctx))
	defer stopMaster()
	room := func(g *sync.WaitGroup, f func() error) {
		g.Go(func() {
			if err := f(); err != nil {
				cancel(err)
			}
		})
	}
	room(&rooms, func() error { return d.master.Run(masterCtx) })
	portCtx, closePort := context.WithCancel(context.WithoutCancel(ctx))
	defer closePort()
	room(&callers, func() error { return d.bus.Serve(portCtx, port) })
	closeDoors, err := d.openDoors(ctx, func(f func() error) { room(&callers, f) })
	if err != nil {
		cancel(err)
	}
	room(&callers, func() error {
		_, _ = d.probe() // takes seconds at the very first start; what is wrong is told to whoever submits a job
		return nil
	})
	stopBeat := make(chan struct{})
	room(&callers, func() error {
		systemd.Beat(stopBeat, func() (string, error) { return d.summary(masterCtx) })
		return nil
	})
	if err == nil {
		d.log.Info("ready", "port", port.Addr(), "bus", d.cfg.Bus, "spool", d.cfg.Spool)
		systemd.Ready()
	}
	<-ctx.Done()
	systemd.Stopping()
	d.log.Info("stopping")
	closeDoors()
	close(stopBeat)
	wait, done := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer done()
	stopMaster() // whoever waits for work is sent home
	rooms.Wait()
	if err := d.bus.Close(wait); err != nil {
		d.log.Warn("not all requests were answered; their workers ask again", "error", err)
	}
	closePort()
	callers.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// close closes what open has opened.
func (d *daemon) close() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if d.journal != nil {
		if err := d.journal.Close(ctx); err != nil {
			d.log.Error("close the journal", "error", err)
		}
	}
	if d.nfs != nil {
		if err := d.nfs.Close(); err != nil {
			d.log.Warn("close the files of workers elsewhere", "error", err)
		}
	}
	if d.library != nil {
		if err := d.library.Close(); err != nil {
			d.log.Warn("close the media library", "error", err)
		}
	}
	if d.authority != nil {
		if err := d.authority.Close(); err != nil {
			d.log.Warn("close the certificates", "error", err)
		}
	}
}

// encoders finds out, once, which encoders this machine has: all parts of a film must come from
// ones that make the same bytes.
func (d *daemon) encoders(ctx context.Context) func(context.Context) (map[string]string, error) {
	d.probe = sync.OnceValues(func() (machine.Spec, error) {
		return machine.Probe(ctx, filepath.Join(d.cfg.State, "machine.json"), 0)
	})
	return func(context.Context) (map[string]string, error) {
		spec, err := d.probe()
		if err != nil {
			return nil, err
		}
		return spec.Marks(), nil
	}
}

// stopWorker tells a worker to look whether its range is still wanted.
func (d *daemon) stopWorker(name string, _ farm.RangeID) {
	if err := d.bus.Notify(name, worker.NoticeNews, worker.NewsNotice{}); err != nil && !errors.Is(err, bus.ErrAway) {
		d.log.Warn("tell a worker", "worker", name, "error", err)
	}
}
