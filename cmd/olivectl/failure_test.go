package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"olive-distributed/cmd/olivectl/exit"
	"olive-distributed/packaging/testdisk"
)

// A session is a running olivectl with a folder for films and one for parts.
type session struct {
	t              *testing.T
	cmd            *exec.Cmd
	films, scratch string
	stderr         bytes.Buffer
	ended          chan struct{}
	err            error
}

// start begins an export that takes some seconds.
func start(t *testing.T, olivectl, project, films, scratch string, args ...string) *session {
	t.Helper()
	s := &session{t: t, films: films, scratch: scratch, ended: make(chan struct{})}
	args = append([]string{"export", "--local", "--workers", "2", "--split", "4", "--preset", "lossless", "--scratch", scratch, "-o", filepath.Join(films, "film.mkv")}, args...)
	s.cmd = exec.Command(olivectl, append(args, project)...)
	s.cmd.Stderr = &s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.ended
	})
	return s
}

// wait returns the exit code, -1 after a signal.
func (s *session) wait() int {
	select {
	case <-s.ended:
	case <-time.After(2 * time.Minute):
		s.t.Fatalf("olivectl does not end\n%s", &s.stderr)
	}
	var exit *exec.ExitError
	if errors.As(s.err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// until polls for a condition while the export runs.
func (s *session) until(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		select {
		case <-s.ended:
			s.t.Fatalf("the export ended before %s\n%s", what, &s.stderr)
		case <-time.After(2 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// encoders lists the ffmpeg processes below the export that write a part.
func (s *session) encoders() []int {
	var pids []int
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range procs {
		line, _ := os.ReadFile(p)
		if bytes.Contains(line, []byte(s.scratch)) && bytes.Contains(line, []byte("rgb0")) && bytes.HasPrefix(programName(line), []byte("ffmpeg")) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(p)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// programName is the program's name in a command line of /proc.
func programName(line []byte) []byte {
	program, _, _ := bytes.Cut(line, []byte{0})
	return program[bytes.LastIndexByte(program, '/')+1:]
}

// parts counts finished parts that a resume could use.
func (s *session) parts() int {
	found, _ := filepath.Glob(filepath.Join(s.scratch, "*", "*.json"))
	return len(found)
}

// empty checks that a folder has nothing in it, hidden files included.
func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s was left in %s", e.Name(), dir)
	}
}

// long is a project of some seconds of work.
func long(t *testing.T) (dir, project string) {
	t.Helper()
	dir = t.TempDir()
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=10", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", filepath.Join(dir, "a.mp4"))
	text := strings.NewReplacer(fmt.Sprintf(`width="%d" height="%d"`, filmW, filmH), `width="1280" height="720"`)
	project = writeProject(t, dir, video(0, 1, 0, 240, 20, 1, `speed="1"`, ""), "")
	data, err := os.ReadFile(project)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(project, []byte(text.Replace(string(data))), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, project
}

// md5s is ffmpeg's list of a film's frames.
func md5s(t *testing.T, film string) string {
	t.Helper()
	return string(ffmpeg(t, "-i", film, "-map", "0:v", "-f", "framemd5", "-"))
}

// onFullDisk exports to where there is no room.
func onFullDisk(t *testing.T, olivectl, project, films, scratch string) {
	t.Helper()
	s := start(t, olivectl, project, films, scratch)
	if code := s.wait(); code != exit.Failed {
		t.Errorf("exit code %d, want %d", code, exit.Failed)
	}
	if !strings.Contains(strings.ToLower(s.stderr.String()), "no space left on device") {
		t.Errorf("the error does not tell that the disk is full:\n%s", &s.stderr)
	}
	empty(t, films)
}

func TestFailures(t *testing.T) {
	olivectl := program(t)
	dir, project := long(t)
	reference := start(t, olivectl, project, t.TempDir(), t.TempDir())
	if code := reference.wait(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, &reference.stderr)
	}
	want := md5s(t, filepath.Join(reference.films, "film.mkv"))
	right := func(t *testing.T, s *session) {
		t.Helper()
		if code := s.wait(); code != 0 {
			t.Fatalf("exit code %d\n%s", code, &s.stderr)
		}
		if got := md5s(t, filepath.Join(s.films, "film.mkv")); got != want {
			t.Error("the film is not the right one")
		}
	}

	t.Run("an encoder that is killed costs its range only", func(t *testing.T) {
		s := start(t, olivectl, project, t.TempDir(), t.TempDir())
		s.until("an encoder", func() bool { return len(s.encoders()) > 0 })
		if err := syscall.Kill(s.encoders()[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		right(t, s)
		if !strings.Contains(s.stderr.String(), "failed on local-") {
			t.Errorf("nothing is said of the failure:\n%s", &s.stderr)
		}
	})

	t.Run("a killed export leaves no film and no process, and can be resumed", func(t *testing.T) {
		s := start(t, olivectl, project, t.TempDir(), t.TempDir())
		s.until("two parts", func() bool { return s.parts() >= 2 })
		_ = s.cmd.Process.Kill()
		s.wait()
		empty(t, s.films)
		for deadline := time.Now().Add(10 * time.Second); len(s.encoders()) > 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond) // the kernel tells the children in its own time
		}
		if left := s.encoders(); len(left) > 0 {
			t.Errorf("encoders %v go on", left)
		}
		again := start(t, olivectl, project, s.films, s.scratch, "--resume")
		right(t, again)
		if !strings.Contains(again.stderr.String(), "parts of an earlier try are used") {
			t.Errorf("it began anew:\n%s", &again.stderr)
		}
		empty(t, again.scratch)
	})

	t.Run("an interrupt ends with 130 and leaves nothing", func(t *testing.T) {
		s := start(t, olivectl, project, t.TempDir(), t.TempDir())
		s.until("an encoder", func() bool { return len(s.encoders()) > 0 })
		_ = s.cmd.Process.Signal(os.Interrupt)
		if code := s.wait(); code != exit.Interrupted {
			t.Errorf("exit code %d, want %d", code, exit.Interrupted)
		}
		empty(t, s.films)
		empty(t, s.scratch)
		if left := s.encoders(); len(left) > 0 {
			t.Errorf("encoders %v go on", left)
		}
	})

	t.Run("a damaged part is not resumed from", func(t *testing.T) {
		s := start(t, olivectl, project, t.TempDir(), t.TempDir())
		s.until("two parts", func() bool { return s.parts() >= 2 })
		_ = s.cmd.Process.Kill()
		s.wait()
		damaged, _ := filepath.Glob(filepath.Join(s.scratch, "*", "*.mov"))
		for _, part := range damaged {
			flip(t, part)
		}
		right(t, start(t, olivectl, project, s.films, s.scratch, "--resume"))
	})

	t.Run("a full disk under the parts is one clear error", func(t *testing.T) {
		onFullDisk(t, olivectl, project, t.TempDir(), testdisk.Small(t, 2<<10))
	})
	t.Run("a full disk under the film is one clear error", func(t *testing.T) {
		onFullDisk(t, olivectl, project, testdisk.Small(t, 2<<10), t.TempDir())
	})

	t.Run("a medium that is shorter than it claims is one clear error", func(t *testing.T) {
		whole := filepath.Join(dir, "a.mp4")
		ffmpeg(t, "-i", whole, "-c", "copy", "-movflags", "+faststart", filepath.Join(dir, "fast.mp4"))
		info, err := os.Stat(filepath.Join(dir, "fast.mp4"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(dir, "fast.mp4"), info.Size()/2); err != nil {
			t.Fatal(err)
		}
		data, _ := os.ReadFile(project)
		other := filepath.Join(dir, "short.ove")
		if err := os.WriteFile(other, bytes.ReplaceAll(data, []byte(`url="a.mp4"`), []byte(`url="fast.mp4"`)), 0o600); err != nil {
			t.Fatal(err)
		}
		s := start(t, olivectl, other, t.TempDir(), t.TempDir())
		if code := s.wait(); code != exit.Failed && code != exit.Refused {
			t.Errorf("exit code %d, want %d or %d", code, exit.Failed, exit.Refused)
		}
		if !strings.Contains(s.stderr.String(), "fast.mp4") {
			t.Errorf("the error does not name the medium:\n%s", &s.stderr)
		}
		empty(t, s.films)
	})
}

// flip changes one byte in the middle of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 0xff
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
