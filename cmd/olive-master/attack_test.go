package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"olive-distributed/daemon/bus"
	"olive-distributed/daemon/pki"
	"olive-distributed/daemon/worker"
)

// busConfig shows a certificate to whoever answers.
func busConfig(cert *tls.Certificate) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{pki.ProtoBus}}
	if cert != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	return c
}

// refused says why the port lets nobody in, "" if it does: then the server speaks first.
func refused(addr string, conf *tls.Config) string {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 20 * time.Second}, "tcp", addr, conf)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		return err.Error()
	}
	return ""
}

// A probe is a good worker that is never far away.
type probe struct {
	*bus.Client
	s    *site
	name string
}

func (s *site) probe(name string) *probe {
	s.t.Helper()
	c, err := bus.Dial(bus.ClientConfig{Name: name, Addr: s.addr, TLS: s.join(name).ClientConfig(pki.ProtoBus, time.Now), Codes: worker.Codes()})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	p := &probe{c, s, name}
	p.answered()
	return p
}

// answered holds that the master answers the worker, and people.
func (p *probe) answered() {
	p.s.t.Helper()
	ctx, cancel := context.WithTimeout(p.s.t.Context(), 30*time.Second)
	defer cancel()
	if err := p.Request(ctx, worker.KindHello, worker.HelloMessage{Spec: worker.Spec{Threads: 1, Engines: []string{"builtin"}}}, nil); err != nil {
		p.s.t.Errorf("the master does not answer a good worker: %v", err)
	}
	p.s.shows(p.name + " waiting")
}

func TestTheMastersGate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.begin()
	s.join("ada")
	s.join("eve")
	s.mustCtl("worker", "revoke", "eve")
	s.stop(s.master, syscall.SIGTERM)

	ca, key := s.ca()
	made := func(change func(*x509.Certificate)) *tls.Certificate {
		c := forge(t, ca, key, change)
		s.admit(c) // nothing but its own fault keeps it out
		return &c
	}
	named := func(uris ...*url.URL) *tls.Certificate { return made(func(c *x509.Certificate) { c.URIs = uris }) }
	otherKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: ca.Subject, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	foreign := forge(t, other, otherKey, func(*x509.Certificate) {})
	s.admit(foreign)
	unlisted := forge(t, ca, key, func(*x509.Certificate) {})
	good := made(func(*x509.Certificate) {})
	revoked, err := s.identity("eve").ClientConfig(pki.ProtoBus, time.Now).GetClientCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	with := func(cert *tls.Certificate, change func(*tls.Config)) *tls.Config {
		c := busConfig(cert)
		change(c)
		return c
	}
	cases := map[string]struct {
		conf *tls.Config
		says string // the master, in its log; "": it lets the client in
	}{
		"a good certificate":            {busConfig(good), ""},
		"no certificate":                {busConfig(nil), "has shown no certificate"},
		"a certificate of another CA":   {busConfig(&foreign), "unknown authority"},
		"a certificate that is unknown": {busConfig(&unlisted), "not in the master's list"},
		"a revoked certificate":         {busConfig(revoked), "is revoked"},
		"an expired certificate": {busConfig(made(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Minute)
		})), "expired or is not yet valid"},
		"a certificate of tomorrow": {busConfig(made(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		})), "expired or is not yet valid"},
		"a certificate for servers": {busConfig(made(func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		})), "incompatible key usage"},
		"TLS 1.2":            {with(good, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), "unsupported versions"},
		"no protocol":        {with(good, func(c *tls.Config) { c.NextProtos = nil }), "names no service"},
		"an unknown one":     {with(good, func(c *tls.Config) { c.NextProtos = []string{"h2"} }), "unsupported application protocols"},
		"the master's name":  {busConfig(named(&url.URL{Scheme: "olive", Host: "master"})), "not a worker's"},
		"a host's name":      {busConfig(named(&url.URL{Scheme: "https", Host: "worker", Path: "/ada"})), "not a worker's"},
		"no name":            {busConfig(named()), "exactly one name"},
		"two names":          {busConfig(named(uri("ada"), uri("bob"))), "exactly one name"},
		"two kinds of names": {busConfig(made(func(c *x509.Certificate) { c.DNSNames = []string{"ada"} })), "exactly one name"},
	}
	for what, name := range oddNames {
		cases["a name with "+what] = struct {
			conf *tls.Config
			says string
		}{busConfig(named(uri(name))), "not a worker's"}
	}
	s.begin()
	for name, c := range cases {
		before := len(s.master.said())
		why := refused(s.addr, c.conf)
		switch {
		case (why == "") != (c.says == ""):
			t.Errorf("%s: in = %v (%s), want %v", name, why == "", why, c.says == "")
		case strings.Contains(why, "timeout"):
			t.Errorf("%s: it was left waiting: %s", name, why)
		case c.says != "":
			s.until(fmt.Sprintf("the log to say %q of %s", c.says, name), func() bool {
				return strings.Contains(s.master.said()[before:], c.says)
			})
		}
	}
	t.Run("plain text", func(t *testing.T) {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\nCONNECT {}\r\nPING\r\n")
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if said, err := io.ReadAll(c); strings.ContainsAny(string(said), "GINFO") || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the master said %q, %v", said, err)
		}
	})
	t.Run("a slow handshake", func(t *testing.T) {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		hello := append([]byte{22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3}, make([]byte, 300)...) // a ClientHello, by drops
		ended := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, c)
			ended <- err
		}()
		for i := 0; ; i = min(i+1, len(hello)-1) {
			_, _ = c.Write(hello[i : i+1])
			select {
			case <-ended:
				return
			case <-time.After(50 * time.Millisecond):
			}
			if i == len(hello)-1 {
				t.Fatal("the master has waited for all of it")
			}
		}
	})
}

