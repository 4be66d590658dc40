package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"olive-distributed/packaging/testbus"
	"olive-distributed/packaging/transcript"
)

// TestMain runs the tests beside a bus, and olivectl itself when a transcript calls it.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != "olivectl" {
		if err := testbus.Enter(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	testscript.Main(m, map[string]func(){"olivectl": main})
}

// program is the real program, to be measured or killed.
func program(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "olivectl")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// TestSessions runs the transcripts in testdata: what a user types, and what happens then.
func TestSessions(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:      "testdata",
		TestWork: false,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir+"/home")
			e.Setenv("XDG_CACHE_HOME", e.WorkDir+"/cache")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  transcript.Exits,
			"frames": frames,
			"fifo":   fifo,
		},
	})
}

// frames FILE N: the film must have N pictures that decode.
func frames(ts *testscript.TestScript, _ bool, args []string) {
	out, err := exec.Command("ffprobe", "-v", "error", "-count_frames", "-select_streams", "v:0",
		"-show_entries", "stream=nb_read_frames", "-of", "default=nw=1:nk=1", ts.MkAbs(args[0])).Output()
	ts.Check(err)
	if got := string(out); got != args[1]+"\n" {
		ts.Fatalf("%s has %q frames, want %s", args[0], got, args[1])
	}
}

func fifo(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(syscall.Mkfifo(ts.MkAbs(args[0]), 0o600))
}
