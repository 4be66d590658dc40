package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/pki"
)

// impostors are servers that are not the master of worker a.
var impostors = map[string]struct {
	config func(w *world) *tls.Config
	want   error // for a worker of the farm, and, unless joins is set, for one that joins
	joins  error
}{
	"another farm's master": {func(w *world) *tls.Config {
		other := newWorld(w.t)
		return other.a.ServerConfig(other.now)
	}, pki.ErrForeignCertificate, pki.ErrWrongMaster},
	"another CA's certificate with the real CA behind it": {func(w *world) *tls.Config {
		ca, key := otherCA(w.t, w.now())
		return server(forge(w.t, w.now(), ca, key, asMaster), w.a.CA().Raw)
	}, pki.ErrForeignCertificate, nil},
	"another worker": {func(w *world) *tls.Config {
		cert, key := w.enrol("b")
		return server(pair(cert.Raw, key), w.a.CA().Raw)
	}, pki.ErrForeignCertificate, nil},
	"another worker that may be a server": {func(w *world) *tls.Config {
		return server(w.forge(func(c *x509.Certificate) { asMaster(c); c.URIs = uris(w.t, "olive://worker/b") }), w.a.CA().Raw)
	}, pki.ErrNotMaster, nil},
	"a client with the master's name": {func(w *world) *tls.Config {
		return server(w.forge(func(c *x509.Certificate) { c.URIs = uris(w.t, "olive://master") }), w.a.CA().Raw)
	}, pki.ErrForeignCertificate, nil},
	"the master and a worker in one": {func(w *world) *tls.Config {
		return server(w.forge(func(c *x509.Certificate) { asMaster(c); c.URIs = uris(w.t, "olive://master", "olive://worker/b") }), w.a.CA().Raw)
	}, pki.ErrForeignCertificate, nil},
	"a master of long ago": {func(w *world) *tls.Config {
		return server(w.forge(func(c *x509.Certificate) {
			asMaster(c)
			c.NotBefore, c.NotAfter = start.Add(-200*day), start.Add(-100*day)
		}), w.a.CA().Raw)
	}, pki.ErrCertificateExpired, nil},
	"a master of the future": {func(w *world) *tls.Config {
		return server(w.forge(func(c *x509.Certificate) { asMaster(c); c.NotBefore = start.Add(day) }), w.a.CA().Raw)
	}, pki.ErrCertificateEarly, nil},
	"the real certificate without its key": {func(w *world) *tls.Config {
		_, chain := w.a.Own(w.now())
		return server(pair(chain[0], newKey(w.t)), chain[1])
	}, errSignature, nil},
}

// errSignature stands for the library's own refusal of a handshake that is signed with a wrong key.
var errSignature = errors.New("invalid signature by the server certificate")

func asMaster(c *x509.Certificate) {
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	c.URIs[0].Host, c.URIs[0].Path = "master", ""
}

func server(c tls.Certificate, ca []byte) *tls.Config {
	c.Certificate = append(c.Certificate, ca)
	return &tls.Config{Certificates: []tls.Certificate{c}, NextProtos: []string{pki.ProtoBus, pki.ProtoNFS, pki.ProtoJoin}}
}

func TestNobodyPassesForTheMaster(t *testing.T) {
	for name, c := range impostors {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).serve()
			worker := w.join("a")
			heard := make(chan string, 10)
			config := c.config(w)
			addr := listen(t, func(conn net.Conn) {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(10 * time.Second))
				said, _ := io.ReadAll(tls.Server(conn, config))
				heard <- string(said)
			})
			refused := func(what string, err, want error) {
				t.Helper()
				if err == nil || !errors.Is(err, want) && !(want == errSignature && strings.Contains(err.Error(), want.Error())) {
					t.Errorf("%s: got %v, want %v", what, err, want)
				}
				if said := <-heard; said != "" {
					t.Errorf("%s: the impostor was told %q", what, said)
				}
			}
			_, err := dial(t, addr, worker.ClientConfig(pki.ProtoBus, w.now))
			refused("a worker of the farm", err, c.want)
			want := c.joins
			if want == nil {
				want = c.want
			}
			_, err = pki.Join(t.Context(), addr, w.token("new"), w.folder("new"), w.now())
			refused("a worker that joins", err, want)
		})
	}
}

func TestOtherServersAreTold(t *testing.T) {
	w := newWorld(t).serve()
	i := w.join("a")
	c := server(w.forge(asMaster), w.a.CA().Raw)
	c.NextProtos = nil
	addr := listen(t, func(conn net.Conn) { defer conn.Close(); tls.Server(conn, c).Handshake() })
	if _, err := dial(t, addr, i.ClientConfig(pki.ProtoBus, w.now)); err == nil || !strings.Contains(err.Error(), "does not speak olive-bus") {
		t.Errorf("a server without ALPN: %v, want a refusal that says so", err)
	}
}
