package dbus_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
	"olive-distributed/packaging/testbus"
)

// TestMain runs the tests beside a real bus and polkit, see packaging/rig/bus.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "agent" {
		os.Exit(agent(os.Args[2:]))
	}
	if err := testbus.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// ids are those of a user of the rig.
func ids(t testing.TB, name string) (uid, gid uint32, groups []uint32) {
	t.Helper()
	c, err := testbus.User(name)
	if err != nil {
		t.Fatal(err)
	}
	return c.Uid, c.Gid, c.Groups
}

// as runs f as a user of the rig: connections that f makes are the user's.
func as(t testing.TB, name string, f func() error) {
	t.Helper()
	if err := testbus.As(name, f); err != nil {
		t.Fatalf("as %s: %v", name, err)
	}
}

func dialAs(t testing.TB, name string) *godbus.Conn {
	t.Helper()
	var conn *godbus.Conn
	as(t, name, func() (err error) {
		conn, err = godbus.ConnectSystemBus()
		return err
	})
	t.Cleanup(func() { conn.Close() })
	return conn
}

func clientAs(t testing.TB, name string) *dbus.Client {
	t.Helper()
	var c *dbus.Client
	as(t, name, func() (err error) {
		c, err = dbus.Connect(t.Context(), "")
		return err
	})
	t.Cleanup(c.Close)
	return c
}

// call is a call with or without the flag that lets polkit ask somebody.
func call(ctx context.Context, conn *godbus.Conn, name string, path godbus.ObjectPath, iface, member string, interactive bool, args ...any) ([]any, error) {
	msg := &godbus.Message{Type: godbus.TypeMethodCall, Body: args, Headers: map[godbus.HeaderField]godbus.Variant{
		godbus.FieldDestination: godbus.MakeVariant(name), godbus.FieldPath: godbus.MakeVariant(path),
		godbus.FieldInterface: godbus.MakeVariant(iface), godbus.FieldMember: godbus.MakeVariant(member),
	}}
	if len(args) > 0 {
		msg.Headers[godbus.FieldSignature] = godbus.MakeVariant(godbus.SignatureOf(args...))
	}
	if interactive {
		msg.Flags |= godbus.FlagAllowInteractiveAuthorization
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	c := <-conn.SendWithContext(ctx, msg, make(chan *godbus.Call, 1)).Done
	return c.Body, c.Err
}

// errorName is the name that an error has on the bus.
func errorName(err error) string {
	var e godbus.Error
	if errors.As(err, &e) {
		return e.Name
	}
	return fmt.Sprint(err)
}

// A fakeMaster has jobs and workers and notes what it is told to do.
type fakeMaster struct {
	mu       sync.Mutex
	jobs     map[uint32]*dbus.Job
	workers  []dbus.Member
	degraded string
	did      []string
	last     dbus.Submission
	content  string // of the project that came last
	wait     chan struct{}
	fail     error
}

func newFake() *fakeMaster {
	return &fakeMaster{jobs: map[uint32]*dbus.Job{}, workers: []dbus.Member{{Name: "w-1", State: dbus.Waiting, Engines: []string{"builtin"}, Threads: 2}}}
}

func (f *fakeMaster) add(j dbus.Job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.jobs[j.ID] = &j
}

func (f *fakeMaster) with(id uint32, change func(*dbus.Job)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f.jobs[id])
}

// got is what was submitted last.
func (f *fakeMaster) got() (dbus.Submission, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last, f.content
}

func (f *fakeMaster) View(context.Context) (dbus.View, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := dbus.View{Workers: slices.Clone(f.workers), Degraded: f.degraded}
	for _, id := range slices.Sorted(maps.Keys(f.jobs)) {
		j := *f.jobs[id]
		j.Ranges = nil
		v.Jobs = append(v.Jobs, j)
	}
	return v, nil
}

func (f *fakeMaster) Members(context.Context) ([]dbus.Member, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.workers), nil
}

func (f *fakeMaster) Degraded() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.degraded
}

func (f *fakeMaster) Job(_ context.Context, id uint32) (dbus.Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j := f.jobs[id]; j != nil {
		return *j, nil
	}
	return dbus.Job{}, fmt.Errorf("job %d: %w", id, farm.ErrNoJob)
}

