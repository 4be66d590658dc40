package dbus_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

// listen subscribes to everything that the master says.
func listen(t *testing.T, who string) <-chan *godbus.Signal {
	t.Helper()
	conn := dialAs(t, who)
	signals := make(chan *godbus.Signal, 10_000) // never full, so that the order is kept
	conn.Signal(signals)
	if err := conn.AddMatchSignal(godbus.WithMatchSender(dbus.MasterName)); err != nil {
		t.Fatal(err)
	}
	return signals
}

// short is a signal as one line.
func short(s *godbus.Signal) string {
	return fmt.Sprintf("%s %s %v", strings.TrimPrefix(string(s.Path), "/org/olive/Master1"), s.Name[strings.LastIndex(s.Name, ".")+1:], s.Body)
}

// next waits for a signal, past those about properties.
func next(t *testing.T, signals <-chan *godbus.Signal) *godbus.Signal {
	t.Helper()
	for {
		select {
		case s := <-signals:
			if !strings.HasSuffix(s.Name, ".PropertiesChanged") && strings.Contains(s.Name, ".olive.") {
				checkSignature(t, s)
				return s
			}
		case <-time.After(20 * time.Second):
			t.Fatal("waited in vain for a signal")
		}
	}
}

// checkSignature compares a signal with the XML.
func checkSignature(t *testing.T, s *godbus.Signal) {
	t.Helper()
	for _, i := range parse(t, dbus.MasterXML) {
		for _, sig := range i.Signals {
			if i.Name+"."+sig.Name != s.Name {
				continue
			}
			want := ""
			for _, a := range sig.Args {
				want += a.Type
			}
			if got := godbus.SignatureOf(s.Body...).String(); got != want {
				t.Errorf("%s has %q, want %q", s.Name, got, want)
			}
			return
		}
	}
	t.Errorf("signal %s is not in the XML", s.Name)
}

func TestSignals(t *testing.T) {
	f := newFake()
	s := serveMaster(t, f)
	signals := listen(t, "other")
	check := func(want string) {
		t.Helper()
		if got := short(next(t, signals)); got != want {
			t.Fatalf("got %s\nwant %s", got, want)
		}
	}
	f.add(dbus.Job{ID: 1, State: farm.Queued})
	s.Log(1, dbus.LogEntry{Time: time.UnixMicro(7), Event: "submitted", Text: "film.ove", First: 1, End: 2})
	check(" JobNew [1 /org/olive/Master1/job/1]")
	check("/job/1 LogMessage [7 submitted film.ove  1 2]")
	f.mu.Lock()
	f.workers = append(f.workers, dbus.Member{Name: "new"})
	f.jobs[1].State = farm.Cancelled
	f.mu.Unlock()
	s.Changed()
	check(" WorkerNew [new /org/olive/Master1/worker/new]")
	f.mu.Lock()
	delete(f.jobs, 1)
	f.mu.Unlock()
	s.Changed()
	check(" JobRemoved [1 /org/olive/Master1/job/1 cancelled]")
	f.mu.Lock()
	f.workers = f.workers[:1]
	f.mu.Unlock()
	s.Changed()
	check(" WorkerRemoved [new /org/olive/Master1/worker/new]")
}

// TestProgressIsToldTwiceASecond moves a job all the time and counts.
func TestProgressIsToldTwiceASecond(t *testing.T) {
	f := newFake()
	f.add(dbus.Job{ID: 1, State: farm.Running, FramesTotal: 1 << 40})
	s := serveMaster(t, f)
	signals := listen(t, "other")
	begin := time.Now()
	stop := time.After(2500 * time.Millisecond)
	var moved int64
	for going := true; going; {
		select {
		case <-stop:
			going = false
		case <-time.After(2 * time.Millisecond):
			moved++
			f.with(1, func(j *dbus.Job) { j.FramesDone, j.Progress = moved, float64(moved)/1000 })
			s.Changed()
		}
	}
	f.with(1, func(j *dbus.Job) { j.State = farm.Done })
	s.Changed()
	var told, invalidated int
	var state string
	for done := int64(0); done != moved || state != "done"; {
		select {
		case sig := <-signals:
			if !strings.HasSuffix(sig.Name, ".PropertiesChanged") {
				continue
			}
			var iface string
			var props map[string]godbus.Variant
			var invalid []string
			if err := godbus.Store(sig.Body, &iface, &props, &invalid); err != nil {
				t.Fatal(err)
			}
			if v, ok := props["FramesDone"]; ok {
				told++
				done = v.Value().(int64)
			}
			if v, ok := props["State"]; ok {
				state = v.Value().(string)
			}
			if slices.Contains(invalid, "Ranges") {
				invalidated++
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("the last progress, %d, was never told, or the state, %q", moved, state)
		}
	}
	took := time.Since(begin)
	if most := int(took/(500*time.Millisecond)) + 1; told > most || told < 3 {
		t.Errorf("%d changes of %d were told in %v, want 3 to %d", told, moved, took, most)
	}
	if invalidated == 0 {
		t.Error("nobody was told that the ranges are others")
	}
}

func TestTheNameMustBeFree(t *testing.T) {
	serveMaster(t, newFake())
	as(t, "olive", func() error {
		if s, err := dbus.ServeMaster(t.Context(), "", "1", newFake()); err == nil || !strings.Contains(err.Error(), "another process has it") {
			if s != nil {
				s.Close()
			}
			return fmt.Errorf("a second master: %w", err)
		}
		return nil
	})
	for _, name := range []string{"member", "other"} {
		as(t, name, func() error {
			_, err := dbus.ServeWorker(t.Context(), "", &fakeWorker{})
			if err == nil {
				return fmt.Errorf("%s became the worker", name)
			}
			return nil
		})
	}
}

func TestCallsOfOneCallerAreLimited(t *testing.T) {
	f := newFake()
	f.add(dbus.Job{ID: 1})
	f.wait = make(chan struct{})
	serveMaster(t, f)
	conn := dialAs(t, "root")
	answers := make(chan *godbus.Call, dbus.MaxCalls+8)
	manager := conn.Object(dbus.MasterName, "/org/olive/Master1")
	for range dbus.MaxCalls {
		manager.Go("org.olive.Master1.Manager.Cancel", 0, answers, uint32(1))
	}
	until(t, "all calls", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.did) == dbus.MaxCalls
	})
	if _, err := call(t.Context(), conn, dbus.MasterName, "/org/olive/Master1", "org.olive.Master1.Manager", "ListJobs", false); errorName(err) != "org.olive.Error.LimitsExceeded" {
		t.Errorf("one more call: %v", err)
	}
	if _, err := call(t.Context(), dialAs(t, "other"), dbus.MasterName, "/org/olive/Master1", "org.olive.Master1.Manager", "ListJobs", false); err != nil {
		t.Errorf("a call of another: %v", err)
	}
	close(f.wait)
	for range dbus.MaxCalls {
		if c := <-answers; c.Err != nil {
			t.Error(c.Err)
		}
	}
	if _, err := call(t.Context(), conn, dbus.MasterName, "/org/olive/Master1", "org.olive.Master1.Manager", "ListJobs", false); err != nil {
		t.Errorf("after all calls: %v", err)
	}
}
