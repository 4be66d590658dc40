// Package transport makes the files of tasks reachable on the worker's machine: by the master's own paths, by a common
// storage that has another name here, or as a mount of the master's export.
//
// A task is moved whole: its project, its media and its part. What is mounted for a job stays as long as the worker is
// at it, and a while longer. A mount that has become stale is made anew, once. An error leaves nothing
// mounted that was not before, as far as the mount helper answers.
package transport

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"olive-distributed/daemon/worker"
)

// A Way is how files are reached.
type Way string

// The ways.
const (
	Auto   Way = "auto"   // Local on the master's own machine, NFS elsewhere
	Local  Way = "local"  // by the master's paths
	NFS    Way = "nfs"    // as a mount
	Shared Way = "shared" // by the table, and what is not in it as a mount
)

// A Rule says that what the master knows below From lies below To here. Both are clean absolute paths.
type Rule struct{ From, To string }

// A Mounter mounts exports of the master.
type Mounter interface {
	// Mount returns where the export is. One that is mounted already gives the same path. Errors: [ErrAway].
	Mount(ctx context.Context, export string) (path string, err error)
	// Unmount takes it away, also from who still uses it, and from a master that does not answer.
	Unmount(ctx context.Context, export string) error
}

// ErrAway is a Mounter's error when the master does not answer.
var ErrAway = errors.New("the master does not answer")

// Config of [New].
type Config struct {
	Way     Way           // "": Auto
	Rules   []Rule        // of Shared; the longest From that fits counts
	Mounter Mounter       // nil: nothing can be mounted
	Idle    time.Duration // how long a mount stays that no task uses; 0: a minute
	Log     *slog.Logger  // nil: [slog.Default]
}

// A Transport implements [worker.Files]. Make it with [New], and [Transport.Close] it.
type Transport struct {
	cfg  Config
	boot string // ID of this machine's

	mu     sync.Mutex
	mounts map[string]*mount // by export
	work   sync.WaitGroup    // unmounting
	closed bool
}

// A mount is an export that is mounted.
type mount struct {
	path  string
	users int
	idle  *time.Timer // runs out when nobody uses it; nil: somebody does
}

var _ worker.Files = (*Transport)(nil)

// New returns a transport that has nothing mounted.
func New(cfg Config) *Transport {
	cfg.Way, cfg.Idle = cmp.Or(cfg.Way, Auto), cmp.Or(cfg.Idle, time.Minute)
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Transport{cfg: cfg, boot: worker.BootID(), mounts: map[string]*mount{}}
}

// Reach implements [worker.Files].
func (t *Transport) Reach(ctx context.Context, task *worker.Task) (*worker.Task, func(), error) {
	nothing := func() {}
	switch {
	case t.cfg.Way == Local, t.cfg.Way == Auto && t.here(task):
		return task, nothing, nil
	case t.cfg.Way == Shared:
		if here, all := t.moved(task, nil); all {
			return here, nothing, nil
		}
	}
	if err := t.canMount(task); err != nil {
		return nil, nil, err
	}
	path, err := t.mount(ctx, task)
	if err != nil {
		return nil, nil, err
	}
	done := sync.OnceFunc(func() { t.release(task.Share.Export) })
	here := task.In(path)
	if t.cfg.Way == Shared {
		here, _ = t.moved(task, here)
	}
	return here, done, nil
}

// here reports whether the master runs on this machine, and its files can be seen from here: a container on
// the same machine may have others.
func (t *Transport) here(task *worker.Task) bool {
	if task.Share == nil { // the master shows its files to nobody: they must be here
		return true
	}
	if t.boot == "" || task.Share.Boot != t.boot {
		return false
	}
	inbox := filepath.Dir(task.Part)
	info, err := os.Stat(filepath.Dir(filepath.Dir(inbox)))
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Dev != task.Share.Device || st.Ino != task.Share.Inode {
		return false
	}
	for _, path := range append([]string{inbox}, pathsOf(task)...) {
		if strings.Contains(path, "%") {
			path = filepath.Dir(path) // a picture of an image sequence would have to be looked for
		}
		if _, err := os.Stat(path); err != nil {
			return false
		}
	}
	return true
}

// pathsOf lists what a task reads.
func pathsOf(task *worker.Task) []string {
	paths := []string{task.Plan.Project}
	for _, m := range task.Plan.Media {
		paths = append(paths, m.Path)
	}
	return paths
}

// moved moves a task's paths by the rules, and those that none fits to where they are in mounted; all reports
// whether there were none of these.
func (t *Transport) moved(task, mounted *worker.Task) (here *worker.Task, all bool) {
	all = true
	var other map[string]string
	if mounted != nil {
		other = map[string]string{task.Part: mounted.Part}
		for i, m := range task.Plan.Media {
			other[m.Path] = mounted.Plan.Media[i].Path
		}
	}
	byRule := func(path string) string {
		if to, ok := t.rule(path); ok {
			return to
		}
		all = false
		return other[path]
	}
	here = task.At(byRule)
	if _, ok := t.rule(task.Plan.Project); !ok && mounted != nil {
		here.Plan.Project, here.Plan.Digest = mounted.Plan.Project, mounted.Plan.Digest
	}
	return here, all
}

// rule applies the rule that fits a path best.
func (t *Transport) rule(path string) (to string, ok bool) {
	longest := -1
	for _, r := range t.cfg.Rules {
		rest, fits := strings.CutPrefix(path, strings.TrimSuffix(r.From, "/"))
		if fits && (rest == "" || rest[0] == '/') && len(r.From) > longest {
			longest, to, ok = len(r.From), filepath.Join(r.To, rest), true
		}
	}
	return to, ok
}

// canMount says why a task cannot be reached as a mount.
func (t *Transport) canMount(task *worker.Task) error {
	switch s := task.Share; {
	case s == nil:
		return errors.New("the master shows its files to no other machine: set [media] transport = \"auto\" in its settings, or give this worker the same paths and set \"local\"")
	case len(s.Media) != len(task.Plan.Media), !inside(s.Part), !inside(s.Project), !allInside(s.Media):
		return errors.New("the master says it in words that are not understood: install the same version here and there")
	case t.cfg.Mounter == nil:
		return errors.New("nothing can be mounted here: is olive-mounter installed, and the D-Bus there? Else see [media] in the worker's settings")
	}
	return nil
}

// inside reports whether a path stays in the export.
func inside(path string) bool { return filepath.IsLocal(path) }

func allInside(paths []string) bool {
	for _, p := range paths {
		if !inside(p) {
			return false
		}
	}
	return true
}

// Abandon implements [worker.Files]: it unmounts.
func (t *Transport) Abandon(task *worker.Task) {
	if task.Share == nil {
		return
	}
	t.mu.Lock()
	m := t.mounts[task.Share.Export]
	delete(t.mounts, task.Share.Export)
	t.mu.Unlock()
	if m != nil {
		t.cfg.Log.Warn("a range hangs in the files of its job, which are unmounted", "job", task.Job, "path", m.path)
		t.unmount(task.Share.Export)
	}
}
