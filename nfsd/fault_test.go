package nfsd_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"olive-distributed/nfsd"
)

func TestAWriteThatFails(t *testing.T) {
	for errno, want := range map[syscall.Errno]status{syscall.ENOSPC: statNoSpc, syscall.EDQUOT: statDQuot, syscall.EIO: statIO, syscall.EFBIG: statFBig} {
		t.Run(errno.Error(), func(t *testing.T) {
			c := newWorld(t).startChild(childConfig{})
			s := c.site()
			h := s.newFile("part", []byte("before"))
			free := s.free()
			c.fail("write", errno)
			for _, how := range []uint32{unstable, fileSync} {
				_, err := s.writeFile(h, 6, how, []byte("after"))
				wantStatus(t, "WRITE", err, want)
			}
			if data, _, err := s.read(h, 0, 100); err != nil || string(data) != "before" {
				t.Errorf("READ gives %q, %v", data, err)
			}
			if got := s.free(); got != free {
				t.Errorf("%d bytes are free after writes that failed, %d before", got, free)
			}
			fds := c.stats().Descriptors
			for range 100 {
				_, _ = s.writeFile(h, 6, unstable, []byte("after"))
			}
			if got := c.stats().Descriptors; got > fds {
				t.Errorf("%d descriptors after 100 more, %d before", got, fds)
			}
			s.alive()
		})
	}
}

func TestASyncThatFails(t *testing.T) {
	for errno, want := range map[syscall.Errno]status{syscall.EIO: statIO, syscall.ENOSPC: statNoSpc, syscall.EDQUOT: statDQuot} {
		t.Run(errno.Error(), func(t *testing.T) {
			c := newWorld(t).startChild(childConfig{})
			s := c.site()
			h := s.newFile("part", []byte("before"))
			w := must(s.writeFile(h, 6, unstable, []byte("after")))(t)
			if w.how != unstable {
				t.Fatalf("an unstable WRITE claims %d", w.how)
			}
			if v := must(s.commit(h))(t); v != w.verifier {
				t.Fatalf("COMMIT's verifier is %x, WRITE's %x", v, w.verifier)
			}
			c.fail("sync", errno)
			_, err := s.commit(h)
			wantStatus(t, "COMMIT", err, want)
			again := must(s.writeFile(h, 6, unstable, []byte("after")))(t)
			if again.verifier == w.verifier {
				t.Error("the verifier has not changed: clients believe that what they wrote before is on the disk")
			}
			_, err = s.writeFile(h, 6, fileSync, []byte("after"))
			wantStatus(t, "WRITE that is to be on the disk", err, want)
			_, err = s.commit(h)
			wantStatus(t, "COMMIT", err, want)
			if last := must(s.writeFile(h, 6, unstable, []byte("after")))(t); last.verifier == again.verifier {
				t.Error("the verifier has not changed with the second failure")
			}
			s.alive()
		})
	}
}

// TestASyncThatFailsForAnother: what one client has written is not on the disk either when another's COMMIT failed.
func TestASyncThatFailsForAnother(t *testing.T) {
	c := newWorld(t).startChild(childConfig{})
	s, other := c.site(), c.site()
	h := s.newFile("part", nil)
	w := must(s.writeFile(h, 0, unstable, []byte("mine")))(t)
	c.fail("sync", syscall.EIO)
	_, err := other.commit(must(other.lookup(other.parts, "part"))(t))
	wantStatus(t, "the other's COMMIT", err, statIO)
	if v, err := s.commit(h); err == nil && v == w.verifier {
		t.Error("COMMIT claims that it is on the disk")
	}
}

func TestARestartInMidWrite(t *testing.T) {
	world := newWorld(t)
	first := world.startChild(childConfig{})
	s := first.site()
	h := s.newFile("part", nil)
	w := must(s.writeFile(h, 0, unstable, bytes.Repeat([]byte("x"), 1000)))(t)
	if err := s.write(record(call{proc: procWrite, args: writeArgs(h, 1000, unstable, make([]byte, 100_000))}.message())[:5000]); err != nil {
		t.Fatal(err)
	}
	first.kill()
	second := world.startChild(childConfig{Addr: first.addr})
	c := newClient(dialTo(t, second.addr).conn)
	if data, _, err := c.read(s.clip, 0, 1000); err != nil || !bytes.Equal(data, world.clip[:1000]) {
		t.Errorf("READ with the handle of before: %d bytes, %v", len(data), err)
	}
	v, err := c.commit(h)
	if err != nil || v == w.verifier {
		t.Fatalf("COMMIT after the restart: verifier %x, %v; before it was %x", v, err, w.verifier)
	}
	if again := must(c.writeFile(h, 0, unstable, []byte("again")))(t); again.verifier != v {
		t.Errorf("WRITE's verifier is %x, COMMIT's %x", again.verifier, v)
	}
	if again := must(c.commit(h))(t); again != v {
		t.Errorf("the verifier is %x, and was %x", again, v)
	}
	if got := world.content("parts/part"); !strings.HasPrefix(string(got), "againx") {
		t.Errorf("the part begins with %q", got[:6])
	}
}

func TestAPanicClosesItsConnectionOnly(t *testing.T) {
	w := newWorld(t)
	w.log.mayPanic = true
	w.start(nfsd.Limits{})
	s := w.site()
	for _, k := range append(s.calls()[1:], call{prog: progMount, proc: mountMnt, args: xdr{}.str("/job-1")}) {
		victim := w.dial()
		must(victim.do(call{}))(t)
		w.views["worker"].broken.Store(true)
		_, err := victim.do(k) // some procedures refuse without asking the view
		w.views["worker"].broken.Store(false)
		if err != nil && isTimeout(err) {
			t.Errorf("procedure %d: the connection hangs", k.proc)
		}
		victim.conn.Close()
		s.alive()
	}
	until(t, "the panic is in the log", func() bool { return w.log.has("panic") })
}

