// Package bus carries messages between the master and its workers over one mutually authenticated port.
//
// A [Server] takes TLS 1.3 connections; the protocol that a client names (ALPN) picks the service. The
// bus itself is a nats-server inside the process, which listens nowhere. Workers speak the client protocol of
// NATS with the gate, which knows them by their certificates, reads what they say within the bounds of
// their rights, and takes it to the server over one connection for all: so a worker costs one
// goroutine, and its messages come together with those of others. A worker can send requests and
// messages to the master, and hear the answers and the notices that are for itself; it can neither
// speak nor listen as anybody else. What breaks these rules is refused or dropped, and never
// reaches a handler.
//
// Messages may be lost when a connection is: a notice then never comes, and a request ends with
// [ErrInterrupted], after which nobody knows whether it was handled. Everything that must not be
// forgotten belongs into the journal (package journal), not here. A [Client] reconnects for ever.
package bus

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Protocol is the ALPN name of the bus.
const Protocol = "olive-bus"

// Config is how to make a server. TLS and Identify are required.
type Config struct {
	// TLS has the server's certificate, the CAs of clients (ClientCAs) and, for revocation,
	// VerifyConnection. Version, protocols and the demand for client certificates are set here.
	TLS *tls.Config
	// Identify returns the worker's name from its verified certificate.
	Identify func(tls.ConnectionState) (string, error)
	Services map[string]Service // other services of the port, by ALPN name
	Handlers []Handler
	Codes    []Code // of errors that handlers return
	Log      *slog.Logger
	Limits   Limits
}

// Limits bound what the port spends on clients. Zero fields mean their defaults.
type Limits struct {
	Connections int // in all: 12,000
	Handshakes  int // under way: 256
	PerWorker   int // connections of one worker: 16
	Sessions    int // of these, to the bus: 1, since a worker is one process
	Anonymous   int // connections without a certificate: 64
	Requests    int // of one worker under way: 32
	Rate        int // of one worker's requests that are answered, per second: 100; more wait
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Connections: cmp.Or(l.Connections, 12_000),
		Handshakes:  cmp.Or(l.Handshakes, 256),
		PerWorker:   cmp.Or(l.PerWorker, 16),
		Sessions:    cmp.Or(l.Sessions, 1),
		Anonymous:   cmp.Or(l.Anonymous, 64),
		Requests:    cmp.Or(l.Requests, 32),
		Rate:        cmp.Or(l.Rate, 100),
	}
}

// A Server is the master's end of the bus. Make it with [New]; it serves in-process clients at once,
// and others while [Server.Serve] runs.
type Server struct {
	cfg   Config
	tls   *tls.Config
	nats  *server.Server
	nc    *nats.Conn // of the master
	relay *nats.Conn // of all workers
	door  door
	crew  crew
	// delivered counts the messages that the relay has passed on to workers.
	delivered atomic.Uint64
	routes    routes
	watching  sync.WaitGroup

	ctx     context.Context // of requests
	cancel  context.CancelFunc
	mu      sync.Mutex
	closing bool
	pending map[string]int // requests under way by worker
	calls   sync.WaitGroup
}

// New starts a server.
func New(cfg Config) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Limits = cfg.Limits.withDefaults()
	s := &Server{cfg: cfg, pending: map[string]int{}}
	s.door.init(cfg.Limits)
	var err error
	if s.tls, err = s.tlsConfig(); err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.crew = crew{here: map[string]*presence{}, final: s.ctx, rate: cfg.Limits.Rate}
	s.routes.by = map[string][]*interest{}
	if s.nats, err = startNATS(cfg.Log); err != nil {
		s.cancel()
		return nil, err
	}
	s.watching.Go(func() { s.watch(s.ctx) })
	if err := s.listen(); err != nil {
		_ = s.Close(s.ctx)
		return nil, fmt.Errorf("start the bus: %w", err)
	}
	return s, nil
}

