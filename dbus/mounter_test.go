package dbus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"olive-distributed/dbus"
)

// A fakeMounter mounts nothing and notes what it is told.
type fakeMounter struct {
	mu     sync.Mutex
	did    []string
	mounts []dbus.Mount
	fail   error
	hold   chan struct{} // Mount waits for its end
}

func (f *fakeMounter) note(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, fmt.Sprintf(format, args...))
	return f.fail
}

func (f *fakeMounter) Mount(ctx context.Context, job string) (string, error) {
	err := f.note("mount %s", job)
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return "/run/olive/mounts/" + job, err
}

func (f *fakeMounter) Unmount(_ context.Context, job string) error { return f.note("unmount %s", job) }

func (f *fakeMounter) Mounts(context.Context) ([]dbus.Mount, error) { return f.mounts, f.note("list") }

// told is what was asked for since the last time.
func (f *fakeMounter) told() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	did := strings.Join(f.did, ", ")
	f.did = nil
	return did
}

// serveMounter puts a mounter on the bus, as root, until the test ends.
func serveMounter(t testing.TB, m dbus.Mounter) *dbus.MounterService {
	t.Helper()
	s, err := dbus.ServeMounter(t.Context(), "", m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(time.Second) })
	return s
}

func mountsAs(t testing.TB, name string) *dbus.Mounts {
	t.Helper()
	var m *dbus.Mounts
	as(t, name, func() (err error) {
		m, err = dbus.ConnectMounter(t.Context(), "")
		return err
	})
	t.Cleanup(m.Close)
	return m
}

func TestTheWorkerAndRootMountAndNobodyElse(t *testing.T) {
	f := &fakeMounter{mounts: []dbus.Mount{{Job: "a", Path: "/run/olive/mounts/a"}}}
	serveMounter(t, f)
	for who, allowed := range map[string]bool{"olive": true, "root": true, "member": false, "other": false} {
		m := mountsAs(t, who)
		path, err := m.Mount(t.Context(), "film-1")
		err2 := m.Unmount(t.Context(), "film-1")
		list, err3 := m.List(t.Context())
		did := f.told()
		if allowed {
			if path != "/run/olive/mounts/film-1" || fmt.Sprint(list) != "[{a /run/olive/mounts/a}]" || errors.Join(err, err2, err3) != nil {
				t.Errorf("%s: %q, %v, %v", who, path, list, errors.Join(err, err2, err3))
			}
			if want := "mount film-1, unmount film-1, list"; did != want {
				t.Errorf("%s: the helper was told %q, want %q", who, did, want)
			}
			continue
		}
		for _, err := range []error{err, err2, err3} {
			if !errors.Is(err, dbus.ErrNotAuthorized) {
				t.Errorf("%s: got %v", who, err)
			}
		}
		if did != "" {
			t.Errorf("%s: refused, and yet the helper was told %q", who, did)
		}
	}
}

