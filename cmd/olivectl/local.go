package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"olive-distributed/cmd/olivectl/screen"
	"olive-distributed/daemon/door"
	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/builtin"
	"olive-distributed/daemon/render/olive"
	"olive-distributed/daemon/worker"
)

// local is a farm in this process: the daemons' own master and workers, without a network.
type local struct {
	engine, editor   string
	workers, threads int
	scratch          string
	media            string // where what is known of media is kept; "": nowhere
	show             screen.Display
}

// localPolicy is for workers that share one machine and one fate: a failure there is hardly
// cured by waiting, and all are as fast.
var localPolicy = farm.Policy{Bench: 50 * time.Millisecond, MaxFailures: 2, Share: 1}

// export makes all films and reports the first and worst thing that went wrong.
func (l *local) export(ctx context.Context, requests []master.Request) error {
	library := media.NewLibrary(l.media)
	defer library.Close()
	drawer := builtin.New(library, l.threads)
	editor := olive.New(drawer, olive.Options{Editor: l.editor, Threads: l.threads})
	if l.engine == olive.Name {
		if _, err := editor.Try(ctx); err != nil {
			return interrupted(ctx, &exitError{exitFailed, err}, false)
		}
	}
	m, err := master.New(master.Config{
		Library: library, Engine: drawer, More: []render.Engine{editor}, Folder: l.scratch,
		Policy: localPolicy, Observe: l.observe,
	})
	if err != nil {
		return &exitError{exitFailed, err}
	}
	// The master outlives its workers, so that nobody writes parts when it cleans up.
	masterCtx, stopMaster := context.WithCancel(context.WithoutCancel(ctx))
	var master, crew, watcher sync.WaitGroup
	master.Go(func() { _ = m.Run(masterCtx) })
	for i := range l.workers {
		w := &worker.Worker{
			Spec:   worker.Spec{Name: fmt.Sprintf("local-%d", i+1), Engines: []string{drawer.Name(), olive.Name}, Threads: l.threads},
			Engine: drawer, More: []render.Engine{editor}, Master: m,
		}
		crew.Go(func() { _ = w.Run(ctx) })
	}
	watchCtx, stopWatching := context.WithCancel(ctx)
	watcher.Go(func() { l.watch(watchCtx, m) })

	err = l.films(ctx, m, requests)
	_ = m.Close(ctx)
	crew.Wait()
	stopWatching()
	watcher.Wait()
	l.update(masterCtx, m) // how it ended
	stopMaster()
	master.Wait()
	l.show.Close()
	return interrupted(ctx, err, len(requests) > 0 && requests[0].Resume)
}

// observe shows what happens to jobs; the workers are no news.
func (l *local) observe(e master.Event) {
	if e.Job != 0 {
		l.show.Log(e.Job, door.Entry(e))
	}
}

// films submits every request and waits for the films.
func (l *local) films(ctx context.Context, m *master.Master, requests []master.Request) error {
	worst := &exitError{}
	var ids []uint32
	for _, r := range requests {
		id, err := m.Submit(ctx, r)
		var refused *master.RefusedError
		switch {
		case err == nil:
			ids = append(ids, id)
		case errors.As(err, &refused):
			worst = worse(worst, exitRefused, err)
			l.show.Refused(r.Project, err)
		default:
			worst = worse(worst, exitFailed, err)
			l.show.Refused(r.Project, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	for _, id := range ids {
		film, err := m.Wait(ctx, id)
		if err != nil {
			worst = worse(worst, exitFailed, nil)
			continue // its event has told
		}
		l.show.Film(id, screen.Film(film))
	}
	if worst.code == 0 {
		return nil
	}
	return &exitError{code: worst.code} // what went wrong has been shown
}

// worse keeps the outcome that matters more: a failed export before a refused project.
func worse(e *exitError, code int, err error) *exitError {
	if e.code == exitFailed || e.code == code {
		return e
	}
	return &exitError{code, err}
}

// watch keeps the display up to date.
func (l *local) watch(ctx context.Context, m *master.Master) {
	tick := time.NewTicker(screen.Refresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		l.update(ctx, m)
	}
}

// update shows the present state, if the master has one to tell still.
func (l *local) update(ctx context.Context, m *master.Master) {
	if v, err := m.Overview(ctx); err == nil {
		l.show.Update(door.Show(&v))
	}
}

// mediaCache is where what is known of media is kept between exports; without a home, nowhere.
func mediaCache() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "olive-distributed-media")
}
