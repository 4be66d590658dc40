package dbus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	godbus "github.com/godbus/dbus/v5"
)

// ErrNoMounter means that nobody has the mount helper's name on the bus, and nobody could be started.
var ErrNoMounter = errors.New("the mount helper does not answer")

// Mounts calls the mount helper of this machine. It is safe for concurrent use. Refusals are of
// type [*Error]; what they say is for people, and tells what to do.
type Mounts struct{ conn *godbus.Conn }

// ConnectMounter dials the bus at address, "" for the system bus. The helper is started by the first call.
func ConnectMounter(ctx context.Context, address string) (*Mounts, error) {
	conn, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	return &Mounts{conn}, nil
}

// Close hangs up.
func (m *Mounts) Close() { m.conn.Close() }

// Mount mounts the files of a job, whose name is 1 to 64 of a-z, 0-9 and -, and returns the folder that
// they are in. It waits until the master has answered, for half a minute by default; a job that is mounted
// already gives its folder at once. When ctx ends first the mount may still come.
func (m *Mounts) Mount(ctx context.Context, job string) (path string, err error) {
	err = m.call(ctx, "Mount", []any{job}, &path)
	return path, err
}

// Unmount takes the mount of a job away, also when the master is gone: what waits for it gets an error.
// A process that has files open there and goes on can be killed, but may otherwise wait until the master is
// back. It does nothing if the job is not mounted.
func (m *Mounts) Unmount(ctx context.Context, job string) error {
	return m.call(ctx, "Unmount", []any{job})
}

// List returns what is mounted, by job.
func (m *Mounts) List(ctx context.Context) (mounts []Mount, err error) {
	err = m.call(ctx, "List", nil, &mounts)
	return mounts, err
}

func (m *Mounts) call(ctx context.Context, method string, args []any, outs ...any) error {
	ctx, cancel := context.WithCancel(ctx) // godbus keeps a goroutine until this
	defer cancel()
	err := m.conn.Object(MounterName, mounterPath).CallWithContext(ctx, mounterInterface+"."+method, 0, args...).Store(outs...)
	var e godbus.Error
	if !errors.As(err, &e) {
		if err != nil {
			err = fmt.Errorf("call the mount helper: %w", err)
		}
		return err
	}
	own, ours := strings.CutPrefix(e.Name, errorPrefix)
	switch {
	case ours:
		return &Error{own, e.Error()}
	case e.Name == "org.freedesktop.DBus.Error.AccessDenied":
		return ErrNotAuthorized.With(fmt.Errorf("only the worker and root may call the mount helper: %s", e.Error()))
	}
	return fmt.Errorf("%w: what does 'systemctl status olive-mounter' say? (%s)", ErrNoMounter, e.Error())
}
