package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"olive-distributed/daemon/bus"
	"olive-distributed/daemon/config"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/pki"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/builtin"
	"olive-distributed/daemon/render/olive"
	"olive-distributed/daemon/systemd"
	"olive-distributed/daemon/worker"
	"olive-distributed/daemon/worker/hours"
	"olive-distributed/daemon/worker/machine"
)

// serve renders until a signal, or until the master wants nothing of this worker any more.
func serve(ctx context.Context, path string, cfg config.Worker, log *slog.Logger, signals <-chan os.Signal) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := film.CheckTools(ctx); err != nil {
		return err
	}
	identity, err := pki.LoadIdentity(cfg.State)
	if err != nil {
		return err
	}
	spec, err := introduce(ctx, cfg, log)
	if err != nil {
		return err
	}
	spec.Name = identity.Name()
	library := media.NewLibrary(filepath.Join(cfg.Cache, "media"))
	defer library.Close()
	engine := builtin.New(library, spec.Threads)
	more, err := tryEditor(ctx, cfg, engine, &spec, log)
	if err != nil {
		return err
	}
	poke := make(chan struct{}, 1)
	d := &door{path: path, cfg: cfg, identity: identity, threads: spec.Threads, log: log}
	client, err := connect(cfg, identity, log, poke, d)
	if err != nil {
		return err
	}
	defer client.Close()
	files, err := openFiles(ctx, cfg, identity, log, cancel)
	if err != nil {
		return err
	}
	defer files.close()
	w := &worker.Worker{
		Spec: spec, Engine: engine, More: more, Master: worker.NewRemote(client, d.drained),
		Beats: beats, Stall: cfg.StallTimeout, Hours: &d.hours, Poke: poke, Files: files,
		Trouble: func(err error) { log.Warn("the master has trouble", "error", err) }, Changed: d.changed,
	}
	d.worker = w
	d.hours.now.Store(&cfg.Hours)
	shut, err := d.open(ctx, cancel)
	if err != nil {
		return err
	}
	defer shut()
	var others sync.WaitGroup
	others.Go(func() { renew(ctx, identity, log) })
	others.Go(func() { obey(ctx, cfg, w, cancel, log, signals) })
	log.Info("ready", "worker", spec.Name, "master", address(cfg, identity), "threads", spec.Threads, "encoders", len(spec.Presets))
	stopBeat := make(chan struct{})
	others.Go(func() { systemd.Beat(stopBeat, func() (string, error) { return w.State().Text, nil }) })
	systemd.Ready()
	err = w.Run(ctx)
	systemd.Stopping()
	close(stopBeat)
	cancel(nil)
	others.Wait()
	if errors.Is(err, errStopped) {
		return nil
	}
	return err
}

// connect begins to connect to the master. A notice of news pokes.
func connect(cfg config.Worker, identity *pki.Identity, log *slog.Logger, poke chan<- struct{}, d *door) (*bus.Client, error) {
	return bus.Dial(bus.ClientConfig{
		Name: identity.Name(), Addr: address(cfg, identity), TLS: identity.ClientConfig(pki.ProtoBus, time.Now), Codes: worker.Codes(),
		Notices: []bus.Notice{bus.OnNotice(worker.NoticeNews, func(worker.NewsNotice) {
			select {
			case poke <- struct{}{}:
			default:
			}
		})},
		OnState: func(err error) {
			d.connected.Store(err == nil)
			d.changed()
			if err != nil {
				log.Warn("the master is away, rendering goes on", "error", err)
				return
			}
			log.Info("connected to the master")
		},
	})
}

func address(cfg config.Worker, identity *pki.Identity) string {
	return cmp.Or(cfg.Master, identity.Master())
}

// schedule makes the configured hours, which may change, those of a worker.
type schedule struct {
	now atomic.Pointer[hours.Schedule]
}

// Open implements [worker.Hours].
func (s *schedule) Open(t time.Time) (bool, time.Time) {
	now := s.now.Load()
	return now.Open(t), now.Next(t)
}

// beats is the time between two signs of life; the master waits some of them.
const beats = time.Second

// errStopped ends a worker that hands its range back.
var errStopped = errors.New("stopped by a signal")

