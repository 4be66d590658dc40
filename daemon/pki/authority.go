package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"olive-distributed/daemon/pki/internal/private"
)

// An Authority is the farm's CA and its list of workers. Make one with [Open]. Its methods may be
// called at the same time. The times that they are given should not run backwards by much: a
// certificate is valid from an hour before it is made.
type Authority struct {
	folder *private.Folder
	ca     *x509.Certificate
	key    crypto.Signer

	life   atomic.Int64           // of workers' certificates, a time.Duration; 0: CertificateLife
	change sync.Mutex             // held while the roster is replaced
	roster atomic.Pointer[roster] // what is durable; never changed in place

	own    sync.Mutex
	master *tls.Certificate // made when it is needed, in memory only
}

// The files of an authority. The list is written first: with it alone and empty, nothing that
// the missing CA could have signed is in use, and the first start goes on.
const (
	caFile     = "ca.pem"       // key and certificate in one file, so that there is never only one of them
	rosterFile = "workers.json" // see [roster]
)

const (
	maxCA     = 64 << 10
	maxRoster = 256 << 20
)

// Open loads the authority from the folder, or makes it at the farm's first start, in a folder
// that is missing or empty. It locks the folder until [Authority.Close]. Errors: [ErrInUse];
// [ErrDamaged] when files are missing, unreadable or do not belong together.
func Open(dir string, now time.Time) (*Authority, error) { return open(dir, now, nil) }

func open(dir string, now time.Time, step private.Step) (*Authority, error) {
	f, err := private.Open(dir, step)
	if err != nil {
		return nil, fmt.Errorf("open the farm's CA: %w", err)
	}
	a := &Authority{folder: f}
	if err = a.load(now); err == nil {
		_, err = a.certificate(now)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open the farm's CA: %w", err)
	}
	return a, nil
}

// Close gives the folder back. No method may be called afterwards.
func (a *Authority) Close() error { return a.folder.Close() }

// SetLife says how long certificates of workers last that are made from now on; see [CertificateLife].
func (a *Authority) SetLife(d time.Duration) { a.life.Store(int64(d)) }

// CA returns the certificate of the farm's CA.
func (a *Authority) CA() *x509.Certificate { return a.ca }

func (a *Authority) load(now time.Time) error {
	for _, name := range []string{caFile, rosterFile} {
		if err := a.folder.Sweep(name); err != nil {
			return err
		}
	}
	r, rosterErr := readRoster(a.folder.Path(rosterFile))
	noRoster := errors.Is(rosterErr, fs.ErrNotExist)
	if rosterErr != nil && !noRoster {
		return a.damaged(rosterFile, rosterErr)
	}
	var err error
	a.ca, a.key, err = readCA(a.folder.Path(caFile))
	switch {
	case errors.Is(err, fs.ErrNotExist) && (noRoster || len(r.Workers) == 0):
		return a.found(now)
	case err != nil:
		return a.damaged(caFile, err)
	case noRoster:
		return a.damaged(rosterFile, rosterErr)
	case r.CA != fingerprintOf(a.ca).String():
		return a.damaged(caFile, fmt.Errorf("it is not the CA that %s belongs to", a.folder.Path(rosterFile)))
	}
	a.roster.Store(r)
	return a.checkClock(now)
}

func (a *Authority) damaged(name string, err error) error {
	return fmt.Errorf("%s is %w: %w; put back ca.pem and workers.json together from a backup, or move %s away to begin a new farm, which every worker must join anew",
		a.folder.Path(name), ErrDamaged, err, a.folder.Dir)
}

func (a *Authority) checkClock(now time.Time) error {
	if now.Before(a.ca.NotBefore) {
		return fmt.Errorf("the clock says %s, but the CA was made after %s: set the clock", stamp(now), stamp(a.ca.NotBefore))
	}
	if !now.Add(CertificateLife).Before(a.ca.NotAfter) {
		return fmt.Errorf("the clock says %s, but the CA ends at %s: set the clock, or move %s away to begin a new farm, which every worker must join anew",
			stamp(now), stamp(a.ca.NotAfter), a.folder.Dir)
	}
	return nil
}

