package forward_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"olive-distributed/daemon/worker/forward"
	"olive-distributed/daemon/worker/forward/hard"
	"olive-distributed/nfsd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOnlyPortsThatNeedAPrivilegeGetIn(t *testing.T) {
	local, other := net.IPv4(127, 0, 0, 1), net.IPv4(192, 0, 2, 1)
	for name, c := range map[string]struct {
		addr net.Addr
		from int
		want bool
	}{
		"the kernel":                         {&net.TCPAddr{IP: local, Port: 665}, 1024, true},
		"the highest port of the kernel":     {&net.TCPAddr{IP: local, Port: 1023}, 1024, true},
		"a user":                             {&net.TCPAddr{IP: local, Port: 1024}, 1024, false},
		"a user, as usual":                   {&net.TCPAddr{IP: local, Port: 43210}, 1024, false},
		"IPv6":                               {&net.TCPAddr{IP: net.IPv6loopback, Port: 700}, 1024, true},
		"another machine":                    {&net.TCPAddr{IP: other, Port: 700}, 1024, false},
		"no TCP":                             {&net.UnixAddr{Name: "/x", Net: "unix"}, 1024, false},
		"no port":                            {&net.TCPAddr{IP: local}, 1024, false},
		"where users have ports from 700 on": {&net.TCPAddr{IP: local, Port: 700}, 700, false},
		"below the ports that users have":    {&net.TCPAddr{IP: local, Port: 699}, 700, true},
		"where the privilege begins even further": {&net.TCPAddr{IP: local, Port: 1024}, 2048, false},
	} {
		if got := forward.Privileged(c.from)(c.addr); got != c.want {
			t.Errorf("%s (%v): %v, want %v", name, c.addr, got, c.want)
		}
	}
}

func anybody(net.Addr) bool { return true }

// A station is a forwarder on loopback.
type station struct {
	addr string
	said *log
}

// A log can be read while it is written.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, cfg forward.Config) *station {
	t.Helper()
	s := &station{said: &log{}}
	cfg.Log = slog.New(slog.NewTextHandler(s.said, nil))
	if cfg.Pause == 0 {
		cfg.Pause = time.Millisecond
	}
	f, err := forward.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	s.addr = l.Addr().String()
	return s
}

// dial connects as the kernel does, from a privileged port.
func (s *station) dial(ctx context.Context) (net.Conn, error) {
	for port := 1023; port > 900; port-- {
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}}).DialContext(ctx, "tcp", s.addr)
		if !errors.Is(err, unix.EADDRINUSE) && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return c, err
		}
	}
	return nil, errors.New("no port is left")
}

func TestAUserOfTheMachineIsTurnedAway(t *testing.T) {
	var dials atomic.Int32
	s := start(t, forward.Config{Dial: func(context.Context) (net.Conn, error) {
		dials.Add(1)
		return nil, errors.New("nobody is there")
	}})
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write([]byte("hello"))
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("read %d, %v", n, err)
	}
	if dials.Load() > 0 {
		t.Error("the master was called for a user")
	}
	if !strings.Contains(s.said.String(), "only the kernel may connect") {
		t.Errorf("the log says %q", s.said)
	}
}

// A server is an NFS server behind mutual TLS that can be stopped and started again.
type server struct {
	t    *testing.T
	keys *papers
	addr string
	view *nfsd.Export
	stop func()
}

// Exports implements [nfsd.View].
func (s *server) Exports() []*nfsd.Export { return []*nfsd.Export{s.view} }

func newServer(t *testing.T) (s *server, dir string) {
	t.Helper()
	dir = t.TempDir()
	s = &server{t: t, keys: newPapers(t)}
	return s, dir
}

func (s *server) share(files []nfsd.File, parts string) {
	s.t.Helper()
	var err error
	if s.view, err = nfsd.NewExport(1, "job-1", files, &nfsd.Folder{Name: "parts", Path: parts}); err != nil {
		s.t.Fatal(err)
	}
}

// start serves, at the same address as before.
func (s *server) start() {
	s.t.Helper()
	l, err := net.Listen("tcp", max(s.addr, "127.0.0.1:0"))
	if err != nil {
		s.t.Fatal(err)
	}
	if s.addr == "" { // later nobody but us knows whether somebody reads it
		s.addr = l.Addr().String()
	}
	s.serve(l)
}

func (s *server) serve(l net.Listener) {
	n, err := nfsd.New(nfsd.Config{Views: func(string) nfsd.View { return s }, Key: bytes.Repeat([]byte{7}, 32), Limits: nfsd.Limits{Drain: time.Millisecond}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = n.Serve(ctx, s.keys.listen(l), s.keys.identify) })
	s.stop = sync.OnceFunc(func() {
		cancel()
		serving.Wait()
		_ = n.Close()
	})
	s.t.Cleanup(s.stop)
}

func (s *server) dial(ctx context.Context) (net.Conn, error) {
	return forward.Dialer{Addr: s.addr, TLS: s.keys.client(), Silence: 2 * time.Second}.Dial(ctx)
}