// introduce finds out what this machine can do.
func introduce(ctx context.Context, cfg config.Worker, log *slog.Logger) (worker.Spec, error) {
	if err := os.MkdirAll(cfg.Cache, 0o700); err != nil {
		return worker.Spec{}, fmt.Errorf("make cache folder: %w", err)
	}
	m, err := machine.Probe(ctx, filepath.Join(cfg.Cache, "machine.json"), cfg.Threads)
	if err != nil {
		return worker.Spec{}, fmt.Errorf("find out what this machine can do: %w", err)
	}
	s := worker.Spec{Boot: rand.Text(), Engines: []string{"builtin"}, Threads: m.Threads, Memory: m.Memory, Speed: m.Speed, Presets: slices.Sorted(maps.Values(m.Marks()))}
	if len(cfg.Engines) > 0 {
		s.Engines = slices.DeleteFunc(s.Engines, func(e string) bool { return !slices.Contains(cfg.Engines, e) })
	}
	for preset, reason := range m.Refused {
		log.Warn("cannot encode", "preset", preset, "reason", reason)
	}
	return s, nil
}

// tryEditor adds the engine olive where the editor exports as it should.
func tryEditor(ctx context.Context, cfg config.Worker, other olive.Other, s *worker.Spec, log *slog.Logger) ([]render.Engine, error) {
	var more []render.Engine
	if len(cfg.Engines) == 0 || slices.Contains(cfg.Engines, olive.Name) {
		engine := olive.New(other, olive.Options{Editor: cfg.Editor, Folder: filepath.Join(cfg.Cache, "editor"), Threads: s.Threads})
		trial, err := engine.Try(ctx)
		switch {
		case err == nil:
			s.Engines, s.Presets, more = append(s.Engines, olive.Name), append(s.Presets, trial.Mark), append(more, engine)
			log.Info("engine olive is here", "editor", cfg.Editor, "display", trial.Display)
			if trial.Late {
				log.Warn("this editor exports frames one late, as Olive 0.1 does unless it is patched", "editor", cfg.Editor)
			}
		case !errors.Is(err, olive.ErrNoEditor) || len(cfg.Engines) > 0:
			log.Warn("engine olive does not work", "reason", err)
		}
	}
	if len(s.Engines) == 0 {
		return nil, fmt.Errorf("the configuration allows no engine that is here: engines = %q", cfg.Engines)
	}
	return more, nil
}

// obey carries out signals.
func obey(ctx context.Context, cfg config.Worker, w *worker.Worker, cancel context.CancelCauseFunc, log *slog.Logger, signals <-chan os.Signal) {
	select {
	case <-signals:
	case <-ctx.Done():
		return
	}
	if cfg.OnStop == config.HandBack {
		log.Info("stopping, the range in hand goes back")
		cancel(errStopped)
		return
	}
	log.Info("stopping after the range in hand", "at most", cfg.StopTimeout)
	w.Drain()
	timer := time.NewTimer(cfg.StopTimeout)
	defer timer.Stop()
	select {
	case <-signals:
		log.Info("stopping at once, the range in hand goes back")
	case <-timer.C:
		log.Warn("the range in hand takes too long, it goes back", "after", cfg.StopTimeout)
	case <-ctx.Done():
	}
	cancel(errStopped)
}

// renew renews the certificate when two thirds of its life are over. It looks every hour, since clocks
// are set, and tries more often as the end comes nearer.
func renew(ctx context.Context, identity *pki.Identity, log *slog.Logger) {
	const look, soonest, again = time.Hour, time.Second, 10 * time.Minute
	for {
		now := time.Now()
		wait := max(soonest, min(look, identity.RenewAt().Sub(now)))
		if identity.NeedsRenewal(now) {
			switch err := identity.Renew(ctx, now, nil); {
			case ctx.Err() != nil:
			case err == nil:
				log.Info("the certificate was renewed", "expires", identity.Expires())
			default:
				log.Warn("certificate is not renewed yet", "expires", identity.Expires(), "error", err)
				wait = max(soonest, min(again, identity.Expires().Sub(now)/10))
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}
