package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"olive-distributed/packaging/testbus"
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
			"exits":  exits,
			"frames": frames,
			"fifo":   fifo,
		},
	})
}

// exits CODE PROGRAM ARGS…: runs a program that must end with the code; its output is left for
// stdout and stderr.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s ended with %d, want %d", args[1], got, want)
	}
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
