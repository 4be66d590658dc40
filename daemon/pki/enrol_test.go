package pki_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"olive-distributed/daemon/pki"
)

func TestTokenBuysOneCertificate(t *testing.T) {
	w := newWorld(t)
	key := newKey(t)
	cert, err := w.a.Enrol(w.token("render-07"), request(t, key, &x509.CertificateRequest{}), w.now())
	if err != nil {
		t.Fatal(err)
	}
	if len(cert.URIs) != 1 || cert.URIs[0].String() != "olive://worker/render-07" || cert.IsCA || !key.PublicKey.Equal(cert.PublicKey) {
		t.Errorf("certificate for %v, CA %v; want olive://worker/render-07 with the worker's key", cert.URIs, cert.IsCA)
	}
	if want := start.Add(90 * day); !cert.NotAfter.Equal(want) || !cert.NotBefore.Equal(start.Add(-time.Hour)) {
		t.Errorf("valid from %v to %v, want %v", cert.NotBefore, cert.NotAfter, want)
	}
	w.a.SetLife(7 * day)
	short, err := w.a.Enrol(w.token("render-08"), request(t, key, &x509.CertificateRequest{}), w.now())
	if want := start.Add(7 * day); err != nil || !short.NotAfter.Equal(want) {
		t.Errorf("with a life of a week a certificate ends at %v, %v, want %v", short.NotAfter, err, want)
	}
	w.a.SetLife(100 * 365 * day)
	long, err := w.a.Enrol(w.token("render-09"), request(t, key, &x509.CertificateRequest{}), w.now())
	if want := w.a.CA().NotAfter; err != nil || !long.NotAfter.Equal(want) {
		t.Errorf("with a life of a century a certificate ends at %v, %v, want with the CA at %v", long.NotAfter, err, want)
	}
	if len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth || len(cert.UnknownExtKeyUsage) != 0 {
		t.Errorf("extended usages %v, want only to be a client", cert.ExtKeyUsage)
	}
	if name, err := w.a.Check(cert, w.now()); name != "render-07" || err != nil {
		t.Errorf("Check = %q, %v; want render-07", name, err)
	}
}

func TestTokenIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		token func(w *world) pki.Token
		want  error
	}{
		"it was used": {func(w *world) pki.Token {
			token := w.token("a")
			if _, err := w.a.Enrol(token, request(t, newKey(t), &x509.CertificateRequest{}), w.now()); err != nil {
				t.Fatal(err)
			}
			return token
		}, pki.ErrTokenUsed},
		"it was used, and the master restarted": {func(w *world) pki.Token {
			token := w.token("a")
			if _, err := w.a.Enrol(token, request(t, newKey(t), &x509.CertificateRequest{}), w.now()); err != nil {
				t.Fatal(err)
			}
			w.restart()
			return token
		}, pki.ErrTokenUsed},
		"it expired to the second": {func(w *world) pki.Token {
			defer w.pass(15 * time.Minute)
			return w.token("a")
		}, pki.ErrTokenExpired},
		"it expired, and the master restarted": {func(w *world) pki.Token {
			token := w.token("a")
			w.pass(16 * time.Minute)
			w.restart()
			return token
		}, pki.ErrTokenExpired},
		"it expired so long ago that it is forgotten": {func(w *world) pki.Token {
			token := w.token("a")
			w.pass(2 * day)
			w.token("b")
			return token
		}, pki.ErrTokenUnknown},
		"a newer one was made": {func(w *world) pki.Token {
			defer w.token("a")
			return w.token("a")
		}, pki.ErrTokenUnknown},
		"its worker was revoked before it joined": {func(w *world) pki.Token {
			token := w.token("a")
			if err := w.a.Revoke("a", w.now()); err != nil {
				t.Fatal(err)
			}
			return token
		}, pki.ErrTokenUnknown},
		"it is of another farm":                         {func(*world) pki.Token { return newWorld(t).token("a") }, pki.ErrTokenUnknown},
		"it is of another farm, and a name known here":  {func(w *world) pki.Token { w.token("a"); return newWorld(t).token("a") }, pki.ErrTokenUnknown},
		"it is made up, with a right sum":               {func(w *world) pki.Token { w.token("a"); return pki.MakeToken("a", w.a.CA()) }, pki.ErrTokenUnknown},
		"it is another's, written anew for this worker": {func(w *world) pki.Token { w.token("a"); return w.token("b").For("a") }, pki.ErrTokenUnknown},
		"there is none":                                 {func(*world) pki.Token { return pki.Token{} }, pki.ErrBadToken},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			token := c.token(w)
			cert, err := w.a.Enrol(token, request(t, newKey(t), &x509.CertificateRequest{}), w.now())
			if cert != nil {
				t.Error("there is a certificate")
			}
			wantError(t, "Enrol", err, c.want)
		})
	}
}

func TestTokenSurvivesARestart(t *testing.T) {
	w := newWorld(t)
	token := w.token("a")
	w.pass(14 * time.Minute)
	w.restart()
	if _, err := w.a.Enrol(token, request(t, newKey(t), &x509.CertificateRequest{}), w.now()); err != nil {
		t.Errorf("Enrol after a restart: %v", err)
	}
}

