package bus

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/time/rate"
)

// masterRole is the role of the master's own connection: it may do everything. No worker has this name.
const masterRole = "*"

// roles says who is behind which connection of nats-server, and thereby what it may do.
type roles struct {
	mu    sync.Mutex
	byID  map[uint64]string // client ID → worker
	here  map[string]*presence
	final context.Context // of all presences
	rate  int             // of requests, per second
}

// A presence is the time in which a worker has at least one connection.
type presence struct {
	ids  map[uint64]bool
	ctx  context.Context
	end  context.CancelFunc
	pace *rate.Limiter // of requests
}

func (r *roles) enter(id uint64, worker string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID[id] = worker
	p := r.here[worker]
	if p == nil {
		p = &presence{ids: map[uint64]bool{}, pace: rate.NewLimiter(rate.Limit(r.rate), r.rate)}
		p.ctx, p.end = context.WithCancel(r.final)
		r.here[worker] = p
	}
	p.ids[id] = true
}

func (r *roles) leave(id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	worker := r.byID[id]
	delete(r.byID, id)
	if p := r.here[worker]; p != nil {
		if delete(p.ids, id); len(p.ids) == 0 {
			p.end()
			delete(r.here, worker)
		}
	}
}

// presence returns a worker's presence, nil if it has none.
func (r *roles) presence(worker string) *presence {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.here[worker]
}

// Check is called by nats-server when a client has introduced itself. What it says about itself
// does not matter.
func (r *roles) Check(c server.ClientAuthentication) bool {
	r.mu.Lock()
	worker, ok := r.byID[c.GetID()]
	r.mu.Unlock()
	switch {
	case !ok:
		return false
	case worker == masterRole:
		c.RegisterUser(&server.User{Username: "master"})
	default:
		c.RegisterUser(&server.User{Username: worker, Permissions: rights(worker)})
	}
	return true
}

// rights of a worker: to speak as itself, and to hear what is for itself. There is nothing else on
// this server, neither JetStream nor a system account, and these rights would not reach them.
func rights(worker string) *server.Permissions {
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{"olive.up." + worker + ".*"}},
		Subscribe: &server.SubjectPermission{Allow: []string{"olive.down." + worker + ".>", "_INBOX." + worker + ".>"}},
	}
}

func (r *roles) ids(worker string) (ids []uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.here[worker]; p != nil {
		ids = slices.Collect(maps.Keys(p.ids))
	}
	return ids
}

// An admitted connection to nats-server acts in a role until it is closed.
type admitted struct {
	net.Conn
	first io.Reader // what was read already, and the rest
	leave func()
}

func (a *admitted) Read(b []byte) (int, error) { return a.first.Read(b) }

func (a *admitted) Close() error {
	a.leave()
	return a.Conn.Close()
}

// admit connects to nats-server in a role. The server's greeting tells the client ID that it has
// given to the connection; only then can the client say anything.
func (s *Server) admit(role string) (net.Conn, error) {
	c, err := s.nats.InProcessConn()
	if err != nil {
		return nil, fmt.Errorf("connect to the bus: %w", err)
	}
	id, first, err := greeting(c)
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("connect to the bus: %w", err)
	}
	s.roles.enter(id, role)
	return &admitted{Conn: c, first: first, leave: func() { s.roles.leave(id) }}, nil
}

func greeting(c net.Conn) (id uint64, first io.Reader, err error) {
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return 0, nil, err
	}
	r := bufio.NewReaderSize(c, 4096)
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, nil, fmt.Errorf("no greeting: %w", err)
	}
	var info struct {
		ID uint64 `json:"client_id"`
	}
	text, ok := bytes.CutPrefix(line, []byte("INFO "))
	if !ok || json.Unmarshal(text, &info) != nil || info.ID == 0 {
		return 0, nil, errors.New("the greeting is not one of nats-server")
	}
	rest, err := r.Peek(r.Buffered()) // begins behind the line
	if err != nil {
		return 0, nil, err
	}
	first = io.MultiReader(bytes.NewReader(append(bytes.Clone(line), rest...)), c)
	return info.ID, first, c.SetReadDeadline(time.Time{})
}
