package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"olive-distributed/daemon/pki/internal/private"
)

// A roster is the list of who belongs to the farm, as it stands in its file. It holds no secret:
// of a token there is only the hash.
type roster struct {
	Version int                `json:"version"`
	CA      string             `json:"ca"` // fingerprint of the CA that it belongs to
	Workers map[string]*member `json:"workers"`
}

const rosterVersion = 1

// A member is a worker that was invited, is in the farm, or was.
type member struct {
	Token        *invitation   `json:"token,omitempty"`
	Certificates []Certificate `json:"certificates,omitempty"` // oldest first
}

// An invitation is a token, used or not.
type invitation struct {
	SHA256  string    `json:"sha256"`
	Expires time.Time `json:"expires"`
	Used    bool      `json:"used,omitempty"`
}

// A Certificate is what the master remembers of a certificate that it made for a worker.
type Certificate struct {
	Serial  string    `json:"serial"` // hexadecimal
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`
	Revoked time.Time `json:"revoked,omitzero"` // zero if it is not
}

// Valid says whether the certificate opens doors at the time.
func (c *Certificate) Valid(now time.Time) bool { return c.Revoked.IsZero() && now.Before(c.Expires) }

// For how long after its end a thing is remembered, so that the answer can say what became of it.
const (
	rememberToken       = 24 * time.Hour
	rememberCertificate = 30 * 24 * time.Hour
)

func (f fingerprint) String() string { return hex.EncodeToString(f[:]) }

func serialOf(cert *x509.Certificate) string { return cert.SerialNumber.Text(16) }

// find returns the certificate of that serial number, nil if there is none.
func (m *member) find(serial string) *Certificate {
	if m == nil {
		return nil
	}
	i := slices.IndexFunc(m.Certificates, func(c Certificate) bool { return c.Serial == serial })
	if i < 0 {
		return nil
	}
	return &m.Certificates[i]
}

// enrolled says whether the member has a certificate that is valid now.
func (m *member) enrolled(now time.Time) bool {
	return slices.ContainsFunc(m.Certificates, func(c Certificate) bool { return c.Valid(now) })
}

func (m *member) clone() *member {
	c := &member{Certificates: slices.Clone(m.Certificates)}
	if m.Token != nil {
		t := *m.Token
		c.Token = &t
	}
	return c
}

// sweep forgets what ended long ago.
func (r *roster) sweep(now time.Time) {
	for _, m := range r.Workers {
		if m.Token != nil && now.After(m.Token.Expires.Add(rememberToken)) {
			m.Token = nil
		}
		m.Certificates = slices.DeleteFunc(m.Certificates, func(c Certificate) bool {
			return now.After(c.Expires.Add(rememberCertificate))
		})
	}
	maps.DeleteFunc(r.Workers, func(_ string, m *member) bool { return m.Token == nil && len(m.Certificates) == 0 })
}

// update changes the worker's entry, which is made if it is missing, and makes the change durable
// before it returns. If alter or the disk fails, nothing has changed.
func (a *Authority) update(worker string, now time.Time, alter func(*member) error) error {
	a.change.Lock()
	defer a.change.Unlock()
	r := *a.roster.Load()
	r.Workers = maps.Clone(r.Workers)
	for name, m := range r.Workers {
		r.Workers[name] = m.clone()
	}
	if r.Workers[worker] == nil {
		r.Workers[worker] = &member{}
	}
	if err := alter(r.Workers[worker]); err != nil {
		return err
	}
	r.sweep(now)
	return a.store(&r)
}

// store makes the roster durable, then current.
func (a *Authority) store(r *roster) error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := a.folder.Replace(rosterFile, append(data, '\n')); err != nil {
		return err
	}
	a.roster.Store(r)
	return nil
}

func readRoster(path string) (*roster, error) {
	data, err := private.Read(path, maxRoster)
	if err != nil {
		return nil, err
	}
	return parseRoster(data)
}

// parseRoster is strict: an entry that is not understood could be a revocation.
func parseRoster(data []byte) (*roster, error) {
	r := &roster{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(r); err != nil {
		return nil, fmt.Errorf("read the list of workers (is it of a newer version?): %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the list of workers")
	}
	if r.Version != rosterVersion || r.Workers == nil {
		return nil, fmt.Errorf("the list of workers is of version %d, this program reads %d", r.Version, rosterVersion)
	}
	for name, m := range r.Workers {
		if !ValidName(name) || m == nil || !m.sound() {
			return nil, fmt.Errorf("the entry of worker %q makes no sense", name)
		}
	}
	return r, nil
}

func (m *member) sound() bool {
	if m.Token != nil && (len(m.Token.SHA256) != 64 || m.Token.Expires.IsZero()) {
		return false
	}
	return !slices.ContainsFunc(m.Certificates, func(c Certificate) bool { return c.Serial == "" || c.Expires.IsZero() })
}

// A Worker is an entry of the farm's list.
type Worker struct {
	Name string
	// Certificates are those it has had lately, oldest first. Two are valid from a renewal until
	// the next, since the answer to a renewal can get lost.
	Certificates []Certificate
	// Invited is until when its token can be used, zero without an unused token.
	Invited time.Time
}

// Workers returns the farm's list by name: everyone who was invited, is in the farm, or was lately.
func (a *Authority) Workers() []Worker {
	r := a.roster.Load()
	list := make([]Worker, 0, len(r.Workers))
	for _, name := range slices.Sorted(maps.Keys(r.Workers)) {
		m := r.Workers[name].clone()
		w := Worker{Name: name, Certificates: m.Certificates}
		if m.Token != nil && !m.Token.Used {
			w.Invited = m.Token.Expires
		}
		list = append(list, w)
	}
	return list
}