// TestPolkitIsAskedAboutTheWorkerToo has the administrator take the right away, of whom the bus lets through.
func TestPolkitIsAskedAboutTheWorkerToo(t *testing.T) {
	const rule = "/etc/polkit-1/rules.d/00-nobody-mounts.rules" // in the test bus's own /etc
	text := `polkit.addRule(function(action) { if (action.id == "org.olive.mounter.mount") { return polkit.Result.NO; } });`
	if err := errors.Join(os.MkdirAll("/etc/polkit-1/rules.d", 0o755), os.WriteFile(rule, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	f := &fakeMounter{}
	serveMounter(t, f)
	m := mountsAs(t, "olive")
	until(t, "polkit to read the rule", func() bool {
		_, err := m.Mount(t.Context(), "film")
		return err != nil
	})
	f.told()
	_, err := m.Mount(t.Context(), "film")
	err2 := m.Unmount(t.Context(), "film")
	_, err3 := m.List(t.Context())
	for _, err := range []error{err, err2, err3} {
		var e *dbus.Error
		if !errors.As(err, &e) || e.Name != "NotAuthorized" || !strings.Contains(e.Text, "org.olive.mounter.mount") || strings.Contains(e.Text, "member of") {
			t.Errorf("got %v", err)
		}
	}
	if did := f.told(); did != "" {
		t.Errorf("refused, and yet the helper was told %q", did)
	}
	if err := os.Remove(rule); err != nil {
		t.Fatal(err)
	}
	until(t, "polkit to forget the rule", func() bool { return m.Unmount(t.Context(), "film") == nil })
}

func TestTheMountersErrorsHaveTheirNames(t *testing.T) {
	f := &fakeMounter{}
	serveMounter(t, f)
	m := mountsAs(t, "olive")
	for _, want := range []*dbus.Error{dbus.ErrBadJobName, dbus.ErrBadSettings, dbus.ErrNoServer, dbus.ErrMountRefused, dbus.ErrMountPointTaken, dbus.ErrFailed} {
		f.mu.Lock()
		f.fail = want.With(errors.New("do this: " + want.Name))
		f.mu.Unlock()
		_, err := m.Mount(t.Context(), "film")
		if !errors.Is(err, want) || err.Error() != "do this: "+want.Name {
			t.Errorf("got %v, want %s", err, want.Name)
		}
		if !strings.Contains(dbus.MounterXML, "."+want.Name) {
			t.Errorf("the XML does not tell of %s", want.Name)
		}
	}
}

func TestWithoutAHelper(t *testing.T) {
	_, err := mountsAs(t, "olive").Mount(t.Context(), "film")
	if !errors.Is(err, dbus.ErrNoMounter) || !strings.Contains(err.Error(), "systemctl status olive-mounter") {
		t.Errorf("got %v", err)
	}
}

// TestTheHelperLeavesWhenNobodyCalls has a call under way while the time passes.
func TestTheHelperLeavesWhenNobodyCalls(t *testing.T) {
	f := &fakeMounter{hold: make(chan struct{})}
	s := serveMounter(t, f)
	left := make(chan error, 1)
	var called sync.WaitGroup
	m := mountsAs(t, "olive")
	called.Go(func() {
		if _, err := m.Mount(t.Context(), "film"); err != nil {
			t.Errorf("the call under way: %v", err)
		}
	})
	until(t, "the call to come", func() bool { return f.told() != "" })
	const idle = 20 * time.Millisecond
	go func() { left <- s.Wait(t.Context(), idle) }()
	select {
	case err := <-left:
		t.Fatalf("it leaves in the middle of a call: %v", err)
	case <-time.After(10 * idle): // far longer than it may take to notice
	}
	close(f.hold)
	called.Wait()
	if err := <-left; err != nil {
		t.Errorf("Wait: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(ctx, time.Hour); err != nil {
		t.Errorf("told to end: %v", err)
	}
}

// TestNobodyIsDroppedWhenTheHelperLeaves closes the service in the middle of a call.
func TestNobodyIsDroppedWhenTheHelperLeaves(t *testing.T) {
	f := &fakeMounter{hold: make(chan struct{})}
	s, err := dbus.ServeMounter(t.Context(), "", f)
	if err != nil {
		t.Fatal(err)
	}
	m := mountsAs(t, "olive")
	answer := make(chan error, 1)
	go func() {
		_, err := m.Mount(t.Context(), "film")
		answer <- err
	}()
	until(t, "the call to come", func() bool { return f.told() != "" })
	var closing sync.WaitGroup
	closing.Go(func() { s.Close(time.Minute) })
	next := &fakeMounter{}
	until(t, "the name to be free", func() bool { // another helper has it while this one still answers
		s, err := dbus.ServeMounter(t.Context(), "", next)
		if err != nil {
			return false
		}
		t.Cleanup(func() { s.Close(time.Second) })
		return true
	})
	if err := m.Unmount(t.Context(), "other"); err != nil || next.told() != "unmount other" {
		t.Errorf("the next helper is not asked: %v", err)
	}
	close(f.hold)
	if err := <-answer; err != nil {
		t.Errorf("the call under way: %v", err)
	}
	closing.Wait()
}

func TestTheMountersInterfaceIsTheFile(t *testing.T) {
	s := serveMounter(t, &fakeMounter{})
	conn := dialAs(t, "olive")
	for path, want := range map[string]string{"/org/olive": `<node name="Mounter1"/>`, "/org/olive/Mounter1": interfaceText(t, dbus.MounterXML, dbus.MounterName)} {
		body, err := call(t.Context(), conn, dbus.MounterName, godbus.ObjectPath(path), "org.freedesktop.DBus.Introspectable", "Introspect", false)
		if err != nil || !strings.Contains(body[0].(string), want) {
			t.Errorf("%s: %v, %v, want %s", path, err, body, want)
		}
	}
	gates := s.Gates()
	for _, m := range parse(t, dbus.MounterXML)[0].Methods {
		if g, ok := gates[dbus.MounterName+"."+m.Name]; !ok || g[0] || !g[1] {
			t.Errorf("%s: served %v, open %v, somebody may %v", m.Name, ok, g[0], g[1])
		}
		if !strings.Contains(dbus.MounterXML, "-->\n    <method name=\""+m.Name+`"`) {
			t.Errorf("%s has no comment before it", m.Name)
		}
	}
}
