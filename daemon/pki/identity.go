package pki

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"olive-distributed/daemon/pki/internal/private"
)

// An Identity is what makes a machine a worker of one farm: its key, its certificate, the farm's
// CA, and where the master is. Its methods may be called at the same time.
type Identity struct {
	dir     string
	renewal sync.Mutex // one at a time
	papers  atomic.Pointer[papers]
}

// papers are the content of an identity at one time; never changed in place.
type papers struct {
	master string
	name   string
	key    *ecdsa.PrivateKey
	cert   *x509.Certificate
	ca     *x509.Certificate
}

// identityFile is the whole identity in one file, so that a crash leaves the old or the new one.
const (
	identityFile = "identity.json"
	maxIdentity  = 64 << 10
)

// stored is the format of the identity's file. Key and certificates are PEM.
type stored struct {
	Master      string `json:"master"`
	Certificate string `json:"certificate"`
	CA          string `json:"ca"`
	Key         string `json:"key"`
}

// LoadIdentity reads what [Join] has left in the folder. An identity that has expired can be
// loaded, but opens no door. Errors: [ErrNotJoined], [ErrDamaged].
func LoadIdentity(dir string) (*Identity, error) {
	p, err := loadPapers(dir)
	if err != nil {
		return nil, fmt.Errorf("load the worker's identity: %w", err)
	}
	i := &Identity{dir: dir}
	i.papers.Store(p)
	return i, nil
}

func loadPapers(dir string) (*papers, error) {
	path := filepath.Join(dir, identityFile)
	data, err := private.Read(path, maxIdentity)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (there is no %s)", ErrNotJoined, path)
	}
	if err != nil {
		return nil, err
	}
	p, err := parsePapers(data)
	if err != nil {
		return nil, fmt.Errorf("%s is %w: %w; move it away and join again with a new token from `olivectl worker add`", path, ErrDamaged, err)
	}
	return p, nil
}

func parsePapers(data []byte) (*papers, error) {
	var s stored
	if json.Unmarshal(data, &s) != nil { // the error may hold a piece of the key
		return nil, errors.New("it is not JSON of the right shape")
	}
	p := &papers{master: s.Master}
	var err error
	if p.key, _, err = decodeKey([]byte(s.Key)); err != nil {
		return nil, err
	}
	if p.cert, _, err = decodeCertificate([]byte(s.Certificate)); err != nil {
		return nil, err
	}
	if p.ca, _, err = decodeCertificate([]byte(s.CA)); err != nil {
		return nil, err
	}
	if p.name, err = workerOf(p.cert); err != nil {
		return nil, err
	}
	if s.Master == "" {
		return nil, errors.New("the master's address is not in it")
	}
	return p, p.check(p.cert.NotBefore)
}

// check checks that the papers belong together and are valid at the time.
func (p *papers) check(now time.Time) error {
	if !p.key.PublicKey.Equal(p.cert.PublicKey) {
		return fmt.Errorf("%w: it is not for the worker's key", ErrForeignCertificate)
	}
	return verify(p.cert, p.ca, x509.ExtKeyUsageClientAuth, now)
}

func (p *papers) marshal() ([]byte, error) {
	key, err := encodeKey(p.key)
	if err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(stored{
		Master:      p.master,
		Certificate: string(encodeCertificate(p.cert)),
		CA:          string(encodeCertificate(p.ca)),
		Key:         string(key),
	}, "", "\t")
	return append(data, '\n'), err
}

// Name is the worker's name.
func (i *Identity) Name() string { return i.papers.Load().name }

// Master is the address with which the worker joined, host:port.
func (i *Identity) Master() string { return i.papers.Load().master }

// Expires is the end of the certificate.
func (i *Identity) Expires() time.Time { return i.papers.Load().cert.NotAfter }

// NeedsRenewal says whether two thirds of the certificate's life are over.
func (i *Identity) NeedsRenewal(now time.Time) bool {
	return !now.Before(i.RenewAt())
}

// RenewAt is when the certificate is due for renewal.
func (i *Identity) RenewAt() time.Time { return renewAt(i.papers.Load().cert) }

