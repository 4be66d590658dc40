package farm_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"pgregory.net/rapid"

	"olive-distributed/daemon/farm"
)

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// A world is a farm under test with its clock and its log.
type world struct {
	rapid.TB
	f   *farm.Farm
	now time.Time
	log []farm.Event
}

func newWorld(t rapid.TB, p farm.Policy) *world {
	return &world{TB: t, f: farm.New(p), now: epoch}
}

// keep appends events to the log and passes the error on.
func (w *world) keep(events []farm.Event, err error) error {
	w.log = append(w.log, events...)
	return err
}

// must is keep for commands that must succeed.
func (w *world) must(events []farm.Event, err error) []farm.Event {
	w.Helper()
	if err := w.keep(events, err); err != nil {
		w.Fatal(err)
	}
	return events
}

func (w *world) submit(spec farm.JobSpec) uint32 {
	w.Helper()
	if spec.FPS == 0 {
		spec.FPS = 25
	}
	id, events, err := w.f.Submit(w.now, spec)
	w.must(events, err)
	return id
}

// hello takes in workers that have just been started.
func (w *world) hello(names ...string) {
	w.Helper()
	for _, name := range names {
		w.must(w.f.Hello(w.now, farm.WorkerSpec{Name: name}, farm.RangeID{}))
	}
}

// wait lets time pass, in which everybody who is live beats without progress.
func (w *world) wait(d time.Duration) {
	w.Helper()
	for ; d > 0; d -= time.Second {
		w.now = w.now.Add(min(d, time.Second))
		for _, v := range w.f.Workers() {
			if v.Live {
				if err := w.f.Beat(w.now, v.Spec.Name, v.Holds, 0); err != nil {
					w.Fatal(err)
				}
			}
		}
		w.must(w.f.Expire(w.now), nil)
	}
}

// freeze lets time pass in which only these workers are heard.
func (w *world) freeze(d time.Duration, heard ...string) {
	w.Helper()
	w.now = w.now.Add(d)
	for _, name := range heard {
		if err := w.f.Beat(w.now, name, farm.RangeID{}, 0); err != nil {
			w.Fatal(err)
		}
	}
	w.must(w.f.Expire(w.now), nil)
}

// next asks for work: "1/0 [0,48)", with "+" behind a copy; "-" for no work.
func (w *world) next(name string) string {
	w.Helper()
	a, events, err := w.f.Next(w.now, name)
	if errors.Is(err, farm.ErrNoWork) {
		return "-"
	}
	w.must(events, err)
	text := fmt.Sprintf("%v [%d,%d)", a.ID, a.First, a.End)
	if a.Content != farm.Picture {
		text += " " + string(a.Content)
	}
	if a.Copy {
		text += "+"
	}
	return text
}

func (w *world) wantNext(name, want string) {
	w.Helper()
	if got := w.next(name); got != want {
		w.Fatalf("Next(%q) = %q, want %q", name, got, want)
	}
}

func (w *world) complete(name string, job, n uint32) []farm.Event {
	w.Helper()
	return w.must(w.f.Complete(w.now, name, farm.RangeID{Job: job, Range: n}, farm.Result{Part: name}))
}

func (w *world) fail(name string, job, n uint32) []farm.Event {
	w.Helper()
	return w.must(w.f.Fail(w.now, name, farm.RangeID{Job: job, Range: n}, "no luck", false))
}

func (w *world) wantStale(err error) {
	w.Helper()
	if _, ok := errors.AsType[*farm.StaleError](err); !ok {
		w.Fatalf("error %v, want a StaleError", err)
	}
}

func (w *world) job(id uint32) farm.JobView {
	w.Helper()
	v, ok := w.f.Job(id)
	if !ok {
		w.Fatalf("no job %d", id)
	}
	return v
}

func (w *world) wantState(id uint32, want farm.State) {
	w.Helper()
	if got := w.job(id).State; got != want {
		w.Fatalf("job %d is %s, want %s", id, got, want)
	}
}

// snapshot is the state as one text.
func snapshot(t rapid.TB, f *farm.Farm) string {
	t.Helper()
	s, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// replay folds the log, which goes through JSON as it would on disk.
func replay(t rapid.TB, log []farm.Event) *farm.Farm {
	t.Helper()
	f := farm.New(farm.Policy{})
	for _, e := range log {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var read farm.Event
		if err := json.Unmarshal(data, &read); err != nil {
			t.Fatal(err)
		}
		if err := f.Apply(read); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// restore takes the farm through a snapshot.
func restore(t rapid.TB, p farm.Policy, f *farm.Farm) *farm.Farm {
	t.Helper()
	var s farm.Snapshot
	if err := json.Unmarshal([]byte(snapshot(t, f)), &s); err != nil {
		t.Fatal(err)
	}
	g, err := farm.Restore(p, s)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// check holds the state against what must always be true.
func (w *world) check() {
	w.Helper()
	if err := w.f.Check(); err != nil {
		w.Fatal(err)
	}
	live := snapshot(w, w.f)
	if got := snapshot(w, replay(w, w.log)); got != live {
		w.Fatalf("the log folds to\n%s\nbut the farm is\n%s", got, live)
	}
	if got := snapshot(w, restore(w, farm.Policy{}, w.f)); got != live {
		w.Fatalf("the snapshot restores to\n%s\nbut the farm is\n%s", got, live)
	}
}
