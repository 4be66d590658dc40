package bus_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"olive-distributed/daemon/bus"
)

// refused says why the port lets nobody in; "" if it does. It counts as in when the server speaks.
func refused(addr string, conf *tls.Config) string {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", addr, conf)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		return err.Error()
	}
	return ""
}

func TestTheGateRefuses(t *testing.T) {
	f := newFarm(t, bus.Config{Services: map[string]bus.Service{
		"olive-join": {Anonymous: true, Serve: func(_ context.Context, c *bus.Conn) { fmt.Fprintf(c, "hello %q", c.Identity) }},
	}})
	f.revoked.Store("mallory", true)
	other := newAuthority(t)
	cases := map[string]struct {
		change func(c *tls.Config)
		in     bool
	}{
		"nobody who is right": {func(*tls.Config) {}, true},
		"no certificate":      {func(c *tls.Config) { c.Certificates = nil }, false},
		"a certificate of another authority": {func(c *tls.Config) {
			c.Certificates = []tls.Certificate{other.leaf(t, "ada", time.Now().Add(time.Hour))}
		}, false},
		"an expired certificate": {func(c *tls.Config) {
			c.Certificates = []tls.Certificate{f.ca.leaf(t, "ada", time.Now().Add(-time.Minute))}
		}, false},
		"a revoked certificate":              {func(c *tls.Config) { c.Certificates = f.tls("mallory").Certificates }, false},
		"a name with a wildcard":             {func(c *tls.Config) { c.Certificates = f.tls("*").Certificates }, false},
		"a name with a dot":                  {func(c *tls.Config) { c.Certificates = f.tls("ada.work").Certificates }, false},
		"a name with a path":                 {func(c *tls.Config) { c.Certificates = f.tls("../ada").Certificates }, false},
		"an empty name":                      {func(c *tls.Config) { c.Certificates = f.tls("").Certificates }, false},
		"TLS 1.2":                            {func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, false},
		"no protocol":                        {func(c *tls.Config) { c.NextProtos = nil }, false},
		"an unknown protocol":                {func(c *tls.Config) { c.NextProtos = []string{"h2"} }, false},
		"joining without a certificate, not": {func(c *tls.Config) { c.Certificates, c.NextProtos = nil, []string{"olive-join"} }, true},
		"joining with another authority's": {func(c *tls.Config) {
			c.Certificates, c.NextProtos = []tls.Certificate{other.leaf(t, "ada", time.Now().Add(time.Hour))}, []string{"olive-join"}
		}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			conf := f.tls("ada")
			c.change(conf)
			why := refused(f.addr, conf)
			if (why == "") != c.in {
				t.Errorf("in = %v (%s), want %v", why == "", why, c.in)
			}
			if strings.Contains(why, "timeout") {
				t.Errorf("it was left waiting: %s", why)
			}
		})
	}
}

func TestPlainTextIsRefused(t *testing.T) {
	f := newFarm(t, bus.Config{})
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "CONNECT {}\r\nPING\r\n")
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if b, err := io.ReadAll(c); strings.Contains(string(b), "PONG") || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("answer %q, %v", b, err)
	}
}

func TestASilentConnectionIsClosed(t *testing.T) {
	t.Parallel()
	f := newFarm(t, bus.Config{})
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read = %v, want the end", err)
	}
}

// A raw nats.go client shows what a worker with a valid certificate may try.
func (f *farm) raw(name string, opts ...nats.Option) (*nats.Conn, chan error) {
	f.Helper()
	faults := make(chan error, 100)
	conf := f.tls(name)
	nc, err := nats.Connect("nats://"+f.addr, append(opts, nats.SetCustomDialer(rawDialer{conf}), nats.NoReconnect(),
		nats.CustomInboxPrefix("_INBOX."+name), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { faults <- err }))...)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(nc.Close)
	return nc, faults
}

type rawDialer struct{ conf *tls.Config }

func (d rawDialer) Dial(network, addr string) (net.Conn, error) {
	return tls.Dial(network, addr, d.conf)
}
func (rawDialer) SkipTLSHandshake() bool { return true }

