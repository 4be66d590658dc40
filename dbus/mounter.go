package dbus

import (
	"context"
	_ "embed"
	"errors"
	"sync"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

// MounterName is the name of the mount helper on the bus.
const MounterName = "org.olive.Mounter1"

const (
	mounterPath      = godbus.ObjectPath("/org/olive/Mounter1")
	mounterInterface = "org.olive.Mounter1"

	actionMount = "org.olive.mounter.mount" // of polkit
)

//go:embed org.olive.Mounter1.xml
var mounterXML string

// Errors of the mount helper, as the XML tells them.
var (
	ErrBadJobName      = &Error{"BadJobName", "this is no job's name"}
	ErrBadSettings     = &Error{"BadSettings", "the mount helper's settings are wrong"}
	ErrNoServer        = &Error{"NoServer", "the master does not answer"}
	ErrMountRefused    = &Error{"MountRefused", "the job cannot be mounted"}
	ErrMountPointTaken = &Error{"MountPointTaken", "something else is mounted there"}
)

// A Mount is a job whose files are mounted.
type Mount struct{ Job, Path string }

// A Mounter is what the object of org.olive.Mounter1 needs of the helper. Methods are called from many
// goroutines; names come as callers sent them.
type Mounter interface {
	// Mount returns where the job's files are.
	Mount(ctx context.Context, job string) (path string, err error)
	Unmount(ctx context.Context, job string) error
	// Mounts returns what is mounted, by job.
	Mounts(ctx context.Context) ([]Mount, error)
}

// A MounterService is the mount helper on the bus of its machine.
type MounterService struct {
	*service
	mounter Mounter

	quiet sync.Mutex
	under int       // calls under way
	since time.Time // of the last call's end
	ended chan struct{}
}

// ServeMounter puts the mount helper on the bus at address, "" for the system bus. From its return on
// callers are answered. Close it.
func ServeMounter(ctx context.Context, address string, m Mounter) (*MounterService, error) {
	ms := &MounterService{mounter: m, since: time.Now(), ended: make(chan struct{}, 1)}
	s, err := newService(context.WithoutCancel(ctx), mounterXML, ms)
	if err != nil {
		return nil, err
	}
	ms.service = s
	for name, run := range map[string]func(context.Context, *call) ([]any, error){"Mount": ms.mount, "Unmount": ms.unmount, "List": ms.list} {
		s.methods[mounterInterface+"."+name] = method{needs(actionMount), ms.counted(run)}
	}
	if err := s.connect(ctx, address); err != nil {
		return nil, err
	}
	if err := s.claim(ctx, MounterName); err != nil {
		s.close(MounterName)
		return nil, err
	}
	return ms, nil
}

// Wait returns nil when nobody has called for so long, or ctx has ended, and an error when the bus has gone.
func (ms *MounterService) Wait(ctx context.Context, idle time.Duration) error {
	for {
		wait := ms.left(idle)
		if wait <= 0 {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ms.ended:
		case <-ctx.Done():
		case <-ms.conn.Context().Done():
		}
		timer.Stop()
		switch {
		case ctx.Err() != nil:
			return nil
		case ms.conn.Context().Err() != nil:
			return errors.New("the bus has gone")
		}
	}
}

// left is how long nobody may call until the helper has been idle for so long.
func (ms *MounterService) left(idle time.Duration) time.Duration {
	ms.quiet.Lock()
	defer ms.quiet.Unlock()
	if ms.under > 0 {
		return idle
	}
	return idle - time.Since(ms.since)
}

// counted counts a call in and out.
func (ms *MounterService) counted(run func(context.Context, *call) ([]any, error)) func(context.Context, *call) ([]any, error) {
	return func(ctx context.Context, c *call) ([]any, error) {
		ms.count(1)
		defer ms.count(-1)
		return run(ctx, c)
	}
}

func (ms *MounterService) count(n int) {
	ms.quiet.Lock()
	defer ms.quiet.Unlock()
	ms.under += n
	ms.since = time.Now()
	poke(ms.ended)
}

// Close gives the name back, so that the next caller gets another helper, answers those who have called
// already, for so long at most, and hangs up.
func (ms *MounterService) Close(patience time.Duration) {
	_, _ = ms.conn.ReleaseName(MounterName) // the connection's end gives it back too
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ms.debts.wait(ctx)
	ms.close(MounterName)
}

func (ms *MounterService) mount(ctx context.Context, c *call) ([]any, error) {
	path, err := ms.mounter.Mount(ctx, c.args[0].(string))
	return []any{path}, err
}

func (ms *MounterService) unmount(ctx context.Context, c *call) ([]any, error) {
	return nil, ms.mounter.Unmount(ctx, c.args[0].(string))
}

func (ms *MounterService) list(ctx context.Context, _ *call) ([]any, error) {
	mounts, err := ms.mounter.Mounts(ctx)
	if mounts == nil {
		mounts = []Mount{}
	}
	return []any{mounts}, err
}

// find implements tree.
func (ms *MounterService) find(_ context.Context, p godbus.ObjectPath) (object, error) {
	switch p {
	case "/", "/org", "/org/olive":
		return object{path: p, inner: true}, nil
	case mounterPath:
		return object{path: p, iface: mounterInterface, props: map[string]any{}}, nil
	}
	return object{}, errNoObject(p)
}

// managed implements tree.
func (ms *MounterService) managed(context.Context) ([]object, error) { return nil, nil }
