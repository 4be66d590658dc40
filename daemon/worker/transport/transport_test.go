package transport_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"olive-distributed/daemon/render"
	"olive-distributed/daemon/worker"
	"olive-distributed/daemon/worker/transport"
)

// A machine mounts exports as folders in which the project lies, if the master shows them.
type machine struct {
	mu      sync.Mutex
	dir     string
	mounted map[string]bool
	log     []string
	away    int   // so many calls find no master
	stale   int   // so many mounts show nothing
	fault   error // of every mount
}

func newMachine(t *testing.T) *machine {
	return &machine{dir: t.TempDir(), mounted: map[string]bool{}}
}

func (m *machine) Mount(_ context.Context, export string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.fault != nil:
		return "", m.fault
	case m.away > 0:
		m.away--
		return "", fmt.Errorf("%w: nobody", transport.ErrAway)
	}
	m.log = append(m.log, "mount "+export)
	path := filepath.Join(m.dir, export)
	m.mounted[export] = true
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", err
	}
	if m.stale > 0 {
		m.stale--
		return path, nil
	}
	return path, os.WriteFile(filepath.Join(path, "project.ove"), nil, 0o600)
}

func (m *machine) Unmount(_ context.Context, export string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, "unmount "+export)
	delete(m.mounted, export)
	return os.RemoveAll(filepath.Join(m.dir, export))
}

// said is what the machine was asked since the last call.
func (m *machine) said() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	said := m.log
	m.log = nil
	return said
}

