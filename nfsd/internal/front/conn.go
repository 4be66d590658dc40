package front

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
	"olive-distributed/nfsd/wire"
)

const (
	readAhead = 16 << 10 // bytes that are read from a connection at once
	spare     = 1        // hands that wait to lead when there is nothing to do

	// moreHands is how many hands there are in all besides the first one of each connection; each may take a thread
	// when it waits for a disk. One identity gets a quarter of them.
	moreHands = 1024
)

// A conn is a connection. Its calls are served by hands: goroutines of which one at a time leads. The
// leader reads a call; a quick one it answers itself and reads on, with another it lets
// the next hand lead and then answers. So a call never waits for another goroutine to be
// woken, and slow ones run side by side, up to Limits.InFlight.
type conn struct {
	front   *Front
	nc      net.Conn
	who     *client
	session any
	memory  budget
	ctx     context.Context // ends when the connection is closed
	close   context.CancelFunc

	leading sync.Mutex // held by the leader, for the two fields below
	records rpc.Records
	reading *Call

	draining atomic.Bool // no more calls are read
	hands    atomic.Int32
	waiting  atomic.Int32 // hands that wait to lead
	group    sync.WaitGroup

	writing sync.Mutex
	held    []byte // replies of quick calls that are sent together, under leading
}

// heldMost is how many bytes of replies are held back while more calls are there already.
const heldMost = 16 << 10

func (f *Front) newConn(nc net.Conn, session any) *conn {
	c := &conn{front: f, nc: nc, session: session}
	ctx, cancel := context.WithCancel(context.Background())
	c.ctx = ctx
	c.close = func() {
		cancel()
		nc.Close()
	}
	c.records = rpc.Records{
		From: bufio.NewReaderSize(nc, readAhead), Most: RecordMax,
		Begin: c.deadline, Room: c.room,
	}
	return c
}

// serve returns when the connection is over and all its hands are gone.
func (c *conn) serve(ctx context.Context) {
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
	late := time.AfterFunc(c.front.limits.Drain, c.close)
	context.AfterFunc(c.ctx, func() { late.Stop() })
}

var past = time.Unix(1, 0)

// deadline bounds the wait for a record and the time that it takes to come. See [rpc.Records].
func (c *conn) deadline(marked bool, missing int) {
	if missing <= 0 {
		return
	}
	c.flush()
	wait := c.front.limits.Idle
	if marked {
		wait = c.front.limits.Record
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
		n = RecordMax
	}
	if n > SmallMax {
		c.flush()
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
	k := c.front.calls.Get().(*Call)
	k.conn, k.Session = c, c.session
	defer func() {
		if p := recover(); p != nil {
			c.front.log.Error("a call panicked; its connection is closed",
				"identity", c.who.identity, "call", fmt.Sprintf("%d.%d", k.Prog, k.Proc), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			c.close()
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
			break
		}
		if k.lead() {
			k.reset()
			continue
		}
		c.flush()
		if c.pass() {
			leading = false
			c.leading.Unlock()
			k.run(c.send)
			return c.waiting.Load() < spare
		}
		k.run(c.send)
		k.reset()
	}
	c.flush()
	return false
}

// end lets no further call be read; replies may still be on their way.
func (c *conn) end() { c.draining.Store(true) }

// read reads the next call into k; false: there is none any more.
func (c *conn) read(k *Call) bool {
	c.reading = k
	record, err := c.records.Next()
	c.reading = nil
	if err == nil {
		k.Call, err = rpc.Parse(record)
	}
	if err != nil {
		c.front.log.Debug("a connection ends", "identity", c.who.identity, "reason", err)
		return false
	}
	return true
}

// pass sees to it that another hand leads when this one stops to; false: there are too many hands, this one must go
// on leading.
func (c *conn) pass() bool {
	if c.waiting.Load() > 0 {
		return true
	}
	if int(c.hands.Load()) >= c.front.limits.InFlight || !c.who.hands.TryAcquire(1) {
		return false
	}
	if !c.front.hands.TryAcquire(1) {
		c.who.hands.Release(1)
		return false
	}
	c.hands.Add(1)
	c.group.Go(func() {
		defer c.front.hands.Release(1)
		defer c.who.hands.Release(1)
		c.hand()
	})
	return true
}

// hold sends a reply of the leader as soon as it would have to wait for the next call. So the answers to
// calls that came together go together.
func (c *conn) hold(reply []byte) {
	if len(reply) > SmallMax {
		c.flush()
		c.send(reply)
		return
	}
	c.held = append(c.held, reply...)
	if len(c.held) > heldMost-SmallMax {
		c.flush()
	}
}

// flush sends what is held back.
func (c *conn) flush() {
	if len(c.held) > 0 {
		c.send(c.held)
		c.held = c.held[:0]
	}
}

// send sends replies. A client that does not take it in time is cut off.
func (c *conn) send(reply []byte) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.nc.SetWriteDeadline(time.Now().Add(c.front.limits.Send))
	if err := wire.Write(c.nc, reply); err != nil {
		c.front.log.Debug("a reply was not taken", "identity", c.who.identity, "reason", err)
		c.close()
	}
}
