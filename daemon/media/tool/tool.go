// Package tool runs ffmpeg and ffprobe as children over pipes. They die with this process, and with their
// context together with all that they started; the tail of what they said goes into the error.
package tool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	TailLimit = 2 << 10         // bytes of a child's messages that go into an error
	waitDelay = 5 * time.Second // how long a killed child's pipes may stay open
	pipeSize  = 1 << 20         // the most that Linux gives to a user by default
)

// environment is what children get besides ours. glibc gives the memory of each picture back to the
// kernel and asks for it again, which is a third of an encoder's system time or more; to keep
// it takes a seventh more memory.
var environment = []string{
	"LC_ALL=C", "AV_LOG_FORCE_NOCOLOR=1",
	"SVT_LOG=1", // SVT-AV1: errors only
	"MALLOC_MMAP_THRESHOLD_=1073741824", "MALLOC_TRIM_THRESHOLD_=4294967296",
}

// A Tail is a writer that keeps the last TailLimit bytes.
type Tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[max(0, len(p)-TailLimit):]...)
	t.buf = t.buf[max(0, len(t.buf)-TailLimit):]
	return len(p), nil
}

// String gives the lines on one line, as an error wants them.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.FieldsFunc(strings.ToValidUTF8(string(t.buf), "?"), func(r rune) bool { return r == '\n' || r == '\r' })
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, noComplaint) })
	return strings.Join(lines, "; ")
}

// noComplaint is what libgcrypt says in every program where memory cannot be locked, as in many
// containers. It has nothing to do with media.
const noComplaint = "Warning: using insecure memory!"

// Wrap adds what the child said to err.
func (t *Tail) Wrap(err error) error {
	if s := t.String(); err != nil && s != "" {
		return fmt.Errorf("%w: %s", err, s)
	}
	return err
}

// Command prepares a child that dies with this process and, with all that it started, with ctx.
func Command(ctx context.Context, tool string, args ...string) (*exec.Cmd, error) {
	path, err := exec.LookPath(tool)
	if err != nil {
		return nil, fmt.Errorf("%s is not installed (Debian: apt install ffmpeg): %w", tool, err)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), environment...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its whole process group
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	cmd.WaitDelay = waitDelay
	return cmd, nil
}

// Run runs a tool to its end and hands its output to read, which must read all of it or fail.
// What the tool said goes to said, and its tail into the error.
func Run(ctx context.Context, tool string, args []string, said *Tail, read func(io.Reader) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd, err := Command(ctx, tool, args...)
	if err != nil {
		return err
	}
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", tool, err)
	}
	readErr := read(out)
	if readErr != nil {
		cancel() // the child would wait for ever for a reader
	}
	waitErr := cmd.Wait()
	if readErr != nil {
		return said.Wrap(fmt.Errorf("read from %s: %w", tool, readErr))
	}
	if waitErr != nil {
		return said.Wrap(fmt.Errorf("%s: %w", tool, Reason(ctx, waitErr)))
	}
	return nil
}

// Reason prefers the reason why a context ended to "signal: killed".
func Reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// Limited collects at most limit bytes and fails on more.
func Limited(limit int64, dst *bytes.Buffer) func(io.Reader) error {
	return func(r io.Reader) error {
		n, err := io.Copy(dst, io.LimitReader(r, limit+1))
		if err == nil && n > limit {
			err = errors.New("more output than expected")
		}
		return err
	}
}

// Widen makes a pipe as large as the system allows; a smaller one works as well.
func Widen(f any) {
	const setPipeSize = 1031 // F_SETPIPE_SZ
	if f, ok := f.(*os.File); ok {
		if c, err := f.SyscallConn(); err == nil {
			_ = c.Control(func(fd uintptr) { _, _, _ = syscall.Syscall(syscall.SYS_FCNTL, fd, setPipeSize, pipeSize) })
		}
	}
}
