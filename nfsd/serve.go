package nfsd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ServeConn serves a connection whose other end is known to be identity, and returns when it is
// over; it closes c. When ctx ends, calls that run are still answered, for [Limits].Drain at most. The
// error is [ErrLimit] or [ErrStranger] when the connection was refused, else nil: how
// clients leave is no error.
func (s *Server) ServeConn(ctx context.Context, c net.Conn, identity string) error {
	defer c.Close()
	view := s.conf.Views(identity)
	if view == nil {
		return fmt.Errorf("%w: %s", ErrStranger, identity)
	}
	n := s.newConn(c)
	who, err := s.clients.enter(n, identity)
	if err != nil {
		return err
	}
	defer s.clients.leave(n, who)
	n.who, n.view = who, view
	n.memory = budget{all: s.memory, own: who.memory, pools: &s.pools}
	n.serve(ctx)
	return nil
}

// Disconnect closes the connections of an identity, without waiting for calls that run. It does not keep it
// from coming back: that is for the view and for who checks certificates.
func (s *Server) Disconnect(identity string) {
	for _, c := range s.clients.conns(identity) {
		c.close()
	}
}

// Serve accepts connections until ctx ends, then drains them and returns nil. It owns l. A connection that is a
// [*crypto/tls.Conn] first makes its handshake; then identify says who it is, within [Limits].Handshake for both. An
// error of identify closes the connection. Serve returns an error only when l fails for good:
// running out of descriptors is waited for.
func (s *Server) Serve(ctx context.Context, l net.Listener, identify func(net.Conn) (string, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	handshakes := make(chan struct{}, s.conf.Limits.Handshakes)
	for wait := time.Duration(0); ; {
		select {
		case handshakes <- struct{}{}: // as long as they are too many, callers wait in the kernel's queue
		case <-ctx.Done():
			return nil
		}
		c, err := l.Accept()
		if err != nil {
			<-handshakes
			if wait, err = s.again(ctx, wait, err); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return nil
			}
			continue
		}
		wait = 0
		group.Go(func() { s.welcome(ctx, c, identify, func() { <-handshakes }) })
	}
}

// again waits before the next try to accept. The wait grows up to a second; an error means that there is no point.
func (s *Server) again(ctx context.Context, wait time.Duration, err error) (time.Duration, error) {
	if ctx.Err() != nil {
		return 0, nil
	}
	for _, passing := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED, unix.EPERM} {
		if !errors.Is(err, passing) {
			continue
		}
		s.files.Clear()
		wait = min(max(2*wait, 5*time.Millisecond), time.Second)
		if wait == 5*time.Millisecond {
			s.log.Error("nfsd: no connection can be accepted for now: raise LimitNOFILE= if this goes on", "reason", err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		return wait, nil
	}
	return 0, fmt.Errorf("accept NFS connections: %w", err)
}

// welcome finds out who a connection is, and serves it.
func (s *Server) welcome(ctx context.Context, c net.Conn, identify func(net.Conn) (string, error), shaken func()) {
	identity, err := s.identify(ctx, c, identify)
	shaken()
	if err != nil {
		c.Close()
		s.log.Debug("nfsd: a connection is not let in", "peer", c.RemoteAddr(), "reason", err)
		return
	}
	if err := s.ServeConn(ctx, c, identity); err != nil {
		s.log.Warn("nfsd: a connection is refused", "peer", c.RemoteAddr(), "identity", identity, "reason", err)
	}
}

func (s *Server) identify(ctx context.Context, c net.Conn, identify func(net.Conn) (string, error)) (who string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, s.conf.Limits.Handshake)
	defer cancel()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(past) })()
	if t, ok := c.(*tls.Conn); ok {
		if err := t.HandshakeContext(ctx); err != nil {
			return "", fmt.Errorf("handshake: %w", err)
		}
	}
	who, err = identify(c)
	if err == nil {
		err = ctx.Err()
	}
	return who, err
}
