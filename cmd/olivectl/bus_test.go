package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"olive-distributed/cmd/olivectl/exit"
	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
	"olive-distributed/packaging/testbus"
)

// A fakeMaster is on a bus of its own and has the jobs and logs that a test gives it. What a test does not
// need it cannot do.
type fakeMaster struct {
	dbus.Master
	t       *testing.T
	bus     *testbus.Bus
	service *dbus.MasterService
	stop    func()

	mu   sync.Mutex
	jobs map[uint32]dbus.Job
	logs map[uint32][]dbus.LogEntry
	last dbus.Submission
	read string // of the project that came last
}

func newMaster(t *testing.T) *fakeMaster {
	t.Helper()
	bus, err := testbus.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	m := &fakeMaster{t: t, bus: bus, jobs: map[uint32]dbus.Job{}, logs: map[uint32][]dbus.LogEntry{}}
	m.start()
	t.Cleanup(func() { m.stop() })
	return m
}

// start puts the master on its bus until stop is called.
func (m *fakeMaster) start() {
	m.t.Helper()
	s, err := dbus.ServeMaster(m.t.Context(), m.bus.Address, "1.2", m)
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(m.t.Context()))
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	m.service = s
	m.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		s.Close()
	})
}

// set changes a job, and says so with an event if there is a text.
func (m *fakeMaster) set(id uint32, state farm.State, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j := m.jobs[id]
	j.ID, j.Name, j.State, j.FramesTotal, j.Output = id, fmt.Sprintf("film%d.ove", id), state, 60, fmt.Sprintf("/films/film%d.mp4", id)
	m.jobs[id] = j
	if text != "" {
		e := dbus.LogEntry{Time: time.Now(), Event: string(state), Text: text}
		m.logs[id] = append(m.logs[id], e)
		m.service.Log(id, e)
	}
	m.service.Changed()
}

func (m *fakeMaster) forget(id uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.jobs, id)
	m.service.Changed()
}

func (m *fakeMaster) View(context.Context) (v dbus.View, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(m.jobs)) {
		v.Jobs = append(v.Jobs, m.jobs[id])
	}
	v.Workers, err = m.Members(context.Background())
	return v, err
}

func (m *fakeMaster) Members(context.Context) ([]dbus.Member, error) {
	return []dbus.Member{{Name: "ada", State: dbus.Waiting}, {Name: "bob", State: dbus.Paused}, {Name: "dan", State: dbus.Drained}, {Name: "dora", State: dbus.Draining}, {Name: "eve", Revoked: true}}, nil
}

func (m *fakeMaster) Degraded() string { return "" }

func (m *fakeMaster) Job(_ context.Context, id uint32) (dbus.Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if j, ok := m.jobs[id]; ok {
		return j, nil
	}
	return dbus.Job{}, fmt.Errorf("job %d: %w", id, farm.ErrNoJob)
}

func (m *fakeMaster) Log(ctx context.Context, id uint32) ([]dbus.LogEntry, error) {
	_, err := m.Job(ctx, id)
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.logs[id]), err
}

func (m *fakeMaster) Submit(_ context.Context, s *dbus.Submission) (uint32, error) {
	text := make([]byte, 100)
	n, _ := s.File.Read(text) // an empty one is a bad project too
	m.mu.Lock()
	m.last, m.read = *s, string(text[:n])
	id := uint32(len(m.jobs) + 1)
	m.mu.Unlock()
	if m.read != "good" {
		return 0, dbus.ErrBadProject.With(errors.New("this is no project"))
	}
	m.set(id, farm.Queued, "")
	return id, nil
}

// A call is olivectl at work.
type call struct {
	t              *testing.T
	stdout, stderr locked
	cancel         context.CancelFunc
	code           chan int
}

// A locked buffer can be read while it is written.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// call starts olivectl.
func (m *fakeMaster) call(args ...string) *call {
	c := &call{t: m.t, code: make(chan int, 1)}
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(m.t.Context())
	go func() {
		c.code <- run(ctx, append([]string{"--bus-address", m.bus.Address}, args...), &c.stdout, &c.stderr)
	}()
	return c
}

