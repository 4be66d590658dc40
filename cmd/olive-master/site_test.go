package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"olive-distributed/daemon/worker/machine"
	"olive-distributed/packaging/testbus"
)

// A site is a master on loopback with its state, and the workers of a test: the real programs.
type site struct {
	t      *testing.T
	bin    string
	dir    string
	addr   string
	bus    string // its address
	master *program
	all    []*program
	tokens []string // that were given out: no log may have them
}

// newSite prepares a site; lines are settings of the master. Its master is started by [site.begin].
func newSite(t *testing.T, lines ...string) *site {
	t.Helper()
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, bin: bin, dir: t.TempDir(), addr: l.Addr().String()}
	_ = l.Close()
	bus, err := testbus.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	s.bus = bus.Address
	s.write("master.toml", fmt.Sprintf("listen = %q\nstate = %q\nbus = %q\nspool = \"\"\n%s\n",
		s.addr, s.path("state"), s.bus, strings.Join(lines, "\n")))
	t.Cleanup(s.end)
	s.machine()
	return s
}

// probed is what master and workers would find out about this machine, at length, in each test.
var probed sync.Map // the cache file, by folder of the programs

// machine writes the programs' caches of what this machine can do.
func (s *site) machine() machine.Spec {
	s.t.Helper()
	once, _ := probed.LoadOrStore(s.bin, sync.OnceValues(func() (string, error) {
		file := filepath.Join(s.bin, "machine.json")
		_, err := machine.Probe(context.Background(), file, 0)
		return file, err
	}))
	file, err := once.(func() (string, error))()
	if err != nil {
		s.t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, folder := range []string{"state", "cache"} {
		if err := os.MkdirAll(s.path(folder), 0o700); err != nil {
			s.t.Fatal(err)
		}
		s.write(filepath.Join(folder, "machine.json"), string(data))
	}
	spec, err := machine.Probe(s.t.Context(), file, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	return spec
}

// ctl runs olivectl at the site, and returns what it prints and how it ends.
func (s *site) ctl(args ...string) (string, int) {
	s.t.Helper()
	return s.run("olivectl", append([]string{args[0], "--bus-address", s.bus}, args[1:]...)...)
}

// mustCtl is ctl for what must succeed.
func (s *site) mustCtl(args ...string) string {
	s.t.Helper()
	out, code := s.ctl(args...)
	if code != 0 {
		s.t.Fatalf("olivectl %q ended with %d:\n%s", args, code, out)
	}
	return out
}

func (s *site) path(name ...string) string {
	return filepath.Join(append([]string{s.dir}, name...)...)
}

func (s *site) write(name, text string) string {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return s.path(name)
}

// shows waits until olivectl lists a job or a worker so.
func (s *site) shows(text string) {
	s.t.Helper()
	s.until(fmt.Sprintf("the list to show %q", text), func() bool {
		jobs, code := s.ctl("list")
		workers, codeOfWorkers := s.ctl("workers")
		return code == 0 && codeOfWorkers == 0 && strings.Contains(strings.Join(strings.Fields(jobs+workers), " "), text)
	})
}

// work starts a worker in the folder of its identity; lines are settings.
func (s *site) work(folder string, lines ...string) *program {
	s.t.Helper()
	settings := fmt.Sprintf("state = %q\ncache = %q\nbus = \"none\"\n", s.path(folder), s.path("cache"))
	if all := strings.Join(lines, "\n"); !strings.Contains(all, "nice") {
		settings += "nice = 0\nionice = \"none\"\n"
	}
	return s.start("olive-worker", "--config", s.write(folder+".toml", settings+strings.Join(lines, "\n")+"\n"))
}

// project writes a project of so many frames that take their time.
func (s *site) project(name string, frames int) string {
	s.t.Helper()
	return s.write(name, fmt.Sprintf(`<project><version>190219</version><url>p.ove</url><folders/><media/><sequences>
<sequence id="1" folder="0" name="S" width="1280" height="720" framerate="30" afreq="48000" alayout="3" open="1">
<clip id="1" enabled="1" name="c" clipin="0" in="0" out="%d" track="-1" speed="1" type="0"><linked/>
<effect name="Render/Solid" enabled="1"><row><field id="type" value="0"/></row><row><field id="opacity" value="100"><key value="10" frame="0" type="0"/><key value="100" frame="%d" type="0"/></field></row><row><field id="color" value="#3060c0"/></row></effect></clip>
</sequence></sequences></project>`, frames, frames))
}

// end stops what runs, and looks for secrets in all that was said.
func (s *site) end() {
	for _, p := range s.all {
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	secrets := s.secrets()
	for _, p := range s.all {
		text := p.said()
		for _, secret := range secrets {
			for n := 0; n+16 <= len(secret); n += 8 {
				if strings.Contains(text, secret[n:n+16]) {
					s.t.Errorf("the log of %s has a piece of a secret", p.name)
				}
			}
		}
		if strings.Contains(text, "PRIVATE KEY") {
			s.t.Errorf("the log of %s has a key", p.name)
		}
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", p.name, text[max(0, len(text)-20_000):])
		}
	}
}
