package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"
)

// ServerConfig is how the master serves the farm's port. The client's ALPN chooses the service:
// for [ProtoBus] and [ProtoNFS] the handshake fails without a certificate that [Authority.Check]
// accepts at the time; for [ProtoJoin] a certificate of this farm may be shown, revoked or not.
// Everything else is refused. The connection's NegotiatedProtocol is one of the three. A server
// may be stricter still, and demand what is only asked for here.
func (a *Authority) ServerConfig(clock func() time.Time) *tls.Config {
	cas := x509.NewCertPool()
	cas.AddCert(a.ca)
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		Time:       clock,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return a.certificate(clock())
		},
		NextProtos: []string{ProtoBus, ProtoNFS, ProtoJoin},
		ClientCAs:  cas,
		ClientAuth: tls.RequestClientCert, // and VerifyConnection, which knows the service
		// A resumed session would show the certificate of long ago.
		SessionTicketsDisabled: true,
		VerifyConnection:       func(s tls.ConnectionState) error { return a.admit(s, clock()) },
	}
}

// admit decides about a handshake.
func (a *Authority) admit(s tls.ConnectionState, now time.Time) error {
	bare := len(s.PeerCertificates) == 0
	switch s.NegotiatedProtocol {
	case ProtoBus, ProtoNFS:
		if bare {
			return ErrNoCertificate
		}
		_, err := a.Check(s.PeerCertificates[0], now)
		return err
	case ProtoJoin:
		if bare {
			return nil
		}
		_, err := a.belongs(s.PeerCertificates[0], now)
		return err
	}
	return errNoService
}

var errNoService = errors.New("the client has named no service (ALPN)")