// A master is its folder of jobs, and a task of one.
func newTask(t *testing.T, job uint32) (dir string, task *worker.Task) {
	t.Helper()
	dir = t.TempDir()
	folder := filepath.Join(dir, "jobs", "X")
	inbox := filepath.Join(folder, "in", "w1")
	if err := os.MkdirAll(inbox, 0o700); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(folder)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	medium, project := filepath.Join(dir, "media", "a.mp4"), filepath.Join(folder, "project.ove")
	if err := os.MkdirAll(filepath.Dir(medium), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{medium, project} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, &worker.Task{
		Job: job, Part: filepath.Join(inbox, "0-9.w1.mp4"),
		Plan: &render.Plan{Project: project, Digest: "theirs", Media: []render.Medium{{Footage: 1, Path: medium}, {Footage: 2, Path: filepath.Join(dir, "media", "s%03d.png")}}},
		Share: &worker.Share{
			Boot: worker.BootID(), Device: st.Dev, Inode: st.Ino, Export: fmt.Sprintf("job-%d", job), Project: "project.ove", Digest: "ours",
			Media: []string{"media/1-a.mp4", "media/2-s%03d.png"}, Part: "parts/0-9.w1.mp4",
		},
	}
}

func paths(t *worker.Task) []string {
	list := []string{t.Plan.Project, t.Plan.Digest}
	for _, m := range t.Plan.Media {
		list = append(list, m.Path)
	}
	return append(list, t.Part)
}

func TestWays(t *testing.T) {
	type files func(dir, mounts string) []string
	local := func(dir, _ string) []string {
		return []string{dir + "/jobs/X/project.ove", "theirs", dir + "/media/a.mp4", dir + "/media/s%03d.png", dir + "/jobs/X/in/w1/0-9.w1.mp4"}
	}
	mounted := func(_, m string) []string {
		return []string{m + "/job-3/project.ove", "ours", m + "/job-3/media/1-a.mp4", m + "/job-3/media/2-s%03d.png", m + "/job-3/parts/0-9.w1.mp4"}
	}
	for name, c := range map[string]struct {
		way    transport.Way
		change func(dir string, t *worker.Task)
		rules  func(dir string) []transport.Rule
		want   files
	}{
		"auto on the master's machine":                       {transport.Auto, nil, nil, local},
		"nothing said means auto":                            {"", nil, nil, local},
		"auto elsewhere":                                     {transport.Auto, func(_ string, t *worker.Task) { t.Share.Boot = "another" }, nil, mounted},
		"auto in a container with a folder of the same name": {transport.Auto, func(_ string, t *worker.Task) { t.Share.Inode++ }, nil, mounted},
		"auto where a medium cannot be seen":                 {transport.Auto, func(dir string, _ *worker.Task) { _ = os.Remove(dir + "/media/a.mp4") }, nil, mounted},
		"auto of a master that shows nothing":                {transport.Auto, func(_ string, t *worker.Task) { t.Share = nil }, nil, local},
		"local":                                              {transport.Local, func(_ string, t *worker.Task) { t.Share.Boot = "another" }, nil, local},
		"nfs on the master's machine":                        {transport.NFS, nil, nil, mounted},
		"shared, all of it": {
			transport.Shared, nil,
			func(dir string) []transport.Rule {
				return []transport.Rule{{From: dir, To: "/mnt/all"}, {From: dir + "/media", To: "/mnt/media"}}
			},
			func(string, string) []string {
				return []string{"/mnt/all/jobs/X/project.ove", "theirs", "/mnt/media/a.mp4", "/mnt/media/s%03d.png", "/mnt/all/jobs/X/in/w1/0-9.w1.mp4"}
			},
		},
		"shared, the media only": {
			transport.Shared, nil,
			func(dir string) []transport.Rule { return []transport.Rule{{From: dir + "/media/", To: "/mnt/media"}} },
			func(_, m string) []string {
				return []string{m + "/job-3/project.ove", "ours", "/mnt/media/a.mp4", "/mnt/media/s%03d.png", m + "/job-3/parts/0-9.w1.mp4"}
			},
		},
		"shared, a folder that only begins alike": {
			transport.Shared, nil, func(dir string) []transport.Rule { return []transport.Rule{{From: dir + "/me", To: "/mnt"}} }, mounted,
		},
		"shared, the whole disk": {
			transport.Shared, nil, func(string) []transport.Rule { return []transport.Rule{{From: "/", To: "/"}} }, local,
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, task := newTask(t, 3)
			if c.change != nil {
				c.change(dir, task)
			}
			var rules []transport.Rule
			if c.rules != nil {
				rules = c.rules(dir)
			}
			m := newMachine(t)
			before := paths(task)
			tr := transport.New(transport.Config{Way: c.way, Rules: rules, Mounter: m, Log: slog.New(slog.DiscardHandler)})
			defer tr.Close()
			here, done, err := tr.Reach(t.Context(), task)
			if err != nil {
				t.Fatal(err)
			}
			done()
			if got, want := paths(here), c.want(dir, m.dir); !slices.Equal(got, want) {
				t.Errorf("got\n%q\nwant\n%q", got, want)
			}
			if !slices.Equal(paths(task), before) {
				t.Errorf("the master's task is now %q", paths(task))
			}
		})
	}
}

func TestWhatCannotBeReached(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*worker.Task)
		m      func(*machine) transport.Mounter
		want   string
	}{
		"a master that shows nothing":          {func(t *worker.Task) { t.Share = nil }, nil, "the master shows its files to no other machine"},
		"a path out of the mount":              {func(t *worker.Task) { t.Share.Part = "../../etc/passwd" }, nil, "install the same version"},
		"an absolute path":                     {func(t *worker.Task) { t.Share.Project = "/etc/passwd" }, nil, "install the same version"},
		"a medium out of the mount":            {func(t *worker.Task) { t.Share.Media[0] = "media/../../x" }, nil, "install the same version"},
		"a medium without a name":              {func(t *worker.Task) { t.Share.Media = t.Share.Media[:1] }, nil, "install the same version"},
		"no helper":                            {nil, func(*machine) transport.Mounter { return nil }, "is olive-mounter installed"},
		"a helper that refuses":                {nil, func(m *machine) transport.Mounter { m.fault = errors.New("not you"); return m }, "mount job-3: not you"},
		"a mount in which nothing can be seen": {nil, func(m *machine) transport.Mounter { m.stale = 9; return m }, "look into what was mounted for job 3"},
	} {
		t.Run(name, func(t *testing.T) {
			_, task := newTask(t, 3)
			m := newMachine(t)
			cfg := transport.Config{Way: transport.NFS, Mounter: m, Log: slog.New(slog.DiscardHandler)}
			if c.m != nil {
				cfg.Mounter = c.m(m)
			}
			if c.change != nil {
				c.change(task)
			}
			tr := transport.New(cfg)
			_, _, err := tr.Reach(t.Context(), task)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			tr.Close()
			if len(m.mounted) > 0 {
				t.Errorf("still mounted: %v", m.mounted)
			}
		})
	}
}

