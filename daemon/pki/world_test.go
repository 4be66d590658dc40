package pki_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"olive-distributed/daemon/pki"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// A world is a master with a clock of its own.
type world struct {
	t    *testing.T
	dir  string
	a    *pki.Authority
	addr string       // of the farm's port, after serve
	logs lockedBuffer // everything that the master has logged

	mu         sync.Mutex
	time       time.Time
	handshakes chan error // how each handshake at the farm's port ended
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "pki"), time: start}
	w.open()
	t.Cleanup(func() { w.a.Close() })
	return w
}

func (w *world) open() {
	w.t.Helper()
	a, err := pki.Open(w.dir, w.now())
	if err != nil {
		w.t.Fatal(err)
	}
	w.a = a
}

// restart is a new process of the master.
func (w *world) restart() {
	w.t.Helper()
	w.a.Close()
	w.open()
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.time
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

func (w *world) token(worker string) pki.Token {
	w.t.Helper()
	t, err := w.a.NewToken(worker, w.now(), pki.TokenTTL)
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

// enrol brings a worker into the farm, without the network.
func (w *world) enrol(worker string) (*x509.Certificate, crypto.Signer) {
	w.t.Helper()
	key := newKey(w.t)
	cert, err := w.a.Enrol(w.token(worker), request(w.t, key, &x509.CertificateRequest{}), w.now())
	if err != nil {
		w.t.Fatal(err)
	}
	return cert, key
}

// join brings a worker into the farm over the network.
func (w *world) join(worker string) *pki.Identity {
	w.t.Helper()
	i, err := pki.Join(w.t.Context(), w.addr, w.token(worker), w.folder(worker), w.now())
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

func (w *world) folder(worker string) string { return filepath.Join(filepath.Dir(w.dir), worker) }

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func request(t testing.TB, key crypto.Signer, template *x509.CertificateRequest) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func uris(t testing.TB, texts ...string) (list []*url.URL) {
	t.Helper()
	for _, text := range texts {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, u)
	}
	return list
}

// forge makes a certificate with the CA's key that the CA would not make.
func (w *world) forge(change func(*x509.Certificate)) tls.Certificate {
	w.t.Helper()
	return forge(w.t, w.now(), w.a.CA(), w.a.Key(), change)
}

func forge(t testing.TB, now time.Time, ca *x509.Certificate, caKey crypto.Signer, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(4711),
		Subject:      pkix.Name{CommonName: "forged"},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(90 * day),
		URIs:                  uris(t, "olive://worker/a"),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	change(template)
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	return pair(der, key)
}

func pair(der []byte, key crypto.Signer, more ...[]byte) tls.Certificate {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: append([][]byte{der}, more...), PrivateKey: key, Leaf: leaf}
}

// otherCA is a CA that looks like the farm's.
func otherCA(t testing.TB, now time.Time) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Olive farm CA"},
		NotBefore: now.Add(-day), NotAfter: now.Add(3650 * day),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return ca, key
}

// listen accepts on loopback until the test ends, each connection in a goroutine that it waits for.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// serve opens the farm's port. The bus and NFS tell the peer its name; olive-join is the handler.
func (w *world) serve() *world {
	w.t.Helper()
	w.handshakes = make(chan error, 1000)
	joiners := &queue{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{
		Handler:     w.a.Handler(w.now, slog.New(slog.NewTextHandler(&w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		ErrorLog:    log.New(&w.logs, "http: ", 0),
		ReadTimeout: 10 * time.Second,
	}
	var served sync.WaitGroup
	served.Go(func() { server.Serve(joiners) })
	w.t.Cleanup(func() { server.Close(); served.Wait() })
	config := w.a.ServerConfig(w.now)
	w.addr = listen(w.t, func(c net.Conn) {
		conn := tls.Server(c, config)
		err := conn.HandshakeContext(context.Background())
		w.handshakes <- err
		if err != nil {
			c.Close()
			return
		}
		if conn.ConnectionState().NegotiatedProtocol == pki.ProtoJoin {
			joiners.push(pki.HTTPConn(conn))
			return
		}
		defer conn.Close()
		name, err := pki.Identify(conn.ConnectionState())
		if err != nil {
			name = err.Error()
		}
		io.WriteString(conn, name)
	})
	return w
}

// dial connects to addr and reads what the other end says.
func dial(t *testing.T, addr string, config *tls.Config) (string, error) {
	t.Helper()
	c, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	said, err := io.ReadAll(c)
	return string(said), err
}

// A queue is a listener that is fed.
type queue struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (q *queue) push(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.closed:
		c.Close()
	}
}

func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

func (q *queue) Close() error   { q.once.Do(func() { close(q.closed) }); return nil }
func (q *queue) Addr() net.Addr { return &net.TCPAddr{} }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func noChange(*x509.Certificate) {}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
