package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/wire"
)

const (
	handshakeTimeout = 5 * time.Second
	writeTimeout     = 10 * time.Second
)

// A Service is what a port offers under one ALPN name.
type Service struct {
	// Anonymous lets everybody in, with or without a certificate that the farm knows; their
	// Identity is "".
	Anonymous bool
	// Serve owns the connection until it returns. When ctx ends the connection is closed.
	Serve func(ctx context.Context, c *Conn)
}

// A Conn is a connection that has passed the gate.
type Conn struct {
	*tls.Conn
	Identity string // the worker's name
}

// door counts who is inside.
type door struct {
	limits     Limits
	mu         sync.Mutex
	all        int
	handshakes places
	anonymous  places
	inside     map[string]map[net.Conn]bool // by identity
	visits     map[string][]*visit          // by worker
}

func (d *door) init(l Limits) {
	d.limits = l
	d.handshakes, d.anonymous = newPlaces(l.Handshakes), newPlaces(l.Anonymous)
	d.inside, d.visits = map[string]map[net.Conn]bool{}, map[string][]*visit{}
}

// knock lets a connection begin its handshake.
func (d *door) knock(c net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all >= d.limits.Connections || !d.handshakes.take(hostOf(c)) {
		return false
	}
	d.all++
	return true
}

// shaken ends the handshake of a connection that goes on or is closed.
func (d *door) shaken(c net.Conn) {
	d.mu.Lock()
	d.handshakes.free(hostOf(c))
	d.mu.Unlock()
}

func (d *door) enter(identity string, c net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if identity == "" && !d.anonymous.take(hostOf(c)) || identity != "" && len(d.inside[identity]) >= d.limits.PerWorker {
		return false
	}
	if d.inside[identity] == nil {
		d.inside[identity] = map[net.Conn]bool{}
	}
	d.inside[identity][c] = true
	return true
}

func (d *door) leave(identity string, c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if identity == "" {
		d.anonymous.free(hostOf(c))
	}
	if delete(d.inside[identity], c); len(d.inside[identity]) == 0 {
		delete(d.inside, identity)
	}
}

func (d *door) gone() {
	d.mu.Lock()
	d.all--
	d.mu.Unlock()
}

func (d *door) of(identity string) (conns []net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.inside[identity] {
		conns = append(conns, c)
	}
	return conns
}

// tlsConfig is the caller's configuration with the rules of the house.
func (s *Server) tlsConfig() (*tls.Config, error) {
	if s.cfg.TLS == nil || s.cfg.Identify == nil {
		return nil, errors.New("make the gate: it needs a TLS configuration and a way to identify workers")
	}
	if s.cfg.TLS.GetConfigForClient != nil {
		return nil, errors.New("make the gate: GetConfigForClient would go around its rules")
	}
	c := s.cfg.TLS.Clone()
	c.MinVersion, c.SessionTicketsDisabled = tls.VersionTLS13, true
	c.ClientAuth = tls.RequireAndVerifyClientCert
	c.NextProtos = []string{Protocol}
	for name, service := range s.cfg.Services {
		if name == Protocol || name == "" || service.Serve == nil {
			return nil, fmt.Errorf("make the gate: service %q cannot be", name)
		}
		c.NextProtos = append(c.NextProtos, name)
		if service.Anonymous {
			c.ClientAuth = tls.VerifyClientCertIfGiven
		}
	}
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		_, err := s.identify(cs)
		return err
	}
	return c, nil
}

// identify checks all that can be checked of a connection. Anonymous clients have no name.
func (s *Server) identify(cs tls.ConnectionState) (string, error) {
	service, other := s.cfg.Services[cs.NegotiatedProtocol]
	if cs.NegotiatedProtocol != Protocol && !other {
		return "", errors.New("the client names no service that is offered here")
	}
	if cs.Version < tls.VersionTLS13 {
		return "", errors.New("the client's TLS is too old")
	}
	if verify := s.cfg.TLS.VerifyConnection; verify != nil {
		if err := verify(cs); err != nil {
			return "", err
		}
	}
	if service.Anonymous {
		return "", nil
	}
	if len(cs.PeerCertificates) == 0 {
		return "", errors.New("the client has no certificate")
	}
	if len(cs.VerifiedChains) == 0 {
		return "", errors.New("the client's certificate is not verified")
	}
	name, err := s.cfg.Identify(cs)
	if err != nil {
		return "", err
	}
	if !ValidName(name) {
		return "", fmt.Errorf("%q is no name for a worker", name)
	}
	return name, nil
}

// Serve takes connections from l until ctx ends; then it closes l and all of them, waits for
// everything that it has started, and returns nil. An error means that l cannot be used any more.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var inside sync.WaitGroup
	defer inside.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
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
			return fmt.Errorf("take connections: %w", err)
		case err != nil:
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			s.cfg.Log.Warn("cannot take connections for a moment", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
			continue
		}
		wait = 0
		if !s.door.knock(c) {
			_ = c.Close()
			continue
		}
		inside.Go(func() {
			defer s.door.gone()
			s.receive(ctx, c)
		})
	}
}

// passing says whether an error of accept passes by itself: the process or the machine has no file
// descriptors or no memory left, or the client has gone.
func passing(err error) bool {
	for _, e := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED, unix.EINTR, unix.EAGAIN} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// receive takes one connection through the gate to its service.
func (s *Server) receive(ctx context.Context, raw net.Conn) {
	watchLink(raw)
	c := tls.Server(wire.New(raw), s.tls)
	defer func() { _ = raw.Close() }()
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	name, err := s.handshake(ctx, c)
	s.door.shaken(raw)
	if err != nil {
		s.cfg.Log.Info("refused a connection", "from", raw.RemoteAddr(), "error", err)
		return
	}
	cs := c.ConnectionState()
	if !s.door.enter(name, raw) {
		s.cfg.Log.Warn("refused a connection: too many of this kind", "worker", name, "from", raw.RemoteAddr())
		return
	}
	defer s.door.leave(name, raw)
	// Whoever was revoked since the handshake was not inside yet when [Server.Disconnect] looked.
	if _, err := s.identify(cs); err != nil {
		return
	}
	if len(cs.PeerCertificates) > 0 { // a certificate that ends, ends its connections
		timer := time.AfterFunc(time.Until(cs.PeerCertificates[0].NotAfter), func() { _ = raw.Close() })
		defer timer.Stop()
	}
	if service, ok := s.cfg.Services[cs.NegotiatedProtocol]; ok {
		service.Serve(ctx, &Conn{Conn: c, Identity: name})
		return
	}
	s.once(ctx, c, raw, name)
}

// handshake shakes hands and identifies the client. That needs a deep stack, which a goroutine keeps
// for long: so it has one of its own, which ends with it.
func (s *Server) handshake(ctx context.Context, c *tls.Conn) (name string, err error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err = c.HandshakeContext(ctx); err == nil {
			name, err = s.identify(c.ConnectionState())
		}
	}()
	<-done
	return name, err
}

// Disconnect cuts all connections of a worker at once. To keep it out, have VerifyConnection
// refuse it before.
func (s *Server) Disconnect(worker string) {
	for _, c := range s.door.of(worker) {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
}
