package nfsd_test

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"olive-distributed/nfsd"
)

// A fuzzed is a server that takes any bytes.
type fuzzed struct {
	*world
	handles [][]byte
}

func newFuzzed(f *testing.F) *fuzzed {
	w := newWorld(f).start(nfsd.Limits{PerIdentity: 1000})
	s := w.site()
	return &fuzzed{world: w, handles: [][]byte{s.root, s.media, s.clip, s.small, s.parts, s.newFile("part", []byte("part"))}}
}

// A script is a connection on which all calls have come already, and the replies are kept.
type script struct {
	net.Conn // addresses and deadlines are nobody's business
	calls    *bytes.Reader

	mu      sync.Mutex
	replies bytes.Buffer
}

func (c *script) Read(p []byte) (int, error) { return c.calls.Read(p) }

func (c *script) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.replies.Write(p)
}

func (c *script) Close() error                     { return nil }
func (c *script) SetReadDeadline(time.Time) error  { return nil }
func (c *script) SetWriteDeadline(time.Time) error { return nil }

// feed sends bytes on a connection of their own, and behind them a call that is right. Each reply must be a whole one of
// RPC; it returns how many there are.
func (z *fuzzed) feed(t *testing.T, sent []byte) (replies int) {
	c := &script{calls: bytes.NewReader(append(bytes.Clone(sent), record(call{xid: 0xfeed}.message())...))}
	if err := z.server.ServeConn(context.Background(), c, "worker"); err != nil {
		t.Fatalf("after % x: %v", sent, err)
	}
	all := newClient(c)
	all.conn, all.in = c, bufio.NewReader(&c.replies)
	for ; all.in.Buffered() > 0 || c.replies.Len() > 0; replies++ {
		if _, err := all.receive(); err != nil {
			t.Fatalf("reply %d after % x: %v", replies, sent, err)
		}
	}
	if z.log.has("panic") {
		t.Fatalf("the server panicked:\n%s", z.log)
	}
	if got := z.in(t).content("outside/secret"); string(got) != secret {
		t.Fatalf("the secret is %q", got)
	}
	return replies
}

// FuzzBytes sends any bytes at all.
func FuzzBytes(f *testing.F) {
	z := newFuzzed(f)
	s := z.site()
	for _, k := range s.calls() {
		f.Add(record(k.message()))
	}
	f.Add(fragments(call{}.message(), 7))
	f.Add(record(call{prog: progMount, proc: mountMnt, args: xdr{}.str("/job-1")}.message()))
	f.Add(record(call{prog: progMount, proc: mountExport}.message()))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, sent []byte) { z.feed(t, sent) })
}

// FuzzArguments sends right records of right calls, with any bytes behind a handle that is good.
func FuzzArguments(f *testing.F) {
	z := newFuzzed(f)
	s := z.site()
	for _, k := range s.calls() {
		for i, h := range z.handles {
			if rest, ok := bytes.CutPrefix(k.args, xdr{}.opaque(h)); ok {
				f.Add(byte(k.proc), byte(i), []byte(rest))
			}
		}
	}
	f.Fuzz(func(t *testing.T, proc, object byte, rest []byte) {
		k := call{xid: 1, proc: uint32(proc) % 24, args: xdr{}.opaque(z.handles[int(object)%len(z.handles)]).raw(rest...)}
		if proc >= 128 {
			k.prog, k.args = progMount, rest
		}
		m := k.message()
		if got := z.feed(t, record(m)); got != 2 && len(m) < 1<<20 {
			t.Errorf("procedure %d with % x: %d replies, want one to it and one to the next", k.proc, k.args, got)
		}
	})
}
