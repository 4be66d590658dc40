package olive

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// markVariable is set to a word of its own in the environment of all that a run starts. Processes
// that leave their group, and their parents, still have it.
const markVariable = "OLIVE_DISTRIBUTED_RUN"

// A tree is the processes of one run.
type tree struct{ mark []byte }

func newTree(mark string) tree { return tree{[]byte(markVariable + "=" + mark)} }

// members are the pids of the processes that live. Those of other users cannot be looked at, and
// are none of ours.
func (t tree) members() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && t.owns(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (t tree) owns(pid int) bool {
	if pid == os.Getpid() {
		return false
	}
	env, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if err != nil {
		return false
	}
	for v := range bytes.SplitSeq(env, []byte{0}) {
		if bytes.Equal(v, t.mark) {
			return true
		}
	}
	return false
}

// kill ends all of them; what they start meanwhile is found in the next round.
func (t tree) kill() {
	const rounds = 100
	for range rounds {
		pids := t.members()
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			p, err := os.FindProcess(pid) // holds the process, whoever gets its number later
			if err == nil && t.owns(pid) {
				_ = p.Signal(syscall.SIGKILL)
			}
			if err == nil {
				_ = p.Release()
			}
		}
		time.Sleep(time.Millisecond) // they die on their own time
	}
}

// clockTick is a unit of a process's time.
const clockTick = time.Second / 100

// work is the processor time of the processes that live and of the children they have waited for.
func (t tree) work() time.Duration {
	var sum time.Duration
	for _, pid := range t.members() {
		sum += cpu(pid)
	}
	return sum
}

// cpu reads utime, stime, cutime and cstime of proc(5).
func cpu(pid int) time.Duration {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
	fields := strings.Fields(rest)
	const utime = 14 - 3 // of the fields behind the name, which is the second
	var sum time.Duration
	for i := utime; i < utime+4 && i < len(fields); i++ {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		sum += time.Duration(n) * clockTick
	}
	return sum
}

// fresh reports whether a folder is so new that its maker may not have locked it yet.
func fresh(dir *os.File) bool {
	info, err := dir.Stat()
	return errors.Is(err, os.ErrNotExist) || err == nil && time.Since(info.ModTime()) < time.Minute
}