// oddNames are tricks with the names of workers.
var oddNames = map[string]string{
	"nothing": "", "a path up": "../ada", "a slash": "a/b", "a dot": ".", "two dots": "..", "a part of a subject": "ada.work",
	"a wildcard": "*", "the other wildcard": ">", "NUL": "a\x00b", "a new line": "ada\n", "a blank": "a b", "a capital": "Ada",
	"300 bytes": strings.Repeat("a", 300), "a dash in front": "-rf", "an escape": "a\x1b[31m", "bytes that are no text": "\xff\xfe",
}

// raw connects a client that keeps to no rule, and collects what the master says against it.
func (s *site) raw(name string) (*nats.Conn, chan error) {
	s.t.Helper()
	faults := make(chan error, 100)
	conf := s.identity(name).ClientConfig(pki.ProtoBus, time.Now)
	nc, err := nats.Connect("nats://"+s.addr, nats.SetCustomDialer(tlsDialer{conf}), nats.NoReconnect(), nats.UserInfo("master", "x"),
		nats.CustomInboxPrefix("_INBOX."+name), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { faults <- err }))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(nc.Close)
	return nc, faults
}

type tlsDialer struct{ conf *tls.Config }

func (d tlsDialer) Dial(network, addr string) (net.Conn, error) {
	return tls.Dial(network, addr, d.conf)
}
func (tlsDialer) SkipTLSHandshake() bool { return true }

