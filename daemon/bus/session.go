package bus

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What a session may take up.
const (
	maxInterests = 64
	maxWaiting   = 16 << 20 // bytes on their way to a worker
	maxPayload   = maxMessage + 4096
)

// A session is a worker's connection as the bus sees it. It is one goroutine that reads. Another
// one writes, while there is something to write: ten thousand workers are mostly silent.
type session struct {
	server *Server
	conn   net.Conn
	raw    net.Conn // what conn encrypts, to cut it at once
	worker string

	heard     atomic.Int64 // when it was, in nanoseconds since 1970
	interests map[string]*interest

	mu      sync.Mutex
	out     []byte // to be written
	writing bool
	ended   bool
	writers sync.WaitGroup
}

// admit takes a worker's connection in. The session has to be served, which closes it.
func (s *Server) admit(conn, raw net.Conn, worker string) (*session, error) {
	w := &session{server: s, conn: conn, raw: raw, worker: worker, interests: map[string]*interest{}}
	w.heard.Store(time.Now().UnixNano())
	if !s.crew.enter(w) {
		return nil, ErrStopping
	}
	return w, nil
}

// serve does what the worker says until the connection ends. An error says what it must not have said.
func (w *session) serve() error {
	defer w.server.crew.leave(w)
	w.send(appendGreeting)
	err := w.read()
	for _, i := range w.interests {
		w.server.routes.remove(i)
	}
	w.end()
	return err
}

// read does what the worker says until the connection ends, nil, or must be ended.
func (w *session) read() error {
	r := bufio.NewReaderSize(w.conn, maxLine)
	_ = w.conn.SetReadDeadline(time.Now().Add(handshakeTimeout))
	for first := true; ; first = false {
		o, err := readOp(r)
		if err == nil && first {
			if o.verb != opConnect {
				err = errFirst
			}
			_ = w.conn.SetReadDeadline(time.Time{})
		}
		w.heard.Store(time.Now().UnixNano())
		if err == nil {
			err = w.obey(&o)
		}
		var fault fault
		switch {
		case err == nil:
		case errors.As(err, &fault):
			w.complain(string(fault))
			return err
		default:
			return nil
		}
	}
}

// obey does one thing that the worker has said.
func (w *session) obey(o *op) error {
	switch o.verb {
	case opPing:
		w.send(func(b []byte) []byte { return append(b, "PONG\r\n"...) })
	case opPub:
		kind, own := strings.CutPrefix(o.subject, "olive.up."+w.worker+".")
		if !own || !word.MatchString(kind) {
			w.complain(fmt.Sprintf("Permissions Violation for Publish to %q", o.subject))
			return nil
		}
		w.server.dispatch(request{w.worker, kind, o.reply}, o.payload)
	case opSub:
		return w.listen(o.subject, o.sid)
	case opUnsub:
		w.forget(o.sid)
	}
	return nil
}

// listen subscribes the worker to what is for itself.
func (w *session) listen(subject, sid string) error {
	own := strings.HasPrefix(subject, "olive.down."+w.worker+".") || strings.HasPrefix(subject, "_INBOX."+w.worker+".")
	i, ok := newInterest(w, subject, sid)
	if !own || !ok {
		w.complain(fmt.Sprintf("Permissions Violation for Subscription to %q", subject))
		return nil
	}
	if len(w.interests) >= maxInterests {
		return errSubs
	}
	w.forget(sid)
	w.interests[sid] = i
	w.server.routes.add(i)
	return nil
}

func (w *session) forget(sid string) {
	if i := w.interests[sid]; i != nil {
		w.server.routes.remove(i)
		delete(w.interests, sid)
	}
}

func (w *session) complain(text string) {
	w.send(func(b []byte) []byte { return fmt.Appendf(b, "-ERR '%s'\r\n", text) })
}

// send has what f appends written, and does not wait for it.
func (w *session) send(f func(b []byte) []byte) {
	if w.put(f) {
		go w.write()
	}
}

// put appends what is to be written, and says whether the caller has to have it written. Whoever does not
// take what it is sent has gone.
func (w *session) put(f func(b []byte) []byte) (write bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return false
	}
	if w.out = f(w.out); len(w.out) > maxWaiting {
		w.cut()
		w.out, w.ended = nil, true
		return false
	}
	if w.writing {
		return false
	}
	w.writing = true
	w.writers.Add(1)
	return true
}

// write writes what waits, for a caller of put.
func (w *session) write() {
	defer w.writers.Done()
	for {
		w.mu.Lock()
		b := w.out
		w.out = nil
		w.writing = len(b) > 0
		w.mu.Unlock()
		if len(b) == 0 {
			return
		}
		_ = w.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := w.conn.Write(b); err != nil {
			w.cut()
			w.mu.Lock()
			w.out, w.ended = nil, true
			w.mu.Unlock()
		}
	}
}

// cut ends the connection at once; the session ends then.
func (w *session) cut() { _ = w.raw.Close() }

// end lets what waits go out and closes the connection.
func (w *session) end() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.writers.Wait()
	_ = w.raw.Close()
}
