package pki

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// NewToken invites a worker to join until now+ttl; see [TokenTTL]. It voids an earlier token of
// the same worker. Errors: [ErrBadName]; [ErrEnrolled] if the worker has a valid certificate.
func (a *Authority) NewToken(worker string, now time.Time, ttl time.Duration) (Token, error) {
	if !ValidName(worker) {
		return Token{}, fmt.Errorf("make a token for %.70q: %w", worker, ErrBadName)
	}
	if ttl <= 0 || ttl > maxTTL {
		return Token{}, fmt.Errorf("make a token for %s: it must be good for up to %v, not %v", worker, maxTTL, ttl)
	}
	t := makeToken(worker, fingerprintOf(a.ca))
	hash := t.hash()
	err := a.update(worker, now, func(m *member) error {
		if m.enrolled(now) {
			return ErrEnrolled
		}
		m.Token = &invitation{SHA256: hex.EncodeToString(hash[:]), Expires: now.Add(ttl).UTC()}
		return nil
	})
	if err != nil {
		return Token{}, fmt.Errorf("make a token for %s: %w", worker, err)
	}
	return t, nil
}

const maxTTL = 24 * time.Hour

// Enrol trades a token for a certificate of the worker that the token names. The request (PKCS #10,
// DER) must be signed with an ECDSA P-256 or Ed25519 key and ask for no other name and no
// extension. The token is spent, durably, when there is no error. Errors: [ErrTokenUnknown],
// [ErrTokenUsed], [ErrTokenExpired], [ErrWrongName], [ErrBadCSR].
func (a *Authority) Enrol(t Token, csr []byte, now time.Time) (*x509.Certificate, error) {
	var cert *x509.Certificate
	if !ValidName(t.worker) { // the zero token
		return nil, fmt.Errorf("enrol: %w", ErrBadToken)
	}
	err := a.update(t.worker, now, func(m *member) error {
		if err := m.Token.accepts(t, now); err != nil {
			return err
		}
		var err error
		if cert, err = a.certify(m, t.worker, csr, now); err != nil {
			return err
		}
		m.Token.Used = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("enrol %s: %w", t.worker, err)
	}
	return cert, nil
}

// accepts checks the token against the invitation, which may be nil.
func (i *invitation) accepts(t Token, now time.Time) error {
	if i == nil {
		return ErrTokenUnknown
	}
	hash := t.hash()
	switch want, err := hex.DecodeString(i.SHA256); {
	case err != nil || subtle.ConstantTimeCompare(hash[:], want) != 1:
		return ErrTokenUnknown
	case i.Used:
		return ErrTokenUsed
	case !now.Before(i.Expires):
		return fmt.Errorf("%w (it ended at %s)", ErrTokenExpired, stamp(i.Expires))
	}
	return nil
}

// Renew makes a new certificate for the worker that has shown cert, and proved in a TLS handshake
// that it has its key. For the request see [Authority.Enrol]. The shown certificate stays valid,
// and every other one of the worker is dropped from the list: so a worker may ask again if the
// answer was lost. Errors: those of [Authority.Check]; [ErrWrongName], [ErrBadCSR].
func (a *Authority) Renew(cert *x509.Certificate, csr []byte, now time.Time) (*x509.Certificate, error) {
	name, err := a.belongs(cert, now)
	if err != nil {
		return nil, fmt.Errorf("renew a certificate: %w", err)
	}
	var renewed *x509.Certificate
	err = a.update(name, now, func(m *member) error {
		if err := m.admits(cert); err != nil { // here, so that a revocation cannot come in between
			return err
		}
		m.Certificates = slices.DeleteFunc(m.Certificates, func(c Certificate) bool {
			return c.Serial != serialOf(cert) && c.Valid(now)
		})
		var err error
		renewed, err = a.certify(m, name, csr, now)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("renew the certificate of %s: %w", name, err)
	}
	return renewed, nil
}

// certify makes the certificate that the request asks for, and lists it.
func (a *Authority) certify(m *member, name string, csr []byte, now time.Time) (*x509.Certificate, error) {
	key, err := checkRequest(csr, name)
	if err != nil {
		return nil, err
	}
	cert, err := a.issue(workerURI+name, name, x509.ExtKeyUsageClientAuth, key, now, cmp.Or(time.Duration(a.life.Load()), CertificateLife))
	if err != nil {
		return nil, err
	}
	m.Certificates = append(m.Certificates, Certificate{Serial: serialOf(cert), Issued: now.UTC(), Expires: cert.NotAfter})
	return cert, nil
}

const maxCSR = 4 << 10

var subjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// checkRequest returns the key of a certificate request that is acceptable from the worker. What
// the certificate says is the master's decision; but who asks for more than that is refused,
// because it will not get what it expects.
func checkRequest(der []byte, worker string) (crypto.PublicKey, error) {
	if len(der) > maxCSR {
		return nil, fmt.Errorf("%w: it is bigger than %d bytes", ErrBadCSR, maxCSR)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadCSR, err)
	}
	switch key := csr.PublicKey.(type) {
	case ed25519.PublicKey:
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return nil, fmt.Errorf("%w: its key must be ECDSA P-256 or Ed25519", ErrBadCSR)
		}
	default:
		return nil, fmt.Errorf("%w: its key must be ECDSA P-256 or Ed25519", ErrBadCSR)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: it is not signed with its own key: %w", ErrBadCSR, err)
	}
	if name := csr.Subject.CommonName; name != "" && name != worker {
		return nil, fmt.Errorf("%w: it asks for %.70q", ErrWrongName, name)
	}
	if len(csr.DNSNames)+len(csr.EmailAddresses)+len(csr.IPAddresses) != 0 {
		return nil, fmt.Errorf("%w: it asks for names of hosts or people", ErrWrongName)
	}
	for _, uri := range csr.URIs {
		if uri.String() != workerURI+worker {
			return nil, fmt.Errorf("%w: it asks for %.100q", ErrWrongName, uri)
		}
	}
	for _, e := range csr.Extensions {
		if !e.Id.Equal(subjectAltName) {
			return nil, fmt.Errorf("%w: it asks for extension %v", ErrBadCSR, e.Id)
		}
	}
	return csr.PublicKey, nil
}

