package master_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
	"olive-distributed/daemon/worker"
)

func TestNothingIsAnsweredBeforeItIsDurable(t *testing.T) {
	r := newWorld(t)
	id := r.submit(40)
	r.hello("a")
	task := r.next("a")
	part := r.render(task)

	for name, call := range map[string]func() error{
		"submit": func() error { _, err := r.m.Submit(t.Context(), r.project(40)); return err },
		"pause":  func() error { return r.m.Pause(t.Context(), id) },
		"hello":  func() error { return r.m.Hello(t.Context(), worker.Spec{Name: "b"}, nil) },
		"done":   func() error { _, err := r.m.DoneNext(t.Context(), "a", task, part); return err },
	} {
		r.journal.hold(true)
		answered := make(chan error, 1)
		go func() { answered <- call() }()
		until(t, name+" in the journal", func() bool { return r.journal.waiting() > 0 })
		select {
		case err := <-answered:
			t.Errorf("%s is answered (%v) while its events are not durable", name, err)
		default:
		}
		r.journal.hold(false)
		if err := <-answered; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A repeated report brings no event, but the first one's may not be durable yet.
func TestARepeatedReportWaitsForTheFirstOne(t *testing.T) {
	r := newWorld(t)
	r.submit(40)
	r.hello("a")
	task := r.next("a")
	part := r.render(task)
	r.journal.hold(true)
	answers := make(chan error, 2)
	go func() { answers <- r.m.Done(t.Context(), "a", task, part) }()
	until(t, "the report in the journal", func() bool { return r.journal.waiting() > 0 })
	again, cancel := context.WithCancel(t.Context())
	go func() { answers <- r.m.Done(again, "a", task, part) }()
	// The view passes through the same loop, so the second report has been seen when it answers.
	r.job(1)
	select {
	case err := <-answers:
		t.Errorf("a report is answered (%v) while it is not durable", err)
	default:
	}
	r.journal.hold(false)
	for range 2 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	cancel()
}

func TestAJobGoesOnAfterACrashAndNoAcceptedRangeIsRenderedAgain(t *testing.T) {
	r := newWorld(t)
	id := r.submit(60)
	r.hello("a")
	accepted := map[uint32]bool{}
	for range 2 {
		task := r.next("a")
		if err := r.m.Done(t.Context(), "a", task, r.render(task)); err != nil {
			t.Fatal(err)
		}
		accepted[task.Range] = true
	}
	held := r.next("a")

	r.journal.hold(true) // what comes now is lost
	go func() { _ = r.m.Pause(t.Context(), id) }()
	until(t, "the pause in the journal", func() bool { return r.journal.waiting() > 0 })
	_ = r.end()
	r.journal = &notebook{kept: r.journal.kept}
	r.start()

	if v := r.job(id); v.State != farm.Running {
		t.Errorf("the job is %s", v.State)
	}
	// The worker has noticed nothing, goes on with its range and reports late.
	if err := r.m.Beat(t.Context(), "a", held, 3); err != nil {
		t.Errorf("beat for the range that the worker held: %v", err)
	}
	if err := r.m.Done(t.Context(), "a", held, r.render(held)); err != nil {
		t.Errorf("late report: %v", err)
	}
	accepted[held.Range] = true
	for {
		task := r.next("a")
		if accepted[task.Range] {
			t.Errorf("range %d is handed out again", task.Range)
		}
		accepted[task.Range] = true
		if err := r.m.Done(t.Context(), "a", task, r.render(task)); err != nil {
			t.Fatal(err)
		}
		if s := r.job(id).State; s != farm.Running {
			break
		}
	}
	film, err := r.wait(id)
	if err != nil || film.Frames != 60 {
		t.Errorf("film %+v, %v", film, err)
	}
	if left, _ := os.ReadDir(filepath.Join(r.dir, "jobs")); len(left) != 0 {
		t.Errorf("parts are left: %v", left)
	}
	log, err := os.ReadFile(filepath.Join(r.dir, "film.log"))
	if err != nil || len(log) == 0 {
		t.Errorf("log of both lives: %v", err)
	}
}

func TestTheLogOfAJobBeginsWithWhatWasSaidOfItBeforeACrash(t *testing.T) {
	r := newWorld(t)
	request := r.project(30)
	request.Data = []byte(strings.Replace(solid(30), "</clip>", `<effect name="Unheard/Of" enabled="1"/></clip>`, 1))
	request.IgnoreUnsupported = true
	id, err := r.m.Submit(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.end()
	r.start()
	log, err := r.m.Log(t.Context(), id)
	if err != nil || len(log) != 2 {
		t.Fatalf("the log is %+v, %v", log, err)
	}
	for i, want := range []master.Event{{Kind: "submitted", Text: "30 frames"}, {Kind: "note", Text: "Unheard/Of"}} {
		if e := log[i]; e.Kind != want.Kind || !strings.Contains(e.Text, want.Text) || e.Job != id || e.Time.IsZero() {
			t.Errorf("line %d is %+v, want %s of job %d with %q", i, e, want.Kind, id, want.Text)
		}
	}
}

func TestAJoinIsTakenUpAgain(t *testing.T) {
	r := newWorld(t)
	r.journal.stopAt = farm.JobDone
	id := r.submit(30)
	stop := r.crew("a")
	// The process dies before it can write down that the film is there.
	until(t, "the end of the join", r.journal.stopped)
	_ = r.end()
	stop()
	if err := os.Remove(filepath.Join(r.dir, "film.mkv")); err != nil {
		t.Fatal(err)
	}
	r.journal = &notebook{kept: r.journal.kept}
	r.start()
	if film, err := r.wait(id); err != nil || film.Frames != 30 {
		t.Errorf("film %+v, %v", film, err)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "film.mkv")); err != nil {
		t.Error(err)
	}
}

func TestAJoinWithoutItsPartsFails(t *testing.T) {
	r := newWorld(t)
	r.journal.stopAt = farm.JobDone
	id := r.submit(30)
	stop := r.crew("a")
	until(t, "the end of the join", r.journal.stopped)
	_ = r.end()
	stop()
	parts, _ := filepath.Glob(filepath.Join(r.dir, "jobs", "*", "*.mov"))
	if len(parts) == 0 {
		t.Fatal("the parts went before the film was written down")
	}
	os.Remove(parts[0])
	r.journal = &notebook{kept: r.journal.kept}
	r.start()
	if _, err := r.wait(id); err == nil {
		t.Error("a film without one of its parts")
	}
}

func TestALostJournalStopsTheMaster(t *testing.T) {
	r := newWorld(t)
	lost := errors.New("the disk is gone")
	r.journal.hold(true)
	answered := make(chan error, 1)
	go func() { _, err := r.m.Submit(t.Context(), r.project(30)); answered <- err }()
	until(t, "the job in the journal", func() bool { return r.journal.waiting() > 0 })
	r.journal.mu.Lock()
	r.journal.lost = lost
	r.journal.mu.Unlock()
	r.journal.hold(false)
	if err := <-answered; err == nil {
		t.Error("the job was acknowledged")
	}
	if err := r.end(); !errors.Is(err, lost) {
		t.Errorf("the master ended with %v", err)
	}
}

func TestAFullDiskTakesNothingAndHandsOutNothing(t *testing.T) {
	r := newWorld(t)
	r.submit(30)
	full := errors.New("the disk is full")
	r.journal.setHealth(full)
	if _, err := r.m.Submit(t.Context(), r.project(30)); !errors.Is(err, full) {
		t.Errorf("submit: %v", err)
	}
	r.hello("a")
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	go func() { _, err := r.m.Next(ctx, "a"); got <- err }()
	if v, _ := r.m.View(t.Context()); v.Degraded != full.Error() {
		t.Errorf("degraded: %q", v.Degraded)
	}
	select {
	case err := <-got:
		t.Errorf("a task was handed out (%v)", err)
	default:
	}
	r.journal.setHealth(nil)
	if err := <-got; err != nil {
		t.Error(err)
	}
	cancel()
}

func TestFoldersOfNoJobGo(t *testing.T) {
	r := newWorld(t)
	r.submit(30)
	_ = r.end()
	stranger := filepath.Join(r.dir, "jobs", "stranger")
	if err := os.MkdirAll(stranger, 0o700); err != nil {
		t.Fatal(err)
	}
	r.start()
	if _, err := os.Stat(stranger); !os.IsNotExist(err) {
		t.Errorf("the folder of nobody: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(r.dir, "jobs")); len(left) != 1 {
		t.Errorf("the job's own folder is gone: %v", left)
	}
}

func TestCommands(t *testing.T) {
	r := newWorld(t)
	id := r.submit(30)
	ctx := t.Context()
	steps := []struct {
		name string
		do   func() error
		want farm.State
	}{
		{"pause", func() error { return r.m.Pause(ctx, id) }, farm.Paused},
		{"resume", func() error { return r.m.Resume(ctx, id) }, farm.Queued},
		{"priority", func() error { return r.m.SetPriority(ctx, id, 5) }, farm.Queued},
		{"cancel", func() error { return r.m.Cancel(ctx, id) }, farm.Cancelled},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		if v := r.job(id); v.State != s.want {
			t.Errorf("after %s it is %s, want %s", s.name, v.State, s.want)
		}
	}
	if _, err := r.wait(id); !errors.Is(err, master.ErrCancelled) {
		t.Errorf("wait: %v", err)
	}
	var state *farm.StateError
	if err := r.m.Retry(ctx, id); !errors.As(err, &state) {
		t.Errorf("retry of a cancelled job: %v", err)
	}
	if err := r.m.Forget(ctx, id); err != nil {
		t.Error(err)
	}
	if err := r.m.Cancel(ctx, id); !errors.Is(err, farm.ErrNoJob) {
		t.Errorf("cancel of a forgotten job: %v", err)
	}
}

func TestAFailedJobCanBeRetried(t *testing.T) {
	r := newWorld(t)
	id := r.submit(30)
	r.hello("a")
	for r.job(id).State != farm.Failed {
		task := r.next("a")
		if err := r.m.Failed(t.Context(), "a", task, worker.Failure{Reason: "no light"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.wait(id); err == nil || !strings.Contains(err.Error(), "no light") {
		t.Errorf("the reason is not told: %v", err)
	}
	if err := r.m.Retry(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	r.crew("b")
	if err := r.m.Goodbye(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if _, err := r.wait(id); err != nil {
		t.Error(err)
	}
}

func TestAPartThatIsNotWhatWasReportedIsRefused(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"other bytes": func(path string) error {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			data[len(data)/2] ^= 1
			return os.WriteFile(path, data, 0o600)
		},
		"cut short": func(path string) error { return os.Truncate(path, 100) },
		"missing":   os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			r := newWorld(t)
			id := r.submit(30)
			r.hello("a")
			task := r.next("a")
			part := r.render(task)
			if err := damage(task.Part); err != nil {
				t.Fatal(err)
			}
			if err := r.m.Done(t.Context(), "a", task, part); err != nil {
				t.Fatal(err)
			}
			if s := r.job(id).Ranges[task.Range].State; s != farm.Failed {
				t.Errorf("the range is %s", s)
			}
		})
	}
}
