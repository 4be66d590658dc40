// Package forward carries the kernel's NFS connections of this machine to the master, inside mutual TLS.
//
// The kernel knows no certificates: it connects to a port on loopback, and each of its connections is copied, byte by
// byte, to one of ours. Only those get in that come from a port which needs a privilege: the kernel's do, those of the
// machine's users do not.
//
// What the connection to the master does, the kernel's does too: when one ends, so does the other. The mount does not
// notice, since a hard mount connects again at once and repeats every call that has no answer, also one whose answer
// came by half; it knows better than anybody between which these are. A new connection of the kernel is
// kept waiting, not refused, until the master can be reached, however long that takes. A master that is gone without
// a word is noticed within 20 seconds.
package forward

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Config of a [Forwarder]. Dial is required.
type Config struct {
	// Dial connects to the master, see [Dialer.Dial]. It is called again until it succeeds.
	Dial func(ctx context.Context) (net.Conn, error)
	// Allow says who may connect, by his address. nil: [Privileged].
	Allow       func(net.Addr) bool
	Connections int           // of the kernel, at a time; 0: 64
	Pause       time.Duration // before the second try to reach the master; then it doubles, to 50 times as much; 0: 100 ms
	Log         *slog.Logger  // nil: [slog.Default]
}

// A Forwarder copies connections. Make it with [New].
type Forwarder struct {
	cfg    Config
	places chan struct{}
	fails  atomic.Int32 // tries in a row in which the master gave no answer
	told   atomic.Int64 // when a refusal was last logged, Unix seconds
	bytes  sync.Pool
}

// New makes a forwarder.
func New(cfg Config) (*Forwarder, error) {
	if cfg.Dial == nil {
		return nil, errors.New("forward: it needs a way to the master")
	}
	cfg.Connections, cfg.Pause = cmp.Or(cfg.Connections, 64), cmp.Or(cfg.Pause, 100*time.Millisecond)
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Allow == nil {
		cfg.Allow = Privileged(unprivilegedFrom())
	}
	return &Forwarder{
		cfg: cfg, places: make(chan struct{}, cfg.Connections),
		bytes: sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }},
	}, nil
}

// reserved are the ports that need a privilege, and the lowest that the kernel's NFS client takes
// (sunrpc.min_resvport).
const (
	reserved  = 1024
	nfsLowest = 665
)

// Privileged allows addresses on loopback whose port needs a privilege: below 1024, and below what the machine gives
// to everybody (net.ipv4.ip_unprivileged_port_start).
func Privileged(unprivileged int) func(net.Addr) bool {
	return func(a net.Addr) bool {
		tcp, ok := a.(*net.TCPAddr)
		return ok && tcp.IP.IsLoopback() && tcp.Port > 0 && tcp.Port < min(reserved, unprivileged)
	}
}

// unprivilegedFrom is the first port that everybody may take.
func unprivilegedFrom() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	n, bad := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || bad != nil {
		return reserved
	}
	return n
}

// Serve takes connections from l, which it owns, until ctx ends; then it closes all of them and waits for what it has
// started. It returns an error only when l fails for good.
func (f *Forwarder) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var inside sync.WaitGroup
	defer inside.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	if n := unprivilegedFrom(); n <= nfsLowest {
		f.cfg.Log.Warn("everybody may take ports from which the kernel mounts: media do not come over NFS before net.ipv4.ip_unprivileged_port_start is 1024 again", "now", n)
	}
	for wait := time.Duration(0); ; {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = c.Close()
			}
			return nil
		case err != nil && !passing(err):
			_ = l.Close()
			return fmt.Errorf("take NFS connections of the kernel: %w", err)
		case err != nil:
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			if !sleep(ctx, wait) {
				return nil
			}
			continue
		}
		wait = 0
		if !f.admit(c) {
			_ = c.Close()
			continue
		}
		inside.Go(func() {
			defer func() { <-f.places }()
			f.forward(ctx, c)
		})
	}
}