func (f *fakeMaster) Log(ctx context.Context, id uint32) ([]dbus.LogEntry, error) {
	_, err := f.Job(ctx, id)
	return []dbus.LogEntry{{Time: time.UnixMicro(1), Event: "note", Text: "all is well"}}, err
}

// note takes down what was asked for.
func (f *fakeMaster) note(format string, args ...any) error {
	f.mu.Lock()
	wait := f.wait
	f.did = append(f.did, fmt.Sprintf(format, args...))
	err := f.fail
	f.mu.Unlock()
	if wait != nil {
		<-wait
	}
	return err
}

// done tells what was asked for since the last time.
func (f *fakeMaster) done() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	did := f.did
	f.did = nil
	return did
}

func (f *fakeMaster) Submit(_ context.Context, s *dbus.Submission) (uint32, error) {
	if err := f.note("submit %s", s.Project); err != nil {
		return 0, err
	}
	content, err := io.ReadAll(s.File)
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last, f.content = *s, string(content)
	id := uint32(len(f.jobs) + 1)
	f.jobs[id] = &dbus.Job{ID: id, Name: filepath.Base(s.Project), Project: s.Project, State: farm.Queued, Owner: s.Caller.UID, FramesTotal: 100}
	return id, nil
}

func (f *fakeMaster) Cancel(_ context.Context, id uint32) error { return f.note("cancel %d", id) }
func (f *fakeMaster) Pause(_ context.Context, id uint32) error  { return f.note("pause %d", id) }
func (f *fakeMaster) Resume(_ context.Context, id uint32) error { return f.note("resume %d", id) }
func (f *fakeMaster) Retry(_ context.Context, id uint32) error  { return f.note("retry %d", id) }
func (f *fakeMaster) Forget(_ context.Context, id uint32) error { return f.note("forget %d", id) }

func (f *fakeMaster) SetPriority(_ context.Context, id uint32, p int) error {
	return f.note("priority %d %d", id, p)
}

func (f *fakeMaster) PauseWorker(_ context.Context, n string) error { return f.note("pause %s", n) }

func (f *fakeMaster) ResumeWorker(_ context.Context, n string) error { return f.note("resume %s", n) }

func (f *fakeMaster) DrainWorker(_ context.Context, n string) error { return f.note("drain %s", n) }

func (f *fakeMaster) Revoke(_ context.Context, n string) error { return f.note("revoke %s", n) }
func (f *fakeMaster) Reload(context.Context) error             { return f.note("reload") }

func (f *fakeMaster) CreateToken(_ context.Context, n string, d time.Duration) (string, string, error) {
	return "secret", "master:7480", f.note("token %s %v", n, d)
}

// A fakeWorker is likewise.
type fakeWorker struct {
	fakeMaster
	status dbus.WorkerStatus
}

func (f *fakeWorker) Status(context.Context) (dbus.WorkerStatus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status, nil
}
func (f *fakeWorker) Pause(context.Context) error  { return f.note("pause") }
func (f *fakeWorker) Resume(context.Context) error { return f.note("resume") }
func (f *fakeWorker) Drain(context.Context) error  { return f.note("drain") }

// serveMaster puts a master on the bus, as the user olive, until the test ends.
func serveMaster(t testing.TB, m dbus.Master) *dbus.MasterService {
	t.Helper()
	var s *dbus.MasterService
	as(t, "olive", func() (err error) {
		s, err = dbus.ServeMaster(t.Context(), "", "1.2", m)
		return err
	})
	run(t, s.Run, s.Close)
	return s
}

func serveWorker(t testing.TB, w dbus.Worker) *dbus.WorkerService {
	t.Helper()
	var s *dbus.WorkerService
	as(t, "olive", func() (err error) {
		s, err = dbus.ServeWorker(t.Context(), "", w)
		return err
	})
	run(t, s.Run, s.Close)
	return s
}

// run runs a service until the test ends.
func run(t testing.TB, f func(context.Context) error, stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := f(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
		stop()
	})
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// project makes a project that everybody can read.
func project(t testing.TB, mode os.FileMode) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "olive-dbus-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "film.ove")
	if err := errors.Join(os.Chmod(dir, 0o777), os.WriteFile(path, []byte("<project/>"), mode), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
	return path
}