func TestRacingUsesOfATokenHaveOneWinner(t *testing.T) {
	w := newWorld(t)
	token := w.token("a")
	csr := request(t, newKey(t), &x509.CertificateRequest{})
	errs := make([]error, 50)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, errs[i] = w.a.Enrol(token, csr, w.now()) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			wantError(t, "Enrol of a loser", err, pki.ErrTokenUsed)
		}
	}
	if listed := len(w.a.Workers()[0].Certificates); won != 1 || listed != 1 {
		t.Errorf("%d have won, %d certificates are listed; want one", won, listed)
	}
}

func TestNewTokenIsRefused(t *testing.T) {
	w := newWorld(t)
	w.enrol("here")
	for name, c := range map[string]struct {
		worker string
		ttl    time.Duration
		want   error // nil: any
	}{
		"no name":               {"", pki.TokenTTL, pki.ErrBadName},
		"a path":                {"../a", pki.TokenTTL, pki.ErrBadName},
		"an option":             {"-a", pki.TokenTTL, pki.ErrBadName},
		"a worker that is in":   {"here", pki.TokenTTL, pki.ErrEnrolled},
		"good for no time":      {"a", 0, nil},
		"good for negative":     {"a", -1, nil},
		"good for all eternity": {"a", 25 * time.Hour, nil},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := w.a.NewToken(c.worker, w.now(), c.ttl)
			if err == nil || token.Reveal() != "" || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("NewToken = %v, %v; want no token and %v", token, err, c.want)
			}
		})
	}
	if got := len(w.a.Workers()); got != 1 {
		t.Errorf("%d workers are listed, want the one from before", got)
	}
}

// requests are certificate requests for worker a.
var requests = map[string]struct {
	make func(t testing.TB) []byte
	want error // nil: accepted
}{
	"nothing but a P-256 key": {func(t testing.TB) []byte { return request(t, newKey(t), &x509.CertificateRequest{}) }, nil},
	"nothing but an Ed25519 key": {func(t testing.TB) []byte {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return request(t, key, &x509.CertificateRequest{})
	}, nil},
	"its own names": {func(t testing.TB) []byte {
		return request(t, newKey(t), &x509.CertificateRequest{Subject: pkix.Name{CommonName: "a"}, URIs: uris(t, "olive://worker/a")})
	}, nil},
	"another's common name":     {asks(x509.CertificateRequest{Subject: pkix.Name{CommonName: "b"}}), pki.ErrWrongName},
	"a host name":               {asks(x509.CertificateRequest{DNSNames: []string{"a"}}), pki.ErrWrongName},
	"an address":                {asks(x509.CertificateRequest{IPAddresses: []net.IP{net.IPv6loopback}}), pki.ErrWrongName},
	"a mail address":            {asks(x509.CertificateRequest{EmailAddresses: []string{"a@b"}}), pki.ErrWrongName},
	"another's URI":             {asksURI("olive://worker/b"), pki.ErrWrongName},
	"the master's URI":          {asksURI("olive://master"), pki.ErrWrongName},
	"its own and the master's":  {asksURI("olive://worker/a", "olive://master"), pki.ErrWrongName},
	"to be a CA":                {asksExtension(asn1.ObjectIdentifier{2, 5, 29, 19}, []byte{0x30, 3, 1, 1, 0xff}), pki.ErrBadCSR},
	"to be a server":            {asksExtension(asn1.ObjectIdentifier{2, 5, 29, 37}, []byte{0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1}), pki.ErrBadCSR},
	"something nobody knows of": {asksExtension(asn1.ObjectIdentifier{1, 2, 3}, []byte{5, 0}), pki.ErrBadCSR},
	"a P-384 key": {func(t testing.TB) []byte {
		key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return request(t, key, &x509.CertificateRequest{})
	}, pki.ErrBadCSR},
	"an RSA key": {func(t testing.TB) []byte {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		return request(t, key, &x509.CertificateRequest{})
	}, pki.ErrBadCSR},
	"a key that did not sign": {func(t testing.TB) []byte {
		der := request(t, newKey(t), &x509.CertificateRequest{})
		der[len(der)-1] ^= 1 // the signature's end
		return der
	}, pki.ErrBadCSR},
	"more than fits": {func(t testing.TB) []byte {
		return request(t, newKey(t), &x509.CertificateRequest{Subject: pkix.Name{Locality: []string{strings.Repeat("x", 5000)}}})
	}, pki.ErrBadCSR},
	"something behind it": {func(t testing.TB) []byte { return append(request(t, newKey(t), &x509.CertificateRequest{}), 0) }, pki.ErrBadCSR},
	"a piece of it":       {func(t testing.TB) []byte { return request(t, newKey(t), &x509.CertificateRequest{})[:40] }, pki.ErrBadCSR},
	"nothing":             {func(testing.TB) []byte { return nil }, pki.ErrBadCSR},
}

func asks(template x509.CertificateRequest) func(testing.TB) []byte {
	return func(t testing.TB) []byte { return request(t, newKey(t), &template) }
}

