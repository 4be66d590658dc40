package front

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

// Serve accepts connections until ctx ends, and returns nil when all are over, or an error when l fails for good. It
// owns l. A [*tls.Conn] first makes its handshake; then identify says who it is, within [Limits].Handshake for
// both. Then serve has it, and closes it.
func (f *Front) Serve(
	ctx context.Context, l net.Listener, identify func(net.Conn) (string, error),
	serve func(ctx context.Context, c net.Conn, identity string) error,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	handshakes := make(chan struct{}, f.limits.Handshakes)
	for wait := time.Duration(0); ; {
		select {
		case handshakes <- struct{}{}: // as long as they are too many, callers wait in the kernel's queue
		case <-ctx.Done():
			return nil
		}
		c, err := l.Accept()
		if err != nil {
			<-handshakes
			if wait, err = f.again(ctx, wait, err); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return nil
			}
			continue
		}
		wait = 0
		group.Go(func() { f.welcome(ctx, c, identify, serve, func() { <-handshakes }) })
	}
}

// again waits before the next try to accept. The wait grows up to a second; an error means that there is no point.
func (f *Front) again(ctx context.Context, wait time.Duration, err error) (time.Duration, error) {
	if ctx.Err() != nil {
		return 0, nil
	}
	for _, passing := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED, unix.EPERM} {
		if !errors.Is(err, passing) {
			continue
		}
		wait = min(max(2*wait, 5*time.Millisecond), time.Second)
		if wait == 5*time.Millisecond {
			f.log.Error("no connection can be accepted for now: raise LimitNOFILE= if this goes on", "reason", err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		return wait, nil
	}
	return 0, fmt.Errorf("accept NFS connections: %w", err)
}

// welcome finds out who a connection is, and has it served.
func (f *Front) welcome(
	ctx context.Context, c net.Conn, identify func(net.Conn) (string, error),
	serve func(context.Context, net.Conn, string) error, shaken func(),
) {
	identity, err := f.identify(ctx, c, identify)
	shaken()
	if err != nil {
		c.Close()
		f.log.Debug("a connection is not let in", "peer", c.RemoteAddr(), "reason", err)
		return
	}
	if err := serve(ctx, c, identity); err != nil {
		f.log.Warn("a connection is refused", "peer", c.RemoteAddr(), "identity", identity, "reason", err)
	}
}

func (f *Front) identify(ctx context.Context, c net.Conn, identify func(net.Conn) (string, error)) (who string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, f.limits.Handshake)
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
