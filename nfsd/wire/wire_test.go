package wire_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"olive-distributed/nfsd/wire"
)

// A counted connection counts its writes, and fails from a given one on.
type counted struct {
	net.Conn
	writes atomic.Int64
	failAt int64 // 0: never
}

var errBroken = errors.New("the line is broken")

func (c *counted) Write(p []byte) (int, error) {
	if n := c.writes.Add(1); c.failAt > 0 && n >= c.failAt {
		return 0, errBroken
	}
	return c.Conn.Write(p)
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// pair is TLS over TCP: a server on a wire, and a client.
func pair(t *testing.T) (server *tls.Conn, below *counted, client *tls.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	below = &counted{Conn: near}
	server = tls.Server(wire.New(below), &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS13})
	client = tls.Client(far, &tls.Config{InsecureSkipVerify: true}) // it is about bytes
	var shaking sync.WaitGroup
	shaking.Go(func() {
		if err := server.Handshake(); err != nil {
			t.Error(err)
		}
	})
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	shaking.Wait()
	return server, below, client
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func TestBytesArriveInFewWrites(t *testing.T) {
	for name, c := range map[string]struct {
		size int
		most int64
	}{
		"nothing":                 {0, 1},
		"one byte":                {1, 1},
		"128 KiB":                 {128 << 10, 1},
		"one byte more":           {128<<10 + 1, 2},
		"a megabyte and a header": {1<<20 + 128, 9},
		"three megabytes":         {3 << 20, 24},
	} {
		t.Run(name, func(t *testing.T) {
			server, below, client := pair(t)
			want := noise(c.size)
			before := below.writes.Load()
			var writing sync.WaitGroup
			writing.Go(func() {
				if err := wire.Write(server, want); err != nil {
					t.Error(err)
				}
				if n := below.writes.Load() - before; n > c.most {
					t.Errorf("%d writes, want %d at most", n, c.most)
				}
				if _, err := server.Write([]byte("end")); err != nil {
					t.Error(err)
				}
			})
			got := make([]byte, c.size+3)
			if _, err := io.ReadFull(client, got); err != nil {
				t.Fatal(err)
			}
			writing.Wait()
			if !bytes.Equal(got, append(want, "end"...)) {
				t.Error("other bytes arrive")
			}
		})
	}
}

func TestWhatIsNoTLSOnAWireIsWrittenToAsItIs(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	want := noise(300_000)
	var writing sync.WaitGroup
	for name, c := range map[string]net.Conn{"a pipe": a, "a wire without TLS": wire.New(a)} {
		writing.Go(func() {
			if err := wire.Write(c, want); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		got := make([]byte, len(want))
		if _, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: other bytes arrive, %v", name, err)
		}
		writing.Wait()
	}
}

func TestAWriteThatFailsIsTold(t *testing.T) {
	server, below, _ := pair(t)
	below.failAt = below.writes.Load() + 3
	if err := wire.Write(server, noise(1<<20)); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want %v", err, errBroken)
	}
	if n := below.writes.Load(); n != below.failAt {
		t.Errorf("%d writes after the one that failed", n-below.failAt)
	}
}

func TestAReaderThatDoesNotReadIsNotWaitedForBeyondTheDeadline(t *testing.T) {
	server, _, _ := pair(t)
	if err := server.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 100 { // 100 MiB are more than the kernel takes
		if err = wire.Write(server, make([]byte, 1<<20)); err != nil {
			break
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestBothDirectionsAtATime has the reading side of TLS write too, which it does to change keys.
func TestBothDirectionsAtATime(t *testing.T) {
	server, _, client := pair(t)
	want := noise(8 << 20)
	var all sync.WaitGroup
	read := func(c net.Conn) {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("other bytes arrive, %v", err)
		}
	}
	all.Go(func() { read(server) })
	all.Go(func() { read(client) })
	all.Go(func() {
		if _, err := client.Write(want); err != nil {
			t.Error(err)
		}
	})
	if err := wire.Write(server, want); err != nil {
		t.Error(err)
	}
	all.Wait()
}