// medium makes a file of random bytes.
func medium(t *testing.T, dir string, size int) (path string, data []byte) {
	t.Helper()
	data = make([]byte, size)
	_, _ = rand.Read(data)
	path = filepath.Join(dir, "medium")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, data
}

const step = 1 << 20

// readAll reads a file of the export, eight reads at a time, and calls between before each of them.
func readAll(t *testing.T, c *hard.Client, name string, size int, between func(offset int)) []byte {
	t.Helper()
	ctx := t.Context()
	root, err := c.Mount(ctx, "/job-1")
	if err != nil {
		t.Fatal(err)
	}
	file, err := c.Lookup(ctx, root, name)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, size)
	var reads sync.WaitGroup
	slots := make(chan struct{}, 8)
	for at := 0; at < size; at += step {
		between(at)
		slots <- struct{}{}
		reads.Go(func() {
			defer func() { <-slots }()
			for n := 0; n < min(step, size-at); {
				data, _, err := c.Read(ctx, file, int64(at+n), min(step, size-at)-n)
				if err != nil || len(data) == 0 {
					t.Errorf("read at %d: %d bytes, %v", at+n, len(data), err)
					return
				}
				n += copy(got[at+n:], data)
			}
		})
	}
	reads.Wait()
	return got
}

func TestAMasterThatIsRestartedInMidReadIsNotNoticed(t *testing.T) {
	srv, dir := newServer(t)
	const size = 40*step + 12345
	path, want := medium(t, dir, size)
	srv.share([]nfsd.File{{Name: "medium", Path: path}}, dir)
	srv.start()
	s := start(t, forward.Config{Dial: srv.dial})
	c := hard.New(s.dial)
	defer c.Close()
	restarts := 0
	got := readAll(t, c, "medium", size, func(at int) {
		if at/step%13 == 12 {
			srv.stop()
			srv.start()
			restarts++
		}
	})
	if !bytes.Equal(got, want) {
		t.Error("the client has read something else")
	}
	c.Close()
	if c.Connects < restarts+1 {
		t.Errorf("%d connections for %d restarts: nothing was broken", c.Connects, restarts)
	}
}

func TestConnectionsThatBreakLoseNothing(t *testing.T) {
	srv, dir := newServer(t)
	srv.share(nil, dir)
	srv.start()
	var last atomic.Pointer[net.Conn]
	s := start(t, forward.Config{Dial: func(ctx context.Context) (net.Conn, error) {
		c, err := srv.dial(ctx)
		if err == nil {
			last.Store(&c)
		}
		return c, err
	}})
	c := hard.New(s.dial)
	defer c.Close()
	ctx := t.Context()
	root, err := c.Mount(ctx, "/job-1")
	if err != nil {
		t.Fatal(err)
	}
	parts, err := c.Lookup(ctx, root, "parts")
	if err != nil {
		t.Fatal(err)
	}
	file, err := c.Create(ctx, parts, "part.tmp")
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 24*step)
	_, _ = rand.Read(want)
	for at := 0; at < len(want); at += step {
		switch at / step % 6 {
		case 3:
			_ = (*last.Load()).Close() // the way to the master
		case 5:
			c.Break() // the way to the forwarder
		}
		if err := c.Write(ctx, file, int64(at), want[at:at+step]); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Rename(ctx, parts, "part.tmp", "part"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "part")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the part has %d bytes, %v: not what was written", len(got), err)
	}
}

func TestWhoComesBeforeTheMasterWaits(t *testing.T) {
	srv, dir := newServer(t)
	path, want := medium(t, dir, 1000)
	srv.share([]nfsd.File{{Name: "medium", Path: path}}, dir)
	srv.start()
	var tries atomic.Int32
	s := start(t, forward.Config{Dial: func(ctx context.Context) (net.Conn, error) {
		if tries.Add(1) < 20 {
			return nil, errors.New("nobody is there")
		}
		return srv.dial(ctx)
	}})
	c := hard.New(s.dial)
	defer c.Close()
	if got := readAll(t, c, "medium", len(want), func(int) {}); !bytes.Equal(got, want) {
		t.Error("the client has read something else")
	}
	if said := s.said.String(); strings.Count(said, "out of reach") != 1 || strings.Count(said, "in reach again") != 1 {
		t.Errorf("the log says\n%s", said)
	}
}

func TestNobodyIsCalledForAKernelThatHasHungUp(t *testing.T) {
	var tries atomic.Int32
	s := start(t, forward.Config{Connections: 1, Dial: func(context.Context) (net.Conn, error) {
		tries.Add(1)
		return nil, errors.New("nobody is there")
	}})
	c, err := s.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write([]byte("call"))
	until(t, "tries", func() bool { return tries.Load() > 2 })
	c.Close()
	until(t, "the place of the one that has left", func() bool { // there is only one
		c, err := s.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		before := tries.Load()
		_, _ = c.Write([]byte("call"))
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, err = c.Read(make([]byte, 1))
		return errors.Is(err, os.ErrDeadlineExceeded) && tries.Load() > before
	})
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(time.Millisecond)
	}
}

