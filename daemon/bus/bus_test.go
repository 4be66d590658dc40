package bus_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"olive-distributed/daemon/bus"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv("BUS_TEST_CROWD"); spec != "" {
		runCrowd(spec)
		return
	}
	goleak.VerifyTestMain(m)
}

// An authority makes certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	n    atomic.Int64
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	a.key = newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "farm"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) leaf(t testing.TB, name string, ends time.Time) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.n.Add(1) + 1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"master"},
		URIs:      []*url.URL{{Scheme: "olive", Host: "worker", Path: "/" + name}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: ends, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func identify(cs tls.ConnectionState) (string, error) {
	c := cs.PeerCertificates[0]
	if len(c.URIs) != 1 || c.URIs[0].Scheme != "olive" || c.URIs[0].Host != "worker" {
		return "", errors.New("not a worker's certificate")
	}
	return strings.TrimPrefix(c.URIs[0].Path, "/"), nil
}

// A farm is a server under test.
type farm struct {
	testing.TB
	*bus.Server
	ca      *authority
	addr    string
	revoked sync.Map // by name
	stop    func()
}

var (
	errNone  = errors.New("nothing to do")
	errStale = errors.New("stale")
)

var codes = []bus.Code{{Name: "none", Err: errNone}, {Name: "stale", Err: errStale}}

type ask struct {
	Text string `json:"text"`
}

type answer struct {
	Text   string `json:"text"`
	Worker string `json:"worker"`
}

// newFarm starts a server that serves until the test ends.
func newFarm(t testing.TB, cfg bus.Config) *farm {
	t.Helper()
	f := &farm{TB: t, ca: newAuthority(t)}
	if cfg.TLS == nil {
		cfg.TLS = &tls.Config{Certificates: []tls.Certificate{f.ca.leaf(t, "master", time.Now().Add(time.Hour))}, ClientCAs: f.ca.pool}
	}
	cfg.TLS.VerifyConnection = func(cs tls.ConnectionState) error {
		if len(cs.PeerCertificates) > 0 {
			if name, err := identify(cs); err == nil {
				if _, ok := f.revoked.Load(name); ok {
					return errors.New("revoked")
				}
			}
		}
		return nil
	}
	cfg.Identify, cfg.Codes = identify, codes
	var err error
	if f.Server, err = bus.New(cfg); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = l.Addr().String()
	f.serve(l)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := f.Close(ctx); err != nil {
			t.Error(err)
		}
		f.stop()
	})
	return f
}

func (f *farm) serve(l net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Serve(ctx, l) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			f.Error(err)
		}
	})
}

func (f *farm) tls(name string) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{f.ca.leaf(f, name, time.Now().Add(time.Hour))},
		RootCAs:      f.ca.pool, ServerName: "master", NextProtos: []string{bus.Protocol},
	}
}