// listen connects the handlers, and the workers.
func (s *Server) listen() error {
	handlers := map[string]Handler{}
	for _, h := range s.cfg.Handlers {
		if !word.MatchString(h.kind) || handlers[h.kind].kind != "" {
			return fmt.Errorf("bad or double kind of message %q", h.kind)
		}
		handlers[h.kind] = h
	}
	var err error
	if s.nc, err = s.subscribe("master", func(m *nats.Msg) { s.dispatch(handlers, m) }, "olive.up.*.*"); err != nil {
		return err
	}
	s.relay, err = s.subscribe("gate", s.deliver, "olive.down.*.*", "_INBOX.>")
	return err
}

// dispatch gives a message to its handler. The subject names the sender truly, since the sender's
// rights allow no other; the reply subject does not.
func (s *Server) dispatch(handlers map[string]Handler, m *nats.Msg) {
	parts := strings.Split(m.Subject, ".")
	worker, kind := parts[2], parts[3]
	if m.Reply != "" && !strings.HasPrefix(m.Reply, "_INBOX."+worker+".") {
		s.cfg.Log.Warn("dropped a request that wants its answer to go to somebody else", "worker", worker, "kind", kind)
		return
	}
	h, known := handlers[kind]
	if !known {
		s.refuse(m, fmt.Errorf("%w %q", ErrNoHandler, kind))
		return
	}
	e, err := unseal(kind, m.Data)
	if err == nil && h.message != nil {
		err = h.message(worker, &e)
	}
	if err != nil {
		s.cfg.Log.Warn("bad message", "worker", worker, "kind", kind, "error", err)
		s.refuse(m, err)
		return
	}
	if h.request == nil {
		return
	}
	if err := s.begin(worker); err != nil {
		s.refuse(m, err)
		return
	}
	go s.answer(h, worker, m, &e)
}

// begin counts a request in, unless there are too many.
func (s *Server) begin(worker string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing:
		return ErrStopping
	case s.pending[worker] >= s.cfg.Limits.Requests:
		return ErrBusy
	}
	s.pending[worker]++
	s.calls.Add(1)
	return nil
}

func (s *Server) answer(h Handler, worker string, m *nats.Msg, e *envelope) {
	defer s.calls.Done()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.pending[worker]--; s.pending[worker] == 0 {
			delete(s.pending, worker)
		}
	}()
	p := s.crew.presence(worker)
	if p == nil || p.pace.Wait(p.ctx) != nil {
		return // it has gone
	}
	reply, err := h.request(p.ctx, worker, e)
	var data []byte
	if err == nil {
		data, err = seal(reply)
	}
	if err != nil {
		s.refuse(m, err)
		return
	}
	s.respond(m, data)
}

func (s *Server) refuse(m *nats.Msg, err error) { s.respond(m, sealError(s.cfg.Codes, err)) }

func (s *Server) respond(m *nats.Msg, data []byte) {
	if m.Reply == "" {
		return
	}
	if err := m.Respond(data); err != nil {
		s.cfg.Log.Debug("answer lost", "subject", m.Subject, "error", err)
	}
}

// Notify sends a notice to a worker. It does not wait: a worker that loses its connection now
// never gets it. Errors: [ErrAway].
func (s *Server) Notify(worker, kind string, message any) error {
	if !word.MatchString(worker) || !word.MatchString(kind) {
		return fmt.Errorf("notify %q of %q: %w", worker, kind, ErrBadMessage)
	}
	data, err := seal(message)
	if err != nil {
		return fmt.Errorf("notify %s of %s: %w", worker, kind, err)
	}
	if s.crew.presence(worker) == nil {
		return fmt.Errorf("notify %s of %s: %w", worker, kind, ErrAway)
	}
	if err := s.nc.Publish("olive.down."+worker+"."+kind, data); err != nil {
		return fmt.Errorf("notify %s of %s: %w", worker, kind, err)
	}
	return nil
}

// Close answers no more requests, waits for those under way until ctx ends, cancels what is left,
// and waits for it. All connections to the bus end. End [Server.Serve] afterwards.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.calls.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("close the bus: requests under way are cancelled: %w", context.Cause(ctx))
	}
	s.cancel()
	<-done
	s.watching.Wait()
	if s.nc != nil && s.relay != nil {
		s.flush()
	}
	s.crew.close()
	for _, nc := range []*nats.Conn{s.nc, s.relay} {
		if nc != nil {
			nc.Close()
		}
	}
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
	return err
}