// passing says whether an error of accept passes by itself.
func passing(err error) bool {
	for _, e := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED, unix.EINTR, unix.EAGAIN} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// admit takes a place for a connection that may come in.
func (f *Forwarder) admit(c net.Conn) bool {
	if !f.cfg.Allow(c.RemoteAddr()) {
		f.refused("only the kernel may connect here: this one came from a port that everybody may take", c)
		return false
	}
	select {
	case f.places <- struct{}{}:
		return true
	default:
		f.refused("too many connections", c)
		return false
	}
}

// refused logs a refusal, one a minute: whoever is refused must not fill the log.
func (f *Forwarder) refused(why string, c net.Conn) {
	now, last := time.Now().Unix(), f.told.Load()
	if now-last >= 60 && f.told.CompareAndSwap(last, now) {
		f.cfg.Log.Warn("refused an NFS connection", "reason", why, "from", c.RemoteAddr())
	}
}

// forward carries one connection of the kernel until either side ends it.
func (f *Forwarder) forward(ctx context.Context, kernel net.Conn) {
	defer hangUp(kernel)
	defer context.AfterFunc(ctx, func() { _ = kernel.Close() })()
	buf := f.bytes.Get().(*[]byte)
	defer f.bytes.Put(buf)
	n, err := kernel.Read(*buf) // a connection that says nothing needs no other
	if err != nil {
		return
	}
	master, err := f.reach(ctx, kernel)
	if err != nil {
		return
	}
	defer hangUp(master)
	defer context.AfterFunc(ctx, func() { _ = master.Close() })()
	var down sync.WaitGroup
	answers := false
	down.Go(func() {
		answers = f.down(kernel, master)
		_ = kernel.Close() // which ends the other direction
		_ = master.Close()
	})
	f.up(master, kernel, *buf, n)
	_ = kernel.Close()
	_ = master.Close()
	down.Wait()
	if !answers && ctx.Err() == nil { // as when it refuses us: the kernel will be back at once, which helps nobody
		f.failed(errors.New("it hangs up without an answer: see the master's log"))
	}
}

// hangUp closes a connection at once: the other end has to repeat what is still on its way.
func hangUp(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// errLeft means that the kernel has hung up.
var errLeft = errors.New("the kernel has hung up")

// reach connects to the master, however long it takes, unless the kernel hangs up meanwhile.
func (f *Forwarder) reach(ctx context.Context, kernel net.Conn) (net.Conn, error) {
	for {
		if !sleep(ctx, f.pause()) {
			return nil, context.Cause(ctx)
		}
		if left(kernel) {
			return nil, errLeft
		}
		c, err := f.cfg.Dial(ctx)
		if err == nil {
			return c, nil
		}
		if ctx.Err() == nil {
			f.failed(err)
		}
	}
}

// failed notes that the master does not serve.
func (f *Forwarder) failed(err error) {
	if f.fails.Add(1) == 1 {
		f.cfg.Log.Warn("the master's files are out of reach, what needs them waits", "error", err)
	}
}

// longestPause is how many times the first pause the longest one is.
const longestPause = 50

// pause is how long to wait before the next try: longer with each one that failed, and never twice the same, since all
// workers of a farm lose their master at the same time.
func (f *Forwarder) pause() time.Duration {
	fails := f.fails.Load()
	if fails == 0 {
		return 0
	}
	p := f.cfg.Pause << min(fails-1, 10)
	p = min(p, longestPause*f.cfg.Pause)
	return p/2 + rand.N(p)
}

// heard notes that the master serves.
func (f *Forwarder) heard() {
	if f.fails.Swap(0) > 0 {
		f.cfg.Log.Info("the master's files are in reach again")
	}
}

// left reports whether the other end has closed the connection; it reads nothing.
func left(c net.Conn) bool {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return true
	}
	const established = 1 // of the states in the kernel's net/tcp_states.h
	gone := true
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		gone = err != nil || info.State != established
	})
	return err != nil || gone
}

// sleep waits, unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