func asksURI(names ...string) func(testing.TB) []byte {
	return func(t testing.TB) []byte {
		return request(t, newKey(t), &x509.CertificateRequest{URIs: uris(t, names...)})
	}
}

func asksExtension(id asn1.ObjectIdentifier, value []byte) func(testing.TB) []byte {
	return asks(x509.CertificateRequest{ExtraExtensions: []pkix.Extension{{Id: id, Value: value}}})
}

func TestRequests(t *testing.T) {
	for name, c := range requests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			token := w.token("a")
			cert, err := w.a.Enrol(token, c.make(t), w.now())
			if !errors.Is(err, c.want) || (cert == nil) != (err != nil) {
				t.Fatalf("Enrol = %v, want %v", err, c.want)
			}
			if c.want == nil {
				if cert.Subject.CommonName != "a" || len(cert.URIs) != 1 || cert.URIs[0].String() != "olive://worker/a" {
					t.Errorf("certificate for %q, %v; want a", cert.Subject.CommonName, cert.URIs)
				}
				return
			}
			if _, err := w.a.Enrol(token, request(t, newKey(t), &x509.CertificateRequest{}), w.now()); err != nil {
				t.Errorf("a bad request has spent the token: %v", err)
			}
		})
	}
}

func TestRenewal(t *testing.T) {
	w := newWorld(t)
	old, _ := w.enrol("a")
	w.pass(60 * day)
	lost, err := w.a.Renew(old, request(t, newKey(t), &x509.CertificateRequest{}), w.now())
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.a.Renew(old, request(t, newKey(t), &x509.CertificateRequest{}), w.now())
	if err != nil {
		t.Fatalf("the answer was lost, ask again: %v", err)
	}
	w.restart()
	if name, err := w.a.Check(old, w.now()); name != "a" || err != nil {
		t.Errorf("Check of the certificate in use = %q, %v; want a", name, err)
	}
	if name, err := w.a.Check(got, w.now()); name != "a" || err != nil {
		t.Errorf("Check of the new certificate = %q, %v; want a", name, err)
	}
	_, err = w.a.Check(lost, w.now())
	wantError(t, "Check of the certificate that got lost", err, pki.ErrNotListed)
	if _, err := w.a.Renew(got, request(t, newKey(t), &x509.CertificateRequest{}), w.now()); err != nil {
		t.Error(err)
	}
	_, err = w.a.Check(old, w.now())
	wantError(t, "Check of the certificate before the last", err, pki.ErrNotListed)
}

func TestRenewalIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		csr   func(testing.TB) []byte
		first func(w *world)
		want  error
	}{
		"for another name":   {csr: asks(x509.CertificateRequest{Subject: pkix.Name{CommonName: "b"}}), want: pki.ErrWrongName},
		"for the master":     {csr: asksURI("olive://master"), want: pki.ErrWrongName},
		"after the end":      {first: func(w *world) { w.pass(90*day + time.Second) }, want: pki.ErrCertificateExpired},
		"after a revocation": {first: func(w *world) { w.a.Revoke("a", w.now()) }, want: pki.ErrRevoked},
		"after a revocation and a restart": {first: func(w *world) {
			w.a.Revoke("a", w.now())
			w.restart()
		}, want: pki.ErrRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			cert, _ := w.enrol("a")
			if c.csr == nil {
				c.csr = asks(x509.CertificateRequest{})
			}
			if c.first != nil {
				c.first(w)
			}
			got, err := w.a.Renew(cert, c.csr(t), w.now())
			if got != nil {
				t.Error("there is a certificate")
			}
			wantError(t, "Renew", err, c.want)
		})
	}
}

func TestRevokedWorkerCanComeBackWithAToken(t *testing.T) {
	w := newWorld(t)
	old, _ := w.enrol("a")
	for range 2 { // again is no error
		if err := w.a.Revoke("a", w.now()); err != nil {
			t.Fatal(err)
		}
	}
	fresh, _ := w.enrol("a")
	w.restart()
	_, err := w.a.Check(old, w.now())
	wantError(t, "Check of the revoked certificate", err, pki.ErrRevoked)
	if name, err := w.a.Check(fresh, w.now()); name != "a" || err != nil {
		t.Errorf("Check of the new certificate = %q, %v; want a", name, err)
	}
	wantError(t, "Revoke of nobody", w.a.Revoke("b", w.now()), pki.ErrNoWorker)
	wantError(t, "Revoke of a path", w.a.Revoke("../a", w.now()), pki.ErrNoWorker)
}

func FuzzCheckRequest(f *testing.F) {
	for _, c := range requests {
		f.Add(c.make(f))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		key, err := pki.CheckRequest(der, "a")
		switch key.(type) {
		case *ecdsa.PublicKey, ed25519.PublicKey:
		default:
			if err == nil {
				t.Errorf("accepted with a %T", key)
			}
		}
		if err != nil && !errors.Is(err, pki.ErrBadCSR) && !errors.Is(err, pki.ErrWrongName) {
			t.Errorf("error %v is neither ErrBadCSR nor ErrWrongName", err)
		}
	})
}
