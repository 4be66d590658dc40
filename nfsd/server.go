// Package nfsd serves files over NFS version 3 (RFC 1813) inside connections that are already somebody's:
// mutual TLS, or whatever else tells who is at the other end.
//
// A [Server] asks for the [View] of each identity and shows nothing else: read-only files wherever they
// lie on the server, and for each export at most one [Folder] to write to, with a quota. It answers every
// procedure itself. There are no links, devices or symbolic links, and clients make no folders; owners and modes
// are the server's own business, who a caller claims to be (AUTH_SYS) is not looked at.
//
// What a client has been told, holds. Handles stay good when the server restarts, and are stale as soon as the
// view does not hold their file any more, or when another file has taken its place. A WRITE is on the disk when the
// client asked for that (DATA_SYNC, FILE_SYNC) or after COMMIT; when a sync fails, or the server restarts, the write
// verifier changes, so that clients write again. CREATE, REMOVE and RENAME are on the disk when they are
// answered, and one that is sent again after a reconnect gets the first answer again.
//
// Nothing from the wire is trusted: a length has a limit before memory is taken for it, and a connection that breaks
// the protocol, stops in the middle of a record or does not take its replies is closed. A
// panic in a handler closes its connection only.
package nfsd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"olive-distributed/nfsd/internal/disk"
	"olive-distributed/nfsd/internal/front"
	"olive-distributed/nfsd/internal/handle"
	"olive-distributed/nfsd/internal/parts"
)

// Protocol is the ALPN name under which nfsd is offered.
const Protocol = "olive-nfs"

// Config is what a [Server] needs. Views and Key are required.
type Config struct {
	// Views gives the view of an identity; it is asked once for each connection. nil as an
	// answer means that nobody has this identity: the connection is closed.
	Views func(identity string) View

	// Key authenticates handles. It is at least 16 random bytes and must be kept across
	// restarts, or everything that is mounted becomes stale.
	Key []byte

	Limits Limits
	Log    *slog.Logger // nil: [slog.Default]
}

// Limits bound what clients can make the server do. Zero fields take the values named here.
type Limits struct {
	Connections int // in all; 0: 512
	PerIdentity int // connections of one identity; 0: 16
	Handshakes  int // at a time; 0: 64
	InFlight    int // calls of one connection that run at a time; 0: 16
	Memory      int // bytes of buffers in use; one identity gets a quarter of it; 0: 64 MiB
	Descriptors int // files kept open; 0: 256

	Handshake time.Duration // until it is known who it is; 0: 5 s
	Record    time.Duration // until a call that has begun is here; 0: 30 s
	Idle      time.Duration // between calls; 0: 10 min
	Send      time.Duration // until the client has taken a reply; 0: 30 s
	Drain     time.Duration // for the calls that run when the context ends; 0: 10 s
}

// ErrLimit refuses a connection because there are too many, in all or of its identity.
var ErrLimit = front.ErrLimit

// ErrStranger refuses a connection whose identity has no view.
var ErrStranger = errors.New("nothing is shown to this identity")

// A Server serves the views. Make it with [New], and let go of its descriptors with [Server.Close].
type Server struct {
	conf     Config
	log      *slog.Logger
	mint     *handle.Mint
	verifier verifier

	front   *front.Front
	files   *disk.Cache
	folders *parts.Set
	calls   sync.Pool
}

// New makes a server that serves nobody yet.
func New(c Config) (*Server, error) {
	if c.Views == nil || len(c.Key) < 16 {
		return nil, errors.New("nfsd: it needs Views and a Key of 16 bytes or more")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Limits = c.Limits.withDefaults()
	s := &Server{
		conf: c, log: c.Log, mint: handle.NewMint(c.Key),
		files: disk.NewCache(c.Limits.Descriptors), folders: parts.NewSet(),
		calls: sync.Pool{New: func() any { return &call{} }},
	}
	s.front = front.New(c.Limits.ofFront(), c.Log, s.answer)
	s.verifier.change()
	return s, nil
}

func (l Limits) ofFront() front.Limits {
	return front.Limits{
		Connections: l.Connections, PerIdentity: l.PerIdentity, Handshakes: l.Handshakes, InFlight: l.InFlight, Memory: l.Memory,
		Handshake: l.Handshake, Record: l.Record, Idle: l.Idle, Send: l.Send, Drain: l.Drain,
	}
}

// withDefaults replaces what is zero.
func (l Limits) withDefaults() Limits {
	for value, standard := range map[*int]int{
		&l.Connections: 512, &l.PerIdentity: 16, &l.Handshakes: 64, &l.InFlight: 16,
		&l.Memory: 64 << 20, &l.Descriptors: 256,
	} {
		*value = cmp.Or(*value, standard)
	}
	for value, standard := range map[*time.Duration]time.Duration{
		&l.Handshake: 5 * time.Second, &l.Record: 30 * time.Second, &l.Idle: 10 * time.Minute,
		&l.Send: 30 * time.Second, &l.Drain: 10 * time.Second,
	} {
		*value = cmp.Or(*value, standard)
	}
	return l
}

// ServeConn serves a connection whose other end is known to be identity, and returns when it is
// over; it closes c. When ctx ends, calls that run are still answered, for [Limits].Drain at most. The
// error is [ErrLimit] or [ErrStranger] when the connection was refused, else nil: how
// clients leave is no error.
func (s *Server) ServeConn(ctx context.Context, c net.Conn, identity string) error {
	view, err := s.view(identity)
	if err != nil {
		c.Close()
		return err
	}
	return s.front.ServeConn(ctx, c, identity, view)
}

// view is what identity may see, or why that is nothing.
func (s *Server) view(identity string) (v View, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the view of %s: panic: %v", identity, p)
			s.log.Error("nfsd: no view can be had", "identity", identity, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	if v = s.conf.Views(identity); v == nil {
		return nil, fmt.Errorf("%w: %s", ErrStranger, identity)
	}
	return v, nil
}

// Serve accepts connections until ctx ends, then drains them and returns nil. It owns l. A connection that is a
// [*crypto/tls.Conn] first makes its handshake; then identify says who it is, within [Limits].Handshake for both. An
// error of identify closes the connection. Serve returns an error only when l fails for good:
// running out of descriptors is waited for.
func (s *Server) Serve(ctx context.Context, l net.Listener, identify func(net.Conn) (string, error)) error {
	return s.front.Serve(ctx, l, identify, s.ServeConn)
}

// Disconnect closes the connections of an identity, without waiting for calls that run. It does not keep it
// from coming back: that is for the view and for who checks certificates.
func (s *Server) Disconnect(identity string) { s.front.Disconnect(identity) }

// Close closes the files that are kept open. Use it when nothing is served any more.
func (s *Server) Close() error {
	s.files.Clear()
	s.folders.Clear()
	return nil
}