// A pipes listener gives ends of pipes, which a bubble of synctest can wait for.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// A master that refuses us, or is away, is asked less and less often, however eager the kernel is.
func TestAMasterThatDoesNotServeIsLeftInPeace(t *testing.T) {
	for name, dial := range map[string]func() (net.Conn, error){
		"it is away": func() (net.Conn, error) { return nil, errors.New("nobody is there") },
		"it hangs up": func() (net.Conn, error) {
			here, there := net.Pipe()
			there.Close()
			return here, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var at []time.Duration
				began := time.Now()
				f, err := forward.New(forward.Config{
					Allow: anybody, Pause: 100 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
					Dial: func(context.Context) (net.Conn, error) {
						at = append(at, time.Since(began))
						return dial()
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
				ctx, stop := context.WithCancel(t.Context())
				var work sync.WaitGroup
				work.Go(func() { _ = f.Serve(ctx, l) })
				work.Go(func() { // the kernel
					for {
						here, there := net.Pipe()
						select {
						case l.conns <- there:
						case <-ctx.Done():
							return
						}
						_, _ = here.Write([]byte("call"))
						_, _ = here.Read(make([]byte, 1))
						here.Close()
					}
				})
				time.Sleep(10 * time.Minute) // of the bubble
				stop()
				work.Wait()
				if n := len(at); n < 80 || n > 300 {
					t.Errorf("%d tries in ten minutes", n)
				}
				for i := len(at) - 5; i > 0 && i < len(at); i++ {
					if gap := at[i] - at[i-1]; gap < 2500*time.Millisecond || gap > 7500*time.Millisecond {
						t.Errorf("try %d came %v after the one before", i, gap)
					}
				}
			})
		})
	}
}

func TestEveryPlaceIsGivenBack(t *testing.T) {
	srv, dir := newServer(t)
	srv.share(nil, dir)
	srv.start()
	s := start(t, forward.Config{Dial: srv.dial, Connections: 2})
	for range 20 {
		c := hard.New(s.dial)
		if _, err := c.Mount(t.Context(), "/job-1"); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	for range 2 { // both come in, one perhaps not before the last of the others has left
		c := hard.New(s.dial)
		defer c.Close()
		if _, err := c.Mount(t.Context(), "/job-1"); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the refusal of the third", func() bool {
		c, err := s.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, err = c.Read(make([]byte, 1))
		return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
	})
}

// inNamespace runs f where network namespace ns is.
func inNamespace(t *testing.T, ns string, f func()) {
	t.Helper()
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread() // and not unlocked: the thread ends with the goroutine
		h, err := os.Open("/run/netns/" + ns)
		if err != nil {
			t.Error(err)
			return
		}
		defer h.Close()
		if err := unix.Setns(int(h.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		f()
	})
	done.Wait()
}

// A cable to a network namespace, in which the master is.
func cable(t *testing.T) (ns, link string, addr string) {
	t.Helper()
	ns, link = fmt.Sprintf("olive-forward-%d", os.Getpid()), fmt.Sprintf("of%d", os.Getpid())
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	ip("netns", "add", ns)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", ns)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", link).Run() })
	net := os.Getpid() % 250
	ip("addr", "add", fmt.Sprintf("10.81.%d.1/30", net), "dev", link)
	ip("link", "set", link, "up")
	ip("-n", ns, "addr", "add", fmt.Sprintf("10.81.%d.2/30", net), "dev", "eth0")
	ip("-n", ns, "link", "set", "eth0", "up")
	return ns, link, fmt.Sprintf("10.81.%d.2:0", net)
}

func TestANetworkThatIsCutInMidReadIsNotNoticed(t *testing.T) {
	ns, link, addr := cable(t)
	srv, dir := newServer(t)
	const size = 48 * step
	path, want := medium(t, dir, size)
	srv.share([]nfsd.File{{Name: "medium", Path: path}}, dir)
	inNamespace(t, ns, func() {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Error(err)
			return
		}
		srv.addr = l.Addr().String()
		srv.serve(l)
	})
	if t.Failed() {
		t.FailNow()
	}
	var lost atomic.Int32
	s := start(t, forward.Config{Dial: func(ctx context.Context) (net.Conn, error) {
		c, err := srv.dial(ctx) // a master is gone after two seconds of silence, instead of 20
		if err != nil {
			lost.Add(1)
		}
		return c, err
	}})
	c := hard.New(s.dial)
	defer c.Close()
	set := func(state string) {
		if out, err := exec.Command("ip", "link", "set", link, state).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	var mend sync.WaitGroup
	got := readAll(t, c, "medium", size, func(at int) {
		if at == 24*step {
			set("down")
			mend.Go(func() {
				for deadline := time.Now().Add(30 * time.Second); lost.Load() == 0 && time.Now().Before(deadline); {
					<-time.After(time.Millisecond) // until the forwarder has given the old connection up, and tries in vain
				}
				set("up")
			})
		}
	})
	mend.Wait()
	if lost.Load() == 0 {
		t.Error("the cut was not noticed")
	}
	if !bytes.Equal(got, want) {
		t.Error("the client has read something else")
	}
}
