package nfsd

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"olive-distributed/nfsd/internal/rpc"
)

const (
	readAhead = 16 << 10 // bytes that are read from a connection at once
	spare     = 2        // hands that stay when there is nothing to do
)

// A conn is a connection. Its calls are served by hands: goroutines of which one at a time leads. The
// leader reads a call; a quick one it answers itself and reads on, with another it lets
// the next hand lead and then answers. So a call never waits for another goroutine to be
// woken, and slow ones run side by side, up to [Limits].InFlight.
type conn struct {
	server *Server
	nc     net.Conn
	who    *client
	view   View
	memory budget
	ctx    context.Context // ends when the connection is closed
	close  context.CancelFunc

	leading sync.Mutex // held by the leader, for the two fields below
	records rpc.Records
	reading *call

	draining atomic.Bool // no more calls are read
	hands    atomic.Int32
	waiting  atomic.Int32 // hands that wait to lead
	group    sync.WaitGroup

	writing sync.Mutex
}

func (s *Server) newConn(nc net.Conn) *conn {
	c := &conn{server: s, nc: nc}
	ctx, cancel := context.WithCancel(context.Background())
	c.ctx = ctx
	c.close = func() {
		cancel()
		nc.Close()
	}
	c.records = rpc.Records{
		From: bufio.NewReaderSize(nc, readAhead), Most: recordMax,
		Begin: c.deadline, Room: c.room,
	}
	return c
}

// serve returns when the connection is closed and all its hands are gone.
func (c *conn) serve(ctx context.Context) {
	defer c.close()
	stop := context.AfterFunc(ctx, c.drain)
	defer stop()
	c.hands.Store(1)
	c.hand()
	c.group.Wait()
}

// drain lets calls that run end, and no others begin.
func (c *conn) drain() {
	c.draining.Store(true)
	c.nc.SetReadDeadline(past)
	late := time.AfterFunc(c.server.conf.Limits.Drain, c.close)
	context.AfterFunc(c.ctx, func() { late.Stop() })
}

var past = time.Unix(1, 0)

// deadline bounds the wait for a record and the time that it takes to come. See [rpc.Records].
func (c *conn) deadline(marked bool, missing int) {
	if missing <= 0 {
		return
	}
	wait := c.server.conf.Limits.Idle
	if marked {
		wait = c.server.conf.Limits.Record
	}
	c.nc.SetReadDeadline(time.Now().Add(wait))
	if c.draining.Load() {
		c.nc.SetReadDeadline(past)
	}
}

// room is the buffer for the record that the leader reads. A record of several fragments moves on to the
// largest buffer at once: who holds counted memory never waits for more.
func (c *conn) room(have []byte, n int) ([]byte, error) {
	k := c.reading
	if k.record.b != nil && n <= len(*k.record.b) {
		return (*k.record.b)[:len(have)], nil
	}
	if have != nil {
		n = recordMax
	}
	bigger, err := c.memory.get(c.ctx, n)
	if err != nil {
		return nil, err
	}
	b := append((*bigger.b)[:0], have...)
	k.record.put()
	k.record = bigger
	return b, nil
}

// hand serves calls until the connection ends, or there are enough others.
func (c *conn) hand() {
	for c.turn() {
	}
	c.hands.Add(-1)
}

// turn leads once: it returns whether this hand is to go on.
func (c *conn) turn() (more bool) {
	c.waiting.Add(1)
	c.leading.Lock()
	c.waiting.Add(-1)
	leading := true
	k := c.server.calls.Get().(*call)
	k.conn = c
	defer func() {
		if p := recover(); p != nil {
			c.server.log.Error("nfsd: a call panicked; its connection is closed",
				"identity", c.who.identity, "call", k.name(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			c.end()
			more = false
		}
		k.free()
		if leading {
			c.leading.Unlock()
		}
	}()
	for !c.draining.Load() {
		if !c.read(k) {
			c.end()
			return false
		}
		if k.quick() {
			k.answer()
			k.reset()
			continue
		}
		c.pass()
		leading = false
		c.leading.Unlock()
		k.answerInTurn()
		return c.waiting.Load() < spare || c.draining.Load()
	}
	return false
}

// end lets no further call be read; replies may still be on their way.
func (c *conn) end() { c.draining.Store(true) }

// read reads the next call into k; false: there is none any more.
func (c *conn) read(k *call) bool {
	c.reading = k
	record, err := c.records.Next()
	c.reading = nil
	if err == nil {
		k.Call, err = rpc.Parse(record)
	}
	if err != nil {
		c.server.log.Debug("nfsd: a connection ends", "identity", c.who.identity, "reason", err)
		return false
	}
	k.size = len(k.Args.Rest())
	return true
}

// pass sees to it that another hand leads when this one stops to.
func (c *conn) pass() {
	if c.waiting.Load() > 0 || int(c.hands.Load()) >= c.server.conf.Limits.InFlight {
		return
	}
	c.hands.Add(1)
	c.group.Go(c.hand)
}

// send sends a reply. A client that does not take it in time is cut off.
func (c *conn) send(reply []byte) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.nc.SetWriteDeadline(time.Now().Add(c.server.conf.Limits.Send))
	if _, err := c.nc.Write(rpc.Seal(reply)); err != nil {
		c.server.log.Debug("nfsd: a reply was not taken", "identity", c.who.identity, "reason", err)
		c.close()
	}
}
