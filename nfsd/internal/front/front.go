// Package front serves RPC calls over connections: it knows how many there may be, who they belong to, how much memory
// they take and what happens when they end, and nothing of what is called.
//
// A connection that breaks the protocol, stops in the middle of a record or does not take its replies is closed, and
// so is one whose call panics. When a connection is over, nothing of it is left: no goroutine,
// no memory.
package front

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// ErrLimit refuses a connection because there are too many, in all or of its identity.
var ErrLimit = errors.New("too many connections")

// Limits bound what clients can make the server do. All must be set.
type Limits struct {
	Connections, PerIdentity, Handshakes int
	InFlight                             int // calls of one connection
	Memory                               int // bytes of buffers

	Handshake, Record, Idle, Send, Drain time.Duration
}

// A Front serves connections for one program.
type Front struct {
	limits Limits
	log    *slog.Logger
	answer func(*Call) Verdict

	clients clients
	memory  *semaphore.Weighted // bytes of buffers
	hands   *semaphore.Weighted // besides the first one of each connection
	pools   [len(classes)]sync.Pool
	calls   sync.Pool
}

// New makes a front whose calls are answered by answer, which is called by several goroutines at a time.
func New(l Limits, log *slog.Logger, answer func(*Call) Verdict) *Front {
	l.Memory = max(l.Memory, 4*RecordMax)
	return &Front{
		limits: l, log: log, answer: answer,
		clients: clients{limits: l, known: map[string]*client{}},
		memory:  semaphore.NewWeighted(int64(l.Memory)),
		hands:   semaphore.NewWeighted(moreHands),
		calls:   sync.Pool{New: func() any { return &Call{} }},
	}
}

// ServeConn serves a connection of identity and returns when it is over; it closes c. Its calls carry
// session. The error is [ErrLimit]. When ctx ends, calls that run are still answered, for [Limits].Drain at most.
func (f *Front) ServeConn(ctx context.Context, c net.Conn, identity string, session any) error {
	defer c.Close()
	n := f.newConn(c, session)
	defer n.close()
	who, err := f.clients.enter(n, identity)
	if err != nil {
		return err
	}
	defer f.clients.leave(n, who)
	n.who = who
	n.memory = budget{all: f.memory, own: who.memory, pools: &f.pools}
	n.serve(ctx)
	return nil
}

// Disconnect closes the connections of an identity, without waiting for calls that run.
func (f *Front) Disconnect(identity string) {
	for _, c := range f.clients.conns(identity) {
		c.close()
	}
}
