package pki_test

import (
	"bytes"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/pki"
)

func TestListTellsWhoIsThere(t *testing.T) {
	w := newWorld(t)
	cert, _ := w.enrol("b")
	w.enrol("c")
	if err := w.a.Revoke("c", w.now()); err != nil {
		t.Fatal(err)
	}
	w.token("a")
	list := w.a.Workers()
	if len(list) != 3 || list[0].Name != "a" || list[1].Name != "b" || list[2].Name != "c" {
		t.Fatalf("Workers = %+v, want a, b, c", list)
	}
	if a := list[0]; !a.Invited.Equal(start.Add(15*time.Minute)) || len(a.Certificates) != 0 {
		t.Errorf("a = %+v, want an invitation for 15 minutes", a)
	}
	want := pki.Certificate{Serial: cert.SerialNumber.Text(16), Issued: start, Expires: start.Add(90 * day)}
	if b := list[1]; !b.Invited.IsZero() || len(b.Certificates) != 1 || b.Certificates[0] != want || !want.Valid(w.now()) {
		t.Errorf("b = %+v, want %+v", b, want)
	}
	if c := list[2]; len(c.Certificates) != 1 || !c.Certificates[0].Revoked.Equal(start) || c.Certificates[0].Valid(w.now()) {
		t.Errorf("c = %+v, want its certificate revoked", c)
	}
	list[1].Certificates[0].Serial = "changed by the caller"
	if w.a.Workers()[1].Certificates[0] != want {
		t.Error("a caller can change the list")
	}
}

func TestListForgetsWhatEndedLongAgo(t *testing.T) {
	w := newWorld(t)
	w.enrol("a")
	w.token("b")
	w.pass(119 * day)
	w.token("c")
	if list := w.a.Workers(); len(list) != 2 || list[0].Name != "a" {
		t.Errorf("Workers = %+v, want a still known, b forgotten", list)
	}
	w.pass(2 * day)
	w.token("d")
	if list := w.a.Workers(); len(list) != 1 || list[0].Name != "d" {
		t.Errorf("Workers = %+v, want a forgotten as well", list)
	}
}

func TestCheckKnowsForgeries(t *testing.T) {
	w := newWorld(t)
	other, otherKey := otherCA(t, w.now())
	real, realKey := w.enrol("a")
	for name, c := range map[string]struct {
		cert *x509.Certificate
		want error
	}{
		"of another CA":           {forge(t, w.now(), other, otherKey, noChange).Leaf, pki.ErrForeignCertificate},
		"the CA's own":            {w.a.CA(), pki.ErrForeignCertificate},
		"signed by a worker":      {forge(t, w.now(), real, realKey, noChange).Leaf, pki.ErrForeignCertificate},
		"not in the list":         {w.forge(noChange).Leaf, pki.ErrNotListed},
		"of a worker nobody knew": {w.forge(func(c *x509.Certificate) { c.URIs = uris(t, "olive://worker/b") }).Leaf, pki.ErrNotListed},
		"another with a listed number": {forge(t, w.now(), other, otherKey, func(c *x509.Certificate) {
			c.SerialNumber = real.SerialNumber
		}).Leaf, pki.ErrForeignCertificate},
		"the number of another worker's": {w.forge(func(c *x509.Certificate) {
			c.SerialNumber, c.URIs = real.SerialNumber, uris(t, "olive://worker/b")
		}).Leaf, pki.ErrNotListed},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := w.a.Check(c.cert, w.now())
			if got != "" {
				t.Errorf("Check = %q, want no name", got)
			}
			wantError(t, "Check", err, c.want)
		})
	}
}

func FuzzRoster(f *testing.F) {
	f.Add([]byte(`{"version":1,"ca":"","workers":{"a":{"certificates":[{"serial":"1","issued":"2026-01-01T00:00:00Z","expires":"2026-04-01T00:00:00Z","revoked":"2026-01-02T00:00:00Z"}]}}}`))
	f.Add([]byte(`{"version":1,"workers":{"a":{"token":{"sha256":"` + strings.Repeat("0", 64) + `","expires":"2026-04-01T00:00:00Z","used":true}}}}`))
	f.Add([]byte(`{"version":1,"workers":{"a":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		once, err := pki.Roundtrip(data)
		if err != nil {
			return
		}
		twice, err := pki.Roundtrip(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s\nread again: %s, %v", once, twice, err)
		}
	})
}
