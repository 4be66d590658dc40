package master_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/share"
	"olive-distributed/daemon/worker"
)

// A watch is the clock of shares.
type watch struct {
	mu sync.Mutex
	at time.Time
}

func (w *watch) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *watch) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// newOpenWorld is a world whose files workers elsewhere may see.
func newOpenWorld(t *testing.T) (*world, *watch) {
	w, clock := newWorld(t), &watch{at: time.Unix(1e9, 0)}
	w.end()
	w.open(clock)
	return w, clock
}

// open begins another master, with other shares.
func (r *world) open(clock *watch) {
	r.shares = share.New(share.Config{Now: clock.now, Log: slog.New(slog.DiscardHandler)})
	r.start()
}

// sees lists what a worker can mount.
func (r *world) sees(name string) []string {
	var names []string
	for _, e := range r.shares.View(name).Exports() {
		names = append(names, e.Name())
	}
	return names
}

func (r *world) wantSeen(name string, want bool) {
	r.t.Helper()
	if got := r.sees(name); (len(got) == 1) != want {
		r.t.Errorf("%s sees %q, want it to see the job: %v", name, got, want)
	}
}

func TestWhatAWorkerSeesFollowsTheFarm(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(w *world, clock *watch, id uint32, task *worker.Task)
		seen bool
	}{
		"at a range": {func(*world, *watch, uint32, *worker.Task) {}, true},
		"its report is accepted": {func(w *world, _ *watch, _ uint32, task *worker.Task) {
			if err := w.m.Done(w.t.Context(), "ada", task, w.render(task)); err != nil {
				w.t.Error(err)
			}
		}, true},
		"and long ago": {func(w *world, clock *watch, _ uint32, task *worker.Task) {
			if err := w.m.Done(w.t.Context(), "ada", task, w.render(task)); err != nil {
				w.t.Error(err)
			}
			clock.pass(time.Minute)
		}, false},
		"it fails the range, long ago": {func(w *world, clock *watch, _ uint32, task *worker.Task) {
			if err := w.m.Failed(w.t.Context(), "ada", task, worker.Failure{Reason: "x"}); err != nil {
				w.t.Error(err)
			}
			clock.pass(time.Minute)
		}, false},
		"the job is cancelled": {func(w *world, _ *watch, id uint32, _ *worker.Task) {
			if err := w.m.Cancel(w.t.Context(), id); err != nil {
				w.t.Error(err)
			}
		}, false},
		"the worker leaves": {func(w *world, _ *watch, _ uint32, _ *worker.Task) {
			if err := w.m.Goodbye(w.t.Context(), "ada"); err != nil {
				w.t.Error(err)
			}
		}, false},
		"the worker is dismissed": {func(w *world, _ *watch, _ uint32, _ *worker.Task) {
			if err := w.m.Dismiss(w.t.Context(), "ada"); err != nil {
				w.t.Error(err)
			}
		}, false},
		"the job is paused": {func(w *world, _ *watch, id uint32, _ *worker.Task) {
			if err := w.m.Pause(w.t.Context(), id); err != nil {
				w.t.Error(err)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w, clock := newOpenWorld(t)
			id := w.submit(64)
			w.hello("ada")
			w.wantSeen("ada", false)
			task := w.next("ada")
			w.wantSeen("bob", false)
			c.act(w, clock, id, task)
			w.wantSeen("ada", c.seen)
		})
	}
}

