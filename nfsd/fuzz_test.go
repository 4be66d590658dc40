package nfsd_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
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
	w := newWorld(f).start(nfsd.Limits{PerIdentity: 1000, Record: time.Second, Idle: 2 * time.Second})
	s := w.site()
	return &fuzzed{world: w, handles: [][]byte{s.root, s.media, s.clip, s.small, s.parts, s.newFile("part", []byte("part"))}}
}

// feed sends bytes on a connection of their own, and reads replies until the server has closed it. Each must be a
// whole reply of RPC.
//
// It returns how many, and ends as soon as the last call that it adds itself is answered and most are there. When a
// record of sent is so long that this call is a part of it, the server closes a silent connection.
func (z *fuzzed) feed(t *testing.T, sent []byte, most int) (replies int) {
	a, b := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- z.server.ServeConn(context.Background(), b, "worker") }()
	go func() {
		if _, err := a.Write(sent); err != nil {
			return
		}
		_, _ = a.Write(record(call{xid: 0xfeed}.message())) // the last, when the server has not closed before
	}()
	c := newClient(a)
	for last := false; !last || replies < most; {
		p, err := c.receive()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) {
			break
		}
		if err != nil {
			t.Fatalf("after % x: %v", sent, err)
		}
		replies++
		last = last || p.xid == 0xfeed
	}
	a.Close()
	<-served
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
	f.Fuzz(func(t *testing.T, sent []byte) { z.feed(t, sent, 0) })
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
		if got := z.feed(t, record(m), 2); got != 2 && len(m) < 1<<20 {
			t.Errorf("procedure %d with % x: %d replies, want one to it and one to the next", k.proc, k.args, got)
		}
	})
}