func reach(t *testing.T, tr *transport.Transport, task *worker.Task) (done func()) {
	t.Helper()
	_, done, err := tr.Reach(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func wantSaid(t *testing.T, m *machine, want ...string) {
	t.Helper()
	if got := m.said(); !slices.Equal(got, want) {
		t.Errorf("the helper was asked %q, want %q", got, want)
	}
}

func TestAMountLastsAsLongAsItsJob(t *testing.T) {
	_, three := newTask(t, 3)
	_, four := newTask(t, 4)
	m := newMachine(t)
	synctest.Test(t, func(t *testing.T) {
		tr := transport.New(transport.Config{Way: transport.NFS, Mounter: m, Idle: time.Minute, Log: slog.New(slog.DiscardHandler)})
		reach(t, tr, three)()
		wantSaid(t, m, "mount job-3")

		time.Sleep(59 * time.Second) // of the bubble
		done := reach(t, tr, three)
		time.Sleep(10 * time.Minute)
		wantSaid(t, m) // the next range of the job uses the mount, however long it takes

		done()
		done() // does no harm
		time.Sleep(61 * time.Second)
		synctest.Wait()
		wantSaid(t, m, "unmount job-3")

		reach(t, tr, three)()
		reach(t, tr, four)()
		wantSaid(t, m, "mount job-3", "unmount job-3", "mount job-4")

		_ = os.Remove(filepath.Join(m.dir, "job-4", "project.ove")) // stale: the master has begun another life
		reach(t, tr, four)()
		wantSaid(t, m, "unmount job-4", "mount job-4")

		tr.Close()
		wantSaid(t, m, "unmount job-4")
		time.Sleep(time.Hour)
		wantSaid(t, m)
	})
}

func TestAMountOfAnotherLifeIsMadeAnew(t *testing.T) {
	_, task := newTask(t, 3)
	m := newMachine(t)
	m.stale = 1
	tr := transport.New(transport.Config{Way: transport.NFS, Mounter: m, Log: slog.New(slog.DiscardHandler)})
	reach(t, tr, task)()
	wantSaid(t, m, "mount job-3", "unmount job-3", "mount job-3")
	tr.Close()
}

func TestAMasterThatIsAwayIsWaitedFor(t *testing.T) {
	_, task := newTask(t, 3)
	m := newMachine(t)
	synctest.Test(t, func(t *testing.T) {
		tr := transport.New(transport.Config{Way: transport.NFS, Mounter: m, Log: slog.New(slog.DiscardHandler)})
		m.away = 20
		reach(t, tr, task)()
		wantSaid(t, m, "mount job-3")
		tr.Close()

		m.away = 1 << 30
		gone := errors.New("the range is not needed any more")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(gone) })
		if _, _, err := tr.Reach(ctx, task); !errors.Is(err, gone) {
			t.Errorf("%v, want %v", err, gone)
		}
	})
}

func TestWhatIsAbandonedIsUnmounted(t *testing.T) {
	_, task := newTask(t, 3)
	m := newMachine(t)
	tr := transport.New(transport.Config{Way: transport.NFS, Mounter: m, Log: slog.New(slog.DiscardHandler)})
	defer tr.Close()
	done := reach(t, tr, task)
	tr.Abandon(task)
	wantSaid(t, m, "mount job-3", "unmount job-3")
	done()
	tr.Abandon(task)
	wantSaid(t, m) // it is not ours any more
}