// ClientConfig is how the worker dials a service of the master. The handshake fails unless the
// farm's CA says at the time that the other end is the master; what host it is does not matter.
// After a renewal the same config shows the new certificate.
func (i *Identity) ClientConfig(proto string, clock func() time.Time) *tls.Config {
	c := clientConfig(proto, clock, func([]*x509.Certificate) (*x509.Certificate, error) {
		return i.papers.Load().ca, nil
	})
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		p := i.papers.Load()
		return &tls.Certificate{Certificate: [][]byte{p.cert.Raw}, PrivateKey: p.key, Leaf: p.cert}, nil
	}
	return c
}

// clientConfig dials the master of the CA that trust returns for the certificates which it shows.
func clientConfig(proto string, clock func() time.Time, trust func(shown []*x509.Certificate) (*x509.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		Time:       clock,
		NextProtos: []string{proto},
		// The library would check a host name, which means nothing here: VerifyConnection checks.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			if s.NegotiatedProtocol != proto {
				return fmt.Errorf("the other end does not speak %s: is it the farm's port?", proto)
			}
			ca, err := trust(s.PeerCertificates)
			if err != nil {
				return err
			}
			if err := verify(s.PeerCertificates[0], ca, x509.ExtKeyUsageServerAuth, clock()); err != nil {
				return fmt.Errorf("check the master: %w", err)
			}
			return checkMaster(s.PeerCertificates[0])
		},
	}
}

// An Ask brings a certificate request (DER) to the master's [Authority.Renew], with the worker's
// present certificate, and returns the certificate (DER).
type Ask func(ctx context.Context, csr []byte) ([]byte, error)

// Renew gets the worker a new certificate for a new key. The old one stays in use until the new
// one is durable, and if that fails, Renew can be tried again. With a nil ask it goes to
// [Authority.Handler] at [Identity.Master]. Errors: [ErrCertificateExpired], [ErrReplaced],
// [ErrInUse], and those of [Authority.Renew].
func (i *Identity) Renew(ctx context.Context, now time.Time, ask Ask) error {
	i.renewal.Lock()
	defer i.renewal.Unlock()
	if ask == nil {
		ask = i.askMaster(now)
	}
	if err := i.renew(ctx, now, ask); err != nil {
		return fmt.Errorf("renew the certificate of worker %s: %w", i.Name(), err)
	}
	return nil
}

func (i *Identity) renew(ctx context.Context, now time.Time, ask Ask) error {
	old := i.papers.Load()
	if err := old.check(now); err != nil {
		return err
	}
	f, err := private.Open(i.dir, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	switch there, err := loadPapers(i.dir); {
	case err != nil:
		return err
	case !there.cert.Equal(old.cert):
		return ErrReplaced
	}
	p, err := obtain(f, old.name, func(csr []byte) (*papers, error) {
		der, err := ask(ctx, csr)
		if err != nil {
			return nil, err
		}
		cert, err := x509.ParseCertificate(der)
		return &papers{master: old.master, cert: cert, ca: old.ca}, err
	}, now)
	if err != nil {
		return err
	}
	i.papers.Store(p)
	return nil
}

// obtain makes a key, gets papers for it, checks them, and saves them in the folder. It begins
// with the file: an answer that cannot be kept is not asked for.
func obtain(f *private.Folder, name string, get func(csr []byte) (*papers, error), now time.Time) (*papers, error) {
	if err := f.Sweep(identityFile); err != nil {
		return nil, err
	}
	d, err := f.Draft(identityFile)
	if err != nil {
		return nil, err
	}
	defer d.Discard()
	key, err := newKey()
	if err != nil {
		return nil, fmt.Errorf("make the worker's key: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate request: %w", err)
	}
	p, err := get(csr)
	if err != nil {
		return nil, err
	}
	p.key = key
	if p.name, err = workerOf(p.cert); err == nil && p.name != name {
		err = fmt.Errorf("%w: the certificate is for worker %s", ErrWrongName, p.name)
	}
	if err == nil {
		err = p.check(now)
	}
	if err != nil {
		return nil, fmt.Errorf("check what the master has sent: %w", err)
	}
	data, err := p.marshal()
	if err != nil {
		return nil, err
	}
	return p, d.Save(data)
}
