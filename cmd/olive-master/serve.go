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
	"time"

	"olive-distributed/daemon/bus"
	"olive-distributed/daemon/bus/journal"
	"olive-distributed/daemon/config"
	"olive-distributed/daemon/control"
	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/pki"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/builtin"
	"olive-distributed/daemon/render/olive"
	"olive-distributed/daemon/systemd"
	"olive-distributed/daemon/worker"
	"olive-distributed/daemon/worker/machine"
)

// farewell is how long what is under way may take when the master ends.
const farewell = 5 * time.Second

// A daemon is the rooms of a running master.
type daemon struct {
	cfg       config.Master
	log       *slog.Logger
	authority *pki.Authority
	journal   *journal.Journal
	library   *media.Library
	master    *master.Master
	bus       *bus.Server
}

// serve runs a master until ctx ends.
func serve(ctx context.Context, cfg config.Master, log *slog.Logger) error {
	if err := film.CheckTools(ctx); err != nil {
		return err
	}
	d := &daemon{cfg: cfg, log: log}
	defer d.close()
	if err := d.open(ctx); err != nil {
		return err
	}
	port, err := farmPort(cfg)
	if err != nil {
		return err
	}
	defer port.Close()
	socket, err := control.Listen(cfg.Control)
	if err != nil {
		return err
	}
	defer socket.Close()
	return d.run(ctx, port, socket)
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
	policy := farm.Policy{
		Range: d.cfg.Farm.Range, LeaseTimeout: d.cfg.Farm.LeaseTimeout,
		StallTimeout: d.cfg.Farm.StallTimeout, MaxFailures: d.cfg.Farm.MaxFailures,
	}
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
	d.library = media.NewLibrary(filepath.Join(d.cfg.State, "media"))
	engine := builtin.New(d.library, runtime.GOMAXPROCS(0))
	d.master, err = master.New(master.Config{
		Library: d.library, Engine: engine, More: []render.Engine{olive.New(engine, olive.Options{})}, Folder: filepath.Join(d.cfg.State, "jobs"), Policy: policy,
		Journal: d.journal, Farm: state, Keep: time.Duration(d.cfg.History.Days) * 24 * time.Hour,
		Encoders: d.encoders(ctx), Observe: d.observe, Stop: d.stopWorker,
	})
	if err != nil {
		return err
	}
	d.bus, err = bus.New(d.busConfig())
	return err
}

// busConfig says who answers what.
func (d *daemon) busConfig() bus.Config {
	return bus.Config{
		TLS: d.authority.ServerConfig(time.Now), Identify: pki.Identify, Log: d.log,
		Limits:   bus.Limits{Connections: d.cfg.Limits.Connections},
		Services: map[string]bus.Service{pki.ProtoJoin: {Anonymous: true, Serve: serveHTTP(d.authority.Handler(time.Now, d.log))}},
		Handlers: d.master.Handlers(), Codes: worker.Codes(),
	}
}

// run serves until ctx ends or a room fails, and then lets what is under way finish for a moment.
func (d *daemon) run(ctx context.Context, port, socket net.Listener) error {
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
	room(&callers, func() error { return control.Serve(ctx, socket, d.master, d) })
	stopBeat := make(chan struct{})
	room(&callers, func() error {
		systemd.Beat(stopBeat, func() (string, error) { return d.summary(masterCtx) })
		return nil
	})
	d.log.Info("ready", "port", port.Addr(), "control", d.cfg.Control)
	systemd.Ready()
	<-ctx.Done()
	systemd.Stopping()
	d.log.Info("stopping")
	close(stopBeat)
	wait, done := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer done()
	stopMaster() // whoever waits for work is sent home
	rooms.Wait()
	err := d.bus.Close(wait)
	closePort()
	callers.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
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
	probe := sync.OnceValues(func() (machine.Spec, error) {
		return machine.Probe(ctx, filepath.Join(d.cfg.State, "machine.json"), 0)
	})
	return func(context.Context) (map[string]string, error) {
		spec, err := probe()
		if err != nil {
			return nil, err
		}
		return spec.Marks(), nil
	}
}

