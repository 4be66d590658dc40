package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"olive-distributed/daemon/pki"
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

// run runs a program to its end.
func (s *site) run(name string, args ...string) (string, int) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		s.t.Fatalf("%s %q: %v", name, args, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// A program is a daemon that runs, and all it has said.
type program struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

func (p *program) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *program) pid() int { return p.cmd.Process.Pid }

func (s *site) start(name string, args ...string) *program {
	s.t.Helper()
	p := &program{name: name, cmd: exec.Command(filepath.Join(s.bin, name), args...), ended: make(chan struct{})}
	p.cmd.Dir = s.dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		for r := bufio.NewReader(out); ; {
			line, err := r.ReadString('\n')
			p.mu.Lock()
			p.log.WriteString(line)
			p.mu.Unlock()
			if err != nil {
				_ = p.cmd.Wait()
				return
			}
		}
	}()
	s.all = append(s.all, p)
	return p
}

// begin starts the master and waits until it serves.
func (s *site) begin() {
	s.t.Helper()
	s.master = s.start("olive-master", "--config", s.path("master.toml"))
	s.hears(s.master, "msg=ready")
}

// stop ends a program by a signal and returns its exit code, -1 when the signal has killed it.
func (s *site) stop(p *program, sig syscall.Signal) int {
	s.t.Helper()
	_ = p.cmd.Process.Signal(sig)
	s.ends(p)
	return p.cmd.ProcessState.ExitCode()
}

func (s *site) ends(p *program) {
	s.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		s.t.Fatalf("%s does not end:\n%s", p.name, p.said())
	}
}

// until waits for a condition.
func (s *site) until(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// hears waits until a program has said something.
func (s *site) hears(p *program, text string) {
	s.t.Helper()
	s.until(fmt.Sprintf("%s to say %q", p.name, text), func() bool {
		if strings.Contains(p.said(), text) {
			return true
		}
		select {
		case <-p.ended:
			if !strings.Contains(p.said(), text) {
				s.t.Fatalf("%s has ended without %q:\n%s", p.name, text, p.said())
			}
		default:
		}
		return false
	})
}

// patience is long: other work on the machine must not fail a test.
const patience = 3 * time.Minute

// shows waits until olivectl lists a job or a worker so.
func (s *site) shows(text string) {
	s.t.Helper()
	s.until(fmt.Sprintf("the list to show %q", text), func() bool {
		jobs, code := s.ctl("list")
		workers, codeOfWorkers := s.ctl("workers")
		return code == 0 && codeOfWorkers == 0 && strings.Contains(strings.Join(strings.Fields(jobs+workers), " "), text)
	})
}

// token invites a worker.
func (s *site) token(worker string) string {
	s.t.Helper()
	words := strings.Fields(s.mustCtl("worker", "add", worker))
	token := words[len(words)-1]
	s.tokens = append(s.tokens, token)
	return token
}

// join makes a folder the identity of a worker.
func (s *site) join(worker string) *pki.Identity {
	s.t.Helper()
	if out, code := s.run("olivectl", "join", s.addr, "--token", s.token(worker), "--state", s.path(worker)); code != 0 {
		s.t.Fatalf("join: %s", out)
	}
	return s.identity(worker)
}

func (s *site) identity(worker string) *pki.Identity {
	s.t.Helper()
	i, err := pki.LoadIdentity(s.path(worker))
	if err != nil {
		s.t.Fatal(err)
	}
	return i
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

// secrets are the tokens behind what they share, and the keys of the CA and of all workers, as they
// stand in their files and in hexadecimal.
func (s *site) secrets() (all []string) {
	for _, token := range s.tokens {
		all = append(all, token[len(token)-len(token)/3:])
	}
	files, _ := filepath.Glob(s.path("*", "identity.json"))
	for _, file := range append(files, s.path("state", "pki", "ca.pem")) {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var stored struct{ Key string }
		if json.Unmarshal(data, &stored) == nil {
			data = []byte(stored.Key)
		}
		if block, _ := pem.Decode(data); block != nil {
			text := strings.Split(string(data), "-----")[2]
			all = append(all, strings.ReplaceAll(text, "\n", "")[64:], fmt.Sprintf("%x", block.Bytes)[64:])
		}
	}
	return all
}

// ca is the farm's, with its key, from the master's state.
func (s *site) ca() (*x509.Certificate, crypto.Signer) {
	s.t.Helper()
	data, err := os.ReadFile(s.path("state", "pki", "ca.pem"))
	if err != nil {
		s.t.Fatal(err)
	}
	keyBlock, rest := pem.Decode(data)
	certBlock, _ := pem.Decode(rest)
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	return cert, key.(crypto.Signer)
}

// forge makes a certificate of worker ada, or what change makes of that, with a CA's key.
func forge(t *testing.T, ca *x509.Certificate, caKey crypto.Signer, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		URIs: []*url.URL{uri("ada")}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	change(template)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// uri is a worker's, whatever its name has in it.
func uri(name string) *url.URL {
	return &url.URL{Scheme: "olive", Host: "worker", Path: "/" + name}
}

// edit changes the list of workers of a master that does not run.
func (s *site) edit(change func(workers map[string]any)) {
	s.t.Helper()
	file := s.path("state", "pki", "workers.json")
	data, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	var list map[string]any
	if err := json.Unmarshal(data, &list); err != nil {
		s.t.Fatal(err)
	}
	change(list["workers"].(map[string]any))
	if data, err = json.Marshal(list); err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// admit puts certificates into the list of a master that does not run, all as ada's.
func (s *site) admit(certs ...tls.Certificate) {
	s.t.Helper()
	s.edit(func(workers map[string]any) {
		ada := workers["ada"].(map[string]any)
		list, _ := ada["certificates"].([]any)
		for _, c := range certs {
			list = append(list, map[string]any{"serial": c.Leaf.SerialNumber.Text(16), "issued": c.Leaf.NotBefore, "expires": c.Leaf.NotAfter})
		}
		ada["certificates"] = list
	})
}

// save makes a certificate the identity in a worker's folder, in place of the one there.
func (s *site) save(worker string, cert tls.Certificate) {
	s.t.Helper()
	file := s.path(worker, "identity.json")
	data, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	var stored map[string]string
	if err := json.Unmarshal(data, &stored); err != nil {
		s.t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		s.t.Fatal(err)
	}
	stored["key"] = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	stored["certificate"] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))
	if data, err = json.Marshal(stored); err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// memory is a line of /proc/PID/status of the master, in MB.
func (s *site) memory(line string) int {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.master.pid()))
	if err != nil {
		s.t.Fatal(err)
	}
	kb := 0
	if _, rest, ok := strings.Cut(string(status), line+":"); ok {
		_, _ = fmt.Sscan(rest, &kb)
	}
	if kb == 0 {
		s.t.Fatalf("no %s in %s", line, status)
	}
	return kb >> 10
}
