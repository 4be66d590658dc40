package dbus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

func TestStatusIsWhatTheMasterHas(t *testing.T) {
	f := newFake()
	now := time.UnixMicro(1_700_000_000_123_456)
	job := dbus.Job{
		ID: 3, Name: "film", Project: "/p/film.ove", State: farm.Failed, Progress: 0.5, FramesTotal: 100, FramesDone: 50, Speed: 12.5,
		ExpectedEnd: now, Submitted: now, Started: now.Add(time.Second), Ended: now.Add(2 * time.Second), Owner: 1000,
		Output: "/o/film.mp4", Error: "broken", Priority: -3, Crew: 2,
		Ranges: []dbus.Range{{Number: 0, Content: dbus.Sound, First: 0, End: 100, State: farm.Ongoing, Workers: []string{"a", "b"}}},
	}
	worker := dbus.Member{
		Name: "a.b-c", State: dbus.Rendering, Engines: []string{"builtin", "olive"}, Threads: 8, Speed: 9.5, Job: 3,
		Range: dbus.HeldRange{Number: 4, Content: dbus.Picture, First: 10, End: 20}, FramesDone: 5, LastSeen: now, Failures: 2, CertificateEnds: now, Revoked: true,
	}
	f.add(job)
	f.mu.Lock()
	f.workers, f.degraded = []dbus.Member{worker}, "the disk is full"
	f.mu.Unlock()
	serveMaster(t, f)
	c := clientAs(t, "other")
	v, err := c.Status(t.Context())
	if err != nil || len(v.Jobs) != 1 || len(v.Workers) != 1 {
		t.Fatalf("Status = %+v, %v", v, err)
	}
	if got, want := fmt.Sprintf("%+v %s", v.Workers[0], v.Degraded), fmt.Sprintf("%+v %s", worker, "the disk is full"); got != want {
		t.Errorf("worker\n%s, want\n%s", got, want)
	}
	whole, err := c.Job(t.Context(), 3)
	if got, want := fmt.Sprintf("%+v", whole), fmt.Sprintf("%+v", job); err != nil || got != want {
		t.Errorf("job\n%s, %v, want\n%s", got, err, want)
	}
	job.Ranges = nil
	if got, want := fmt.Sprintf("%+v", v.Jobs[0]), fmt.Sprintf("%+v", job); got != want {
		t.Errorf("job in the list\n%s, want\n%s", got, want)
	}
	log, err := c.Log(t.Context(), 3)
	if err != nil || len(log) != 1 || log[0].Text != "all is well" || log[0].Time.UnixMicro() != 1 {
		t.Errorf("Log = %+v, %v", log, err)
	}
}

