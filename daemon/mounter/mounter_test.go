package mounter_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/go-systemd/v22/unit"

	"olive-distributed/daemon/mounter"
	"olive-distributed/dbus"
)

// A fakeSystemd has units, and fails where it is told to.
type fakeSystemd struct {
	mu      sync.Mutex
	units   map[string]mounter.Unit
	now     time.Duration // since boot
	worker  time.Duration // start of its process
	asked   []mounter.Request
	stopped []string
	failOn  string // step
	result  string // of a mount; "": it works
	lie     bool   // the job's end is told before the mount is there
	stuck   bool   // units do not stop
	hold    chan struct{}
}

var errBroken = errors.New("the bus is broken")

func (f *fakeSystemd) fail(step string) error {
	if f.failOn == step {
		return errBroken
	}
	return nil
}

func (f *fakeSystemd) Unit(_ context.Context, name string) (mounter.Unit, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u, ok := f.units[name]
	if !ok {
		u = mounter.Unit{Name: name, State: "inactive"}
	}
	return u, f.fail("unit")
}

func (f *fakeSystemd) Units(_ context.Context, pattern string) ([]mounter.Unit, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []mounter.Unit
	for name, u := range f.units {
		// Backslashes are a unit name's own.
		if ok, err := filepath.Match(strings.ReplaceAll(pattern, `\`, `\\`), name); err != nil {
			return nil, err
		} else if ok {
			list = append(list, u)
		}
	}
	return list, f.fail("units")
}

func (f *fakeSystemd) Start(ctx context.Context, r mounter.Request) error {
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r)
	if err := f.fail("start"); err != nil {
		return err
	}
	if u, there := f.units[r.Name]; there {
		return fmt.Errorf("unit %s was already loaded and is %s", r.Name, u.State)
	}
	f.now += time.Second
	u := mounter.Unit{Name: r.Name, State: "active", Result: "success", What: r.What, Type: r.Type, Where: r.Where, Since: f.now}
	switch {
	case f.lie:
		u.State = "activating"
	case f.result != "":
		u.State, u.Result = "failed", f.result
	}
	f.units[r.Name] = u
	return os.MkdirAll(r.Where, 0o755)
}

func (f *fakeSystemd) Stop(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = append(f.stopped, name)
	if !f.stuck {
		delete(f.units, name)
	}
	return f.fail("stop")
}

func (f *fakeSystemd) Forget(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.units[name].State == "failed" {
		delete(f.units, name)
	}
	return f.fail("forget")
}

func (f *fakeSystemd) Started(context.Context) (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.worker, f.fail("started")
}

// with changes the fake while others use it.
func (f *fakeSystemd) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// world is a mounter on a fake, with a folder of root's.
func world(t *testing.T) (*mounter.Mounter, *fakeSystemd, string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("the folder for mounts must be root's: run the tests as root")
	}
	f := &fakeSystemd{units: map[string]mounter.Unit{}, now: time.Hour, worker: time.Minute}
	folder := t.TempDir()
	settings := func() (mounter.Settings, error) {
		if err := f.fail("settings"); err != nil {
			return mounter.Settings{}, err
		}
		return mounter.Settings{Port: 7481, Timeout: 30 * time.Second}, nil
	}
	return mounter.New(f, settings, folder, slog.New(slog.DiscardHandler)), f, folder
}

func name(path string) string { return unit.UnitNamePathEscape(path) + ".mount" }

func TestNothingOfACallerReachesTheMountButTheName(t *testing.T) {
	m, f, folder := world(t)
	path, err := m.Mount(t.Context(), "film-7")
	if err != nil || path != folder+"/film-7" {
		t.Fatalf("got %q, %v", path, err)
	}
	want := mounter.Request{
		Name: name(folder + "/film-7"), Description: "Media of the Olive job film-7", What: "127.0.0.1:/film-7", Where: folder + "/film-7", Type: "nfs",
		Options: "vers=3,proto=tcp,port=7481,mountport=7481,mountproto=tcp,retry=0,nolock,noacl,nosuid,nodev,noexec,rsize=1048576,wsize=1048576,nconnect=4,hard",
		Timeout: 30 * time.Second,
	}
	if len(f.asked) != 1 || f.asked[0] != want {
		t.Errorf("asked for %+v\nwant %+v", f.asked, want)
	}
	if !strings.HasSuffix(want.Name, `film\x2d7.mount`) {
		t.Errorf("the name %s is not escaped as systemd-escape does", want.Name)
	}
}

func TestNamesThatAreNone(t *testing.T) {
	m, f, _ := world(t)
	for what, job := range map[string]string{
		"empty": "", "this folder": ".", "the folder above": "..", "a path": "a/b", "a path upwards": "../etc", "a root": "/etc",
		"an option": "a,suid", "a space": "a b", "capitals": "Film", "a newline": "a\nb", "a newline at the end": "a\n", "zero": "a\x00b", "an escape": `a\x2db`,
		"65 letters": strings.Repeat("a", 65), "a megabyte": strings.Repeat("a", 1<<20), "invalid UTF-8": "a\xff", "a specifier": "%n", "a colon": "a:b", "letters that look alike": "аb",
	} {
		_, err := m.Mount(t.Context(), job)
		if !errors.Is(err, dbus.ErrBadJobName) || len(err.Error()) > 500 {
			t.Errorf("%s: Mount says %.600v", what, err)
		}
		if err := m.Unmount(t.Context(), job); !errors.Is(err, dbus.ErrBadJobName) {
			t.Errorf("%s: Unmount says %v", what, err)
		}
	}
	if len(f.asked)+len(f.stopped) > 0 {
		t.Errorf("systemd was asked: %v %v", f.asked, f.stopped)
	}
	for _, job := range []string{"a", "-", "0", strings.Repeat("z", 64)} {
		if _, err := m.Mount(t.Context(), job); err != nil {
			t.Errorf("%q: %v", job, err)
		}
	}
}

func TestMount(t *testing.T) {
	for what, c := range map[string]struct {
		before mounter.Unit // Name and Where are filled in
		set    func(f *fakeSystemd)
		want   error
		says   string
		starts int
		left   string // state of the unit at the end
	}{
		"for the first time":               {starts: 1, left: "active"},
		"mounted already":                  {before: mounter.Unit{State: "active", What: "127.0.0.1:/film", Type: "nfs", Since: 2 * time.Minute}, left: "active"},
		"mounted for an earlier worker":    {before: mounter.Unit{State: "active", What: "127.0.0.1:/film", Type: "nfs", Since: time.Second}, starts: 1, left: "active"},
		"something else is there":          {before: mounter.Unit{State: "active", What: "/dev/sda1", Type: "ext4", Since: time.Hour}, want: dbus.ErrMountPointTaken, says: "/dev/sda1 (ext4) is mounted at", left: "active"},
		"another server's":                 {before: mounter.Unit{State: "active", What: "10.0.0.1:/film", Type: "nfs", Since: time.Hour}, want: dbus.ErrMountPointTaken, says: "unmount it", left: "active"},
		"it failed before":                 {before: mounter.Unit{State: "failed", Result: "timeout"}, starts: 1, left: "active"},
		"a mount is stuck":                 {before: mounter.Unit{State: "activating"}, starts: 1, left: "active"},
		"a mount stays stuck":              {before: mounter.Unit{State: "activating"}, set: func(f *fakeSystemd) { f.stuck = true }, want: dbus.ErrFailed, says: "its unit is activating", left: "activating"},
		"nobody answers":                   {set: func(f *fakeSystemd) { f.result = "timeout" }, want: dbus.ErrNoServer, says: "has not answered within 30s on port 7481", starts: 1, left: "none"},
		"the server refuses":               {set: func(f *fakeSystemd) { f.result = "exit-code" }, want: dbus.ErrMountRefused, says: `journalctl -u '`, starts: 1, left: "none"},
		"systemd has no ear":               {set: func(f *fakeSystemd) { f.failOn = "start" }, want: dbus.ErrFailed, says: "the bus is broken", starts: 1, left: "none"},
		"a signal lies":                    {set: func(f *fakeSystemd) { f.lie = true }, want: dbus.ErrFailed, says: "its unit is activating", starts: 1, left: "none"},
		"the unit cannot be looked at":     {set: func(f *fakeSystemd) { f.failOn = "unit" }, want: dbus.ErrFailed, says: "the bus is broken", left: "none"},
		"the worker cannot be looked at":   {before: mounter.Unit{State: "active", What: "127.0.0.1:/film", Type: "nfs"}, set: func(f *fakeSystemd) { f.failOn = "started" }, want: dbus.ErrFailed, says: "look at the worker", left: "active"},
		"the settings are wrong":           {set: func(f *fakeSystemd) { f.failOn = "settings" }, want: dbus.ErrBadSettings, says: "the bus is broken", left: "none"},
		"no worker runs, but it is there":  {before: mounter.Unit{State: "active", What: "127.0.0.1:/film", Type: "nfs"}, set: func(f *fakeSystemd) { f.worker = 0 }, left: "active"},
		"the answer is lost, but it works": {set: func(f *fakeSystemd) { f.failOn = "stop" }, starts: 1, left: "active"},
	} {
		t.Run(what, func(t *testing.T) {
			m, f, folder := world(t)
			unitName := name(folder + "/film")
			if c.before.State != "" {
				c.before.Name, c.before.Where = unitName, folder+"/film"
				f.units[unitName] = c.before
			}
			if c.set != nil {
				c.set(f)
			}
			path, err := m.Mount(t.Context(), "film")
			if c.want == nil && (err != nil || path != folder+"/film") {
				t.Errorf("got %q, %v", path, err)
			}
			if c.want != nil && (!errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("got %v, want %v that says %q", err, c.want, c.says)
			}
			if len(f.asked) != c.starts {
				t.Errorf("%d mounts, want %d", len(f.asked), c.starts)
			}
			left := "none"
			if u, ok := f.units[unitName]; ok {
				left = u.State
			}
			if left != c.left {
				t.Errorf("the unit is %s at the end, want %s", left, c.left)
			}
			if _, err := os.Stat(folder + "/film"); left == "none" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the mount point stays: %v", err)
			}
		})
	}
}

func TestUnmount(t *testing.T) {
	m, f, folder := world(t)
	if err := m.Unmount(t.Context(), "film"); err != nil {
		t.Errorf("what is not mounted: %v", err)
	}
	if _, err := m.Mount(t.Context(), "film"); err != nil {
		t.Fatal(err)
	}
	if err := m.Unmount(t.Context(), "film"); err != nil || len(f.units) > 0 {
		t.Errorf("%v, and %v are left", err, f.units)
	}
	if _, err := os.Stat(folder + "/film"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the mount point stays: %v", err)
	}
	f.units[name(folder+"/film")] = mounter.Unit{Name: name(folder + "/film"), State: "active", What: "/dev/sda1", Type: "ext4", Where: folder + "/film"}
	if err := m.Unmount(t.Context(), "film"); !errors.Is(err, dbus.ErrMountPointTaken) || len(f.units) != 1 {
		t.Errorf("somebody else's: %v", err)
	}
}

func TestMountsAreThoseOfJobs(t *testing.T) {
	m, f, folder := world(t)
	for _, job := range []string{"b-2", "a"} {
		if _, err := m.Mount(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	for path, what := range map[string]string{"/a/deeper": "127.0.0.1:/deeper", "/Name": "127.0.0.1:/Name", "/c": "/dev/sda1"} {
		f.units[name(folder+path)] = mounter.Unit{Name: name(folder + path), State: "active", Type: "nfs", What: what, Where: folder + path}
	}
	f.units[name(folder+"/d")] = mounter.Unit{Name: name(folder + "/d"), State: "failed", Type: "nfs", What: "127.0.0.1:/d", Where: folder + "/d"}
	got, err := m.Mounts(t.Context())
	if want := fmt.Sprintf("[{a %s/a} {b-2 %s/b-2}]", folder, folder); err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v, %v, want %s", got, err, want)
	}
}

func TestSweepTakesWhatEarlierWorkersHaveLeft(t *testing.T) {
	for what, c := range map[string]struct {
		worker time.Duration
		want   string // that are left
	}{
		"the worker runs":     {5 * time.Second, "[new]"},
		"a worker just began": {15 * time.Second, "[]"},
		"no worker runs":      {0, "[]"},
	} {
		m, f, folder := world(t)
		f.worker = c.worker
		add := func(job, what string, since time.Duration) {
			f.units[name(folder+"/"+job)] = mounter.Unit{Name: name(folder + "/" + job), State: "active", Type: "nfs", What: what, Where: folder + "/" + job, Since: since}
		}
		add("old-1", "127.0.0.1:/old-1", time.Second)
		add("old-2", "127.0.0.1:/old-2", 4*time.Second)
		add("new", "127.0.0.1:/new", 10*time.Second)
		add("foreign", "10.0.0.1:/foreign", time.Second)
		if err := m.Sweep(t.Context()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		var left []string
		for _, u := range f.units {
			if job := filepath.Base(u.Where); job != "foreign" {
				left = append(left, job)
			}
		}
		if got := fmt.Sprint(left); got != c.want || f.units[name(folder+"/foreign")].State != "active" {
			t.Errorf("%s: left %s, want %s, and the foreign one", what, got, c.want)
		}
	}
	m, f, folder := world(t)
	f.worker, f.stuck = 0, true
	for _, job := range []string{"a", "b"} {
		f.units[name(folder+"/"+job)] = mounter.Unit{Name: name(folder + "/" + job), State: "active", Type: "nfs", What: "127.0.0.1:/" + job, Where: folder + "/" + job}
	}
	if err := m.Sweep(t.Context()); err == nil || len(f.stopped) != 2 {
		t.Errorf("two that stay: %v after %v", err, f.stopped)
	}
}

func TestSweepRemovesEmptyFolders(t *testing.T) {
	m, _, folder := world(t)
	for _, name := range []string{"empty", "Not-a-job", "full/x"} {
		if err := os.MkdirAll(folder+"/"+name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(folder)
	if fmt.Sprint(left) != "[d Not-a-job/ d full/]" || err != nil {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestFoldersThatOthersCanChange(t *testing.T) {
	for what, c := range map[string]struct {
		spoil func(folder string) error
		says  string
	}{
		"nobody can":                 {func(string) error { return nil }, ""},
		"it belongs to the worker":   {func(f string) error { return os.Chown(f, 996, 0) }, "is not a folder that root alone can change"},
		"its group may write":        {func(f string) error { return os.Chmod(f, 0o770) }, "is not a folder that root alone can change"},
		"everybody may, like in tmp": {func(f string) error { return os.Chmod(f, 0o777|os.ModeSticky) }, "is not a folder that root alone can change"},
		"the one above is another's": {func(f string) error { return os.Chown(filepath.Dir(f), 996, 0) }, "is not a folder that root alone can change"},
		"the one above is shared":    {func(f string) error { return os.Chmod(filepath.Dir(f), 0o777) }, "is not a folder that root alone can change"},
		"it is a link":               {func(f string) error { return errors.Join(os.Remove(f), os.Symlink("/etc", f)) }, "is not a folder that root alone can change"},
		"it is not there":            {os.Remove, "systemd-tmpfiles --create makes it"},
	} {
		_, f, above := world(t)
		folder := above + "/mounts"
		if err := errors.Join(os.Mkdir(folder, 0o750), c.spoil(folder)); err != nil {
			t.Fatal(err)
		}
		m := mounter.New(f, func() (mounter.Settings, error) { return mounter.Settings{}, nil }, folder, slog.New(slog.DiscardHandler))
		_, err := m.Mount(t.Context(), "film")
		if c.says == "" && err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if c.says != "" && (!errors.Is(err, dbus.ErrBadSettings) || !strings.Contains(err.Error(), c.says) || len(f.asked) > 0) {
			t.Errorf("%s: %v, asked for %v", what, err, f.asked)
		}
	}
}

// One job's mount that hangs keeps other jobs from nothing, and is made once, however many ask.
func TestCallsAtTheSameTime(t *testing.T) {
	m, f, _ := world(t)
	f.hold = make(chan struct{})
	synctest.Test(t, func(t *testing.T) {
		f.hold = make(chan struct{})
		var calls sync.WaitGroup
		for range 8 {
			calls.Go(func() {
				if _, err := m.Mount(t.Context(), "slow"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if err := m.Unmount(t.Context(), "other"); err != nil {
			t.Errorf("another job waits: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := m.Mount(ctx, "slow"); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller that has gone: %v", err)
		}
		close(f.hold)
		calls.Wait()
	})
	f.with(func() {
		if len(f.asked) != 1 {
			t.Errorf("mounted %d times", len(f.asked))
		}
	})
}
