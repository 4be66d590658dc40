package pki_test

import (
	"crypto/tls"
	"strings"
	"testing"

	"olive-distributed/daemon/pki"
)

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{
		"a":                     true,
		"render-07":             true,
		"7":                     true,
		"a--b":                  true,
		strings.Repeat("x", 64): true,
		strings.Repeat("x", 65): false,
		"":                      false,
		"-":                     false,
		"-a":                    false,
		"a-":                    false,
		".":                     false,
		"..":                    false,
		"../a":                  false,
		"a/b":                   false,
		"a.b":                   false,
		"A":                     false,
		"a b":                   false,
		"a\n":                   false,
		"a\x00":                 false,
		"ä":                     false,
		"a%62":                  false,
		"a*":                    false,
		"a>":                    false,
	} {
		if got := pki.ValidName(name); got != want {
			t.Errorf("ValidName(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestIdentifyTrustsOnlyCheckedHandshakes(t *testing.T) {
	w := newWorld(t)
	cert := w.forge(noChange).Leaf
	for name, c := range map[string]struct {
		state tls.ConnectionState
		want  error
	}{
		"enrolment does not authenticate":  {tls.ConnectionState{NegotiatedProtocol: pki.ProtoJoin}, pki.ErrNoCertificate},
		"a service that is not the farm's": {tls.ConnectionState{NegotiatedProtocol: "h2"}, pki.ErrNoCertificate},
		"no certificate":                   {tls.ConnectionState{NegotiatedProtocol: pki.ProtoNFS}, pki.ErrNoCertificate},
	} {
		t.Run(name, func(t *testing.T) {
			if c.state.NegotiatedProtocol != pki.ProtoNFS {
				c.state.PeerCertificates = append(c.state.PeerCertificates, cert)
			}
			got, err := pki.Identify(c.state)
			if got != "" {
				t.Errorf("Identify = %q, want no name", got)
			}
			wantError(t, "Identify", err, c.want)
		})
	}
}
