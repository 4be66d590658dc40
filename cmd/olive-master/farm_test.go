package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
	"olive-distributed/packaging/testbus"
)

// programs are the real ones, built once.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "olive-programs-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", dir+"/", "../olive-master", "../olive-worker", "../olivectl")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build: %w\n%s", err, out)
	}
	return dir, nil
})

// TestMain runs the tests where each farm can have a bus of its own.
func TestMain(m *testing.M) {
	if err := testbus.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if dir, _ := programs(); dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// A network is a bridge in a namespace of its own, and a namespace for each host.
type network struct {
	t    *testing.T
	name string
}

func ip(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func newNetwork(t *testing.T, hosts ...string) *network {
	n := &network{t, "olive-" + rand.Text()[:8]}
	for i, host := range append([]string{"hub"}, hosts...) {
		ns := n.ns(host)
		ip(t, "netns", "add", ns)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
		ip(t, "-n", ns, "link", "set", "lo", "up")
		if host == "hub" {
			ip(t, "-n", ns, "link", "add", "br0", "type", "bridge")
			ip(t, "-n", ns, "link", "set", "br0", "up")
			continue
		}
		ip(t, "-n", ns, "link", "add", "eth0", "type", "veth", "peer", "name", "to-"+host, "netns", n.ns("hub"))
		ip(t, "-n", ns, "addr", "add", fmt.Sprintf("10.74.80.%d/24", i), "dev", "eth0")
		ip(t, "-n", ns, "link", "set", "eth0", "up")
		ip(t, "-n", n.ns("hub"), "link", "set", "to-"+host, "master", "br0", "up")
	}
	return n
}

func (n *network) ns(host string) string { return n.name + "-" + host }

// cut takes a host off the network, or puts it back.
func (n *network) cut(host string, off bool) {
	state := "up"
	if off {
		state = "down"
	}
	ip(n.t, "-n", n.ns("hub"), "link", "set", "to-"+host, state)
}

// A process is a program of the farm on a host.
type process struct {
	cmd   *exec.Cmd
	log   bytes.Buffer
	ended chan struct{}
}

// kill ends the process at once, as a power cut would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// A testFarm is a master and workers, each on a host of its own, with one disk for all.
type testFarm struct {
	t       *testing.T
	net     *network
	bin     string
	dir     string
	bus     *testbus.Bus
	client  *dbus.Client
	mu      sync.Mutex
	running map[string]*process
}

func newFarm(t *testing.T, workers ...string) *testFarm {
	t.Helper()
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	f := &testFarm{
		t: t, net: newNetwork(t, append([]string{"master"}, workers...)...), bin: bin, dir: t.TempDir(),
		running: map[string]*process{},
	}
	if f.bus, err = testbus.New(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.bus.Close)
	f.write("master.toml", fmt.Sprintf("listen = \":7480\"\nstate = %q\nbus = %q\nspool = \"\"\n", f.path("master"), f.bus.Address))
	if f.client, err = dbus.Connect(t.Context(), f.bus.Address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.client.Close)
	f.startMaster()
	for _, w := range workers {
		f.join(w)
	}
	return f
}

func (f *testFarm) path(name string) string { return filepath.Join(f.dir, name) }

func (f *testFarm) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(f.path(name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// start runs a program on a host until the test ends.
func (f *testFarm) start(host, program string, args ...string) *process {
	f.t.Helper()
	p := &process{cmd: exec.Command("ip", append([]string{"netns", "exec", f.net.ns(host), filepath.Join(f.bin, program)}, args...)...), ended: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StderrPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	p.cmd.Stdout = p.cmd.Stderr
	if err := p.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			f.mu.Lock()
			fmt.Fprintln(&p.log, lines.Text())
			f.mu.Unlock()
		}
		_ = p.cmd.Wait()
	}()
	f.running[host] = p
	f.t.Cleanup(func() {
		p.kill()
		if f.t.Failed() {
			f.t.Logf("%s said:\n%s", host, &p.log)
		}
	})
	return p
}

// run runs olivectl on a host.
func (f *testFarm) run(host string, args ...string) string {
	f.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", f.net.ns(host), filepath.Join(f.bin, "olivectl")}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		f.t.Fatalf("olivectl %s: %v\n%s", strings.Join(args, " "), err, &said)
	}
	return string(out)
}

// startMaster starts the master and waits until it serves.
func (f *testFarm) startMaster() {
	f.t.Helper()
	p := f.start("master", "olive-master", "--config", f.path("master.toml"))
	f.until("the master", func() bool {
		select {
		case <-p.ended:
			f.t.Fatalf("the master has ended:\n%s", &p.log)
		default:
		}
		_, err := f.client.Status(f.t.Context())
		return err == nil
	})
}

// join makes a host a worker, by the line that olivectl prints.
func (f *testFarm) join(host string) {
	f.t.Helper()
	line := strings.Fields(f.run("master", "worker", "add", host, "--bus-address", f.bus.Address))
	if len(line) < 3 || line[0] != "olivectl" || line[1] != "join" {
		f.t.Fatalf("worker add printed %q", line)
	}
	line[2] = "10.74.80.1:7480" // the test has no names
	f.run(host, append(line[1:], "--state", f.path(host))...)
	f.startWorker(host)
}

func (f *testFarm) startWorker(host string) {
	f.t.Helper()
	f.write(host+".toml", fmt.Sprintf("state = %q\ncache = %q\nthreads = 1\nbus = \"none\"\nnice = 0\nionice = \"none\"\n", f.path(host), f.path("cache")))
	f.start(host, "olive-worker", "--config", f.path(host+".toml"))
}

func (f *testFarm) until(what string, ok func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); {
		if time.Now().After(deadline) {
			f.t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// status is the farm's, once the master answers.
func (f *testFarm) status() dbus.View {
	f.t.Helper()
	var s dbus.View
	f.until("the master's answer", func() (ok bool) {
		var err error
		s, err = f.client.Status(f.t.Context())
		return err == nil
	})
	return s
}

// submit gives the sample to the farm.
func (f *testFarm) submit(film string) uint32 {
	f.t.Helper()
	id, err := f.client.Submit(f.t.Context(), sample(f.t), dbus.Options{Output: f.path(film), Preset: "lossless", Split: 8})
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

func sample(t testing.TB) string {
	path, err := filepath.Abs("../../packaging/demo/demo.ove")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// job is one job with its ranges, once the master answers.
func (f *testFarm) job(id uint32) dbus.Job {
	f.t.Helper()
	var j dbus.Job
	f.until("the master's answer", func() bool {
		var err error
		if j, err = f.client.Job(f.t.Context(), id); errors.Is(err, dbus.ErrNoSuchJob) {
			f.t.Fatalf("job %d is lost", id)
		}
		return err == nil
	})
	return j
}

// worker is one worker as the master sees it; one that it does not know has no state.
func (f *testFarm) worker(name string) dbus.Member {
	f.t.Helper()
	for _, w := range f.status().Workers {
		if w.Name == name {
			return w
		}
	}
	return dbus.Member{}
}

// holding waits until the worker renders something of the job, and has reported frames.
func (f *testFarm) holding(worker string) {
	f.t.Helper()
	f.until(worker+" at a range", func() bool {
		w := f.worker(worker)
		return w.State == dbus.Rendering && w.FramesDone > 0
	})
}

// check waits for the film and compares it with the one of a single machine. No range may have
// been completed twice.
func (f *testFarm) check(id uint32, film string) {
	f.t.Helper()
	var j dbus.Job
	f.until("the film", func() bool {
		j = f.job(id)
		return j.State == farm.Done || j.State == farm.Failed
	})
	if j.State != farm.Done {
		f.t.Fatalf("the job is %s: %s", j.State, j.Error)
	}
	if got, want := frameSums(f.t, f.path(film)), f.reference(); got != want {
		f.t.Error("the film is not the one that a single machine makes")
	}
	log, err := f.client.Log(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	done := map[string]int{}
	for _, e := range log {
		if e.Event == "range-done" {
			key := fmt.Sprintf("%d-%d %v", e.First, e.End, strings.HasPrefix(e.Text, "sound"))
			if done[key]++; done[key] > 1 {
				f.t.Errorf("range %s was completed %d times", key, done[key])
			}
		}
	}
}

var reference struct {
	once sync.Once
	sums string
}

// reference is what olivectl makes of the sample by itself.
func (f *testFarm) reference() string {
	reference.once.Do(func() {
		path := f.path("reference.mkv")
		f.run("master", "export", "--local", "--preset", "lossless", "--scratch", f.path("scratch"), "-o", path, sample(f.t))
		reference.sums = frameSums(f.t, path)
	})
	return reference.sums
}

// frameSums lists the MD5 of every frame and of the sound.
func frameSums(t testing.TB, film string) string {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-v", "error", "-i", film, "-map", "0", "-c:a", "pcm_s16le", "-f", "framemd5", "-").Output()
	if err != nil {
		t.Fatalf("decode %s: %v", film, err)
	}
	return string(out)
}

func (f *testFarm) signal(host string, s syscall.Signal) {
	f.t.Helper()
	if err := f.running[host].cmd.Process.Signal(s); err != nil {
		f.t.Fatal(err)
	}
}

// TestFarm is one farm through everything that can happen to its machines.
func TestFarm(t *testing.T) {
	f := newFarm(t, "w1", "w2", "w3")

	id := f.submit("plain.mkv")
	f.check(id, "plain.mkv")

	// A worker is killed in mid-range, another frozen, and a third comes late.
	id = f.submit("killed.mkv")
	f.holding("w1")
	f.running["w1"].kill()
	f.holding("w2")
	f.signal("w2", syscall.SIGSTOP)
	f.until("the loss of w2", func() bool { return f.worker("w2").State == dbus.Away })
	f.startWorker("w1")
	f.check(id, "killed.mkv")
	f.signal("w2", syscall.SIGCONT)

	// A worker's network is cut for longer than its lease; it reports late or is not needed.
	id = f.submit("cut.mkv")
	f.holding("w3")
	f.net.cut("w3", true)
	cut := time.Now()
	f.until("the loss of w3", func() bool { return f.worker("w3").State == dbus.Away })
	t.Logf("the loss of w3 was noticed after %v", time.Since(cut).Round(time.Millisecond))
	<-time.After(time.Until(cut.Add(20 * time.Second)))
	f.net.cut("w3", false)
	f.check(id, "cut.mkv")
	f.until("w3 again", func() bool { return f.worker("w3").State != dbus.Away })
}
