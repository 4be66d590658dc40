// Package hard is an NFS client for tests that behaves as the kernel's does with a hard mount: when its
// connection ends it connects again and repeats every call that has no answer, until there is one.
//
// It speaks ONC RPC (RFC 5531) and NFS version 3 (RFC 1813) and knows only what tests need. A call fails only when its
// context ends, or with the server's [Status]; an answer that is none ends the connection.
package hard

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// A Client is connected as long as it can be. Make it with [New], and [Client.Close] it.
type Client struct {
	dial func(context.Context) (net.Conn, error)
	ctx  context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu       sync.Mutex
	conn     net.Conn
	xid      uint32
	pending  map[uint32]*call
	Connects int // connections until now; read it when no call runs
}

type call struct {
	record []byte
	answer chan []byte // has room for one
}

// New returns a client that connects with dial.
func New(dial func(context.Context) (net.Conn, error)) *Client {
	c := &Client{dial: dial, xid: 1 << 16, pending: map[uint32]*call{}}
	c.ctx, c.end = context.WithCancel(context.Background())
	c.work.Go(c.run)
	return c
}

// Close hangs up.
func (c *Client) Close() {
	c.end()
	c.mu.Lock()
	if c.conn != nil {
		_ = c.conn.Close()
	}
	c.mu.Unlock()
	c.work.Wait()
}

// Break cuts the connection, as when a cable is drawn.
func (c *Client) Break() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		_ = c.conn.Close()
	}
}

// run keeps a connection until the client is closed.
func (c *Client) run() {
	for c.ctx.Err() == nil {
		conn, err := c.dial(c.ctx)
		if err == nil {
			c.serve(conn)
		}
		timer := time.NewTimer(5 * time.Millisecond)
		select {
		case <-timer.C:
		case <-c.ctx.Done():
		}
		timer.Stop()
	}
}

// serve repeats what waits, and reads answers until the connection ends.
func (c *Client) serve(conn net.Conn) {
	defer conn.Close()
	c.mu.Lock()
	c.conn = conn
	c.Connects++
	var again []byte
	for _, p := range c.pending {
		again = append(again, p.record...)
	}
	c.mu.Unlock()
	if c.ctx.Err() != nil {
		return
	}
	var writing sync.WaitGroup
	writing.Go(func() { _, _ = conn.Write(again) })
	defer writing.Wait()
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 64<<10)
	for {
		record, err := readRecord(r)
		if err != nil || len(record) < 24 {
			break
		}
		xid := binary.BigEndian.Uint32(record)
		c.mu.Lock()
		p := c.pending[xid]
		delete(c.pending, xid)
		c.mu.Unlock()
		if p != nil {
			p.answer <- record
		}
	}
	c.mu.Lock()
	c.conn = nil
	c.mu.Unlock()
}

func readRecord(r io.Reader) ([]byte, error) {
	var all []byte
	for last := false; !last; {
		var mark [4]byte
		if _, err := io.ReadFull(r, mark[:]); err != nil {
			return nil, err
		}
		n := binary.BigEndian.Uint32(mark[:])
		last, n = n>>31 == 1, n&(1<<31-1)
		if int(n)+len(all) > 2<<20 {
			return nil, errors.New("the record is too long")
		}
		part := make([]byte, n)
		if _, err := io.ReadFull(r, part); err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
	return all, nil
}

// Call calls a procedure and returns what is behind the RPC header of the answer.
func (c *Client) Call(ctx context.Context, program, version, procedure uint32, args []byte) ([]byte, error) {
	c.mu.Lock()
	c.xid++
	xid := c.xid
	body := words(xid, 0, 2, program, version, procedure, 0, 0, 0, 0) // without credentials
	record := append(words(1<<31|uint32(len(body)+len(args))), append(body, args...)...)
	p := &call{record, make(chan []byte, 1)}
	c.pending[xid] = p
	conn := c.conn
	c.mu.Unlock()
	if conn != nil {
		_, _ = conn.Write(record) // else it is repeated
	}
	select {
	case answer := <-p.answer:
		if state := binary.BigEndian.Uint32(answer[8:]); state != 0 || binary.BigEndian.Uint32(answer[20:]) != 0 {
			return nil, fmt.Errorf("RPC: reply %d, status %d", state, binary.BigEndian.Uint32(answer[20:]))
		}
		return answer[24:], nil
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.pending, xid)
		c.mu.Unlock()
		return nil, context.Cause(ctx)
	}
}

func words(w ...uint32) []byte {
	var b []byte
	for _, n := range w {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// opaque appends bytes with their length.
func opaque(b, data []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	b = append(b, data...)
	return append(b, make([]byte, -len(data)&3)...)
}
