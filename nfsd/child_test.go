package nfsd_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"olive-distributed/nfsd"
	"olive-distributed/nfsd/wire"
)

// A childConfig tells a child process what to serve. The child is the test binary itself.
type childConfig struct {
	Dir         string // of a world
	Addr        string
	Limits      nfsd.Limits
	Identities  int    // clients are "worker-N" by their port, N below this
	Descriptors uint64 // RLIMIT_NOFILE; 0: as it is
	Peer        string // of the benchmark: "nfsd", "stream"; "": nfsd on a world's files
	Secure      bool   // mutual TLS with the certificates in Dir
}

const childVariable = "NFSD_TEST_SERVER"

func TestMain(m *testing.M) {
	conf := os.Getenv(childVariable)
	if conf == "" {
		code := m.Run()
		removeBinary()
		os.Exit(code)
	}
	if err := serveChild(conf); err != nil {
		fmt.Fprintln(os.Stderr, "server process:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serveChild serves until its standard input ends. Each line of it is a command, whose answer is one line.
func serveChild(text string) error {
	var conf childConfig
	if err := json.Unmarshal([]byte(text), &conf); err != nil {
		return err
	}
	if n := conf.Descriptors; n > 0 {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", conf.Addr)
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	if conf.Secure {
		secure, err := loadTLS(conf.Dir)
		if err != nil {
			return err
		}
		if conf.Peer != "stream" {
			l = wire.Listen(l)
		}
		l = tls.NewListener(l, secure)
	}
	if conf.Peer == "stream" {
		return streamFile(l, filepath.Join(conf.Dir, bigFile))
	}
	e, err := exportsOf(conf)
	if err != nil {
		return err
	}
	view := show(e...)
	s, err := nfsd.New(nfsd.Config{
		Views: func(string) nfsd.View { return view }, Key: key, Limits: conf.Limits,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- s.Serve(ctx, l, func(c net.Conn) (string, error) {
			return fmt.Sprint("worker-", c.RemoteAddr().(*net.TCPAddr).Port%max(1, conf.Identities)), nil
		})
	}()
	obey(os.Stdin)
	cancel()
	return errors.Join(<-done, s.Close())
}

// exportsOf is what the child shows: a world's export, or the two of the benchmark.
func exportsOf(conf childConfig) ([]*nfsd.Export, error) {
	if conf.Peer == "" {
		e, err := nfsd.NewExport(1, "job-1", filesOf(conf.Dir), folderOf(conf.Dir))
		return []*nfsd.Export{e}, err
	}
	big := nfsd.File{Name: bigFile, Path: filepath.Join(conf.Dir, bigFile)}
	write, err := nfsd.NewExport(1, "job-1", []nfsd.File{big}, &nfsd.Folder{Name: "out", Path: filepath.Join(conf.Dir, "out")})
	if err != nil {
		return nil, err
	}
	many, err := nfsd.NewExport(2, "job-2", nil, &nfsd.Folder{Name: "many", Path: filepath.Join(conf.Dir, "many"), Files: 20_000})
	return []*nfsd.Export{write, many}, err
}

func obey(in io.Reader) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var answer any
		switch word := strings.Fields(lines.Text()); word[0] {
		case "stats":
			answer = takeStats()
		case "fail":
			n, _ := strconv.Atoi(word[2])
			if err := failCalls(word[1], syscall.Errno(n)); err != nil {
				answer = err.Error()
			}
		}
		_ = json.NewEncoder(os.Stdout).Encode(answer)
	}
}

// Stats is what a server process has in use.
type stats struct {
	Goroutines, Descriptors int
	RSS, Peak               int64 // bytes
}

func takeStats() stats {
	runtime.GC()
	debug.FreeOSMemory()
	s := stats{Goroutines: runtime.NumGoroutine(), RSS: procStatus("VmRSS"), Peak: procStatus("VmHWM")}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		s.Descriptors = len(fds) - 1
	}
	return s
}

// procStatus is a line of /proc/self/status, in bytes.
func procStatus(name string) int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return -1
			}
			return kb << 10
		}
	}
	return -1
}

// A child is a server in a process of its own.
type child struct {
	t    testing.TB
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	addr string
}

// plainBinary is the test binary without the race detector, whose memory would be measured instead of the server's.
var plainBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "olive-nfsd-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "server")
	cmd := exec.Command("go", "test", "-c", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("build: %w\n%s", err, out), os.RemoveAll(dir))
	}
	built = dir
	return path, nil
})

var built string // folder of plainBinary, "" when nobody has asked for it

func removeBinary() {
	if built != "" {
		os.RemoveAll(built)
	}
}

// startChild starts a server process on the world's files, which ends with the test.
func (w *world) startChild(conf childConfig) *child {
	w.t.Helper()
	conf.Dir = w.dir
	if conf.Addr == "" {
		conf.Addr = "127.0.0.1:0"
	}
	text := must(json.Marshal(conf))(w.t)
	cmd := exec.Command(must(plainBinary())(w.t))
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = w.t.Output()
	c := &child{t: w.t, cmd: cmd, in: must(cmd.StdinPipe())(w.t)}
	c.out = bufio.NewReader(must(cmd.StdoutPipe())(w.t))
	runtime.LockOSThread() // Pdeathsig is about the thread
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.stop() })
	line, err := c.out.ReadString('\n')
	if err != nil {
		w.t.Fatalf("the server process does not serve: %v", err)
	}
	c.addr = strings.TrimSpace(line)
	return c
}

// stop ends the process as systemd would, and fails the test when it did not end well.
func (c *child) stop() {
	if c.cmd == nil {
		return
	}
	c.in.Close()
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("the server process: %v", err)
	}
	c.cmd = nil
}

// kill ends the process as a power cut would.
func (c *child) kill() {
	c.t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	_ = c.cmd.Wait()
	c.cmd = nil
}

func (c *child) ask(command string, answer any) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, command); err != nil {
		c.t.Fatal(err)
	}
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		c.t.Fatalf("the server process has ended: %v", err)
	}
	if err := json.Unmarshal(line, answer); err != nil {
		c.t.Fatal(err)
	}
}

func (c *child) stats() (s stats) {
	c.t.Helper()
	c.ask("stats", &s)
	return s
}

// fail makes all further system calls of a kind, "write" or "sync", fail.
func (c *child) fail(kind string, with syscall.Errno) {
	c.t.Helper()
	var failure *string
	c.ask(fmt.Sprintf("fail %s %d", kind, int(with)), &failure)
	if failure != nil {
		c.t.Fatalf("make %s fail: %s", kind, *failure)
	}
}

func (c *child) site() *site { return siteAt(c.t, dialTo(c.t, c.addr)) }