// ends waits for the end, which must have the code.
func (c *call) ends(code int) {
	c.t.Helper()
	select {
	case got := <-c.code:
		if got != code {
			c.t.Errorf("it ended with %d, want %d\n%s%s", got, code, &c.stdout, &c.stderr)
		}
	case <-time.After(time.Minute):
		c.t.Fatalf("it does not end\n%s%s", &c.stdout, &c.stderr)
	}
	c.cancel()
}

// says waits until olivectl has written something.
func (c *call) says(text string) {
	c.t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(c.stdout.String()+c.stderr.String(), text); {
		if time.Now().After(deadline) {
			c.t.Fatalf("it does not say %q but\n%s%s", text, &c.stdout, &c.stderr)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestWatchEndsWithItsJobs(t *testing.T) {
	for name, c := range map[string]struct {
		jobs   []string
		change func(m *fakeMaster)
		code   int
		says   []string
	}{
		"one is done":            {[]string{"1"}, func(m *fakeMaster) { m.set(1, farm.Done, "a film") }, 0, []string{"job 1: a film"}},
		"a job's event got lost": {[]string{"1"}, func(m *fakeMaster) { m.set(1, farm.Done, "") }, 0, []string{"job 1: /films/film1.mp4: 60 frames"}},
		"one of two fails": {[]string{"1", "2"}, func(m *fakeMaster) {
			m.set(2, farm.Failed, "disk full")
			m.set(1, farm.Done, "a film")
		}, 1, []string{"job 2: disk full", "job 1: a film"}},
		"one is cancelled":      {[]string{"1"}, func(m *fakeMaster) { m.set(1, farm.Cancelled, "cancelled") }, 1, []string{"job 1: cancelled"}},
		"one is forgotten":      {[]string{"1"}, func(m *fakeMaster) { m.forget(1) }, 1, []string{"was it forgotten?"}},
		"one that had ended":    {[]string{"3"}, func(*fakeMaster) {}, 0, []string{"job 3: /films/film3.mp4: 60 frames"}},
		"one that is not there": {[]string{"7"}, func(*fakeMaster) {}, 1, []string{"job 7: no such job"}},
		"the master was away": {[]string{"1"}, func(m *fakeMaster) {
			m.stop()
			m.start()
			m.set(1, farm.Done, "a film")
		}, 0, []string{"the master is away"}},
		"it was forgotten meanwhile": {[]string{"1"}, func(m *fakeMaster) {
			m.stop()
			m.forget(1)
			m.start()
		}, 1, []string{"was it forgotten?"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMaster(t)
			m.set(1, farm.Running, "")
			m.set(2, farm.Running, "")
			m.set(3, farm.Done, "")
			w := m.call(append([]string{"watch"}, c.jobs...)...)
			follower(t, m)
			c.change(m)
			w.ends(c.code)
			for _, text := range c.says {
				if n := strings.Count(w.stdout.String()+w.stderr.String(), text); n != 1 {
					t.Errorf("%q is said %d times:\n%s%s", text, n, &w.stdout, &w.stderr)
				}
			}
		})
	}
}

// follower has a job's event arrive, so that whoever began to follow before has begun.
func follower(t *testing.T, m *fakeMaster) {
	t.Helper()
	w := m.call("watch", "--json")
	w.says(`"job":1`)
	w.cancel()
	w.ends(exit.Interrupted)
}

func TestWatchOfAllShowsNoOldJobs(t *testing.T) {
	m := newMaster(t)
	m.set(1, farm.Done, "")
	m.set(2, farm.Running, "")
	w := m.call("watch", "--json")
	w.says(`"job":2`)
	m.set(3, farm.Running, "")
	w.says(`"job":3`)
	m.set(2, farm.Failed, "disk full")
	w.says("disk full")
	w.cancel()
	w.ends(exit.Interrupted)
	if strings.Contains(w.stdout.String(), `"job":1`) || w.stderr.String() != "" {
		t.Errorf("it says\n%s%s", &w.stdout, &w.stderr)
	}
}

func TestLogTellsEachEventOnce(t *testing.T) {
	m := newMaster(t)
	m.set(1, farm.Running, "one")
	l := m.call("log", "-f", "1")
	l.says("one")
	m.set(1, farm.Running, "two")
	l.says("two")
	m.mu.Lock()
	m.logs[1] = append(m.logs[1], dbus.LogEntry{Time: time.Now(), Event: "note", Text: "three, of which no signal tells"})
	m.mu.Unlock()
	m.set(1, farm.Done, "four")
	l.ends(0)
	var got []string
	for line := range strings.Lines(l.stdout.String()) {
		got = append(got, strings.TrimSpace(line[len(time.DateTime):]))
	}
	if want := []string{"one", "two", "three, of which no signal tells", "four"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// write makes a project that only its owner can read.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSubmitHandsTheFileOver(t *testing.T) {
	m := newMaster(t)
	path := write(t, "film.ove", "good")
	m.call("submit", "--frames", "3:9", "--preset", "prores", "--engine", "olive", "--priority", "7", "--split", "never", path).ends(0)
	m.mu.Lock()
	defer m.mu.Unlock()
	want := dbus.Options{First: 3, End: 9, Preset: "prores", Engine: "olive", Priority: 7, Split: 1, Colour: "bt709"}
	got := m.last.Options
	if got.VideoArgs, got.AudioArgs = nil, nil; fmt.Sprint(got) != fmt.Sprint(want) || m.last.Project != path || m.read != "good" {
		t.Errorf("project %s with %q, options\n%+v, want\n%+v", m.last.Project, m.read, got, want)
	}
}

func TestOneBadProjectKeepsNoOtherBack(t *testing.T) {
	m := newMaster(t)
	bad, good := write(t, "a.ove", "bad"), write(t, "b.ove", "good")
	s := m.call("submit", "--json", bad, good)
	s.ends(exit.Refused)
	want := fmt.Sprintf("{\"project\":%q,\"error\":\"BadProject\",\"text\":\"this is no project\"}\n{\"job\":1,\"project\":%q,\"output\":\"/films/film1.mp4\"}\n", bad, good)
	if s.stdout.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &s.stdout, want)
	}
	e := m.call("export", bad, good)
	e.says("job 2")
	m.set(2, farm.Done, "a film")
	e.ends(exit.Refused)
	if got, want := e.stdout.String(), "/films/film2.mp4\n"; got != want {
		t.Errorf("stdout %q, want %q", got, want)
	}
	e = m.call("export", good)
	e.says("job 3")
	e.cancel()
	e.ends(exit.Interrupted)
	e.says("olivectl cancel 3")
}

func TestCompletionsFitTheCommand(t *testing.T) {
	m := newMaster(t)
	for id, state := range map[uint32]farm.State{1: farm.Done, 2: farm.Running, 3: farm.Paused, 4: farm.Failed, 5: farm.Queued} {
		m.set(id, state, "")
	}
	for line, want := range map[string]string{
		"cancel":         "5 3 2",
		"cancel 3":       "5 2",
		"pause":          "5 2",
		"resume":         "3",
		"retry":          "4",
		"forget":         "4 1",
		"show":           "5 4 3 2 1",
		"show 1":         "",
		"log -f":         "5 4 3 2 1",
		"priority 5":     "",
		"worker pause":   "ada bob dan dora",
		"worker resume":  "bob dan dora",
		"worker drain":   "ada bob",
		"worker revoke":  "ada bob dan dora",
		"export --split": "auto never",
	} {
		c := m.call(append(append([]string{"__complete"}, strings.Fields(line)...), "")...)
		c.ends(0)
		var got []string
		for text := range strings.Lines(c.stdout.String()) {
			if word, _, _ := strings.Cut(strings.TrimSpace(text), "\t"); !strings.HasPrefix(word, ":") {
				got = append(got, word)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
