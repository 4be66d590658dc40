package journal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"olive-distributed/daemon/bus/journal"
	"olive-distributed/daemon/farm"
)

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) {
	if dir := os.Getenv("JOURNAL_TEST_CHILD"); dir != "" {
		child(dir)
		return
	}
	if dir := os.Getenv("JOURNAL_TEST_FILL"); dir != "" {
		fill(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// A world is a farm whose events go into a journal.
type world struct {
	testing.TB
	cfg journal.Config
	j   *journal.Journal
	f   *farm.Farm
	now time.Time
}

// open opens the store, which must work.
func open(t testing.TB, cfg journal.Config) *world {
	t.Helper()
	j, f, err := journal.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &world{TB: t, cfg: cfg, j: j, f: f, now: epoch}
}

func (w *world) close() {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := w.j.Close(ctx); err != nil {
		w.Fatal(err)
	}
}

func (w *world) append(events []farm.Event, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
	if err := w.j.Append(context.Background(), events); err != nil {
		w.Fatal(err)
	}
}

// begin gives the farm a worker and a job.
func (w *world) begin() {
	w.Helper()
	w.append(w.f.Hello(w.now, farm.WorkerSpec{Name: "ada", Boot: "1", Engines: []string{"builtin"}}, farm.RangeID{}))
	_, events, err := w.f.Submit(w.now, farm.JobSpec{Name: "film", End: 1 << 39, FPS: 25, Data: json.RawMessage(`{"x":1}`)})
	w.append(events, err)
}

// turn is the assignment of a range and its completion: two events.
func turn(t testing.TB, f *farm.Farm, now *time.Time) []farm.Event {
	t.Helper()
	a, first, err := f.Next(*now, "ada")
	if err != nil {
		t.Fatal(err)
	}
	*now = now.Add(10 * time.Second)
	second, err := f.Complete(*now, "ada", a.ID, farm.Result{
		Part: fmt.Sprintf("parts/%v-ada.mkv", a.ID), Size: 1 << 22, Frames: a.End - a.First, SHA256: fmt.Sprintf("%064x", a.First),
	})
	if err != nil {
		t.Fatal(err)
	}
	return append(first, second...)
}

func (w *world) turns(n int) {
	w.Helper()
	for range n {
		w.append(turn(w, w.f, &w.now), nil)
	}
}

func (w *world) snapshot() {
	w.Helper()
	done := make(chan error, 1)
	w.j.Snapshot(w.f, func(err error) { done <- err })
	if err := <-done; err != nil {
		w.Fatal(err)
	}
}

func state(t testing.TB, f *farm.Farm) string {
	t.Helper()
	s, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// reopen closes and opens the store, and compares the farm.
func (w *world) reopen() *world {
	w.Helper()
	w.close()
	again := open(w.TB, w.cfg)
	if got, want := state(w, again.f), state(w, w.f); got != want {
		w.Fatalf("after the restart the farm is\n%s\nwant\n%s", got, want)
	}
	again.now = w.now
	return again
}

func config(t testing.TB) journal.Config {
	return journal.Config{Dir: filepath.Join(t.TempDir(), "store"), Reserve: 1 << 20}
}

func TestAFarmComesBackAsItWas(t *testing.T) {
	w := open(t, config(t))
	w = w.reopen() // an empty one too
	w.begin()
	w.turns(5)
	w = w.reopen() // log only
	w.turns(5)
	w.snapshot()
	w = w.reopen() // snapshot only
	w.turns(5)
	w = w.reopen() // both
	_, events, err := w.f.Submit(w.now, farm.JobSpec{Name: "second", End: 1000, FPS: 25})
	w.append(events, err)
	w.snapshot()
	w.append(w.f.Cancel(w.now, 2))
	w.append(w.f.Forget(w.now, 2))
	w.append(w.f.Goodbye(w.now, "ada"))
	w.snapshot()
	w = w.reopen()
	r := report(t, w)
	if r.Jobs != 1 || r.Workers != 1 || r.Replayed != 0 || r.Covered != r.Events || len(r.Torn) != 0 {
		t.Errorf("Check = %+v", r)
	}
}

// report checks the store offline.
func report(t testing.TB, w *world) journal.Report {
	t.Helper()
	if _, err := journal.Check(w.cfg.Dir); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("Check of an open store: %v, want %v", err, journal.ErrLocked)
	}
	w.close()
	r, err := journal.Check(w.cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A worker that leaves takes its range out of a job that no event names: that job must be in the
// next snapshot, though the snapshot before had it.
func TestAWorkersLossIsInTheSnapshot(t *testing.T) {
	w := open(t, config(t))
	w.begin()
	_, events, err := w.f.Next(w.now, "ada")
	w.append(events, err)
	w.snapshot()
	w.append(w.f.Goodbye(w.now, "ada"))
	w.snapshot()
	w.reopen().close()
}

func TestOneStoreOneMaster(t *testing.T) {
	w := open(t, config(t))
	defer w.close()
	if _, _, err := journal.Open(t.Context(), w.cfg); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("second Open: %v, want %v", err, journal.ErrLocked)
	}
}

func TestEventsInOrderAndTogether(t *testing.T) {
	w := open(t, config(t))
	w.begin()
	var order []int
	done := make(chan struct{})
	const n = 2000
	for i := range n {
		w.j.Enqueue(turn(t, w.f, &w.now), func(err error) {
			if err != nil {
				t.Error(err)
			}
			if order = append(order, i); i == n-1 {
				close(done)
			}
		})
	}
	<-done
	for i, got := range order {
		if got != i {
			t.Fatalf("answer %d came in place %d", got, i)
		}
	}
	w = w.reopen()
	r := report(t, w)
	if r.Records > n/4 {
		t.Errorf("%d records for %d calls: no group commit", r.Records, n)
	}
}

func TestACloseFlushes(t *testing.T) {
	w := open(t, config(t))
	w.begin()
	for range 100 {
		w.j.Enqueue(turn(t, w.f, &w.now), func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	w.reopen().close()
	if err := w.j.Append(t.Context(), nil); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Append after Close: %v, want %v", err, journal.ErrClosed)
	}
}

func TestTooLargeEndsTheJournal(t *testing.T) {
	w := open(t, config(t))
	w.begin()
	_, events, err := w.f.Submit(w.now, farm.JobSpec{Name: strings.Repeat("x", 8<<20), End: 1, FPS: 25})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.j.Append(t.Context(), events); !errors.Is(err, journal.ErrTooLarge) {
		t.Errorf("Append of 8 MB: %v, want %v", err, journal.ErrTooLarge)
	}
	if err := w.j.Append(t.Context(), nil); !errors.Is(err, journal.ErrTooLarge) || !errors.Is(w.j.Health(), journal.ErrTooLarge) {
		t.Errorf("Append after it: %v, health %v, want %v", err, w.j.Health(), journal.ErrTooLarge)
	}
	w.close()
}

// Each publish times out, though its record may have been written: the end of the log decides.
func TestUnknownOutcomesAreSettled(t *testing.T) {
	cfg := config(t)
	w := open(t, cfg)
	w.begin()
	w.close()
	var unknown int
	cfg.OnHealth = func(err error) {
		if errors.Is(err, journal.ErrUnknown) {
			unknown++
		}
	}
	for _, patience := range []time.Duration{time.Nanosecond, 300 * time.Microsecond, time.Millisecond} {
		now := w.now
		w = open(t, cfg.Impatient(patience, time.Millisecond))
		w.now = now
		for range 6 {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			err := w.j.Append(ctx, turn(t, w.f, &w.now))
			cancel()
			if err != nil && !errors.Is(err, journal.ErrUnknown) {
				t.Fatal(err)
			}
		}
		w.cfg = cfg
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := w.j.Close(ctx)
		cancel()
		again := open(t, cfg)
		if got, want := state(t, again.f), state(t, w.f); err == nil && got != want {
			t.Fatalf("after the restart the farm is\n%s\nwant\n%s", got, want)
		}
		again.now = w.now
		again.close()
		w = again
	}
	if unknown == 0 {
		t.Error("no publish timed out: the test tests nothing")
	}
}
