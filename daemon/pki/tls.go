package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// ServerConfig is how the master serves the farm's port. The client's ALPN chooses the service:
// for [ProtoBus] and [ProtoNFS] the handshake fails without a certificate that [Authority.Check]
// accepts at the time; for [ProtoJoin] a certificate of this farm may be shown, revoked or not.
// Everything else is refused. The connection's NegotiatedProtocol is one of the three.
func (a *Authority) ServerConfig(clock func() time.Time) *tls.Config {
	base := &tls.Config{
		MinVersion: tls.VersionTLS13,
		Time:       clock,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return a.certificate(clock())
		},
		NextProtos: []string{ProtoBus, ProtoNFS, ProtoJoin},
		ClientAuth: tls.RequireAnyClientCert, // and VerifyConnection of the service
		// A resumed session would show the certificate of long ago.
		SessionTicketsDisabled: true,
	}
	member := base.Clone()
	member.ClientCAs = x509.NewCertPool()
	member.ClientCAs.AddCert(a.ca)
	member.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return ErrNoCertificate
		}
		_, err := a.Check(s.PeerCertificates[0], clock())
		return err
	}
	joiner := base.Clone()
	joiner.ClientAuth = tls.RequestClientCert
	joiner.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return nil
		}
		_, err := a.belongs(s.PeerCertificates[0], clock())
		return err
	}
	services := map[string]*tls.Config{ProtoBus: member, ProtoNFS: member, ProtoJoin: joiner}
	for proto, config := range services {
		c := config.Clone()
		c.NextProtos = []string{proto}
		services[proto] = c
	}
	base.VerifyConnection = func(tls.ConnectionState) error { return errNoService }
	base.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		for _, proto := range base.NextProtos {
			if slices.Contains(hello.SupportedProtos, proto) {
				return services[proto], nil
			}
		}
		return nil, nil // base: the client named nothing that it has, or nothing at all
	}
	return base
}

var errNoService = errors.New("the client has named no service (ALPN)")