func TestAWorkerStaysInItsPlace(t *testing.T) {
	calls := make(chan string, 10)
	f := newFarm(t, bus.Config{Handlers: []bus.Handler{bus.OnRequest("work", func(_ context.Context, worker string, q ask) (ask, error) {
		calls <- worker + " " + q.Text
		return q, nil
	})}})
	ada, faults := f.raw("ada", nats.UserInfo("master", "x"))
	for _, subject := range []string{
		"olive.up.bob.work", "olive.down.bob.cancel", "olive.up.*.work", "olive.up.ada.work.more", "_INBOX.bob.x",
		"$JS.API.STREAM.DELETE.LOG", "$JS.API.INFO", "$SYS.REQ.SERVER.PING", "log", "snap.head",
	} {
		if err := ada.Publish(subject, []byte(`{"v":1,"body":{}}`)); err != nil {
			t.Fatal(err)
		}
		if err := ada.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := <-faults; !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("publish to %s: %v, want %v", subject, err, nats.ErrPermissionViolation)
		}
	}
	for _, subject := range []string{">", "*.>", "olive.>", "olive.up.>", "olive.up.ada.>", "olive.down.bob.>", "olive.down.*.cancel", "_INBOX.>", "_INBOX.bob.>", "$JS.API.>", "$SYS.>"} {
		if _, err := ada.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		if err := ada.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := <-faults; !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("subscribe to %s: %v, want %v", subject, err, nats.ErrPermissionViolation)
		}
	}
	bob, _ := f.raw("bob")
	heard, err := bob.SubscribeSync("_INBOX.bob.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := bob.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, reply := range []string{"_INBOX.bob.x", "olive.down.bob.cancel", "_INBOX.adam.x", "$JS.API.INFO"} {
		if err := ada.PublishRequest("olive.up.ada.work", reply, []byte(`{"v":1,"body":{"text":"trick"}}`)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ada.Request("olive.up.ada.work", []byte(`{"v":1,"body":{"text":"fair"}}`), 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := <-calls; got != "ada fair" || len(calls) != 0 {
		t.Errorf("the handler saw %q and %d more, want only %q", got, len(calls), "ada fair")
	}
	if n, _, _ := heard.Pending(); n != 0 {
		t.Errorf("bob heard %d answers that ada asked for", n)
	}
}

func TestVersionsAndFieldsOfMessages(t *testing.T) {
	f := newFarm(t, bus.Config{Handlers: []bus.Handler{echo()}})
	nc, _ := f.raw("ada")
	for name, c := range map[string]struct{ message, want string }{
		"an unknown field is ignored":    {`{"v":1,"new":[1],"body":{"text":"x","more":{}}}`, `{"v":1,"body":{"text":"x","worker":"ada"}}`},
		"an unknown version is refused":  {`{"v":2,"body":[]}`, `"code":"version"`},
		"so is none":                     {`{"body":{"text":"x"}}`, `"code":"version"`},
		"what is no JSON is malformed":   {`hello`, `"code":"bad-message"`},
		"an empty message is malformed":  {``, `"code":"bad-message"`},
		"a message needs a body":         {`{"v":1}`, `"code":"bad-message"`},
		"a body must be what it says it": {`{"v":1,"body":{"text":5}}`, `"code":"bad-message"`},
	} {
		m, err := nc.Request("olive.up.ada.work", []byte(c.message), 10*time.Second)
		if err != nil || !strings.Contains(string(m.Data), c.want) {
			t.Errorf("%s: %v, %v, want %s", name, m, err, c.want)
		}
	}
}

func TestALargeMessageEndsTheConnection(t *testing.T) {
	f := newFarm(t, bus.Config{Handlers: []bus.Handler{echo()}})
	c, err := tls.Dial("tcp", f.addr, f.tls("ada"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	fmt.Fprint(c, "CONNECT {\"verbose\":false}\r\nPUB olive.up.ada.work 10485760\r\n")
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	go func() { _, _ = io.Copy(c, io.LimitReader(zeros{}, 10<<20)) }()
	said, err := io.ReadAll(r)
	if errors.Is(err, context.DeadlineExceeded) || !strings.Contains(string(said), "Maximum Payload") && err == nil {
		t.Errorf("the server said %q, %v", said, err)
	}
	good, _ := f.dial("bob")
	if err := good.Request(t.Context(), "work", ask{}, nil); err != nil {
		t.Errorf("another worker afterwards: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestAFloodLeavesRoomForWorkers(t *testing.T) {
	f := newFarm(t, bus.Config{Handlers: []bus.Handler{echo()}, Limits: bus.Limits{Handshakes: 100, PerWorker: 4, Sessions: 4}})
	worker, states := f.dial("ada")
	await(t, states, true)
	var flood sync.WaitGroup
	for range 1000 {
		flood.Go(func() {
			c, err := net.Dial("tcp", f.addr)
			if err != nil {
				return
			}
			defer c.Close()
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			_, _ = c.Read(make([]byte, 1))
		})
	}
	if err := worker.Request(t.Context(), "work", ask{}, nil); err != nil {
		t.Errorf("a worker who was there before: %v", err)
	}
	late, _ := f.dial("bob") // comes in when the silent ones are out, after 5 s at most
	if err := late.Request(t.Context(), "work", ask{}, nil); err != nil {
		t.Errorf("a worker who came later: %v", err)
	}
	flood.Wait()
	var in []net.Conn
	for range 3 { // beside the one that is there: as many as may be
		c, err := tls.Dial("tcp", f.addr, f.tls("ada"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		in = append(in, c)
	}
	if why := refused(f.addr, f.tls("ada")); why == "" {
		t.Error("a fifth connection of one worker was let in")
	}
	for _, c := range in {
		_ = c.Close()
	}
}

func TestAnIdentityThatEndsTakesItsConnectionsAlong(t *testing.T) {
	f := newFarm(t, bus.Config{})
	conf := f.tls("ada")
	conf.Certificates = []tls.Certificate{f.ca.leaf(t, "ada", time.Now().Add(2*time.Second))}
	c, err := tls.Dial("tcp", f.addr, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprint(c, "CONNECT {}\r\n")
	said, err := io.ReadAll(c)
	if !strings.HasPrefix(string(said), "INFO") || errors.Is(err, context.DeadlineExceeded) || strings.Contains(fmt.Sprint(err), "timeout") {
		t.Errorf("read %q, %v, want a greeting and the end", said, err)
	}
}

// stingy fails as a process without file descriptors does, a few times.
type stingy struct {
	net.Listener
	left int
}

func (l *stingy) Accept() (net.Conn, error) {
	if l.left--; l.left >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestAShortageOfDescriptorsPasses(t *testing.T) {
	f := newFarm(t, bus.Config{Handlers: []bus.Handler{echo()}})
	f.stop()
	l, err := net.Listen("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	f.serve(&stingy{Listener: l, left: 3})
	c, _ := f.dial("ada")
	if err := c.Request(t.Context(), "work", ask{}, nil); err != nil {
		t.Error(err)
	}
}
