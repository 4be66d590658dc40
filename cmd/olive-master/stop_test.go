package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"olive-distributed/daemon/worker"
)

// children are the ffmpegs that write into the site's state.
func (s *site) children() (pids []int) {
	s.t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range all {
		line, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(line), s.path("state")) || !strings.HasPrefix(filepath.Base(strings.Split(string(line), "\x00")[0]), "ffmpeg") {
			continue // it has ended, or is another
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			s.t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// underWay starts a master, a worker and a job that takes its time, and waits for its first frames.
func underWay(t *testing.T, lines ...string) (*site, *program) {
	t.Helper()
	s := newSite(t)
	s.begin()
	s.join("ada")
	ada := s.work("ada", lines...)
	s.submit("a.mkv", 3000)
	s.renders("ada")
	return s, ada
}

func (s *site) submit(film string, frames int) {
	s.t.Helper()
	s.mustCtl("submit", s.project(film+".ove", frames), "-o", s.path(film), "--preset", "lossless", "--split", "1")
}

// renders waits until a worker has reported frames.
func (s *site) renders(name string) {
	s.t.Helper()
	pattern := regexp.MustCompile(`(?m)^` + name + ` +rendering .* [1-9][0-9]* of`)
	s.until(name+" to render", func() bool {
		out, code := s.ctl("workers")
		return code == 0 && pattern.MatchString(out)
	})
}

func TestAFirstSignalDrainsAndASecondEnds(t *testing.T) {
	s, ada := underWay(t, `stop_timeout = "1h"`)
	_ = ada.cmd.Process.Signal(syscall.SIGTERM)
	s.hears(ada, "stopping after the range in hand")
	before := s.frames("ada")
	s.until("more frames, since it drains", func() bool { return s.frames("ada") > before })
	if code := s.stop(ada, syscall.SIGTERM); code != 0 {
		t.Errorf("the worker ended with %d", code)
	}
	s.hears(ada, "stopping at once")
	if left := s.children(); len(left) != 0 {
		t.Errorf("ffmpegs %v are left", left)
	}
	s.shows("ada away") // at once: the range went back
	if log := s.mustCtl("log", "1"); strings.Contains(log, "failed") {
		t.Errorf("the range counts as failed:\n%s", log)
	}
	if parts, err := filepath.Glob(s.path("state", "jobs", "*", "*.tmp")); err != nil || len(parts) != 0 {
		t.Errorf("files %v are left, %v", parts, err)
	}
}

// frames is how far a worker is.
func (s *site) frames(name string) int {
	s.t.Helper()
	m := regexp.MustCompile(`(?m)^` + name + ` +rendering .*?, ([0-9]+) of`).FindStringSubmatch(s.mustCtl("workers"))
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// TestTheMasterStopsInTime stops it beside a range in flight, a worker that asks for more than it
// takes, strangers at the port and a client of the bus. The issue gives it 5 s.
func TestTheMasterStopsInTime(t *testing.T) {
	s, ada := underWay(t)
	s.join("eve")
	eve, _ := s.raw("eve")
	for range 100 {
		if err := eve.PublishRequest("olive.up.eve.work", "_INBOX.eve.x", []byte(`{"v":1,"body":{}}`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := eve.Flush(); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		c, err := stranger.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	begun := time.Now()
	if code := s.stop(s.master, syscall.SIGTERM); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	took := time.Since(begun)
	t.Logf("it took %v", took.Round(time.Millisecond))
	if took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	s.hears(ada, "rendering goes on")
	if len(s.children()) == 0 {
		t.Error("the worker has lost its range")
	}
	if out, code := s.run("olive-master", "--config", s.path("master.toml"), "--check"); code != 0 {
		t.Errorf("its store: %s", out)
	}
	s.begin()
	s.renders("ada") // the same range, and still the same ffmpeg
	if log := s.mustCtl("log", "1"); strings.Contains(log, "failed") {
		t.Errorf("the range counts as failed:\n%s", log)
	}
}

// busy starts a master that verifies a part which takes it a while: a day of silence, mostly holes.
func busy(t *testing.T) *site {
	t.Helper()
	const length, rate = 24 * 3600, 48000
	s := newSite(t)
	s.begin()
	s.join("eve")
	s.submit("a.mkv", 30*length)
	eve, _ := s.raw("eve")
	ask := func(kind, body string) string {
		t.Helper()
		m, err := eve.Request("olive.up.eve."+kind, []byte(`{"v":1,"body":`+body+`}`), 20*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return string(m.Data)
	}
	marks, err := json.Marshal(slices.Sorted(maps.Values(s.machine().Marks())))
	if err != nil {
		t.Fatal(err)
	}
	ask("hello", `{"spec":{"engines":["builtin"],"presets":`+string(marks)+`}}`)
	var work struct {
		Body worker.WorkAnswer `json:"body"`
	}
	if err := json.Unmarshal([]byte(ask("work", `{}`)), &work); err != nil || work.Body.Task == nil || !work.Body.Task.Sound {
		t.Fatalf("got no sound to make: %+v, %v", work, err)
	}
	var wav bytes.Buffer // EBU Tech 3306
	wav.WriteString("RF64\xff\xff\xff\xffWAVEds64\x1c\x00\x00\x00")
	put := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&wav, binary.LittleEndian, v)
		}
	}
	put(uint64(4*rate*length), uint64(4*rate*length), uint64(rate*length), uint32(0))
	wav.WriteString("fmt ")
	put(uint32(16), uint16(1), uint16(2), uint32(rate), uint32(4*rate), uint16(4), uint16(16))
	wav.WriteString("data\xff\xff\xff\xff")
	header := wav.Len()
	if err := os.WriteFile(work.Body.Task.Part, wav.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(work.Body.Task.Part, int64(header)+4*rate*length); err != nil {
		t.Fatal(err)
	}
	if err := eve.PublishRequest("olive.up.eve.report", "_INBOX.eve.x", []byte(`{"v":1,"body":{"job":1,"range":0,"part":{"sha256":"x"}}}`)); err != nil {
		t.Fatal(err)
	}
	s.until("the master to read the part", func() bool {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.master.pid()))
		return slices.ContainsFunc(links, func(link string) bool {
			to, err := os.Readlink(link)
			return err == nil && to == work.Body.Task.Part
		})
	})
	return s
}

func TestAMasterThatIsBusyStopsInTime(t *testing.T) {
	s := busy(t)
	begun := time.Now()
	if code := s.stop(s.master, syscall.SIGTERM); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	} else {
		t.Logf("it took %v", took.Round(time.Millisecond))
	}
}

func TestASecondSignalEndsTheMaster(t *testing.T) {
	s := busy(t)
	_ = s.master.cmd.Process.Signal(syscall.SIGTERM)
	s.hears(s.master, "msg=stopping")
	s.stop(s.master, syscall.SIGTERM)
	if state, ok := s.master.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !state.Signaled() || state.Signal() != syscall.SIGTERM {
		t.Errorf("it ended as %v, want by the signal", s.master.cmd.ProcessState)
	}
	if out, code := s.run("olive-master", "--config", s.path("master.toml"), "--check"); code != 0 || !strings.Contains(out, "1 jobs") {
		t.Errorf("its store: %s", out)
	}
	s.begin()
	s.shows("1 a.mkv.ove running")
}

func TestTheEncodersKeepToTheWorkersLimits(t *testing.T) {
	s, ada := underWay(t, "threads = 1", "nice = 19", `ionice = "best-effort:6"`)
	checked := 0
	for _, pid := range append(s.children(), ada.pid()) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		fields := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))
		if nice := fields[19-3]; nice != "19" { // proc(5): field 19, counted from the state, which is 3
			t.Errorf("process %d has nice %s, want 19", pid, nice)
		}
		out, err := exec.Command("ionice", "-p", strconv.Itoa(pid)).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != "best-effort: prio 6" {
			t.Errorf("process %d has ionice %q, %v", pid, got, err)
		}
		var cpus unix.CPUSet
		if err := unix.SchedGetaffinity(pid, &cpus); err != nil || cpus.Count() != 1 {
			t.Errorf("process %d may use %d CPUs, %v, want 1", pid, cpus.Count(), err)
		}
		checked++
	}
	if checked < 2 {
		t.Error("there was no encoder to look at")
	}
}
