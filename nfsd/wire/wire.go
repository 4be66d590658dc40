// Package wire lets TLS write many records with one system call.
//
// [crypto/tls] hands each record of 16 KiB to its connection by itself. A [Conn] between both keeps the records of
// a large [Write] back and sends them together. Everything else passes through, in order; deadlines and Close are
// those of the connection below. A write that fails has broken the TLS connection, as ever.
package wire

import (
	"net"
	"sync"
)

const (
	gathered  = 128 << 10  // bytes that are sent together
	record    = 16 << 10   // of what is sent, in a record of TLS
	overhead  = 5 + 1 + 16 // bytes of a record besides: header, kind, tag (RFC 8446, 5.2)
	allRecord = gathered / record * (record + overhead)
)

// A Conn is to be the connection below [tls.Server] or [tls.Client].
type Conn struct {
	net.Conn

	mu   sync.Mutex
	kept *[]byte // nil: what is written is sent at once
}

// New makes a Conn of c.
func New(c net.Conn) *Conn { return &Conn{Conn: c} }

// buffers hold what is kept.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, allRecord)
	return &b
}}

// Write is for TLS.
func (c *Conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept != nil {
		*c.kept = append(*c.kept, p...)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *Conn) keep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = buffers.Get().(*[]byte)
}

// send sends what was kept. Nothing overtakes it.
func (c *Conn) send() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.kept
	c.kept = nil
	_, err := c.Conn.Write(*b)
	*b = (*b)[:0]
	buffers.Put(b)
	return err
}

// Write writes p to c. When c is TLS above a [Conn], it takes one system call for 128 KiB. One goroutine at a time may
// write to c.
func Write(c net.Conn, p []byte) error {
	w := below(c)
	if w == nil || len(p) <= record {
		_, err := c.Write(p)
		return err
	}
	for len(p) > 0 {
		n := min(len(p), gathered)
		w.keep()
		_, err := c.Write(p[:n])
		if bad := w.send(); err == nil {
			err = bad
		}
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// below is the Conn below TLS, nil where there is none.
func below(c net.Conn) *Conn {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		w, _ := t.NetConn().(*Conn)
		return w
	}
	return nil
}

// Listen makes a [Conn] of each connection of l.
func Listen(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return New(c), nil
}
