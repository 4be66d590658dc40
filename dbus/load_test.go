package dbus_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

// crowd is a master with many jobs of some ranges each.
func crowd(n uint32) *fakeMaster {
	f := newFake()
	for id := uint32(1); id <= n; id++ {
		j := dbus.Job{ID: id, Name: fmt.Sprintf("film %d", id), Project: fmt.Sprintf("/srv/films/film-%d.ove", id), State: farm.Queued, FramesTotal: 5000, Output: "/var/spool/olive/outgoing/film.mp4"}
		for r := range uint32(40) {
			j.Ranges = append(j.Ranges, dbus.Range{Number: r, Content: dbus.Picture, First: int64(r) * 100, End: int64(r+1) * 100, State: farm.Completed, Workers: []string{"worker"}})
		}
		f.add(j)
	}
	return f
}

// quantiles are p50 and p99 of n runs.
func quantiles(n int, f func() error) (p50, p99 time.Duration, err error) {
	times := make([]time.Duration, n)
	for i := range times {
		begin := time.Now()
		if err := f(); err != nil {
			return 0, 0, err
		}
		times[i] = time.Since(begin)
	}
	slices.Sort(times)
	return times[n/2], times[n*99/100], nil
}

// BenchmarkBus measures calls by a member of the group, each one with polkit where it needs it, to
// a master with a thousand jobs.
func BenchmarkBus(b *testing.B) {
	f := crowd(1000)
	serveMaster(b, f)
	c := clientAs(b, "member")
	conn := dialAs(b, "member")
	for name, call := range map[string]func() error{
		"Pause": func() error { return c.DoJob(b.Context(), 7, "pause") },
		"Job":   func() error { _, err := c.Job(b.Context(), 7); return err },
		"Status": func() error {
			_, err := c.Status(b.Context())
			return err
		},
		"GetManagedObjects": func() error {
			return conn.Object(dbus.MasterName, "/org/olive/Master1").Call("org.freedesktop.DBus.ObjectManager.GetManagedObjects", 0).Err
		},
		"ListJobs": func() error {
			return conn.Object(dbus.MasterName, "/org/olive/Master1").Call("org.olive.Master1.Manager.ListJobs", 0).Err
		},
	} {
		b.Run(name, func(b *testing.B) {
			p50, p99, err := quantiles(max(b.N, 1), call)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(p50.Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(p99.Microseconds())/1000, "p99-ms")
		})
	}
}

func TestAThousandJobs(t *testing.T) {
	f := crowd(1000)
	s := serveMaster(t, f)
	c := clientAs(t, "other")
	v, err := c.Status(t.Context())
	if err != nil || len(v.Jobs) != 1000 || v.Jobs[999].ID != 1000 || v.Jobs[999].Name != "film 1000" {
		t.Fatalf("Status has %d jobs, %v", len(v.Jobs), err)
	}
	// A follower gets every one of the changes, in time.
	events, err := c.Follow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for id := uint32(1); id <= 1000; id++ {
		f.with(id, func(j *dbus.Job) { j.State = farm.Done })
	}
	s.Changed()
	done := map[uint32]bool{}
	for len(done) < 1000 {
		select {
		case e := <-events:
			if e.Kind == dbus.JobChanged && e.Job.State == farm.Done {
				done[e.Job.ID] = true
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%d of 1000 jobs were told as done", len(done))
		}
	}
}

// TestClosingEndsCalls closes a service while a call waits for its master.
func TestClosingEndsCalls(t *testing.T) {
	f := &patient{fakeMaster: newFake(), waiting: make(chan struct{})}
	f.add(dbus.Job{ID: 1})
	var s *dbus.MasterService
	as(t, "olive", func() (err error) {
		s, err = dbus.ServeMaster(t.Context(), "", "1", f)
		return err
	})
	c := clientAs(t, "root")
	answer := make(chan error, 1)
	go func() { answer <- c.DoJob(t.Context(), 1, "cancel") }()
	<-f.waiting
	s.Close()
	if err := <-answer; errorName(err) != "the daemon is stopping" {
		t.Errorf("the call ended with %v, want that the daemon is stopping", err)
	}
	<-s.Lost()
}

// A patient master carries out nothing until the context ends.
type patient struct {
	*fakeMaster
	waiting chan struct{}
}

func (p *patient) Cancel(ctx context.Context, _ uint32) error {
	close(p.waiting)
	<-ctx.Done()
	return ctx.Err()
}

// TestFilesGoNowhereElse sends descriptors to methods that have no use for them: the bus refuses.
func TestFilesGoNowhereElse(t *testing.T) {
	f := newFake()
	serveMaster(t, f)
	file, err := os.Open(project(t, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd := godbus.UnixFD(file.Fd())
	for _, c := range []struct {
		user, member string
		args         []any
	}{
		{"member", "ListJobs", []any{fd}},
		{"root", "Submit", []any{"/x.ove", map[string]godbus.Variant{"output": godbus.MakeVariant("/x")}, fd}},
		{"member", "SubmitFd", []any{fd, fd, map[string]godbus.Variant{}}},
		{"other", "SubmitFd", []any{fd, map[string]godbus.Variant{}}},
	} {
		_, err := call(t.Context(), dialAs(t, c.user), dbus.MasterName, "/org/olive/Master1", "org.olive.Master1.Manager", c.member, false, c.args...)
		if errorName(err) != "org.freedesktop.DBus.Error.AccessDenied" {
			t.Errorf("%s by %s: got %v", c.member, c.user, err)
		}
	}
}

// TestActivationFiles have systemd start the daemons, and nobody else.
func TestActivationFiles(t *testing.T) {
	for name, unit := range map[string]string{dbus.MasterName: "olive-master.service", dbus.WorkerName: "olive-worker.service"} {
		text, err := os.ReadFile(filepath.Join("../units", name+".service"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"[D-BUS Service]", "Name=" + name, "SystemdService=" + unit, "User=olive"} {
			if !slices.Contains(strings.Split(string(text), "\n"), want) {
				t.Errorf("%s.service has no line %q", name, want)
			}
		}
	}
	out, err := exec.Command("busctl", "--system", "list", "--activatable", "--no-pager").CombinedOutput()
	if err != nil || !strings.Contains(string(out), dbus.MasterName) || !strings.Contains(string(out), dbus.WorkerName) {
		t.Errorf("the bus does not know them: %v\n%s", err, out)
	}
}

func TestMomentsOutsideTheScaleAreNever(t *testing.T) {
	for name, v := range map[string]time.Time{"zero": {}, "before 1970": time.Unix(-5, 0)} {
		if got := dbus.Properties(dbus.Job{Started: v})["StartTime"]; got != uint64(0) {
			t.Errorf("%s is %v", name, got)
		}
	}
	if got := dbus.Properties(dbus.Job{Started: time.UnixMicro(math.MaxInt32)})["StartTime"]; got != uint64(math.MaxInt32) {
		t.Errorf("got %v", got)
	}
}
