package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// run runs a program to its end.
func (s *site) run(name string, args ...string) (string, int) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		s.t.Fatalf("%s %q: %v", name, args, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// A program is a daemon that runs, and all it has said.
type program struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

func (p *program) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *program) pid() int { return p.cmd.Process.Pid }

func (s *site) start(name string, args ...string) *program {
	s.t.Helper()
	p := &program{name: name, cmd: exec.Command(filepath.Join(s.bin, name), args...), ended: make(chan struct{})}
	p.cmd.Dir = s.dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		for r := bufio.NewReader(out); ; {
			line, err := r.ReadString('\n')
			p.mu.Lock()
			p.log.WriteString(line)
			p.mu.Unlock()
			if err != nil {
				_ = p.cmd.Wait()
				return
			}
		}
	}()
	s.all = append(s.all, p)
	return p
}

// begin starts the master and waits until it serves.
func (s *site) begin() {
	s.t.Helper()
	s.master = s.start("olive-master", "--config", s.path("master.toml"))
	s.hears(s.master, "msg=ready")
}

// stop ends a program by a signal and returns its exit code, -1 when the signal has killed it.
func (s *site) stop(p *program, sig syscall.Signal) int {
	s.t.Helper()
	_ = p.cmd.Process.Signal(sig)
	s.ends(p)
	return p.cmd.ProcessState.ExitCode()
}

func (s *site) ends(p *program) {
	s.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		s.t.Fatalf("%s does not end:\n%s", p.name, p.said())
	}
}

// until waits for a condition.
func (s *site) until(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// hears waits until a program has said something.
func (s *site) hears(p *program, text string) {
	s.t.Helper()
	s.until(fmt.Sprintf("%s to say %q", p.name, text), func() bool {
		if strings.Contains(p.said(), text) {
			return true
		}
		select {
		case <-p.ended:
			if !strings.Contains(p.said(), text) {
				s.t.Fatalf("%s has ended without %q:\n%s", p.name, text, p.said())
			}
		default:
		}
		return false
	})
}

// patience is long: other work on the machine must not fail a test.
const patience = 3 * time.Minute

// memory is a line of /proc/PID/status of the master, in MB.
func (s *site) memory(line string) int {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.master.pid()))
	if err != nil {
		s.t.Fatal(err)
	}
	kb := 0
	if _, rest, ok := strings.Cut(string(status), line+":"); ok {
		_, _ = fmt.Sscan(rest, &kb)
	}
	if kb == 0 {
		s.t.Fatalf("no %s in %s", line, status)
	}
	return kb >> 10
}