// observe writes what happens to jobs into the log.
func (d *daemon) observe(e master.Event) {
	level := slog.LevelInfo
	if e.Kind == "failed" || e.Kind == "range-failed" || e.Kind == "worker-lost" {
		level = slog.LevelWarn
	}
	args := []any{"event", e.Kind}
	if e.Job != 0 {
		args = append(args, "job", e.Job)
	}
	if e.Worker != "" {
		args = append(args, "worker", e.Worker)
	}
	if e.End != 0 {
		args = append(args, "range", fmt.Sprintf("%d-%d", e.First, e.End))
	}
	d.log.Log(context.Background(), level, e.Text, args...)
}

// summary is the farm in a line, asked from the master's loop.
func (d *daemon) summary(ctx context.Context) (string, error) {
	v, err := d.master.View(ctx)
	if err != nil {
		return "", err
	}
	if v.Degraded != "" {
		return "Nothing is taken now: " + v.Degraded, nil
	}
	running, waiting, speed := 0, 0, 0.0
	for _, j := range v.Jobs {
		switch j.State {
		case farm.Running, farm.Joining:
			running++
			speed += j.Speed
		case farm.Queued, farm.Paused:
			waiting++
		}
	}
	workers, busy := 0, 0
	for _, w := range v.Workers {
		if w.Live {
			workers++
		}
		if w.Holds.Job != 0 {
			busy++
		}
	}
	return fmt.Sprintf("%d jobs running, %d waiting; %d workers, %d of them at work; %.1f frames/s", running, waiting, workers, busy, speed), nil
}

// tellHealth writes into the log that the journal stops or goes on.
func (d *daemon) tellHealth(err error) {
	if err != nil {
		d.log.Error("nothing can be written down, so nothing is taken or handed out", "error", err, "event", "degraded")
		return
	}
	d.log.Info("the journal goes on")
}

// stopWorker tells a worker to look whether its range is still wanted.
func (d *daemon) stopWorker(name string, _ farm.RangeID) {
	if err := d.bus.Notify(name, worker.NoticeNews, worker.NewsNotice{}); err != nil && !errors.Is(err, bus.ErrAway) {
		d.log.Warn("tell a worker", "worker", name, "error", err)
	}
}

var _ control.Members = (*daemon)(nil)

// Invite implements [control.Members].
func (d *daemon) Invite(_ context.Context, name string) (string, error) {
	token, err := d.authority.NewToken(name, time.Now(), d.cfg.Join.TokenLifetime)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("olivectl join %s --token %s", d.address(), token.Reveal()), nil
}

// address is where other machines find this one.
func (d *daemon) address() string {
	host, port, err := net.SplitHostPort(d.cfg.Listen)
	if err != nil {
		return d.cfg.Listen
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			host = "localhost"
		}
	}
	return net.JoinHostPort(host, port)
}

// Revoke implements [control.Members]: first the certificate, so that nobody comes back, then the
// connections, then what the farm knows.
func (d *daemon) Revoke(ctx context.Context, name string) error {
	if err := d.authority.Revoke(name, time.Now()); err != nil {
		return err
	}
	d.bus.Disconnect(name)
	if err := d.master.Dismiss(ctx, name); err != nil && !errors.Is(err, farm.ErrNoWorker) {
		return err
	}
	return nil
}

// Enrolled implements [control.Members].
func (d *daemon) Enrolled() []control.Enrolled {
	var list []control.Enrolled
	for _, w := range d.authority.Workers() {
		e := control.Enrolled{Name: w.Name}
		for _, c := range w.Certificates {
			if c.Expires.After(e.Expires) {
				e.Expires, e.Revoked = c.Expires, !c.Revoked.IsZero()
			}
		}
		if len(w.Certificates) > 0 {
			list = append(list, e)
		}
	}
	return list
}
