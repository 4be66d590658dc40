// Package local is a whole farm in one process: the daemons' own master and workers, without a network,
// without a daemon and without root. An export that fails or is interrupted leaves nothing behind,
// unless its parts are to be kept for another try.
package local

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"olive-distributed/cmd/olivectl/exit"
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

// A Farm is a master and workers, and what they show.
type Farm struct {
	Engine, Editor   string
	Workers, Threads int    // of each worker
	Scratch          string // the folder of unfinished parts
	Media            string // where what is known of media is kept; "": nowhere
	Show             screen.Display
}

// policy is for workers that share one machine and one fate: a failure there is hardly
// cured by waiting, and all are as fast.
var policy = farm.Policy{Bench: 50 * time.Millisecond, MaxFailures: 2, Share: 1}

// Export makes all films and reports the first and worst thing that went wrong.
func (f *Farm) Export(ctx context.Context, requests []master.Request) error {
	library := media.NewLibrary(f.Media)
	defer library.Close()
	drawer := builtin.New(library, f.Threads)
	editor := olive.New(drawer, olive.Options{Editor: f.Editor, Threads: f.Threads})
	if f.Engine == olive.Name {
		if _, err := editor.Try(ctx); err != nil {
			return interrupted(ctx, exit.With(exit.Failed, err), false)
		}
	}
	m, err := master.New(master.Config{
		Library: library, Engine: drawer, More: []render.Engine{editor}, Folder: f.Scratch,
		Policy: policy, Observe: f.observe,
	})
	if err != nil {
		return exit.With(exit.Failed, err)
	}
	// The master outlives its workers, so that nobody writes parts when it cleans up.
	masterCtx, stopMaster := context.WithCancel(context.WithoutCancel(ctx))
	var master, crew, watcher sync.WaitGroup
	master.Go(func() { _ = m.Run(masterCtx) })
	for i := range f.Workers {
		w := &worker.Worker{
			Spec:   worker.Spec{Name: fmt.Sprintf("local-%d", i+1), Engines: []string{drawer.Name(), olive.Name}, Threads: f.Threads},
			Engine: drawer, More: []render.Engine{editor}, Master: m,
		}
		crew.Go(func() { _ = w.Run(ctx) })
	}
	watchCtx, stopWatching := context.WithCancel(ctx)
	watcher.Go(func() { f.watch(watchCtx, m) })

	err = f.films(ctx, m, requests)
	_ = m.Close(ctx)
	crew.Wait()
	stopWatching()
	watcher.Wait()
	f.update(masterCtx, m) // how it ended
	stopMaster()
	master.Wait()
	f.Show.Close()
	return interrupted(ctx, err, len(requests) > 0 && requests[0].Resume)
}

// observe shows what happens to jobs; the workers are no news.
func (f *Farm) observe(e master.Event) {
	if e.Job != 0 {
		f.Show.Log(e.Job, door.Entry(e))
	}
}

// films submits every request and waits for the films.
func (f *Farm) films(ctx context.Context, m *master.Master, requests []master.Request) error {
	worst := new(exit.Error)
	var ids []uint32
	for _, r := range requests {
		id, err := m.Submit(ctx, r)
		var refused *master.RefusedError
		switch {
		case err == nil:
			ids = append(ids, id)
		case errors.As(err, &refused):
			worst = worst.Worse(exit.Refused, err)
			f.Show.Refused(r.Project, err)
		default:
			worst = worst.Worse(exit.Failed, err)
			f.Show.Refused(r.Project, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	for _, id := range ids {
		film, err := m.Wait(ctx, id)
		if err != nil {
			worst = worst.Worse(exit.Failed, nil)
			continue // its event has told
		}
		f.Show.Film(id, screen.Film(film))
	}
	if worst.Code == 0 {
		return nil
	}
	return exit.With(worst.Code, nil) // what went wrong has been shown
}

// watch keeps the display up to date.
func (f *Farm) watch(ctx context.Context, m *master.Master) {
	tick := time.NewTicker(screen.Refresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		f.update(ctx, m)
	}
}

// update shows the present state, if the master has one to tell still.
func (f *Farm) update(ctx context.Context, m *master.Master) {
	if v, err := m.Overview(ctx); err == nil {
		f.Show.Update(door.Show(&v))
	}
}

// interrupted is how an export ends whose context has ended.
func interrupted(ctx context.Context, err error, resume bool) error {
	switch {
	case ctx.Err() == nil:
		return err
	case resume:
		return exit.With(exit.Interrupted, errors.New("interrupted; finished parts are kept, go on with --resume"))
	}
	return exit.With(exit.Interrupted, errors.New("interrupted; nothing was left behind"))
}
