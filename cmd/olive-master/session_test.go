package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"olive-distributed/packaging/testbus"
	"olive-distributed/packaging/transcript"
)

// TestSessions runs the transcripts in testdata: what the keeper of a farm types, and what happens.
// Master and workers are the real programs, each transcript with a farm of its own.
func TestSessions(t *testing.T) {
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			bus, err := testbus.New(context.Background())
			if err != nil {
				return err
			}
			e.Defer(bus.Close)
			e.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			e.Setenv("ADDR", l.Addr().String())
			e.Setenv("BUS", bus.Address)
			config := "listen = \"" + l.Addr().String() + "\"\nstate = \"" + e.WorkDir + "/state\"\nbus = \"" + bus.Address + "\"\nspool = \"\"\n"
			return errors.Join(l.Close(), os.WriteFile(filepath.Join(e.WorkDir, "master.toml"), []byte(config), 0o600))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ctl": ctl, "exits": transcript.Exits, "until": until, "join": join, "nobody": nobody, "secrets": secrets, "append": appendTo, "ffmpegs": ffmpegs, "freeze": freeze, "tmpfs": tmpfs, "fill": fill, "flip": flip,
		},
	})
}

// ctl CODE ARGS…: olivectl at the transcript's farm must end with the code.
func ctl(ts *testscript.TestScript, neg bool, args []string) {
	transcript.Exits(ts, neg, append([]string{args[0], "olivectl"}, atFarm(ts, args[1:])...))
}

// atFarm names the farm of the transcript, before any -- that ends the options.
func atFarm(ts *testscript.TestScript, args []string) []string {
	return append([]string{args[0], "--bus-address", ts.Getenv("BUS")}, args[1:]...)
}

// until PATTERN ARGS…: olivectl must say so in the end.
func until(ts *testscript.TestScript, neg bool, args []string) {
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	said := ""
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); {
		out, err := exec.Command(filepath.Join(strings.Split(ts.Getenv("PATH"), ":")[0], "olivectl"), atFarm(ts, args[1:])...).CombinedOutput()
		if said = string(out); pattern.Match(out) != neg && (err == nil || neg) {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	ts.Fatalf("waited in vain for %q; the last word was\n%s", args[0], said)
}

// join NAME: makes a worker as a person would, by the line that is printed, and its configuration.
func join(ts *testscript.TestScript, _ bool, args []string) {
	name := args[0]
	ts.Check(ts.Exec("olivectl", atFarm(ts, []string{"worker", "add", name})...))
	line := strings.Fields(ts.ReadFile("stdout"))
	ts.Setenv("TOKEN", line[len(line)-1])
	ts.Check(ts.Exec(line[0], append(line[1:], "--state", ts.MkAbs(name))...))
	config := "state = \"" + ts.MkAbs(name) + "\"\ncache = \"" + ts.MkAbs("cache") + "\"\nthreads = 1\nbus = \"none\"\nnice = 0\nionice = \"none\"\n"
	ts.Check(os.WriteFile(ts.MkAbs(name+".toml"), []byte(config), 0o600))
}

// nobody CODE ARGS…: olivectl as a user who is not of the group olive must end with the code.
func nobody(ts *testscript.TestScript, _ bool, args []string) {
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	bin := strings.Split(ts.Getenv("PATH"), ":")[0]
	ts.Check(os.Chmod(bin, 0o755))
	cmd := exec.Command(filepath.Join(bin, "olivectl"), atFarm(ts, args[1:])...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	ts.Logf("%s", out)
	if got := cmd.ProcessState.ExitCode(); got != code {
		ts.Fatalf("%v: ended with %d, want %d", err, got, code)
	}
}

// secrets FILE…: the files must have nothing of the last token or of a key.
func secrets(ts *testscript.TestScript, _ bool, args []string) {
	token := ts.Getenv("TOKEN")
	token = token[strings.LastIndex(token, ".")+1:]
	for _, file := range args {
		text := ts.ReadFile(file)
		if text == "" {
			ts.Fatalf("%s is empty: it proves nothing", file)
		}
		for n := 0; n+16 <= len(token); n += 8 {
			if strings.Contains(text, token[n:n+16]) {
				ts.Fatalf("%s has a piece of the token", file)
			}
		}
		if strings.Contains(text, "PRIVATE KEY") {
			ts.Fatalf("%s has a key", file)
		}
	}
}

// append FILE OTHER: puts the other file at the end of the first.
func appendTo(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(ts.ReadFile(args[0])+ts.ReadFile(args[1])), 0o600))
}

// encoders are the processes that write into the folder of this transcript's parts.
func encoders(ts *testscript.TestScript) (pids []int) {
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	ts.Check(err)
	for _, file := range all {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if strings.HasPrefix(filepath.Base(strings.Split(string(line), "\x00")[0]), "ffmpeg") && strings.Contains(string(line), ts.MkAbs("state")) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			ts.Check(err)
			pids = append(pids, pid)
		}
	}
	return pids
}

// ffmpegs N: there must be so many encoders in the end.
func ffmpegs(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	for deadline := time.Now().Add(20 * time.Second); len(encoders(ts)) != want; {
		if time.Now().After(deadline) {
			ts.Fatalf("encoders %v, want %d", encoders(ts), want)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// freeze stops the encoders as SIGSTOP does.
func freeze(ts *testscript.TestScript, _ bool, _ []string) {
	pids := encoders(ts)
	if len(pids) == 0 {
		ts.Fatalf("there is no encoder to freeze")
	}
	for _, pid := range pids {
		ts.Check(syscall.Kill(pid, syscall.SIGSTOP))
	}
}

// tmpfs DIR: a small disk of its own for a folder. It needs root, as the network of TestFarm does.
func tmpfs(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(syscall.Mount("olive-test", dir, "tmpfs", 0, "size=80m"))
	ts.Defer(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// fill FILE: grows a file until its disk is full.
func fill(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	for block := make([]byte, 1<<16); ; {
		if _, err := f.Write(block); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				ts.Fatalf("%v", err)
			}
			return
		}
	}
}

// flip FILE: flips one bit in the second half of the file. A $ in the name is one.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	file := ts.MkAbs(args[0])
	data, err := os.ReadFile(file)
	ts.Check(err)
	data[len(data)*3/4] ^= 0x10
	ts.Check(os.WriteFile(file, data, 0o600))
}
