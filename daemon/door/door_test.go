package door_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

// TestDoors is one master, of real programs on a real bus, through both of its doors.
func TestDoors(t *testing.T) {
	r := newRig(t)
	member := r.client("member")
	ctx := t.Context()

	// Before there is a worker, so that the file is gone when the film is made.
	path := r.write("member", "shared/bus.ove", project(30, ""))
	first, err := member.Submit(ctx, path, dbus.Options{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := member.Submit(ctx, path, dbus.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.write("member", "shared/bus.ove", "something else")

	r.refusals(member)
	worker := r.startWorker()
	for id, film := range map[uint32]string{first: "bus.mp4", again: "bus-2.mp4"} {
		r.done(id)
		if _, err := os.Stat(r.path("spool/outgoing", film)); err != nil {
			t.Errorf("the film of job %d: %v", id, err)
		}
	}
	log, err := member.Log(ctx, first)
	if err != nil || len(log) == 0 || log[0].Event != "submitted" || log[len(log)-1].Event != "done" {
		t.Errorf("log %v, %v", log, err)
	}

	r.drop("member", "dropped.ove", project(30, ""))
	if log := r.appears("spool/done/dropped.ove.log"); !strings.Contains(log, "exported") {
		t.Errorf("the log of the dropped project says\n%s", log)
	}
	r.appears("spool/done/dropped.ove")
	r.appears("spool/outgoing/dropped.mp4")

	r.crashes()
	r.workerDoor()
	r.reload()

	if err := r.root.DoLocalWorker(ctx, "drain"); err != nil {
		t.Fatal(err)
	}
	if err := worker.Wait(); err != nil {
		t.Errorf("the drained worker: %v", err)
	}
	_ = r.master.Process.Signal(syscall.SIGTERM)
	if err := r.master.Wait(); err != nil {
		t.Errorf("the stopped master: %v", err)
	}
	if _, err := r.client("other").Status(ctx); err == nil {
		t.Error("the master is on the bus still")
	}
}

// done waits for a job.
func (r *rig) done(id uint32) {
	r.t.Helper()
	var j dbus.Job
	r.until(fmt.Sprintf("job %d", id), func() bool {
		var err error
		if j, err = r.root.Job(r.t.Context(), id); err != nil {
			r.t.Fatal(err)
		}
		return j.State == farm.Done || j.State == farm.Failed || j.State == farm.Cancelled
	})
	if j.State != farm.Done {
		r.t.Fatalf("job %d is %s: %s", id, j.State, j.Error)
	}
}

// refusals tries what a user may not, by both doors.
func (r *rig) refusals(member *dbus.Client) {
	r.t.Helper()
	// The daemon could read it, the member cannot.
	secret := r.write("olive", "shared/secret.mp4", "secret")
	theirs := r.write("olive", "shared/theirs.ove", project(30, ""))
	if err := errors.Join(os.Chmod(secret, 0o600), os.Chmod(theirs, 0o600)); err != nil {
		r.t.Fatal(err)
	}
	for name, c := range map[string]struct {
		client  *dbus.Client
		project string
		want    error
	}{
		"a project of another user":            {member, theirs, dbus.ErrAccessDenied},
		"a medium of another user":             {member, r.write("member", "shared/nosy.ove", project(30, secret)), dbus.ErrAccessDenied},
		"a medium that is not there":           {member, r.write("member", "shared/missing.ove", project(30, r.path("nowhere.mp4"))), dbus.ErrMissingMedia},
		"a project that ends in the middle":    {member, r.write("member", "shared/torn.ove", project(30, "")[:300]), dbus.ErrBadProject},
		"a user who is not in the group olive": {r.client("other"), r.write("other", "shared/other.ove", project(30, "")), dbus.ErrNotAuthorized},
	} {
		if _, err := c.client.Submit(r.t.Context(), c.project, dbus.Options{}); !errors.Is(err, c.want) {
			r.t.Errorf("%s: %v", name, err)
		}
	}
	film := r.write("olive", "shared/film.mp4", "a film")
	if _, err := member.Submit(r.t.Context(), r.write("member", "shared/over.ove", project(30, "")), dbus.Options{Output: film}); !errors.Is(err, dbus.ErrAccessDenied) {
		r.t.Errorf("a film in a folder of another user: %v", err)
	}
	for name, c := range map[string]struct{ project, want string }{
		"nosy.ove":    {project(30, secret), "you may not read " + secret},
		"missing.ove": {project(30, r.path("nowhere.mp4")), "not found"},
		"empty.ove":   {strings.ReplaceAll(project(30, ""), `out="30"`, `out="0"`), "nothing to export"},
	} {
		r.drop("member", name, c.project)
		if log := r.appears("spool/failed/" + name + ".log"); !strings.Contains(log, c.want) || !strings.Contains(log, "What to do") {
			r.t.Errorf("the log of %s says\n%s", name, log)
		}
		r.appears("spool/failed/" + name)
	}
}

// crashes kills the master while dropped projects are on their way. Each must become one job and one film.
func (r *rig) crashes() {
	r.t.Helper()
	before := len(r.jobs())
	const drops = 5
	for n := range drops {
		name := fmt.Sprintf("crash%d", n)
		r.drop("member", name+".ove", project(30, ""))
		r.until("the claim of "+name, func() bool {
			claims, _ := filepath.Glob(r.path("spool/processing/*/" + name + ".ove"))
			_, err := os.Stat(r.path("spool/done", name+".ove"))
			return len(claims) > 0 || err == nil
		})
		if n%2 == 1 { // the job is there, and the hot folder does not know of it
			r.until("the job of "+name, func() bool { return len(r.jobs()) == before+n+1 })
			r.forget()
		}
		r.crash()
		r.appears("spool/done/" + name + ".ove.log")
		if _, err := os.Stat(r.path("spool/outgoing", name+".mp4")); err != nil {
			r.t.Error(err)
		}
	}
	if got := len(r.jobs()); got != before+drops {
		r.t.Errorf("%d dropped projects have become %d jobs", drops, got-before)
	}
}

// forget stops the master and removes what the hot folder has noted of jobs.
func (r *rig) forget() {
	r.t.Helper()
	_ = r.master.Process.Kill()
	_ = r.master.Wait()
	notes, _ := filepath.Glob(r.path("spool/processing/*/job"))
	for _, n := range notes {
		if err := os.Remove(n); err != nil {
			r.t.Fatal(err)
		}
	}
	r.startMaster()
}

func (r *rig) jobs() []dbus.Job {
	r.t.Helper()
	v, err := r.root.Status(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return v.Jobs
}

// workerDoor is the worker on its own bus name.
func (r *rig) workerDoor() {
	r.t.Helper()
	status := func(want string) {
		r.t.Helper()
		r.until("a worker that is "+want, func() bool {
			s, err := r.root.WorkerStatus(r.t.Context())
			return err == nil && s.Name == "w-1" && s.Status == want
		})
	}
	status(dbus.Waiting)
	if err := r.root.DoLocalWorker(r.t.Context(), "pause"); err != nil {
		r.t.Fatal(err)
	}
	status(dbus.Paused)
	path := r.write("member", "shared/paused.ove", project(30, ""))
	id, err := r.client("member").Submit(r.t.Context(), path, dbus.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.until("the master's knowledge of the pause", func() bool {
		j, err := r.root.Job(r.t.Context(), id)
		return err == nil && j.Crew == 0 && j.FramesDone == 0
	})
	if err := r.root.DoLocalWorker(r.t.Context(), "resume"); err != nil {
		r.t.Fatal(err)
	}
	r.done(id)
}

// reload changes the configuration of the master while it runs.
func (r *rig) reload() {
	r.t.Helper()
	text, err := os.ReadFile(r.path("master.toml"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.write("root", "master.toml", string(text)+"[farm]\nrange = \"9\"\n")
	if err := r.root.Reload(r.t.Context()); err == nil || !strings.Contains(err.Error(), "nothing has changed") {
		r.t.Errorf("reload of a broken file: %v", err)
	}
	r.write("root", "master.toml", string(text)+"[farm]\nrange = \"10s\"\n[history]\ndays = 3\n")
	if err := r.root.Reload(r.t.Context()); err != nil {
		r.t.Error(err)
	}
}
