package pki_test

import (
	"context"
	"crypto/x509"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"olive-distributed/daemon/pki"
)

func TestWorkerRenewsAtTwoThirds(t *testing.T) {
	w := newWorld(t).serve()
	i := w.join("a")
	config := i.ClientConfig(pki.ProtoBus, w.now)
	key := i.Key()
	w.pass(59 * day)
	if i.NeedsRenewal(w.now()) {
		t.Error("after 59 days: needs renewal, want 60")
	}
	w.pass(1 * day)
	if !i.NeedsRenewal(w.now()) {
		t.Error("after 60 days: needs no renewal")
	}
	if err := i.Renew(t.Context(), w.now(), nil); err != nil {
		t.Fatal(err)
	}
	if i.NeedsRenewal(w.now()) || !i.Expires().Equal(start.Add(150*day)) || i.Key() == key {
		t.Errorf("renewed until %v, new key %v; want 150 days from the start, and a new key", i.Expires(), i.Key() != key)
	}
	w.pass(89 * day) // the old one has ended: the same config must show the new one, and so must a restart
	if said, err := dial(t, w.addr, config); said != "a" || err != nil {
		t.Errorf("config from before the renewal: %q, %v; want a", said, err)
	}
	again, err := pki.LoadIdentity(w.folder("a"))
	if err != nil {
		t.Fatal(err)
	}
	if said, err := dial(t, w.addr, again.ClientConfig(pki.ProtoBus, w.now)); said != "a" || err != nil {
		t.Errorf("after a restart: %q, %v; want a", said, err)
	}
}

func TestRenewalOverTheBus(t *testing.T) {
	w := newWorld(t).serve()
	i := w.join("a")
	shown := i.ClientConfig(pki.ProtoBus, w.now)
	w.pass(60 * day)
	err := i.Renew(t.Context(), w.now(), func(_ context.Context, csr []byte) ([]byte, error) {
		c, err := shown.GetClientCertificate(nil)
		if err != nil {
			return nil, err
		}
		cert, err := w.a.Renew(c.Leaf, csr, w.now())
		if err != nil {
			return nil, err
		}
		return cert.Raw, nil
	})
	if err != nil || !i.Expires().Equal(start.Add(150*day)) {
		t.Errorf("Renew = %v, until %v; want 150 days from the start", err, i.Expires())
	}
}

func TestWorkerChecksWhatRenewalBrings(t *testing.T) {
	for name, c := range map[string]struct {
		bring func(w *world, csr *x509.CertificateRequest) []byte
		want  error // nil: any
	}{
		"rubbish":                       {func(*world, *x509.CertificateRequest) []byte { return []byte("rubbish") }, nil},
		"nothing":                       {func(*world, *x509.CertificateRequest) []byte { return nil }, nil},
		"a certificate for another key": {func(w *world, _ *x509.CertificateRequest) []byte { return w.forge(noChange).Certificate[0] }, pki.ErrForeignCertificate},
		"another worker's name": {func(w *world, csr *x509.CertificateRequest) []byte {
			return w.signed(csr, func(c *x509.Certificate) { c.URIs = uris(t, "olive://worker/b") })
		}, pki.ErrWrongName},
		"the master's name": {func(w *world, csr *x509.CertificateRequest) []byte {
			return w.signed(csr, func(c *x509.Certificate) { c.URIs = uris(t, "olive://master") })
		}, pki.ErrNotWorker},
		"one that has ended": {func(w *world, csr *x509.CertificateRequest) []byte {
			return w.signed(csr, func(c *x509.Certificate) { c.NotAfter = start })
		}, pki.ErrCertificateExpired},
		"one that has not begun": {func(w *world, csr *x509.CertificateRequest) []byte {
			return w.signed(csr, func(c *x509.Certificate) { c.NotBefore = w.now().Add(time.Minute) })
		}, pki.ErrCertificateEarly},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).serve()
			i := w.join("a")
			w.pass(time.Hour)
			before := snapshot(t, w.folder("a"))
			err := i.Renew(t.Context(), w.now(), func(_ context.Context, csr []byte) ([]byte, error) {
				r, err := x509.ParseCertificateRequest(csr)
				if err != nil {
					return nil, err
				}
				return c.bring(w, r), nil
			})
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("Renew = %v, want %v", err, c.want)
			}
			if snapshot(t, w.folder("a")) != before {
				t.Error("the identity has changed")
			}
			if said, err := dial(t, w.addr, i.ClientConfig(pki.ProtoBus, w.now)); said != "a" || err != nil {
				t.Errorf("with the old certificate: %q, %v; want a", said, err)
			}
		})
	}
}

// signed makes a certificate for a request as the CA might do if it were wrong.
func (w *world) signed(csr *x509.CertificateRequest, change func(*x509.Certificate)) []byte {
	w.t.Helper()
	template := w.forge(change).Leaf
	der, err := x509.CreateCertificate(nil, template, w.a.CA(), csr.PublicKey, w.a.Key())
	if err != nil {
		w.t.Fatal(err)
	}
	return der
}

func TestRenewalThatCannotBe(t *testing.T) {
	never := func(context.Context, []byte) ([]byte, error) {
		t.Error("the master was asked")
		return nil, errors.New("no")
	}
	for name, c := range map[string]struct {
		first func(w *world)
		want  error
	}{
		"the certificate has ended":    {func(w *world) { w.pass(91 * day) }, pki.ErrCertificateExpired},
		"the clock is wrong":           {func(w *world) { w.pass(-91 * day) }, pki.ErrCertificateEarly},
		"the machine has joined anew":  {func(w *world) { w.a.Revoke("a", w.now()); w.join("a") }, pki.ErrReplaced},
		"the identity is gone":         {func(w *world) { os.Remove(w.folder("a") + "/identity.json") }, pki.ErrNotJoined},
		"another process is at it now": {func(w *world) { lock(w.t, w.folder("a")) }, pki.ErrInUse},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).serve()
			i := w.join("a")
			c.first(w)
			wantError(t, "Renew", i.Renew(t.Context(), w.now(), never), c.want)
		})
	}
}

// lock is another process at work in the folder.
func lock(t *testing.T, dir string) {
	t.Helper()
	f, err := os.OpenFile(dir+"/lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
}
