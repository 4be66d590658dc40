package transport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"olive-distributed/daemon/worker"
)

// unmountTime is how long the mount helper may take.
const unmountTime = 30 * time.Second

// mount mounts the task's export, or uses the mount that is there if it is good. Mounts of other jobs that nobody uses
// go now: a worker is at one job at a time.
func (t *Transport) mount(ctx context.Context, task *worker.Task) (path string, err error) {
	export := task.Share.Export
	t.sweep(export)
	if path, have := t.take(export); have {
		if _, err := os.Stat(filepath.Join(path, task.Share.Project)); err == nil {
			return path, nil
		}
		t.forget(export)
		t.unmount(export)
	}
	for try := 1; ; try++ {
		if path, err = t.ask(ctx, export); err != nil {
			return "", fmt.Errorf("mount %s: %w", export, err)
		}
		t.enter(export, path)
		if _, err = os.Stat(filepath.Join(path, task.Share.Project)); err == nil {
			return path, nil
		}
		t.forget(export)
		t.unmount(export) // it may have been mounted before us, in another life of the master
		if try > 1 || ctx.Err() != nil {
			return "", fmt.Errorf("look into what was mounted for job %d: %w", task.Job, err)
		}
	}
}

// ask asks for a mount until the master answers.
func (t *Transport) ask(ctx context.Context, export string) (string, error) {
	for {
		path, err := t.cfg.Mounter.Mount(ctx, export)
		if !errors.Is(err, ErrAway) {
			return path, err
		}
		timer := time.NewTimer(time.Second + rand.N(time.Second))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return "", context.Cause(ctx)
		}
	}
}

// enter puts a mount on the list, in use.
func (t *Transport) enter(export, path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mounts[export] = &mount{path: path, users: 1}
}

// take uses a mount.
func (t *Transport) take(export string) (path string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.mounts[export]
	if m == nil {
		return "", false
	}
	m.users++
	if m.idle != nil {
		m.idle.Stop()
		m.idle = nil
	}
	return m.path, true
}

// release ends the use of a mount; it goes when nobody takes it again for a while.
func (t *Transport) release(export string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.mounts[export]
	if m == nil || m.users == 0 {
		return
	}
	if m.users--; m.users > 0 || t.closed {
		return
	}
	m.idle = time.AfterFunc(t.cfg.Idle, func() {
		if t.leave(export, m) {
			defer t.work.Done()
			t.unmount(export)
		}
	})
}

// leave takes an idle mount off the list; whoever does so unmounts it, and says so to work.
func (t *Transport) leave(export string, m *mount) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mounts[export] != m || m.users > 0 || t.closed {
		return false
	}
	delete(t.mounts, export)
	t.work.Add(1)
	return true
}

func (t *Transport) forget(export string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.mounts, export)
}

// sweep unmounts what nobody uses, but for one export.
func (t *Transport) sweep(keep string) {
	t.mu.Lock()
	var gone []string
	for export, m := range t.mounts {
		if export != keep && m.users == 0 {
			if m.idle != nil {
				m.idle.Stop()
			}
			delete(t.mounts, export)
			gone = append(gone, export)
		}
	}
	t.mu.Unlock()
	for _, export := range gone {
		t.unmount(export)
	}
}

// unmount unmounts, whatever becomes of the worker.
func (t *Transport) unmount(export string) {
	ctx, cancel := context.WithTimeout(context.Background(), unmountTime)
	defer cancel()
	if err := t.cfg.Mounter.Unmount(ctx, export); err != nil {
		t.cfg.Log.Warn("cannot unmount", "export", export, "error", err)
	}
}

// Close unmounts everything.
func (t *Transport) Close() {
	t.mu.Lock()
	t.closed = true
	var all []string
	for export, m := range t.mounts {
		if m.idle != nil {
			m.idle.Stop()
		}
		all = append(all, export)
	}
	clear(t.mounts)
	t.mu.Unlock()
	for _, export := range all {
		t.unmount(export)
	}
	t.work.Wait()
}
