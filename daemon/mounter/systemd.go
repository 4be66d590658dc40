package mounter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// worker is the unit whose runs mounts belong to.
const worker = "olive-worker.service"

// Manager is the systemd of this machine. It implements [Systemd].
type Manager struct{ conn *dbus.Conn }

// Connect connects to systemd over the system bus, which vouches for the user of this process. Close it.
func Connect(ctx context.Context) (*Manager, error) {
	conn, err := dbus.NewSystemConnectionContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	return &Manager{conn}, nil
}

// Close hangs up.
func (s *Manager) Close() { s.conn.Close() }

// Unit implements [Systemd].
func (s *Manager) Unit(ctx context.Context, name string) (Unit, error) {
	all, err := s.conn.GetUnitPropertiesContext(ctx, name)
	if err != nil {
		return Unit{}, err
	}
	own, err := s.conn.GetUnitTypePropertiesContext(ctx, name, "Mount")
	if err != nil {
		return Unit{}, err
	}
	u := Unit{Name: name}
	u.State, _ = all["ActiveState"].(string)
	u.Result, _ = own["Result"].(string)
	u.What, _ = own["What"].(string)
	u.Type, _ = own["Type"].(string)
	u.Where, _ = own["Where"].(string)
	since, _ := all["ActiveEnterTimestampMonotonic"].(uint64)
	u.Since = time.Duration(since) * time.Microsecond
	if u.State == "" {
		return Unit{}, fmt.Errorf("systemd does not tell the state of %s", name)
	}
	return u, nil
}

// Units implements [Systemd].
func (s *Manager) Units(ctx context.Context, pattern string) ([]Unit, error) {
	list, err := s.conn.ListUnitsByPatternsContext(ctx, nil, []string{pattern})
	if err != nil {
		return nil, err
	}
	var units []Unit
	for _, l := range list {
		u, err := s.Unit(ctx, l.Name)
		if err != nil {
			return nil, err
		}
		units = append(units, u)
	}
	return units, nil
}

// Start implements [Systemd].
func (s *Manager) Start(ctx context.Context, r Request) error {
	property := func(name string, value any) dbus.Property {
		return dbus.Property{Name: name, Value: godbus.MakeVariant(value)}
	}
	return s.job(ctx, func(done chan<- string) error {
		_, err := s.conn.StartTransientUnitContext(ctx, r.Name, "fail", []dbus.Property{
			property("Description", r.Description),
			property("What", r.What),
			property("Where", r.Where),
			property("Type", r.Type),
			property("Options", r.Options),
			property("TimeoutUSec", uint64(r.Timeout/time.Microsecond)),
			// When the worker is stopped it ends first, and then its mounts go.
			property("StopPropagatedFrom", []string{worker}),
			property("Before", []string{worker}),
			// Whether the server will be there at the end is not known now, and cannot be said later: the
			// mount is to go without asking it, and calls that wait for it are to get an error.
			property("LazyUnmount", true),
			property("ForceUnmount", true),
		}, done)
		return err
	})
}

// Stop implements [Systemd].
func (s *Manager) Stop(ctx context.Context, name string) error {
	return s.job(ctx, func(done chan<- string) error {
		_, err := s.conn.StopUnitContext(ctx, name, "replace", done)
		return err
	})
}

// job begins a job of systemd's and waits for its end.
func (s *Manager) job(ctx context.Context, begin func(done chan<- string) error) error {
	done := make(chan string, 1)
	if err := begin(done); err != nil {
		return err
	}
	select {
	case result := <-done:
		if result != "done" {
			return fmt.Errorf("systemd's job has ended with %q", result)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Forget implements [Systemd].
func (s *Manager) Forget(ctx context.Context, name string) error {
	err := s.conn.ResetFailedUnitContext(ctx, name)
	var e godbus.Error
	if errors.As(err, &e) && e.Name == "org.freedesktop.systemd1.NoSuchUnit" { // it has gone by itself
		return nil
	}
	return err
}

// Started implements [Systemd].
func (s *Manager) Started(ctx context.Context) (time.Duration, error) {
	all, err := s.conn.GetUnitTypePropertiesContext(ctx, worker, "Service")
	if err != nil {
		return 0, err
	}
	pid, ok := all["MainPID"].(uint32)
	since, ok2 := all["ExecMainStartTimestampMonotonic"].(uint64)
	if !ok || !ok2 {
		return 0, fmt.Errorf("systemd does not tell of the process of %s", worker)
	}
	if pid == 0 {
		return 0, nil
	}
	return time.Duration(since) * time.Microsecond, nil
}
