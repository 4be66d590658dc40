// Package pki says who belongs to the farm: it holds the farm's certificate authority, the tokens
// with which workers join, the list of workers, and a worker's own identity.
//
// On the master an [Authority] makes the CA at its first start. [Authority.NewToken] invites a
// worker, [Authority.Enrol] trades the token for a certificate, [Authority.Renew] prolongs it,
// [Authority.Revoke] ends it, and [Authority.Check] is the one rule that decides whether a
// certificate is good now. On a worker [Join] makes an [Identity], which dials the master and
// renews itself. [Authority.ServerConfig] and [Identity.ClientConfig] are the two ends of every
// connection of the farm: TLS 1.3, and the ALPN name says which service is meant.
//
// Who a certificate belongs to is its one URI name, olive://worker/NAME or olive://master. Host
// names and addresses prove nothing here. A worker is accepted only with a certificate that stands
// in the master's list, so what is lost from the list is refused, never trusted.
//
// Failure: a method that returns an error has changed nothing, unless the disk failed after the
// new state was in place; then a restart may find the change made. What was answered without an
// error is durable: a token that was spent once is spent after a power cut, and a revoked
// certificate stays revoked. A folder that is damaged or incomplete is refused with the file's
// name and the way out; the CA is never replaced. There is no clock and no goroutine here.
// Tokens and keys are in no error and in no log.
package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The services of the farm's port, as ALPN names.
const (
	ProtoBus  = "olive-bus"  // NATS; certificate required
	ProtoNFS  = "olive-nfs"  // NFSv3; certificate required
	ProtoJoin = "olive-join" // HTTP/1.1, enrolment and renewal; see [HTTPConn]
)

const (
	masterURI = "olive://master"
	workerURI = "olive://worker/"

	caLife = 20 * 365 * 24 * time.Hour

	// Certificates begin a little before they are made, because the clocks of two machines differ.
	caBackdate   = 24 * time.Hour
	leafBackdate = time.Hour
)

// CertificateLife is how long a certificate lasts, the master's always, a worker's unless
// [Authority.SetLife] says otherwise.
const CertificateLife = 90 * 24 * time.Hour

// ValidName says whether a worker may have the name: 1 to 64 of a–z, 0–9 and '-', not at either
// end. Such a name is safe in paths, subjects, units and URIs.
func ValidName(name string) bool {
	if len(name) < 1 || len(name) > 64 || name[0] == '-' || name[len(name)-1] == '-' {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// Identify returns the name of the worker at the other end of a connection of [ProtoBus] or [ProtoNFS]
// that the VerifyConnection of [Authority.ServerConfig] has let in. It says who the peer was at the
// handshake: a long connection is checked again with [Authority.Check].
func Identify(s tls.ConnectionState) (string, error) {
	if s.NegotiatedProtocol != ProtoBus && s.NegotiatedProtocol != ProtoNFS {
		return "", fmt.Errorf("identify peer of a %q connection: %w", s.NegotiatedProtocol, ErrNoCertificate)
	}
	if len(s.PeerCertificates) == 0 {
		return "", ErrNoCertificate
	}
	return workerOf(s.PeerCertificates[0])
}

// verify checks that ca has signed the certificate for the use, and that it is valid now.
func verify(cert, ca *x509.Certificate, use x509.ExtKeyUsage, now time.Time) error {
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{use}})
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &invalid) || invalid.Reason != x509.Expired:
		return fmt.Errorf("%w (%w)", ErrForeignCertificate, err)
	case now.Before(cert.NotBefore):
		return fmt.Errorf("%w (it begins at %s, the clock says %s)", ErrCertificateEarly, stamp(cert.NotBefore), stamp(now))
	}
	return fmt.Errorf("%w (it ended at %s, the clock says %s)", ErrCertificateExpired, stamp(cert.NotAfter), stamp(now))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// workerOf returns the name of the worker that the certificate is for.
func workerOf(cert *x509.Certificate) (string, error) {
	uri, err := soleName(cert)
	if err != nil {
		return "", err
	}
	name, ok := strings.CutPrefix(uri, workerURI)
	if !ok || !ValidName(name) {
		return "", fmt.Errorf("%w: it is for %q", ErrNotWorker, uri)
	}
	return name, nil
}

// checkMaster checks that the certificate is the master's.
func checkMaster(cert *x509.Certificate) error {
	uri, err := soleName(cert)
	if err != nil {
		return err
	}
	if uri != masterURI {
		return fmt.Errorf("%w: it is for %q", ErrNotMaster, uri)
	}
	return nil
}

// soleName returns the certificate's URI name, which must be its only alternative name: with two
// it would depend on the reader who it belongs to.
func soleName(cert *x509.Certificate) (string, error) {
	if len(cert.URIs) != 1 || len(cert.DNSNames)+len(cert.EmailAddresses)+len(cert.IPAddresses) != 0 {
		return "", fmt.Errorf("%w: it must have exactly one name", ErrForeignCertificate)
	}
	return cert.URIs[0].String(), nil
}

// renewAt is when a certificate is due for renewal: at two thirds of its life.
func renewAt(cert *x509.Certificate) time.Time {
	return cert.NotBefore.Add(cert.NotAfter.Sub(cert.NotBefore) / 3 * 2)
}
