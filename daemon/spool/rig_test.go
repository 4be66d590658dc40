package spool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"olive-distributed/daemon/spool"
	"olive-distributed/daemon/spool/ready"
)

const whole = "<project>all of it</project>"

var errNoEnd = errors.New("line 1, column 9: the project ends in the middle: save it again in Olive")

// check is a reader that wants the end of the project.
func check(_ context.Context, r io.Reader, _ string) error {
	data, err := io.ReadAll(r)
	if err == nil && !bytes.HasSuffix(data, []byte("</project>")) {
		err = errNoEnd
	}
	return err
}

// A farm is an intake that keeps its promise about keys.
type farm struct {
	mu    sync.Mutex
	jobs  map[string]uint32
	drops chan spool.Drop // each new job
	fault func(d spool.Drop, call int) error
	calls map[string]int
	ended map[string]*spool.Outcome
}

func newFarm() *farm {
	return &farm{
		jobs: map[string]uint32{}, drops: make(chan spool.Drop, 20_000),
		calls: map[string]int{}, ended: map[string]*spool.Outcome{},
		fault: func(spool.Drop, int) error { return nil },
	}
}

func (f *farm) Submit(_ context.Context, d spool.Drop) (spool.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[d.Key]++
	if err := f.fault(d, f.calls[d.Key]); err != nil {
		return spool.Receipt{}, err
	}
	id, known := f.jobs[d.Key]
	if !known {
		id = uint32(len(f.jobs) + 1)
		f.jobs[d.Key] = id
		f.drops <- d
	}
	return spool.Receipt{Job: id, Ended: f.ended[d.Key]}, nil
}

// A rig is a hot folder that is served.
type rig struct {
	t *testing.T
	*spool.Spool
	*farm
	root string
	stop func()
}

func open(t *testing.T, root string, f *farm, opt spool.Options) *rig {
	t.Helper()
	s, err := spool.Open(root, check, f, opt)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, Spool: s, farm: f, root: root}
}

func (r *rig) run() *rig {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
			r.t.Errorf("Run: %v", err)
		}
	})
	r.stop = sync.OnceFunc(func() {
		cancel()
		group.Wait()
		r.Close()
	})
	r.t.Cleanup(r.stop)
	return r
}

// quick are rules for tests in real time.
var quick = spool.Options{Rules: ready.Rules{Settle: 30 * time.Millisecond, Patience: 100 * time.Millisecond}, Retry: 20 * time.Millisecond}

func start(t *testing.T, opt spool.Options) *rig {
	t.Helper()
	return open(t, t.TempDir(), newFarm(), opt).run()
}

func (r *rig) in(parts ...string) string { return filepath.Join(append([]string{r.root}, parts...)...) }

func (r *rig) write(text string, parts ...string) string {
	r.t.Helper()
	path := r.in(parts...)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o775), os.WriteFile(path, []byte(text), 0o664)); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// moveIn renames a complete file into incoming.
func (r *rig) moveIn(name, text string) {
	r.t.Helper()
	from := r.write(text, ".outside", "x")
	if err := os.Rename(from, r.in("incoming", name)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) next() spool.Drop {
	r.t.Helper()
	select {
	case d := <-r.drops:
		return d
	case <-time.After(20 * time.Second):
		r.t.Fatalf("no drop was submitted; pending: %v", r.Pending())
		panic("unreachable")
	}
}

func (r *rig) none() {
	r.t.Helper()
	select {
	case d := <-r.drops:
		r.t.Fatalf("submitted: %+v", d)
	default:
	}
}

// film plays a job that is done.
func (r *rig) film(d spool.Drop) {
	r.t.Helper()
	if err := os.WriteFile(d.Output, []byte("film"), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := r.Finish(d.Key, spool.Outcome{Result: spool.Done, Film: d.Output}); err != nil {
		r.t.Fatal(err)
	}
}

// wait returns when ok does not fail any more.
func (r *rig) wait(ok func() error) {
	r.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatal(err)
		}
	}
}

// names lists a folder of the spool.
func (r *rig) names(folder string) string {
	list, err := os.ReadDir(r.in(folder))
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, d := range list {
		names = append(names, d.Name())
	}
	return strings.Join(names, " ")
}

func (r *rig) wantNames(folder, want string) {
	r.t.Helper()
	if got := r.names(folder); got != want {
		r.t.Errorf("%s holds %q, want %q", folder, got, want)
	}
}

func (r *rig) waitNames(folder, want string) {
	r.t.Helper()
	r.wait(func() error {
		if got := r.names(folder); got != want {
			return fmt.Errorf("%s holds %q, want %q; pending %v", folder, got, want, r.Pending())
		}
		return nil
	})
}

func (r *rig) wantLog(path string, texts ...string) {
	r.t.Helper()
	data, err := os.ReadFile(r.in(path))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, text := range texts {
		if !strings.Contains(string(data), text) {
			r.t.Errorf("%s does not say %q:\n%s", path, text, data)
		}
	}
}
