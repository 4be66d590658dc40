package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/pki"
)

// peer is how a client of a test dials: it believes every server, and shows what it is told to.
func peer(proto string, certs ...tls.Certificate) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true}
	if proto != "" {
		c.NextProtos = []string{proto}
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if len(certs) == 0 {
			return &tls.Certificate{}, nil
		}
		return &certs[0], nil
	}
	return c
}

func TestHandshakeLetsOnlyWorkersIn(t *testing.T) {
	named := func(names ...string) func(w *world) *tls.Config {
		return func(w *world) *tls.Config {
			return peer(pki.ProtoBus, w.forge(func(c *x509.Certificate) { c.URIs = uris(w.t, names...) }))
		}
	}
	worker := func(proto string, then func(w *world)) func(w *world) *tls.Config {
		return func(w *world) *tls.Config {
			cert, key := w.enrol("a")
			then(w)
			return peer(proto, pair(cert.Raw, key))
		}
	}
	nothing := func(*world) {}
	for name, c := range map[string]struct {
		client func(w *world) *tls.Config
		want   error  // of the server; nil: let in as "a"
		text   string // in the server's error, where the library has no value for it
	}{
		"a worker, to the bus": {client: worker(pki.ProtoBus, nothing)},
		"a worker, to NFS":     {client: worker(pki.ProtoNFS, nothing)},
		"a worker that offers more than the bus": {client: func(w *world) *tls.Config {
			c := worker(pki.ProtoBus, nothing)(w)
			c.NextProtos = []string{"h2", pki.ProtoJoin, pki.ProtoBus}
			return c
		}},
		"a worker on its last day":                   {client: worker(pki.ProtoBus, func(w *world) { w.pass(90*day - time.Hour) })},
		"a worker on its last day, master restarted": {client: worker(pki.ProtoBus, func(w *world) { w.pass(89 * day) })},
		"no certificate, to the bus":                 {client: func(*world) *tls.Config { return peer(pki.ProtoBus) }, want: pki.ErrNoCertificate},
		"no certificate, to NFS":                     {client: func(*world) *tls.Config { return peer(pki.ProtoNFS) }, want: pki.ErrNoCertificate},
		"no certificate, hidden by a join": {client: func(*world) *tls.Config {
			c := peer(pki.ProtoJoin)
			c.NextProtos = append(c.NextProtos, pki.ProtoBus)
			return c
		}, want: pki.ErrNoCertificate},
		"another CA's certificate": {client: func(w *world) *tls.Config {
			ca, key := otherCA(w.t, w.now())
			return peer(pki.ProtoBus, forge(w.t, w.now(), ca, key, noChange))
		}, want: pki.ErrForeignCertificate},
		"another CA's certificate, to join": {client: func(w *world) *tls.Config {
			ca, key := otherCA(w.t, w.now())
			return peer(pki.ProtoJoin, forge(w.t, w.now(), ca, key, noChange))
		}, want: pki.ErrForeignCertificate},
		"expired":       {client: worker(pki.ProtoBus, func(w *world) { w.pass(90*day + time.Second) }), want: pki.ErrCertificateExpired},
		"not valid yet": {client: worker(pki.ProtoBus, func(w *world) { w.pass(-61 * time.Minute) }), want: pki.ErrCertificateEarly},
		"revoked": {client: worker(pki.ProtoBus, func(w *world) {
			if err := w.a.Revoke("a", w.now()); err != nil {
				w.t.Fatal(err)
			}
		}), want: pki.ErrRevoked},
		"not in the list": {client: func(w *world) *tls.Config { return peer(pki.ProtoBus, w.forge(noChange)) }, want: pki.ErrNotListed},
		"a certificate whose key it lacks": {client: func(w *world) *tls.Config {
			cert, _ := w.enrol("a")
			return peer(pki.ProtoBus, pair(cert.Raw, newKey(w.t)))
		}, text: "invalid signature by the client certificate"},
		"TLS 1.2": {client: func(w *world) *tls.Config {
			c := worker(pki.ProtoBus, nothing)(w)
			c.MaxVersion = tls.VersionTLS12
			return c
		}, text: "unsupported versions"},
		"TLS 1.2, to join":    {client: func(*world) *tls.Config { c := peer(pki.ProtoJoin); c.MaxVersion = tls.VersionTLS12; return c }, text: "unsupported versions"},
		"no ALPN":             {client: worker("", nothing), text: "named no service"},
		"unknown ALPN":        {client: worker("h2", nothing), text: "unsupported application protocols"},
		"two names":           {client: named("olive://worker/a", "olive://worker/b"), want: pki.ErrForeignCertificate},
		"the same name twice": {client: named("olive://worker/a", "olive://worker/a"), want: pki.ErrForeignCertificate},
		"no name":             {client: named(), want: pki.ErrForeignCertificate},
		"a host name beside": {client: func(w *world) *tls.Config {
			return peer(pki.ProtoBus, w.forge(func(c *x509.Certificate) { c.DNSNames = []string{"a"} }))
		}, want: pki.ErrForeignCertificate},
		"a path as name":    {client: named("olive://worker/../x"), want: pki.ErrNotWorker},
		"a path below":      {client: named("olive://worker/a/b"), want: pki.ErrNotWorker},
		"an escaped name":   {client: named("olive://worker/%61"), want: pki.ErrNotWorker},
		"an empty name":     {client: named("olive://worker/"), want: pki.ErrNotWorker},
		"a query":           {client: named("olive://worker/a?b"), want: pki.ErrNotWorker},
		"a user":            {client: named("olive://x@worker/a"), want: pki.ErrNotWorker},
		"another scheme":    {client: named("spiffe://worker/a"), want: pki.ErrNotWorker},
		"the master's name": {client: named("olive://master"), want: pki.ErrNotWorker},
		"the master's own certificate": {client: func(w *world) *tls.Config {
			key, chain := w.a.Own(w.now())
			return peer(pki.ProtoBus, pair(chain[0], key))
		}, want: pki.ErrForeignCertificate},
		"the CA's own certificate": {client: func(w *world) *tls.Config { return peer(pki.ProtoBus, pair(w.a.CA().Raw, w.a.Key())) }, want: pki.ErrForeignCertificate},
		"a server's certificate of this farm": {client: func(w *world) *tls.Config {
			return peer(pki.ProtoBus, w.forge(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }))
		}, want: pki.ErrForeignCertificate},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).serve()
			said, err := dial(t, w.addr, c.client(w))
			served := <-w.handshakes
			if c.want == nil && c.text == "" {
				if said != "a" || err != nil || served != nil {
					t.Errorf("said %q, %v, server %v; want to be let in as a", said, err, served)
				}
				return
			}
			if said != "" || err == nil {
				t.Errorf("client got %q, %v; want an error", said, err)
			}
			if served == nil || c.want != nil && !errors.Is(served, c.want) || !strings.Contains(served.Error(), c.text) {
				t.Errorf("server got %v, want %v %s", served, c.want, c.text)
			}
		})
	}
}

func TestRevokedWorkerMayKnockToHearWhy(t *testing.T) {
	w := newWorld(t).serve()
	i := w.join("a")
	if err := w.a.Revoke("a", w.now()); err != nil {
		t.Fatal(err)
	}
	_, err := dial(t, w.addr, i.ClientConfig(pki.ProtoBus, w.now))
	if err == nil {
		t.Error("a revoked worker got on the bus")
	}
	wantError(t, "Renew", i.Renew(t.Context(), w.now(), nil), pki.ErrRevoked)
}

func TestSessionsAreNotResumed(t *testing.T) {
	w := newWorld(t).serve()
	i := w.join("a")
	c := i.ClientConfig(pki.ProtoBus, w.now)
	c.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	for range 2 {
		if said, err := dial(t, w.addr, c); said != "a" || err != nil {
			t.Fatalf("%q, %v; want a", said, err)
		}
	}
	if err := w.a.Revoke("a", w.now()); err != nil {
		t.Fatal(err)
	}
	if said, err := dial(t, w.addr, c); err == nil {
		t.Errorf("let in as %q after the revocation", said)
	}
}
