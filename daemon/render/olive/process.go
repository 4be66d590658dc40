package olive

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"olive-distributed/daemon/ove"
)

// tailLimit is how many bytes of what the editor said go into an error.
const tailLimit = 2 << 10

// A tail keeps the last of what a process says.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[max(0, len(p)-tailLimit):]...)
	t.buf = t.buf[max(0, len(t.buf)-tailLimit):]
	return len(p), nil
}

// wrap adds what was said to err.
func (t *tail) wrap(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.FieldsFunc(strings.ToValidUTF8(string(t.buf), "?"), func(r rune) bool { return r < ' ' })
	if len(lines) == 0 {
		return err
	}
	return fmt.Errorf("%w; it said: %s", err, strings.Join(lines, "; "))
}

// kept are the variables of our environment, or their beginnings, that the editor gets: what
// chooses libraries, drivers, effects and fonts. A desktop's session, locale and sockets are none
// of its business.
var kept = []string{
	"PATH=", "LD_LIBRARY_PATH=", "APPDIR=", "OLIVE_EFFECTS_PATH=", "FREI0R_PATH=", "QT_PLUGIN_PATH=", "QT_QPA_PLATFORM_PLUGIN_PATH=",
	"LIBGL_", "MESA_", "GALLIUM_", "LP_NUM_THREADS=", "FONTCONFIG_", "XDG_DATA_DIRS=", "XDG_CONFIG_DIRS=",
}

// environment is what the editor, and what it starts, gets.
func environment(f *folder, mark string, display []string) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return !slices.ContainsFunc(kept, func(k string) bool { return strings.HasPrefix(v, k) })
	})
	return append(append(env, display...),
		"HOME="+f.home(), "XDG_CONFIG_HOME="+filepath.Join(f.home(), ".config"), "XDG_DATA_HOME="+filepath.Join(f.home(), ".local/share"),
		"XDG_CACHE_HOME="+filepath.Join(f.home(), ".cache"), "XDG_STATE_HOME="+filepath.Join(f.home(), ".local/state"),
		"XDG_RUNTIME_DIR="+f.runtime(), "TMPDIR="+f.temp(), "LC_ALL=C.UTF-8", markVariable+"="+mark,
	)
}

// runEditor runs the editor to its end, at the latest to the end that the number of frames sets
// it, and then ends everything that it has left running.
func (e *Engine) runEditor(ctx context.Context, d Display, f *folder, args []string, frames ove.Frame, tick func(time.Duration)) (*tail, error) {
	program, err := e.program()
	if err != nil {
		return nil, err
	}
	limit := e.opt.Startup + time.Duration(frames)*e.opt.PerFrame
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it was not ready after %v for %d frames, and was ended", limit, frames))
	defer cancel()
	mark := rand.Text()
	t := newTree(mark)
	display, wait, err := d.open(ctx, f, mark)
	defer func() {
		t.kill()
		wait()
	}()
	if err != nil {
		return nil, err
	}
	said := &tail{}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = f.work(), environment(f, mark, display)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return said, e.wait(ctx, cmd, t, said, tick)
}

// wait starts the editor and watches it until it has ended, and all that it started.
func (e *Engine) wait(ctx context.Context, cmd *exec.Cmd, t tree, said *tail, tick func(time.Duration)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = in, in
	err = cmd.Start()
	_ = in.Close()
	if err != nil {
		return fmt.Errorf("start it: %w", err)
	}
	var others sync.WaitGroup
	defer others.Wait()
	others.Go(func() { _, _ = io.Copy(said, out) })
	ended := make(chan struct{})
	others.Go(func() { e.watch(ctx, cancel, cmd, t, tick, ended) })
	err = cmd.Wait()
	close(ended)
	t.kill()
	_ = out.SetReadDeadline(time.Now().Add(time.Second)) // nobody is left to write
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err != nil {
		others.Wait()
		return said.wrap(fmt.Errorf("the editor failed: %w", err))
	}
	return nil
}

// watch ends the editor with the context, and when it does nothing any more: a dialog that nobody
// sees waits for ever.
func (e *Engine) watch(ctx context.Context, cancel context.CancelCauseFunc, cmd *exec.Cmd, t tree, tick func(time.Duration), ended <-chan struct{}) {
	ticker := time.NewTicker(min(time.Second, e.opt.Idle/8))
	defer ticker.Stop()
	began := time.Now()
	since, work, size := began, t.work(), written(cmd.Dir)
	for {
		select {
		case <-ended:
			return
		case <-ctx.Done():
			t.kill()
			_ = cmd.Process.Kill() // it ends even where /proc is closed to us
			return
		case <-ticker.C:
		}
		if tick != nil {
			tick(time.Since(began))
		}
		nowWork, nowSize := t.work(), written(cmd.Dir)
		work = min(work, nowWork) // what a process has done goes with it
		quiet := time.Since(since)
		switch {
		case nowSize != size, nowWork-work > quiet/100+clockTick: // a cursor that blinks is no work
			since, work, size = time.Now(), nowWork, nowSize
		case quiet > e.opt.Idle:
			cancel(fmt.Errorf("it did nothing for %v, as if it waited for somebody to answer a dialog, and was ended", e.opt.Idle))
		}
	}
}

// written is how much lies in a folder.
func written(dir string) int64 {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	var sum int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			sum += info.Size() + 1
		}
	}
	return sum
}