func TestAnEnrolledWorkerKeepsToItself(t *testing.T) {
	s := newSite(t)
	s.begin()
	s.join("ada")
	s.join("bob")
	probe := s.probe("good")
	ada, faults := s.raw("ada")
	denied := func(what string, err error) {
		t.Helper()
		if err == nil {
			err = ada.Flush()
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		select {
		case err := <-faults:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v, want %v", what, err, nats.ErrPermissionViolation)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s was allowed", what)
		}
	}
	hello := []byte(`{"v":1,"body":{"spec":{"engines":["builtin"],"threads":3}}}`)
	for _, subject := range []string{
		"olive.up.bob.hello", "olive.up.*.hello", "olive.up.ada.hello.more", "olive.down.bob.news", "olive.down.ada.news", "_INBOX.bob.x",
		"_INBOX.ada.x", "$JS.API.STREAM.DELETE.LOG", "$JS.API.STREAM.LIST", "$JS.API.INFO", "$SYS.REQ.SERVER.PING", "$SYS.ACCOUNT.x.DISCONNECT", "LOG",
	} {
		denied("speaking on "+subject, ada.Publish(subject, hello))
	}
	for _, subject := range []string{
		">", "*", "*.>", "olive.>", "olive.up.>", "olive.up.ada.>", "olive.down.bob.>", "olive.down.*.news", "_INBOX.>", "_INBOX.bob.>",
		"_INBOX.*.x", "$JS.>", "$JS.API.>", "$SYS.>",
	} {
		_, err := ada.SubscribeSync(subject)
		denied("hearing "+subject, err)
	}
	bob, _ := s.raw("bob")
	heard, err := bob.SubscribeSync("_INBOX.bob.>")
	if err == nil {
		err = bob.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, reply := range []string{"_INBOX.bob.x", "olive.down.bob.news", "_INBOX.adam.x", "$JS.API.INFO", "_INBOX.ada"} {
		if err := ada.PublishRequest("olive.up.ada.hello", reply, hello); err != nil {
			t.Fatal(err)
		}
	}
	s.hears(s.master, "wants its answer to go to somebody else")
	if _, err := ada.Request("olive.up.ada.beat", []byte(`{"v":1,"body":{}}`), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if out := s.mustCtl("workers"); regexp.MustCompile(`ada +[a-z]+ +3 `).MatchString(out) || !strings.Contains(out, "ada") {
		t.Errorf("a request with somebody else's inbox was carried out:\n%s", out)
	}
	if n, _, _ := heard.Pending(); n != 0 {
		t.Errorf("bob heard %d answers that ada asked for", n)
	}
	probe.answered()
}

// TestWhatAnEnrolledWorkerSays holds that no message does harm, and that each is answered.
func TestWhatAnEnrolledWorkerSays(t *testing.T) {
	s := newSite(t)
	s.begin()
	s.join("ada")
	probe := s.probe("good")
	s.mustCtl("submit", s.project("p.ove", 600), "-o", s.path("a.mkv"), "--preset", "lossless", "--split", "2")
	ada, _ := s.raw("ada")
	marks, err := json.Marshal(slices.Sorted(maps.Values(s.machine().Marks())))
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 900_000)
	for _, c := range []struct{ what, kind, body, want string }{
		{"a speed that is no number", "hello", `{"spec":{"speed":NaN}}`, "bad-message"},
		{"a negative speed", "hello", `{"spec":{"speed":-1}}`, "frames per second"},
		{"a huge speed", "hello", `{"spec":{"speed":1e300}}`, "frames per second"},
		{"a speed beyond numbers", "hello", `{"spec":{"speed":1e400}}`, "bad-message"},
		{"negative threads", "hello", `{"spec":{"threads":-5}}`, "-5 threads"},
		{"an engine of 900 kB", "hello", `{"spec":{"engines":["` + long + `"]}}`, "more than"},
		{"a thousand presets", "hello", `{"spec":{"presets":["x"` + strings.Repeat(`,"x"`, 1000) + `]}}`, `"body":{}`},
		{"the name of another", "hello", `{"spec":{"name":"bob","engines":["builtin"],"presets":` + string(marks) + `}}`, `"body":{}`},
		{"no object at all", "hello", `[]`, "bad-message"},
		{"a deep one", "hello", strings.Repeat("[", 100_000), "bad-message"},
		{"a kind that is none", "sing", `{}`, "no-handler"},
		{"the part of a range that it was not given", "report", `{"job":1,"range":0,"part":{"path":"/etc/passwd","sha256":"x"}}`, `"code":"gone"`},
		{"the part of no job", "report", `{"job":99,"range":4294967295,"part":{"path":"../../x","sha256":"x"}}`, `"code":"gone"`},
		{"the failure of a range that it was not given", "report", `{"job":1,"range":0,"failure":{"reason":"x","fatal":true}}`, `"code":"gone"`},
		{"neither", "report", `{"job":1,"range":0}`, "needs a part or a failure"},
		{"progress of nothing", "beat", `{"job":1,"range":0,"done":-9223372036854775808}`, `"code":"gone"`},
		{"more than fits a number", "beat", `{"job":4294967296}`, "bad-message"},
	} {
		m, err := ada.Request("olive.up.ada."+c.kind, []byte(`{"v":1,"body":`+c.body+`}`), 20*time.Second)
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if got := string(m.Data); !strings.Contains(got, c.want) {
			t.Errorf("%s: answer %.300s, want %s", c.what, got, c.want)
		}
	}
	// It gets a range, and says that its part lies elsewhere, with a reason that looks like the log.
	m, err := ada.Request("olive.up.ada.work", []byte(`{"v":1,"body":{}}`), 20*time.Second)
	if err != nil || !strings.Contains(string(m.Data), `"task"`) {
		t.Fatalf("no work: %v, %v", m, err)
	}
	s.write("secret", "not a film")
	report := fmt.Sprintf(`{"v":1,"body":{"job":1,"range":0,"part":{"path":%q,"sha256":"x","frames":1},"notes":["%s"]}}`, s.path("secret"), long[:300_000])
	if m, err = ada.Request("olive.up.ada.report", []byte(report), 20*time.Second); err != nil || strings.Contains(string(m.Data), `"error"`) {
		t.Fatalf("a part elsewhere: %v, %v", m, err)
	}
	s.until("the verification to fail", func() bool { return strings.Contains(s.mustCtl("log", "1"), "verification") })
	if out := s.mustCtl("log", "1"); strings.Contains(out, "xxxx") || !strings.Contains(out, "failed on ada") {
		t.Errorf("the log says\n%.2000s", out)
	}
	if _, err := os.Stat(s.path("secret")); err != nil {
		t.Errorf("the file that the report named: %v", err)
	}
	probe.answered()
}

func TestTenMegabytesInOneMessage(t *testing.T) {
	s := newSite(t)
	s.begin()
	ada := s.join("ada")
	probe := s.probe("good")
	c, err := tls.Dial("tcp", s.addr, ada.ClientConfig(pki.ProtoBus, time.Now))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	r := bufio.NewReader(c)
	fmt.Fprint(c, "CONNECT {\"verbose\":false}\r\nPUB olive.up.ada.work 10485760\r\n")
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = c.Write(make([]byte, 10<<20))
	}()
	said, err := io.ReadAll(r)
	if errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(string(said), "Maximum Payload") && err == nil {
		t.Errorf("the master said %q, %v", said, err)
	}
	_ = c.Close()
	<-sent
	probe.answered()
}

// TestAFloodOfMessages sends more than can be answered: others must not wait for it.
func TestAFloodOfMessages(t *testing.T) {
	s := newSite(t)
	s.begin()
	s.join("eve")
	probe := s.probe("good")
	eve, _ := s.raw("eve")
	ctx, cancel := context.WithCancel(t.Context())
	flooded := make(chan int, 1)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			if eve.PublishRequest("olive.up.eve.hello", "_INBOX.eve.x", fmt.Appendf(nil, `{"v":1,"body":{"spec":{"boot":"%d"}}}`, n)) != nil {
				break
			}
		}
		flooded <- n
	}()
	for range 20 {
		probe.answered()
	}
	cancel()
	t.Logf("beside %d messages", <-flooded)
	if mb := s.memory("VmHWM"); mb > 200 {
		t.Errorf("the master took %d MB", mb)
	}
	if n := strings.Count(s.master.said(), "\n"); n > 1000 {
		t.Errorf("the log has %d lines", n)
	}
}

// request is a PKCS #10 request for a common name, with a key of its own.
func request(t *testing.T, name string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