// Check returns the name of the worker that the certificate belongs to, if it is good now: made by
// this farm for a worker, valid, in the list, not revoked. Who keeps a connection for long checks
// again after it has registered the connection, since a revocation may come in between. Errors:
// [ErrForeignCertificate], [ErrCertificateExpired], [ErrCertificateEarly], [ErrNotWorker],
// [ErrRevoked], [ErrNotListed].
func (a *Authority) Check(cert *x509.Certificate, now time.Time) (string, error) {
	name, err := a.belongs(cert, now)
	if err != nil {
		return "", err
	}
	if err := a.roster.Load().Workers[name].admits(cert); err != nil {
		return "", fmt.Errorf("worker %s: %w", name, err)
	}
	return name, nil
}

// belongs is the part of [Authority.Check] that the certificate alone decides.
func (a *Authority) belongs(cert *x509.Certificate, now time.Time) (string, error) {
	if err := verify(cert, a.ca, x509.ExtKeyUsageClientAuth, now); err != nil {
		return "", err
	}
	return workerOf(cert)
}

// admits is the part of [Authority.Check] that the list decides. The member may be nil.
func (m *member) admits(cert *x509.Certificate) error {
	switch c := m.find(serialOf(cert)); {
	case c == nil:
		return ErrNotListed
	case !c.Revoked.IsZero():
		return fmt.Errorf("%w (it was revoked at %s)", ErrRevoked, stamp(c.Revoked))
	}
	return nil
}

// Revoke ends the worker's certificates and its token, durably. It ends no connection: the caller
// does. A new token may let a worker of that name in again. Revoking twice is no error.
// Errors: [ErrNoWorker].
func (a *Authority) Revoke(worker string, now time.Time) error {
	err := a.update(worker, now, func(m *member) error {
		if m.Token == nil && len(m.Certificates) == 0 {
			return ErrNoWorker
		}
		if m.Token != nil && !m.Token.Used {
			m.Token = nil
		}
		for i := range m.Certificates {
			if c := &m.Certificates[i]; c.Revoked.IsZero() {
				c.Revoked = now.UTC()
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("revoke worker %.70q: %w", worker, err)
	}
	return nil
}