// found makes the CA. A crash on the way leaves what found starts from, or an authority.
func (a *Authority) found(now time.Time) (err error) {
	var data []byte
	if a.ca, a.key, data, err = makeCA(now); err != nil {
		return fmt.Errorf("make the CA: %w", err)
	}
	r := &roster{Version: rosterVersion, CA: fingerprintOf(a.ca).String(), Workers: map[string]*member{}}
	if err := a.store(r); err != nil {
		return err
	}
	return a.folder.Replace(caFile, data)
}

func makeCA(now time.Time) (*x509.Certificate, crypto.Signer, []byte, error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, nil, err
	}
	cert, err := sign(&x509.Certificate{
		Subject:   pkix.Name{CommonName: "Olive farm CA"},
		NotBefore: now.Add(-caBackdate), NotAfter: now.Add(caLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign,
	}, nil, key.Public(), key)
	if err != nil {
		return nil, nil, nil, err
	}
	encoded, err := encodeKey(key)
	if err != nil {
		return nil, nil, nil, err
	}
	return cert, key, append(encoded, encodeCertificate(cert)...), nil
}

func readCA(path string) (*x509.Certificate, crypto.Signer, error) {
	data, err := private.Read(path, maxCA)
	if err != nil {
		return nil, nil, err
	}
	key, rest, err := decodeKey(data)
	if err != nil {
		return nil, nil, err
	}
	ca, rest, err := decodeCertificate(rest)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case len(rest) != 0:
		return nil, nil, errors.New("something follows the certificate")
	case !ca.IsCA || ca.CheckSignatureFrom(ca) != nil:
		return nil, nil, errors.New("the certificate is not a CA's")
	case !key.PublicKey.Equal(ca.PublicKey):
		return nil, nil, errors.New("the key is not the certificate's")
	}
	return ca, key, nil
}

// certificate returns the master's own certificate, with a new key when it is new.
func (a *Authority) certificate(now time.Time) (*tls.Certificate, error) {
	a.own.Lock()
	defer a.own.Unlock()
	if m := a.master; m != nil && !now.Before(m.Leaf.NotBefore) && now.Before(renewAt(m.Leaf)) {
		return m, nil
	}
	key, err := newKey()
	if err != nil {
		return nil, fmt.Errorf("make the master's certificate: %w", err)
	}
	leaf, err := a.issue(masterURI, "olive-master", x509.ExtKeyUsageServerAuth, key.Public(), now, CertificateLife)
	if err != nil {
		return nil, fmt.Errorf("make the master's certificate: %w", err)
	}
	// The CA goes along: a worker that joins knows only its fingerprint.
	a.master = &tls.Certificate{Certificate: [][]byte{leaf.Raw, a.ca.Raw}, PrivateKey: key, Leaf: leaf}
	return a.master, nil
}

// issue makes a certificate for one use and one name. It does not outlast the CA.
func (a *Authority) issue(uri, label string, use x509.ExtKeyUsage, key crypto.PublicKey, now time.Time, life time.Duration) (*x509.Certificate, error) {
	name, err := url.Parse(uri)
	if err != nil {
		return nil, err
	}
	end := now.Add(life)
	if end.After(a.ca.NotAfter) {
		end = a.ca.NotAfter
	}
	return sign(&x509.Certificate{
		Subject:   pkix.Name{CommonName: label},
		NotBefore: now.Add(-leafBackdate), NotAfter: end,
		URIs:                  []*url.URL{name},
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{use},
		BasicConstraintsValid: true, // says that it is no CA
	}, a.ca, key, a.key)
}

// sign completes and signs the template; without a parent it signs itself. The serial number is random.
func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func decodeKey(data []byte) (key *ecdsa.PrivateKey, rest []byte, err error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, nil, errors.New("there is no private key in it")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, errors.New("the private key in it cannot be read") // says nothing of the key
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, errors.New("the private key in it is of another kind")
	}
	return key, rest, nil
}

func encodeCertificate(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

func decodeCertificate(data []byte) (cert *x509.Certificate, rest []byte, err error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, nil, errors.New("there is no certificate in it")
	}
	if cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		return nil, nil, fmt.Errorf("the certificate in it cannot be read: %w", err)
	}
	return cert, rest, nil
}