// dial connects a worker. Its states come through the channel, as far as somebody takes them.
func (f *farm) dial(name string, notices ...bus.Notice) (*bus.Client, chan error) {
	f.Helper()
	states := make(chan error, 1000)
	c, err := bus.Dial(bus.ClientConfig{
		Name: name, Addr: f.addr, TLS: f.tls(name), Codes: codes, Notices: notices,
		OnState: func(err error) {
			select {
			case states <- err:
			default:
			}
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(c.Close)
	return c, states
}

// await takes states until one is as wanted: connected, or not.
func await(t testing.TB, states chan error, connected bool) error {
	t.Helper()
	for {
		select {
		case err := <-states:
			if (err == nil) == connected {
				return err
			}
		case <-t.Context().Done():
			t.Fatal("the test is over")
		case <-time.After(20 * time.Second):
			t.Fatalf("still waiting for connected = %v", connected)
		}
	}
}

func echo() bus.Handler {
	return bus.OnRequest("work", func(_ context.Context, worker string, q ask) (answer, error) {
		switch q.Text {
		case "none":
			return answer{}, errNone
		case "odd":
			return answer{}, errors.New("odd")
		case "long":
			return answer{strings.Repeat("x", 3<<20), worker}, nil
		case "too long":
			return answer{strings.Repeat("x", 5<<20), worker}, nil
		}
		return answer{q.Text, worker}, nil
	})
}

func TestRequestsAndAnswers(t *testing.T) {
	f := newFarm(t, bus.Config{Handlers: []bus.Handler{echo()}})
	ada, _ := f.dial("ada")
	bob, _ := f.dial("bob")
	for name, c := range map[string]*bus.Client{"ada": ada, "bob": bob} {
		var got answer
		if err := c.Request(t.Context(), "work", ask{"x"}, &got); err != nil || got != (answer{"x", name}) {
			t.Errorf("%s: work = %+v, %v", name, got, err)
		}
		if err := c.Request(t.Context(), "work", ask{"none"}, &got); !errors.Is(err, errNone) {
			t.Errorf("%s: work = %v, want %v", name, err, errNone)
		}
		var remote *bus.RemoteError
		if err := c.Request(t.Context(), "work", ask{"odd"}, nil); !errors.As(err, &remote) || remote.Code != "internal" || remote.Text != "odd" {
			t.Errorf("%s: work = %v, want an internal error", name, err)
		}
		if err := c.Request(t.Context(), "sing", ask{}, nil); !errors.Is(err, bus.ErrNoHandler) {
			t.Errorf("%s: sing = %v, want %v", name, err, bus.ErrNoHandler)
		}
		if err := c.Request(t.Context(), "work", 5, nil); !errors.Is(err, bus.ErrBadMessage) {
			t.Errorf("%s: malformed work = %v, want %v", name, err, bus.ErrBadMessage)
		}
		if err := c.Request(t.Context(), "work", ask{strings.Repeat("x", 2<<20)}, nil); !errors.Is(err, bus.ErrBadMessage) {
			t.Errorf("%s: 2 MB of work = %v, want %v", name, err, bus.ErrBadMessage)
		}
		big := ask{strings.Repeat("x", 900_000)}
		if err := c.Request(t.Context(), "work", big, &got); err != nil || got.Text != big.Text {
			t.Errorf("%s: 900 kB of work: %v", name, err)
		}
		if err := c.Request(t.Context(), "work", ask{"long"}, &got); err != nil || len(got.Text) != 3<<20 {
			t.Errorf("%s: an answer of 3 MB: %d bytes, %v", name, len(got.Text), err)
		}
		if err := c.Request(t.Context(), "work", ask{"too long"}, &got); !errors.Is(err, bus.ErrBadMessage) {
			t.Errorf("%s: an answer of 5 MB: %v, want %v", name, err, bus.ErrBadMessage)
		}
	}
}

func TestNoticesKeepTheirOrder(t *testing.T) {
	cancels := make(chan int, 100)
	f := newFarm(t, bus.Config{})
	c, states := f.dial("ada", bus.OnNotice("cancel", func(n int) { cancels <- n }))
	if err := f.Notify("eve", "cancel", 1); !errors.Is(err, bus.ErrAway) {
		t.Errorf("Notify of a stranger: %v, want %v", err, bus.ErrAway)
	}
	await(t, states, true)
	if err := c.Request(t.Context(), "work", ask{}, nil); !errors.Is(err, bus.ErrNoHandler) { // the subscriptions are there
		t.Fatal(err)
	}
	for n := range 100 {
		if err := f.Notify("ada", "cancel", n); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 100 {
		if got := <-cancels; got != n {
			t.Fatalf("notice %d came in place %d", got, n)
		}
	}
}

func TestWhatWantsNoAnswerArrives(t *testing.T) {
	beats := make(chan int, 1)
	f := newFarm(t, bus.Config{Handlers: []bus.Handler{bus.OnRequest("beat", func(_ context.Context, _ string, n int) (ask, error) {
		beats <- n
		return ask{}, nil
	})}})
	c, states := f.dial("ada")
	await(t, states, true)
	if err := c.Send("beat", 7); err != nil {
		t.Fatal(err)
	}
	if got := <-beats; got != 7 {
		t.Errorf("beat %d, want 7", got)
	}
}

func TestALongPollWaits(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	f := newFarm(t, bus.Config{Handlers: []bus.Handler{bus.OnRequest("work", func(ctx context.Context, _ string, q ask) (ask, error) {
		if q.Text != "wait" {
			return q, nil
		}
		close(arrived)
		select {
		case <-release:
			return q, nil
		case <-ctx.Done():
			return q, ctx.Err()
		}
	})}})
	c, _ := f.dial("ada")
	done := make(chan error)
	go func() { done <- c.Request(t.Context(), "work", ask{"wait"}, nil) }()
	<-arrived
	if err := c.Request(t.Context(), "work", ask{}, nil); err != nil { // others go past it
		t.Error(err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTooManyRequestsAreRefused(t *testing.T) {
	release := make(chan struct{})
	var inside sync.WaitGroup
	inside.Add(2)
	f := newFarm(t, bus.Config{
		Limits: bus.Limits{Requests: 2},
		Handlers: []bus.Handler{bus.OnRequest("work", func(context.Context, string, ask) (ask, error) {
			inside.Done()
			<-release
			return ask{}, nil
		})},
	})
	c, _ := f.dial("ada")
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- c.Request(t.Context(), "work", ask{}, nil) }()
	}
	inside.Wait()
	if err := c.Request(t.Context(), "work", ask{}, nil); !errors.Is(err, bus.ErrBusy) {
		t.Errorf("third request: %v, want %v", err, bus.ErrBusy)
	}
	close(release)
	if err := errors.Join(<-done, <-done); err != nil {
		t.Error(err)
	}
}

func TestAnOutageIsWaitedFor(t *testing.T) {
	inside := make(chan struct{}, 1)
	f := newFarm(t, bus.Config{Handlers: []bus.Handler{
		echo(),
		bus.OnRequest("hang", func(ctx context.Context, _ string, _ ask) (ask, error) {
			inside <- struct{}{}
			<-ctx.Done()
			return ask{}, ctx.Err()
		}),
	}})
	c, states := f.dial("ada")
	await(t, states, true)
	hung := make(chan error, 1)
	go func() { hung <- c.Request(t.Context(), "hang", ask{}, nil) }()
	<-inside
	f.stop() // the port is closed; the server lives on
	if err := <-hung; !errors.Is(err, bus.ErrInterrupted) {
		t.Errorf("request under way: %v, want %v", err, bus.ErrInterrupted)
	}
	await(t, states, false)
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := c.Request(short, "work", ask{}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("request without connection: %v, want %v", err, context.DeadlineExceeded)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- c.Request(t.Context(), "work", ask{"later"}, nil) }()
	l, err := net.Listen("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	f.serve(l)
	if err := <-waiting; err != nil {
		t.Errorf("request that waited: %v", err)
	}
}

func TestRevocationCutsAtOnce(t *testing.T) {
	f := newFarm(t, bus.Config{Handlers: []bus.Handler{echo()}})
	c, states := f.dial("ada")
	other, _ := f.dial("bob")
	for _, c := range []*bus.Client{c, other} {
		if err := c.Request(t.Context(), "work", ask{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	f.revoked.Store("ada", true)
	begin := time.Now()
	f.Disconnect("ada")
	await(t, states, false)
	t.Logf("cut after %v", time.Since(begin))
	if err := await(t, states, false); !strings.Contains(err.Error(), "certificate") && !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "EOF") {
		t.Errorf("the next try: %v", err)
	}
	if err := other.Request(t.Context(), "work", ask{}, nil); err != nil {
		t.Errorf("another worker: %v", err)
	}
}

func TestCloseDrains(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	f := newFarm(t, bus.Config{Handlers: []bus.Handler{
		bus.OnRequest("slow", func(context.Context, string, ask) (ask, error) {
			close(inside)
			<-release
			return ask{"done"}, nil
		}),
		echo(),
	}})
	c, _ := f.dial("ada")
	slow := make(chan error, 1)
	var got ask
	go func() { slow <- c.Request(t.Context(), "slow", ask{}, &got) }()
	<-inside
	closed := make(chan error, 1)
	go func() { closed <- f.Close(t.Context()) }()
	for { // until the closing has begun
		err := c.Request(t.Context(), "work", ask{}, nil)
		if errors.Is(err, bus.ErrStopping) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	if err := <-slow; err != nil || got.Text != "done" {
		t.Errorf("request under way: %+v, %v", got, err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
