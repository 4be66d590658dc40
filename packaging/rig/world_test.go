package rig_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
	"olive-distributed/packaging/rig"
)

// Two versions, to upgrade from one to the other.
const (
	older = "0.0.1"
	newer = "0.0.2"
)

// patience is long: other work on the machine must not fail a test.
const patience = 3 * time.Minute

// What every test needs, made once.
var (
	base     string // tree of Debian
	packages string // folder of packages
)

func TestMain(m *testing.M) {
	code, err := prepared(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func prepared(m *testing.M) (int, error) {
	var err error
	if base, err = rig.Base(context.Background()); err != nil {
		return 1, err
	}
	if packages, err = os.MkdirTemp("", "olive-packages-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(packages)
	for _, v := range []string{older, newer} {
		cmd := exec.Command("../package.sh", "--version", v, "--arch", "amd64", packages)
		if out, err := cmd.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("make packages: %w\n%s", err, out)
		}
	}
	return m.Run(), nil
}

func deb(version string) string { return "/packages/olive-distributed_" + version + "-1_amd64.deb" }

// A machine is a container whose commands must work.
type machine struct {
	*rig.Container
	t     *testing.T
	rpmdb string // folder of rpm's database, for .rpm packages
}

func start(t *testing.T, name string, o rig.Options) *machine {
	t.Helper()
	o.BindRO = append(o.BindRO, packages+":/packages", sampleDir(t)+":/sample")
	c, err := rig.Start(t.Context(), base, name, o)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{Container: c, t: t}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := c.Run(context.Background(), "journalctl", "--no-pager", "-n", "80", "-u", "olive-*", "-o", "short-precise")
			t.Logf("%s's journal:\n%s", name, log)
		}
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func sampleDir(t *testing.T) string {
	dir, err := filepath.Abs("../demo")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// do runs a command that must work, and returns what it says without the last newline.
func (m *machine) do(args ...string) string {
	m.t.Helper()
	out, err := m.Run(m.t.Context(), args...)
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.TrimRight(out, "\n")
}

// as runs a command as another user.
func (m *machine) as(user string, args ...string) string {
	m.t.Helper()
	return m.do(append([]string{"runuser", "-u", user, "--"}, args...)...)
}

// property is what systemd says about a unit.
func (m *machine) property(unit, name string) string {
	m.t.Helper()
	return m.do("systemctl", "show", "--value", "--property="+name, unit)
}

func (m *machine) want(what, got, want string) {
	m.t.Helper()
	if got != want {
		m.t.Errorf("%s on %s: got %q, want %q", what, m.Name, got, want)
	}
}

func (m *machine) exists(path string) bool {
	_, err := m.Run(m.t.Context(), "test", "-e", path)
	return err == nil
}

func (m *machine) until(what string, ok func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); <-time.After(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("%s: waited in vain for %s", m.Name, what)
		}
	}
}

// active waits until a unit is in that state of systemd: active, inactive or failed.
func (m *machine) active(unit, state string) {
	m.t.Helper()
	m.until(unit+" to be "+state, func() bool { return m.property(unit, "ActiveState") == state })
}

// A listedJob is what "olivectl show --json" says of a job.
type listedJob struct {
	Job    int        `json:"job"`
	State  farm.State `json:"state"`
	Error  string     `json:"error"`
	Output string     `json:"output"`
	Total  int64      `json:"frames_total"`
	Ranges []struct {
		State farm.State `json:"state"`
	} `json:"ranges"`
}

// job asks for a job of the farm. While the master starts there is no answer.
func (m *machine) job(id int) (listedJob, error) {
	var j listedJob
	out, err := m.Run(m.t.Context(), "olivectl", "show", "--json", fmt.Sprint(id))
	if err == nil {
		err = json.Unmarshal([]byte(out), &j)
	}
	return j, err
}

// completed waits until so many ranges of a job are completed.
func (m *machine) completed(id, count int) {
	m.t.Helper()
	m.until(fmt.Sprintf("%d ranges of job %d", count, id), func() bool {
		j, err := m.job(id)
		if err != nil {
			return false
		}
		n := 0
		for _, r := range j.Ranges {
			if r.State == farm.Completed {
				n++
			}
		}
		return n >= count
	})
}

// running fails the test if a job has ended already: what was to be tried on it was not.
func (m *machine) running(id int) {
	m.t.Helper()
	j, err := m.job(id)
	if err != nil {
		m.t.Fatal(err)
	}
	if j.State != farm.Running {
		m.t.Fatalf("job %d is %s already", id, j.State)
	}
}

// film waits for a job to be done, and looks at its film and at its history: no range may have been rendered in vain.
func (m *machine) film(id int) {
	m.t.Helper()
	var j listedJob
	m.until(fmt.Sprintf("the film of job %d", id), func() bool {
		var err error
		j, err = m.job(id)
		return err == nil && (j.State == farm.Done || j.State == farm.Failed)
	})
	if j.State != farm.Done {
		m.t.Fatalf("job %d is %s: %s", id, j.State, j.Error)
	}
	frames := m.do("ffprobe", "-v", "error", "-count_packets", "-select_streams", "v:0", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", j.Output)
	m.want("frames of "+j.Output, frames, fmt.Sprint(j.Total))
	done := map[string]int{}
	for line := range strings.Lines(m.do("olivectl", "log", "--json", fmt.Sprint(id))) {
		var e master.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			m.t.Fatal(err)
		}
		if e.Kind == "range-done" {
			done[fmt.Sprintf("%d-%d %v", e.First, e.End, strings.HasPrefix(e.Text, "sound"))]++
		}
	}
	if len(done) < 2 {
		m.t.Errorf("the log of job %d tells of %d ranges", id, len(done))
	}
	for r, n := range done {
		if n > 1 {
			m.t.Errorf("range %s was rendered %d times", r, n)
		}
	}
}