func TestAWorkerThatIsSilentIsStillShownItsRangeForAWhile(t *testing.T) {
	w, clock := newOpenWorld(t)
	w.submit(64)
	w.hello("ada")
	task := w.next("ada")
	if err := w.m.Configure(t.Context(), farm.Policy{LeaseTimeout: time.Millisecond}, 0); err != nil {
		t.Fatal(err)
	}
	until(t, "the loss of ada", func() bool { return !w.live("ada") })
	w.wantSeen("ada", true)
	clock.pass(90 * time.Second)
	w.wantSeen("ada", true) // a network that was cut for a minute
	if err := w.m.Configure(t.Context(), policy, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.m.Beat(t.Context(), "ada", task, 1); err != nil {
		t.Fatal(err)
	}
	clock.pass(time.Hour)
	w.wantSeen("ada", true) // it is back, with its range
}

func (r *world) live(name string) bool {
	v, err := r.m.View(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, w := range v.Workers {
		if w.Spec.Name == name {
			return w.Live
		}
	}
	return false
}

func TestTheNextMasterShowsWhatTheFarmHasHandedOut(t *testing.T) {
	w, clock := newOpenWorld(t)
	w.submit(64)
	w.hello("ada")
	task := w.next("ada")
	names := w.sees("ada")
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	w.open(clock)
	w.wantSeen("ada", true)
	if got := w.sees("ada"); got[0] != names[0] || got[0] != task.Share.Export {
		t.Errorf("it is called %q, was %q", got, names)
	}
	again := w.next("ada")
	if again.Share == nil || again.Share.Digest != task.Share.Digest || again.Share.Inode != task.Share.Inode {
		t.Errorf("the task says %+v, said %+v", again.Share, task.Share)
	}
}

func TestATaskSaysHowItsFilesAreReached(t *testing.T) {
	w, _ := newOpenWorld(t)
	w.submit(64)
	w.hello("ada")
	task := w.next("ada")
	s := task.Share
	if s == nil {
		t.Fatal("it does not")
	}
	if s.Boot != worker.BootID() || s.Export != "job-1" || s.Part != "parts/"+filepath.Base(task.Part) || len(s.Media) != len(task.Plan.Media) {
		t.Errorf("%+v", s)
	}
	_, digest, err := render.ReadProject(filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(task.Part))), "shared.ove"))
	if err != nil || digest != s.Digest {
		t.Errorf("the project is %s, %v, the share says %s", digest, err, s.Digest)
	}
}

func TestAMasterThatShowsNothingSaysSo(t *testing.T) {
	w := newWorld(t)
	w.submit(64)
	w.hello("ada")
	if task := w.next("ada"); task.Share != nil {
		t.Errorf("%+v", task.Share)
	}
}

// A worker can write into its inbox as long as it likes: what counts is out of its reach.
func TestAnAcceptedPartIsOutOfItsWorkersReach(t *testing.T) {
	w, _ := newOpenWorld(t)
	id := w.submit(64)
	w.hello("ada")
	task := w.next("ada")
	delivery := w.render(task)
	if err := w.m.Done(t.Context(), "ada", task, delivery); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(task.Part); !os.IsNotExist(err) {
		t.Errorf("the part is still in the inbox: %v", err)
	}
	if err := os.WriteFile(task.Part, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.m.Done(t.Context(), "ada", task, delivery); err != nil {
		t.Errorf("the same report again: %v", err)
	}
	w.crew("bob")
	if err := w.m.Goodbye(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.wait(id); err != nil {
		t.Error(err)
	}
}

// What a worker has left in its inbox, as when it was killed, must not take up its quota.
func TestAnInboxIsEmptyWhenARangeBegins(t *testing.T) {
	w, _ := newOpenWorld(t)
	w.submit(64)
	w.hello("ada")
	task := w.next("ada")
	left := filepath.Join(filepath.Dir(task.Part), "left.tmp")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.m.Failed(t.Context(), "ada", task, worker.Failure{Reason: "x"}); err != nil {
		t.Fatal(err)
	}
	if again := w.next("ada"); filepath.Dir(again.Part) != filepath.Dir(task.Part) {
		t.Fatalf("%s, was %s", again.Part, task.Part)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", left, err)
	}
}

func TestAPartThatAPowerCutHasPutBackIsFound(t *testing.T) {
	w, clock := newOpenWorld(t)
	id := w.submit(64)
	w.hello("ada")
	task := w.next("ada")
	if err := w.m.Done(t.Context(), "ada", task, w.render(task)); err != nil {
		t.Fatal(err)
	}
	part := w.job(id).Ranges[task.Range].Result.Part
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(task.Part))), part)
	if err := os.Rename(kept, task.Part); err != nil {
		t.Fatal(err)
	}
	w.open(clock)
	w.hello("ada")
	w.next("ada") // which gets an empty inbox
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}
