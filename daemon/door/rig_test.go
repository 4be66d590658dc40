package door_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"olive-distributed/dbus"
	"olive-distributed/packaging/testbus"
)

// TestMain runs the tests beside a real bus and polkit, see packaging/rig/bus.
func TestMain(m *testing.M) {
	if err := testbus.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// credential is that of a user of the rig, with all groups.
func credential(t testing.TB, name string) *syscall.Credential {
	t.Helper()
	c, err := testbus.User(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// as runs f on a thread of a user that ends with f.
func as(t testing.TB, name string, f func() error) {
	t.Helper()
	if err := testbus.As(name, f); err != nil {
		t.Fatalf("as %s: %v", name, err)
	}
}

// A rig is a master and a worker, real programs that run as olive, with a hot folder.
type rig struct {
	t      testing.TB
	dir    string
	master *exec.Cmd
	said   *bytes.Buffer
	root   *dbus.Client
}

// freeAddress is one that nobody listens at, so that two runs on one machine do not meet.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func newRig(t testing.TB) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "olive-door-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &rig{t: t, dir: dir}
	build := exec.Command("go", "build", "-o", dir+"/", "../../cmd/olive-master", "../../cmd/olive-worker", "../../cmd/olivectl")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	olive := credential(t, "olive")
	for _, d := range []string{"", "state", "worker", "spool", "shared"} {
		path := r.path(d)
		if err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, 0o755), os.Chown(path, int(olive.Uid), int(olive.Gid))); err != nil {
			t.Fatal(err)
		}
	}
	r.write("root", "master.toml", fmt.Sprintf("listen = %q\nstate = %q\nspool = %q\n", freeAddress(t), r.path("state"), r.path("spool")))
	r.write("root", "worker.toml", fmt.Sprintf("state = %q\ncache = %q\nthreads = 1\nnice = 0\nionice = \"none\"\n", r.path("worker"), r.path("worker/cache")))
	if r.root, err = dbus.Connect(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.root.Close)
	r.startMaster()
	return r
}

func (r *rig) path(parts ...string) string {
	return filepath.Join(append([]string{r.dir}, parts...)...)
}

// write makes a file that belongs to a user.
func (r *rig) write(owner, name, text string) string {
	r.t.Helper()
	c := credential(r.t, owner)
	path := r.path(name)
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o644), os.Chown(path, int(c.Uid), int(c.Gid))); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// start runs a program as olive until the test ends.
func (r *rig) start(program, config string) (*exec.Cmd, *bytes.Buffer) {
	r.t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(r.path(program), "--config", r.path(config))
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: credential(r.t, "olive")}
	cmd.Dir = "/"
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		if r.t.Failed() {
			r.t.Logf("%s said:\n%s", program, &said)
		}
	})
	return cmd, &said
}

// startMaster starts the master and waits until it is on the bus.
func (r *rig) startMaster() {
	r.t.Helper()
	r.master, r.said = r.start("olive-master", "master.toml")
	r.until("the master", func() bool { _, err := r.root.Status(r.t.Context()); return err == nil })
}

// crash kills the master, as a power cut would, and starts it again.
func (r *rig) crash() {
	r.t.Helper()
	_ = r.master.Process.Kill()
	_ = r.master.Wait()
	r.startMaster()
}

// startWorker makes this machine a worker, by the line that the master gives, and starts it.
func (r *rig) startWorker() *exec.Cmd {
	r.t.Helper()
	line, err := r.root.Invite(r.t.Context(), "w-1", 0)
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(r.path("olivectl"), append(strings.Fields(line)[1:], "--state", r.path("worker"))...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential(r.t, "olive")}
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	w, _ := r.start("olive-worker", "worker.toml")
	return w
}

func (r *rig) client(name string) *dbus.Client {
	r.t.Helper()
	var c *dbus.Client
	as(r.t, name, func() (err error) {
		c, err = dbus.Connect(r.t.Context(), "")
		return err
	})
	c.Quiet = true
	r.t.Cleanup(c.Close)
	return c
}

// drop renames a project of a user into the hot folder.
func (r *rig) drop(owner, name, text string) {
	r.t.Helper()
	from := r.write(owner, "shared/."+name, text)
	to := r.path("spool/incoming", name)
	as(r.t, owner, func() error {
		data, err := os.ReadFile(from)
		if err == nil {
			err = errors.Join(os.WriteFile(to+".part", data, 0o644), os.Rename(to+".part", to))
		}
		return err
	})
}

func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// appears waits for a file and returns what is in it.
func (r *rig) appears(name string) string {
	r.t.Helper()
	var data []byte
	r.until(name, func() (ok bool) {
		var err error
		data, err = os.ReadFile(r.path(name))
		return err == nil
	})
	return string(data)
}

// project is one of some frames, and of a medium if that is not "".
func project(frames int, medium string) string {
	media, clip := "", ""
	if medium != "" {
		media = fmt.Sprintf(`<footage id="1" folder="0" name="m" url="%s" duration="1000000" using_inout="0" in="0" out="0" speed="1" alphapremul="0" startnumber="0" proxy="0" proxypath=""><video id="0" width="64" height="48" framerate="30" infinite="0"/></footage>`, medium)
		clip = fmt.Sprintf(`<clip id="2" enabled="1" name="m" clipin="0" in="0" out="%d" track="-2" speed="1" type="0" media="1" stream="0"><linked/></clip>`, frames)
	}
	return fmt.Sprintf(`<project><version>190219</version><url>p.ove</url><folders/><media>%s</media><sequences>
<sequence id="1" folder="0" name="S" width="64" height="48" framerate="30" afreq="48000" alayout="3" open="1">%s
<clip id="1" enabled="1" name="c" clipin="0" in="0" out="%d" track="-1" speed="1" type="0"><linked/>
<effect name="Render/Solid" enabled="1"><row><field id="type" value="0"/></row><row><field id="opacity" value="100"/></row><row><field id="color" value="#3060c0"/></row></effect></clip>
</sequence></sequences></project>`, media, clip, frames)
}