func TestAPanicWhileClientsAreIdentified(t *testing.T) {
	w := newWorld(t)
	w.log.mayPanic = true
	w.start(nfsd.Limits{})
	addr := w.listen(nil, func(net.Conn) (string, error) { panic("no identity") })
	for range 3 {
		if got := dialTo(t, addr).outcome(t, record(call{}.message())); got != "closed" {
			t.Errorf("got %q", got)
		}
	}
	w.alive()
}

// An authority signs certificates, and is trusted by the server when it is the farm's.
type authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)}
	der := must(x509.CreateCertificate(rand.Reader, a.template("authority"), a.template("authority"), &a.key.PublicKey, a.key))(t)
	a.cert = must(x509.ParseCertificate(der))(t)
	return a
}

func (a *authority) template(name string) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<62)))(a.t), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: name == "authority", BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, DNSNames: []string{"master"},
	}
	if name != "" {
		c.URIs = []*url.URL{{Scheme: "olive", Host: "worker", Path: "/" + name}}
	}
	return c
}

func (a *authority) sign(c *x509.Certificate) tls.Certificate {
	a.t.Helper()
	k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(a.t)
	return tls.Certificate{Certificate: [][]byte{must(x509.CreateCertificate(rand.Reader, c, a.cert, &k.PublicKey, a.key))(a.t)}, PrivateKey: k}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func (a *authority) server() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{a.sign(a.template("master"))}, ClientCAs: a.pool(),
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13, NextProtos: []string{nfsd.Protocol},
	}
}

func (a *authority) client(certs ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: a.pool(), Certificates: certs, ServerName: "master", NextProtos: []string{nfsd.Protocol}}
}

// certified is who a certificate names.
func certified(c net.Conn) (string, error) {
	state := c.(*tls.Conn).ConnectionState()
	if len(state.PeerCertificates) == 0 || len(state.PeerCertificates[0].URIs) != 1 {
		return "", errors.New("a certificate that names nobody")
	}
	return strings.TrimPrefix(state.PeerCertificates[0].URIs[0].Path, "/"), nil
}

func TestCertificates(t *testing.T) {
	farm, stranger := newAuthority(t), newAuthority(t)
	w := newWorld(t).start(roomy)
	var revoked atomic.Bool
	addr := w.listen(func(l net.Listener) net.Listener { return tls.NewListener(l, farm.server()) }, func(c net.Conn) (string, error) {
		name, err := certified(c)
		if err == nil && revoked.Load() {
			err = errors.New("revoked")
		}
		return name, err
	})
	dial := func(t *testing.T, conf *tls.Config) *client { return newClient(tls.Client(dialTo(t, addr).conn, conf)) }
	expired, early := farm.template("worker"), farm.template("worker")
	expired.NotAfter = time.Now().Add(-time.Minute)
	early.NotBefore = time.Now().Add(30 * time.Minute)
	serverOnly := farm.template("worker")
	serverOnly.ExtKeyUsage = serverOnly.ExtKeyUsage[:1]
	good := farm.sign(farm.template("worker"))
	for name, conf := range map[string]*tls.Config{
		"no certificate":                farm.client(),
		"an expired one":                farm.client(farm.sign(expired)),
		"one of tomorrow":               farm.client(farm.sign(early)),
		"another authority's":           farm.client(stranger.sign(stranger.template("worker"))),
		"one that names nobody":         farm.client(farm.sign(farm.template(""))),
		"one of somebody without views": farm.client(farm.sign(farm.template("passer-by"))),
		"a server's":                    farm.client(farm.sign(serverOnly)),
		"TLS 1.2":                       {RootCAs: farm.pool(), Certificates: []tls.Certificate{good}, ServerName: "master", MaxVersion: tls.VersionTLS12},
	} {
		t.Run(name, func(t *testing.T) {
			if p, err := dial(t, conf).do(call{}); err == nil || isTimeout(err) {
				t.Errorf("got %+v, %v", p, err)
			}
		})
	}
	live := siteAt(t, dial(t, farm.client(good)))
	live.alive()
	revoked.Store(true)
	w.server.Disconnect("worker")
	if _, err := live.do(call{}); err == nil || isTimeout(err) {
		t.Errorf("the revoked worker's connection: %v", err)
	}
	if _, err := dial(t, farm.client(good)).do(call{}); err == nil || isTimeout(err) {
		t.Errorf("the revoked worker connects again: %v", err)
	}
	revoked.Store(false)
	siteAt(t, dial(t, farm.client(good))).alive()
}

// TestADrainCutsNoReply ends the server while replies are under way.
func TestADrainCutsNoReply(t *testing.T) {
	w := newWorld(t).start(nfsd.Limits{})
	s := w.site()
	a, b := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- w.server.ServeConn(ctx, b, "worker") }()
	c := newClient(a)
	defer a.Close()
	reads := bytes.Repeat(record(call{proc: procRead, args: readArgs(s.clip, 0, 1<<20)}.message()), 4)
	go func() { _, _ = a.Write(reads) }() // the server need not take all of them
	first := make([]byte, 1000)
	if _, err := io.ReadFull(c.in, first); err != nil {
		t.Fatal(err)
	}
	cancel()
	rest := c.closed(t)
	if err := <-served; err != nil {
		t.Error(err)
	}
	for all := append(first, rest...); len(all) > 0; {
		n := int(be.Uint32(all)&^lastFragment) + 4
		if n > len(all) {
			t.Fatalf("a reply of %d bytes is cut after %d", n, len(all))
		}
		all = all[n:]
	}
}
