package dbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

// A WorkerService is a worker on the bus of its machine.
type WorkerService struct {
	*service
	worker Worker
	poked  chan struct{}
	told   told
}

// ServeWorker puts a worker on the bus at address, "" for the system bus, as [ServeMaster] does a master.
func ServeWorker(ctx context.Context, address string, w Worker) (*WorkerService, error) {
	ws := &WorkerService{worker: w, poked: make(chan struct{}, 1)}
	s, err := newService(context.WithoutCancel(ctx), workerXML, ws)
	if err != nil {
		return nil, err
	}
	ws.service = s
	for name, f := range map[string]func(context.Context) error{"Pause": w.Pause, "Resume": w.Resume, "Drain": w.Drain, "Reload": w.Reload} {
		s.methods[workerInterface+"."+name] = method{needs(actionWorkerControl), func(ctx context.Context, _ *call) ([]any, error) { return nil, f(ctx) }}
	}
	if ws.told.object, err = ws.find(ctx, workerPath); err != nil {
		return nil, fmt.Errorf("look at the worker: %w", err)
	}
	if err := s.connect(ctx, address); err != nil {
		return nil, err
	}
	if err := s.claim(ctx, WorkerName); err != nil {
		s.close(WorkerName)
		return nil, err
	}
	return ws, nil
}

// Close gives the name back, ends the calls that are under way, and hangs up. Run must have ended.
func (ws *WorkerService) Close() { ws.close(WorkerName) }

// Changed says that something has happened, so that signals go out soon. It does not block.
func (ws *WorkerService) Changed() { poke(ws.poked) }

// Run sends signals until ctx ends, nil, or the bus has gone.
func (ws *WorkerService) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ws.conn.Context().Done():
			return errors.New("the bus has gone")
		case <-ws.poked:
		case <-time.After(fastPause):
		}
		if err := ws.look(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("send signals: %w", err)
		}
	}
}

func (ws *WorkerService) look(ctx context.Context) error {
	o, err := ws.find(ctx, workerPath)
	if err != nil {
		return err
	}
	now, moved := time.Now(), false
	early := now.Sub(ws.told.fast) < fastPause
	_, err = ws.change(&ws.told.object, &o, func(name string) bool {
		if !fast[workerInterface][name] {
			return false
		}
		moved = true
		return early
	})
	if moved && !early {
		ws.told.fast = now
	}
	ws.told.object = o
	return err
}

// find implements tree.
func (ws *WorkerService) find(ctx context.Context, p godbus.ObjectPath) (object, error) {
	switch p {
	case "/", "/org", "/org/olive":
		return object{path: p, inner: true}, nil
	case workerPath:
		s, err := ws.worker.Status(ctx)
		return object{path: p, iface: workerInterface, props: properties(s)}, err
	}
	return object{}, errNoObject(p)
}

// managed implements tree.
func (ws *WorkerService) managed(context.Context) ([]object, error) { return nil, nil }
