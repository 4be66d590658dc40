package dbus_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

// An example is one command of the text, and what it says.
type example struct {
	user, command string
	want          []string
	behind        bool // goes on while the next ones run
}

func examples(t *testing.T) []example {
	t.Helper()
	text, err := os.ReadFile("busctl.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []example
	within := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		user := map[string]string{"$ busctl": "member", "# busctl": "root"}[line[:min(len(line), 8)]]
		switch {
		case user != "":
			command, behind := strings.CutSuffix(line[2:], " &")
			all = append(all, example{user: user, command: command, behind: behind})
			within = true
		case line == "":
			within = false
		case within:
			e := &all[len(all)-1]
			e.want = append(e.want, line)
		}
	}
	return all
}

// matches compares with … for anything, in a line or of lines.
func matches(want []string, got string) bool {
	var b strings.Builder
	b.WriteString(`(?s)^\s*`)
	for _, line := range want {
		if line == "…" {
			b.WriteString(`.*?`)
			continue
		}
		for i, part := range strings.Split(line, "…") {
			if i > 0 {
				b.WriteString(`.*?`)
			}
			words := strings.Fields(part)
			for j := range words {
				words[j] = regexp.QuoteMeta(words[j])
			}
			b.WriteString(strings.Join(words, `\s+`))
		}
		b.WriteString(`\s*`)
	}
	b.WriteString(`$`)
	return regexp.MustCompile(b.String()).MatchString(got)
}

// A safeBuffer is read while a process writes.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestTheExamplesOfTheManPage(t *testing.T) {
	f := newFake()
	f.add(dbus.Job{ID: 1, Name: "demo", Project: "/srv/demo.ove", State: farm.Running, Progress: 0.25, Speed: 31.5})
	serveMaster(t, f)
	serveWorker(t, &fakeWorker{status: dbus.WorkerStatus{Status: dbus.Rendering, Current: dbus.CurrentRange{Job: 1, Number: 4, Content: dbus.Picture, First: 120, End: 240}}})
	dir := filepath.Dir(project(t, 0o644))
	all := examples(t)
	if len(all) < 12 {
		t.Fatalf("%d examples: the test does not see them", len(all))
	}
	for _, e := range all {
		var out safeBuffer
		cmd := exec.CommandContext(t.Context(), "runuser", "-u", e.user, "--", "sh", "-c", "cd "+dir+" && exec "+e.command)
		if e.behind {
			// Without runuser between, so that the end reaches it; writing each line at once.
			cmd = exec.CommandContext(t.Context(), "stdbuf", "-oL", "sh", "-c", "exec "+e.command)
		}
		cmd.Stdout, cmd.Stderr = &out, &out
		cmd.Env = append(os.Environ(), "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0", "COLUMNS=200")
		if e.behind {
			defer watch(t, cmd, &out, e.want)()
			continue
		}
		err := cmd.Run()
		fails := len(e.want) > 0 && strings.HasPrefix(e.want[0], "Call failed")
		var exit *exec.ExitError
		if !matches(e.want, out.String()) || fails != errors.As(err, &exit) {
			t.Errorf("%s: %v\n%s\nwant\n%s", e.command, err, out.String(), strings.Join(e.want, "\n"))
		}
	}
}

// watch starts a monitor, and returns a function that waits for what it is to say and ends it.
func watch(t *testing.T, cmd *exec.Cmd, out *safeBuffer, want []string) func() {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	const ready = "Monitoring bus message stream.\n"
	until(t, "the monitor", func() bool { return strings.Contains(out.String(), ready) })
	return func() {
		until(t, "what the monitor says", func() bool { return matches(want, strings.TrimPrefix(out.String(), ready)) })
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}
