// Package bus carries messages between the master and its workers over one mutually authenticated port.
//
// A [Server] takes TLS 1.3 connections; the protocol that a client names (ALPN) picks the service.
// Workers speak the client protocol of NATS with the bus, which knows them by their certificates. A worker
// can send requests to the master, and hear the answers and the notices that are for itself; it can neither
// speak nor listen as anybody else. What breaks these rules is refused or dropped, and never
// reaches a handler.
//
// All that a worker may say is for the master, in this process: there is no nats-server between the two, which would
// only take each message over two more connections, from the bus to the bus.
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
	"time"
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

// A Server is the master's end of the bus. Make it with [New]; it serves while [Server.Serve] runs.
type Server struct {
	cfg      Config
	tls      *tls.Config
	handlers map[string]Handler // by kind
	door     door
	crew     crew
	routes   routes
	watching sync.WaitGroup

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
	s := &Server{cfg: cfg, handlers: map[string]Handler{}, pending: map[string]int{}}
	s.door.init(cfg.Limits)
	var err error
	if s.tls, err = s.tlsConfig(); err != nil {
		return nil, err
	}
	for _, h := range cfg.Handlers {
		if !word.MatchString(h.kind) || s.handlers[h.kind].kind != "" {
			return nil, fmt.Errorf("start the bus: bad or double kind of message %q", h.kind)
		}
		s.handlers[h.kind] = h
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.crew = crew{here: map[string]*presence{}, final: s.ctx, rate: cfg.Limits.Rate}
	s.routes.by = map[string][]*interest{}
	s.watching.Go(func() { s.watch(s.ctx) })
	return s, nil
}

// A request is what a worker wants.
type request struct {
	worker string
	kind   string
	reply  string // subject of the answer; "": none is wanted
}

// dispatch gives a request to its handler. The body is good until dispatch returns.
func (s *Server) dispatch(q request, body []byte) {
	if q.reply != "" && !strings.HasPrefix(q.reply, "_INBOX."+q.worker+".") {
		s.cfg.Log.Warn("dropped a request that wants its answer to go to somebody else", "worker", q.worker, "kind", q.kind)
		return
	}
	h, known := s.handlers[q.kind]
	if !known {
		s.refuse(q, fmt.Errorf("%w %q", ErrNoHandler, q.kind))
		return
	}
	e, err := unseal(q.kind, body)
	if err != nil {
		s.cfg.Log.Warn("bad message", "worker", q.worker, "kind", q.kind, "error", err)
		s.refuse(q, err)
		return
	}
	if err := s.begin(q.worker); err != nil {
		s.refuse(q, err)
		return
	}
	go s.answer(h, q, &e)
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

func (s *Server) answer(h Handler, q request, e *envelope) {
	defer s.calls.Done()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.pending[q.worker]--; s.pending[q.worker] == 0 {
			delete(s.pending, q.worker)
		}
	}()
	p := s.crew.presence(q.worker)
	if p == nil || p.pace.Wait(p.ctx) != nil {
		return // it has gone
	}
	reply, err := h.request(p.ctx, q.worker, e)
	var data []byte
	if err == nil {
		data, err = seal(reply, maxAnswer)
	}
	if err != nil {
		data = sealError(s.cfg.Codes, err)
	}
	if q.reply == "" {
		return
	}
	for _, w := range s.put(q.reply, data) {
		w.write()
	}
}

// refuse answers with an error, and does not wait.
func (s *Server) refuse(q request, err error) {
	if q.reply != "" {
		s.send(q.reply, sealError(s.cfg.Codes, err))
	}
}

// send has a message written to those whom it reaches, and does not wait.
func (s *Server) send(subject string, data []byte) {
	for _, w := range s.put(subject, data) {
		go w.write()
	}
}

// put leaves a message with those whom it reaches, and returns the sessions to which the caller has to have it
// written.
func (s *Server) put(subject string, data []byte) (idle []*session) {
	s.routes.each(subject, func(i *interest) {
		if i.session.put(func(b []byte) []byte { return appendMessage(b, subject, i.sid, data) }) {
			idle = append(idle, i.session)
		}
	})
	return idle
}

// Notify sends a notice to a worker. It does not wait: a worker that loses its connection now
// never gets it. Errors: [ErrAway].
func (s *Server) Notify(worker, kind string, message any) error {
	if !word.MatchString(worker) || !word.MatchString(kind) {
		return fmt.Errorf("notify %q of %q: %w", worker, kind, ErrBadMessage)
	}
	data, err := seal(message, maxAnswer)
	if err != nil {
		return fmt.Errorf("notify %s of %s: %w", worker, kind, err)
	}
	if s.crew.presence(worker) == nil {
		return fmt.Errorf("notify %s of %s: %w", worker, kind, ErrAway)
	}
	s.send("olive.down."+worker+"."+kind, data)
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
	select {
	case <-done:
	case <-time.After(time.Second): // somebody does not take his answer
	}
	s.watching.Wait()
	s.crew.close(time.Second)
	<-done
	return err
}
