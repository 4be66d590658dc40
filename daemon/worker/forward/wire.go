package forward

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/wire"
)

// bufferSize is how much is copied at once: a quarter of what the kernel asks for in a READ.
const bufferSize = 256 << 10

const (
	silence  = 20 * time.Second
	dialTime = 10 * time.Second
)

// A Dialer is a way to a service of the master.
type Dialer struct {
	Addr    string // host:port
	TLS     *tls.Config
	Silence time.Duration // after which a master that does not acknowledge anything is gone, whole seconds; 0: 20 s
}

// Dial connects.
func (d Dialer) Dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	quiet := cmp.Or(d.Silence, silence)
	alive := net.KeepAliveConfig{Enable: true, Idle: max(quiet/2, time.Second), Interval: max(quiet/4, time.Second), Count: 2}
	raw, err := (&net.Dialer{KeepAliveConfig: alive}).DialContext(ctx, "tcp", d.Addr)
	if err != nil {
		return nil, err
	}
	in := newRecords(raw)
	c := tls.Client(wire.New(in), d.TLS)
	if err := c.HandshakeContext(ctx); err != nil {
		hangUp(raw)
		return nil, fmt.Errorf("shake hands with the master at %s: %w", d.Addr, err)
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		impatient(tcp, quiet)
	}
	return &link{c, in}, nil
}

// impatient ends a connection whose other end does not acknowledge what was sent.
func impatient(c *net.TCPConn, quiet time.Duration) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(quiet/time.Millisecond))
		})
	}
}

// A link is TLS whose records are read many at a time.
type link struct {
	*tls.Conn
	in *records
}

// Close does not say goodbye: a notice to a peer that takes nothing would wait for it.
func (l *link) Close() error { return l.in.Close() }

// Records are what is read below TLS. crypto/tls makes a system call for every record of 16 KiB; here they come together.
type records struct {
	net.Conn
	in   *bufio.Reader
	rest int // bytes of the record that is being read, its header included
}

const recordHeader = 5 // type, version, length: RFC 8446, 5.1

func newRecords(c net.Conn) *records {
	return &records{Conn: c, in: bufio.NewReaderSize(c, bufferSize)}
}

// Read never gives more than what is left of a record, so that whole can tell where the next one begins.
func (w *records) Read(p []byte) (int, error) {
	if w.rest == 0 {
		head, err := w.in.Peek(recordHeader)
		if err != nil {
			return 0, err
		}
		w.rest = recordHeader + int(head[3])<<8 + int(head[4])
	}
	n, err := w.in.Read(p[:min(len(p), w.rest)])
	w.rest -= n
	return n, err
}

// whole reports whether a whole record is here, so that reading it does not wait.
func (w *records) whole() bool {
	if w.rest > 0 || w.in.Buffered() < recordHeader {
		return false
	}
	head, err := w.in.Peek(recordHeader)
	return err == nil && w.in.Buffered() >= recordHeader+int(head[3])<<8+int(head[4])
}

// up copies from the kernel to the master, first n bytes that were read already.
func (f *Forwarder) up(master, kernel net.Conn, buf []byte, n int) {
	for {
		if err := wire.Write(master, buf[:n]); err != nil {
			return
		}
		var err error
		if n, err = kernel.Read(buf); err != nil {
			return
		}
	}
}

// down copies from the master to the kernel, and reports whether there was anything. While one piece is written
// the next one is deciphered.
func (f *Forwarder) down(kernel, master net.Conn) (answers bool) {
	full := make(chan piece)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(full)
		f.decipher(master, full)
	})
	defer reading.Wait()
	for p := range full {
		if !answers {
			answers = true
			f.heard()
		}
		_, err := kernel.Write((*p.buf)[:p.n])
		f.bytes.Put(p.buf)
		if err != nil {
			_ = master.Close() // which ends the reading
			for p := range full {
				f.bytes.Put(p.buf)
			}
		}
	}
	return answers
}

// A piece is the first n bytes of a buffer.
type piece struct {
	buf *[]byte
	n   int
}

// decipher reads pieces until the connection ends.
func (f *Forwarder) decipher(master net.Conn, full chan<- piece) {
	l, gathers := master.(*link)
	for {
		buf := f.bytes.Get().(*[]byte)
		n, err := master.Read(*buf)
		for gathers && err == nil && n < len(*buf) && l.in.whole() {
			var more int
			more, err = master.Read((*buf)[n:])
			n += more
		}
		if n == 0 {
			f.bytes.Put(buf)
		} else {
			full <- piece{buf, n}
		}
		if err != nil {
			return
		}
	}
}