func TestVerbsReachTheMaster(t *testing.T) {
	f := newFake()
	f.add(dbus.Job{ID: 1})
	serveMaster(t, f)
	w := &fakeWorker{status: dbus.WorkerStatus{Name: "w", Master: "m:1", Status: dbus.Rendering, Current: dbus.CurrentRange{Job: 1, Number: 2, Content: dbus.Whole, First: 3, End: 4}, FramesDone: 1, Threads: 2}}
	serveWorker(t, w)
	c := clientAs(t, "root")
	ctx := t.Context()
	for what, f2 := range map[string]func() error{
		"cancel 1":         func() error { return c.DoJob(ctx, 1, "cancel") },
		"pause 1":          func() error { return c.DoJob(ctx, 1, "pause") },
		"resume 1":         func() error { return c.DoJob(ctx, 1, "resume") },
		"retry 1":          func() error { return c.DoJob(ctx, 1, "retry") },
		"forget 1":         func() error { return c.DoJob(ctx, 1, "forget") },
		"priority 1 -4":    func() error { return c.SetPriority(ctx, 1, -4) },
		"pause w-1":        func() error { return c.DoWorker(ctx, "w-1", "pause") },
		"resume w-1":       func() error { return c.DoWorker(ctx, "w-1", "resume") },
		"drain w-1":        func() error { return c.DoWorker(ctx, "w-1", "drain") },
		"revoke w-1":       func() error { return c.DoWorker(ctx, "w-1", "revoke") },
		"reload":           func() error { return c.Reload(ctx) },
		"token new 1m0s":   func() error { return invite(ctx, c, time.Minute) },
		"token new 0s":     func() error { return invite(ctx, c, 0) },
		"local pause":      func() error { return c.DoLocalWorker(ctx, "pause") },
		"local reload":     func() error { return c.DoLocalWorker(ctx, "reload") },
		"nothing: explode": func() error { return expect(c.DoJob(ctx, 1, "explode")) },
		"nothing: worker":  func() error { return expect(c.DoLocalWorker(ctx, "explode")) },
	} {
		if err := f2(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		did := slices.Concat(f.done())
		for _, d := range w.done() {
			did = append(did, "local "+d)
		}
		if !slices.Equal(did, []string{what}) && (len(did) > 0 || !strings.HasPrefix(what, "nothing")) {
			t.Errorf("%s: done was %q", what, did)
		}
	}
	if got, err := c.WorkerStatus(ctx); err != nil || got != w.status {
		t.Errorf("WorkerStatus = %+v, %v", got, err)
	}
	if err := c.DoWorker(ctx, "nobody", "pause"); !errors.Is(err, dbus.ErrNoSuchWorker) || !errors.Is(err, farm.ErrNoWorker) {
		t.Errorf("a worker that is not there: %v", err)
	}
	if err := c.DoJob(ctx, 9, "pause"); !errors.Is(err, dbus.ErrNoSuchJob) || !errors.Is(err, farm.ErrNoJob) {
		t.Errorf("a job that is not there: %v", err)
	}
}

func invite(ctx context.Context, c *dbus.Client, d time.Duration) error {
	line, err := c.Invite(ctx, "new", d)
	if err == nil && line != "olivectl join master:7480 --token secret" {
		err = fmt.Errorf("line %q", line)
	}
	return err
}

func expect(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return nil
}

func TestNoMaster(t *testing.T) {
	if _, err := clientAs(t, "member").Status(t.Context()); !errors.Is(err, dbus.ErrNoMaster) {
		t.Errorf("got %v, want that there is no master", err)
	}
}

// TestFollow sees a master come, work, go and come back.
func TestFollow(t *testing.T) {
	f := newFake()
	f.add(dbus.Job{ID: 1, State: farm.Running})
	c := clientAs(t, "other")
	var events <-chan dbus.Event
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	want := func(kind dbus.Kind, check func(dbus.Event) bool) {
		t.Helper()
		select {
		case e, ok := <-events:
			if !ok || e.Kind != kind || check != nil && !check(e) {
				t.Fatalf("got %+v (job %+v, worker %+v), want %s", e, e.Job, e.Worker, kind)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("waited in vain for %s", kind)
		}
	}
	t.Run("there", func(t *testing.T) {
		s := serveMaster(t, f)
		var err error
		if events, err = c.Follow(ctx); err != nil {
			t.Fatal(err)
		}
		want(dbus.JobAdded, func(e dbus.Event) bool { return e.Job.ID == 1 })
		want(dbus.WorkerAdded, func(e dbus.Event) bool { return e.Worker.Name == "w-1" })
		want(dbus.Ready, nil)
		f.add(dbus.Job{ID: 2, State: farm.Queued, Name: "new"})
		s.Log(2, dbus.LogEntry{Event: "note", Text: "hello"})
		want(dbus.JobAdded, func(e dbus.Event) bool { return e.Job.Name == "new" })
		want(dbus.Logged, func(e dbus.Event) bool { return e.Job.Name == "new" && e.Log.Text == "hello" })
		f.with(2, func(j *dbus.Job) { j.State = farm.Cancelled })
		s.Changed()
		want(dbus.JobChanged, func(e dbus.Event) bool { return e.Job.State == farm.Cancelled && e.Job.Name == "new" })
		f.mu.Lock()
		delete(f.jobs, 2)
		f.mu.Unlock()
		s.Changed()
		want(dbus.JobGone, func(e dbus.Event) bool { return e.Job.ID == 2 && e.Job.State == farm.Cancelled })
		pretend(t)
	})
	want(dbus.MasterGone, nil)
	serveMaster(t, f)
	want(dbus.JobAdded, func(e dbus.Event) bool { return e.Job.ID == 1 })
	want(dbus.WorkerAdded, nil)
	want(dbus.Ready, nil)
	cancel()
	for range events { // closed
	}
}

// pretend sends everybody on the bus a signal that looks like the master's.
func pretend(t *testing.T) {
	t.Helper()
	liar := dialAs(t, "member")
	var names []string
	if err := liar.BusObject().Call("org.freedesktop.DBus.ListNames", 0).Store(&names); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		body := []any{uint64(0), "note", "a lie", "", int64(0), int64(0)}
		sent := liar.Send(&godbus.Message{Type: godbus.TypeSignal, Body: body, Headers: map[godbus.HeaderField]godbus.Variant{
			godbus.FieldDestination: godbus.MakeVariant(name), godbus.FieldPath: godbus.MakeVariant(dbus.JobPath(1)),
			godbus.FieldInterface: godbus.MakeVariant("org.olive.Master1.Job"), godbus.FieldMember: godbus.MakeVariant("LogMessage"),
			godbus.FieldSignature: godbus.MakeVariant(godbus.SignatureOf(body...)),
		}}, nil)
		if sent.Err != nil {
			t.Fatal(sent.Err)
		}
	}
	if err := liar.BusObject().Call("org.freedesktop.DBus.GetId", 0).Err; err != nil { // all is delivered
		t.Fatal(err)
	}
}

// TestClientAsksOnce has a user call who may not: a quiet call comes first, and one preparation is enough.
func TestClientAsksOnce(t *testing.T) {
	f := newFake()
	serveMaster(t, f)
	c := clientAs(t, "other")
	asked := 0
	c.Quiet, c.Ask = true, func() { asked++ }
	if _, err := c.Status(t.Context()); err != nil || asked != 0 {
		t.Fatalf("status: %v, asked %d times", err, asked)
	}
	for range 3 {
		if err := c.DoWorker(t.Context(), "w-1", "revoke"); !errors.Is(err, dbus.ErrNotAuthorized) {
			t.Errorf("revoke: %v", err)
		}
	}
	if did := f.done(); asked != 1 || len(did) != 0 {
		t.Errorf("asked %d times, want once; the master was told to %q", asked, did)
	}
}

// TestAbsentDaemonsHaveNames tells a master that is not there from a worker that is not.
func TestAbsentDaemonsHaveNames(t *testing.T) {
	c := clientAs(t, "other")
	c.NoStart = true
	if _, err := c.Status(t.Context()); !errors.Is(err, dbus.ErrNoMaster) {
		t.Errorf("no master: %v", err)
	}
	if _, err := c.WorkerStatus(t.Context()); !errors.Is(err, dbus.ErrNoWorker) {
		t.Errorf("no worker: %v", err)
	}
	serveMaster(t, newFake())
	if v, err := c.Version(t.Context()); err != nil || v != "1.2" {
		t.Errorf("version %q, %v", v, err)
	}
}

// TestFileOfOneWhoMaySendNoneGoesByPath submits as a user from whom the bus takes no files.
func TestFileOfOneWhoMaySendNoneGoesByPath(t *testing.T) {
	f := newFake()
	serveMaster(t, f)
	for name, want := range map[string]error{"member": nil, "other": dbus.ErrNotAuthorized} {
		file, err := os.Open(project(t, 0o644))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		c := clientAs(t, name)
		c.Quiet = true
		if _, err := c.SubmitFile(t.Context(), file, dbus.Options{}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}
