package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"olive-distributed/daemon/bus"
	"olive-distributed/daemon/pki"
)

// Limits of an enrolment.
const (
	joinTimeout = 15 * time.Second
	joinHeader  = 8 << 10 // bytes
)

// serveHTTP serves the connections of the join service.
func serveHTTP(h http.Handler, log *slog.Logger) func(context.Context, *bus.Conn) {
	return func(_ context.Context, c *bus.Conn) {
		l := &single{conn: pki.HTTPConn(c.Conn), closed: make(chan struct{})}
		s := &http.Server{
			Handler: h, ReadTimeout: joinTimeout, WriteTimeout: joinTimeout, IdleTimeout: joinTimeout, MaxHeaderBytes: joinHeader,
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
			ConnState: func(_ net.Conn, state http.ConnState) {
				if state == http.StateClosed {
					l.once.Do(func() { close(l.closed) })
				}
			},
		}
		_ = s.Serve(l) // ends with the connection
	}
}

// A single is a listener for one connection that is there already.
type single struct {
	conn   net.Conn
	given  bool
	once   sync.Once
	closed chan struct{}
}

// Accept gives the connection, and then waits for its end.
func (l *single) Accept() (net.Conn, error) {
	if !l.given {
		l.given = true
		return l.conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *single) Close() error   { return nil }
func (l *single) Addr() net.Addr { return l.conn.LocalAddr() }
