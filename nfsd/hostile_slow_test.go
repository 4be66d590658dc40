package nfsd_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"olive-distributed/nfsd"
)

// soon is a limit that a test waits out.
const soon = 200 * time.Millisecond

func TestAByteAtATime(t *testing.T) {
	s := newWorld(t).start(nfsd.Limits{}).site()
	for _, b := range record(call{xid: 9, proc: procGetattr, args: xdr{}.opaque(s.clip)}.message()) {
		if err := s.write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := s.receive(); err != nil || p.xid != 9 || p.body.status() != statOK {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestSlowClientsAreDropped(t *testing.T) {
	w := newWorld(t).start(nfsd.Limits{Record: soon, Idle: soon, Send: soon, Handshake: soon, PerIdentity: 100})
	farm := newAuthority(t)
	secure := w.listen(func(l net.Listener) net.Listener { return tls.NewListener(l, farm.server()) }, certified)
	half := record(call{xid: 9, proc: procWrite, args: make(xdr, 5000)}.message())[:2000]
	for name, test := range map[string]struct {
		addr string
		drip bool // the rest comes a byte at a time, always in time by itself
		sent []byte
	}{
		"silence from the start":               {addr: w.addr},
		"silence after a call":                 {addr: w.addr, sent: record(call{}.message())},
		"silence within a record mark":         {addr: w.addr, sent: half[:2]},
		"silence within a record":              {addr: w.addr, sent: half},
		"a record that drips":                  {addr: w.addr, sent: half[:100], drip: true},
		"fragments that drip":                  {addr: w.addr, sent: fragments(half, 4)[:80], drip: true},
		"silence instead of a handshake":       {addr: secure},
		"silence within a handshake":           {addr: secure, sent: []byte{0x16, 3, 1, 2, 0, 1}},
		"a handshake that drips":               {addr: secure, sent: []byte{0x16, 3, 1, 2, 0, 1}, drip: true},
		"a call in plain instead of handshake": {addr: secure, sent: record(call{}.message())},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialTo(t, test.addr)
			if err := c.write(test.sent); err != nil {
				t.Fatal(err)
			}
			if test.drip {
				go func() {
					for tick := time.NewTicker(soon / 20); c.write([]byte{0}) == nil; <-tick.C {
					}
				}()
			}
			c.closed(t)
		})
	}
	w.alive()
}

// TestAClientThatTakesNoReply asks for much, reads nothing, and must lose its connection; meanwhile others are served.
func TestAClientThatTakesNoReply(t *testing.T) {
	w := newWorld(t).start(nfsd.Limits{Send: soon, Memory: 8 << 20, PerIdentity: 100})
	s := w.site()
	lazy := dialTo(t, w.as("worker"))
	var asked atomic.Int64
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := lazy.send(call{proc: procRead, args: readArgs(s.clip, 0, 1<<20)}); err != nil {
				ended <- err
				return
			}
			asked.Add(1)
		}
	}()
	until(t, "the calls are sent", func() bool { return asked.Load() > 8 })
	for range 20 {
		s.alive()
	}
	if err := <-ended; isTimeout(err) {
		t.Error("the connection stays")
	}
	s.alive()
}

// TestAClientThatSipsItsReply takes some of a reply again and again, so that it is never quite idle.
func TestAClientThatSipsItsReply(t *testing.T) {
	w := newWorld(t).start(nfsd.Limits{Send: soon, PerIdentity: 100})
	s := w.site()
	lazy := dialTo(t, w.as("worker"))
	if err := lazy.conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := lazy.send(call{proc: procRead, args: readArgs(s.clip, 0, 1<<20)}); err != nil {
				ended <- err
				return
			}
		}
	}()
	sip := make([]byte, 16)
	for tick := time.NewTicker(soon / 20); ; {
		select {
		case err := <-ended:
			tick.Stop()
			if isTimeout(err) {
				t.Error("the connection stays")
			}
			s.alive()
			return
		case <-tick.C:
			_, _ = lazy.conn.Read(sip)
		}
	}
}

func TestAFloodOfConnections(t *testing.T) {
	w := newWorld(t)
	w.views["flooder"] = w.views["worker"]
	w.start(nfsd.Limits{Connections: 12, PerIdentity: 8})
	mine := w.site()
	for what, test := range map[string]struct {
		addr string
		most int
	}{
		"of one identity": {w.as("flooder"), 8}, "of the same as mine": {w.addr, 7},
	} {
		t.Run(what, func(t *testing.T) {
			var open []*client
			served := 0
			for range 60 {
				c := dialTo(t, test.addr)
				open = append(open, c)
				if _, err := c.do(call{}); err == nil {
					served++
				}
			}
			if served > test.most || served < 1 {
				t.Errorf("%d of 60 connections are served, want at most %d", served, test.most)
			}
			mine.alive()
			for _, c := range open {
				c.conn.Close()
			}
			until(t, "a new connection is served", func() bool {
				c := dialTo(t, test.addr)
				defer c.conn.Close()
				_, err := c.do(call{})
				return err == nil
			})
		})
	}
}

func TestAFloodOfManyIdentities(t *testing.T) {
	w := newWorld(t)
	names := []string{"one", "two", "three"}
	for _, name := range names {
		w.views[name] = w.views["worker"]
	}
	w.start(nfsd.Limits{Connections: 12, PerIdentity: 8})
	served := 0
	for _, name := range names {
		addr := w.as(name)
		for range 8 {
			if _, err := dialTo(t, addr).do(call{}); err == nil {
				served++
			}
		}
	}
	if served != 12 {
		t.Errorf("%d connections of three identities are served, want 12", served)
	}
}

func TestStalledHandshakesDoNotKeepOthersOut(t *testing.T) {
	farm := newAuthority(t)
	w := newWorld(t).start(nfsd.Limits{Handshakes: 4, Handshake: soon, PerIdentity: 100})
	addr := w.listen(func(l net.Listener) net.Listener { return tls.NewListener(l, farm.server()) }, certified)
	for range 20 {
		dialTo(t, addr)
	}
	conf := farm.client(farm.sign(farm.template("worker")))
	until(t, "a worker is let in", func() bool {
		_, err := newClient(tls.Client(dialTo(t, addr).conn, conf)).do(call{})
		return err == nil
	})
}

// TestNoDescriptorsLeft floods a server that may open few files: it must live through that, and serve again.
func TestNoDescriptorsLeft(t *testing.T) {
	c := newWorld(t).startChild(childConfig{Descriptors: 40, Limits: nfsd.Limits{PerIdentity: 500, Descriptors: 8}})
	s := c.site()
	s.alive()
	var flood []net.Conn
	for range 100 {
		conn, err := net.DialTimeout("tcp", c.addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		flood = append(flood, conn)
	}
	waiting := newClient(flood[99])
	for range 50 { // what it cannot open now it asks the client to try again; it does not lose a name
		_, err := s.lookup(s.media, "clip.mov")
		wantStatus(t, "LOOKUP", err, statOK, statJukebox)
		_, _, err = s.read(s.clip, 0, 10)
		wantStatus(t, "READ", err, statOK, statJukebox)
		h, err := s.create(s.parts, "part", unchecked)
		wantStatus(t, "CREATE", err, statOK, statJukebox)
		if err == nil {
			_, err = s.writeFile(h, 0, fileSync, []byte("part"))
			wantStatus(t, "WRITE", err, statOK, statJukebox)
		}
	}
	for _, conn := range flood[:99] {
		conn.Close()
	}
	if _, err := waiting.do(call{}); err != nil {
		t.Errorf("the connection that had to wait: %v", err)
	}
	s.alive()
	c.site().alive()
}

// A reset is a way to leave without a word.
type reset struct {
	name string
	sent func(s *site) []byte
	read int // bytes of replies that are waited for before
}

func resets() []reset {
	reads := func(s *site, n int) (b []byte) {
		for i := range n {
			b = append(b, record(call{xid: uint32(i), proc: procRead, args: readArgs(s.clip, 0, 1<<20)}.message())...)
		}
		return b
	}
	return []reset{
		{"in mid-reply", func(s *site) []byte { return reads(s, 2) }, 100_000},
		{"in mid-WRITE", func(s *site) []byte {
			h := must(s.lookup(s.parts, "part"))(s.t)
			return record(call{proc: procWrite, args: writeArgs(h, 0, unstable, make([]byte, 1<<20))}.message())[:300_000]
		}, 0},
		{"with 16 in flight", func(s *site) []byte { return reads(s, 16) }, 0},
		{"in a record mark", func(*site) []byte { return []byte{0x80, 0} }, 0},
		{"after a listing", func(s *site) []byte {
			return record(call{proc: procReaddirplus, args: xdr{}.opaque(s.parts).u64(0).u64(0).u32(1 << 20).u32(1 << 20)}.message())
		}, 4},
	}
}

// leave connects, sends, reads a little, and resets the connection.
func leave(addr string, sent []byte, read int) error {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return err
	}
	c := newClient(conn)
	if err := c.write(sent); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		return errors.Join(err, conn.Close())
	}
	for got, b := 0, make([]byte, 64<<10); got < read; {
		n, err := conn.Read(b)
		if err != nil {
			return errors.Join(fmt.Errorf("before the reset: %w", err), conn.Close())
		}
		got += n
	}
	return errors.Join(conn.(*net.TCPConn).SetLinger(0), conn.Close())
}

func TestNothingStaysOfConnectionsThatAreReset(t *testing.T) {
	c := newWorld(t).startChild(childConfig{Limits: nfsd.Limits{PerIdentity: 500}})
	s := c.site()
	s.newFile("part", []byte("part"))
	ways := resets()
	sent := make([][]byte, len(ways))
	for i, r := range ways {
		sent[i] = r.sent(s)
	}
	round := func(n int) {
		t.Helper()
		together(4, func(g int) {
			for i := range n / 4 {
				way := (i + g) % len(ways)
				if err := leave(c.addr, sent[way], ways[way].read); err != nil {
					t.Errorf("%s: %v", ways[way].name, err)
					return
				}
			}
		})
	}
	round(40) // what is kept for good, as open files, is there now
	var before stats
	until(t, "the first have gone", func() bool {
		before = c.stats()
		return before.Goroutines < 20
	})
	round(1000)
	until(t, "no goroutine and no descriptor of a thousand more is left", func() bool {
		now := c.stats()
		return now.Goroutines <= before.Goroutines && now.Descriptors <= before.Descriptors
	})
	if s := c.stats(); s.Peak > memoryLimit {
		t.Errorf("%d MB were used at most", s.Peak>>20)
	}
	s.alive()
}

// TestResetsUnderTheRaceDetector is a smaller one of these in this process.
func TestResetsUnderTheRaceDetector(t *testing.T) {
	w := newWorld(t).start(nfsd.Limits{PerIdentity: 500})
	s := w.site()
	s.newFile("part", []byte("part"))
	for _, r := range resets() {
		sent := r.sent(s)
		together(4, func(int) {
			for range 5 {
				if err := leave(w.addr, sent, r.read); err != nil {
					t.Errorf("%s: %v", r.name, err)
				}
			}
		})
	}
	s.alive()
}

// memoryLimit bounds the server's process under every flood.
const memoryLimit = 256 << 20

// TestMemoryUnderFloods keeps many connections of many identities busy in the most expensive ways, one after another.
func TestMemoryUnderFloods(t *testing.T) {
	w := newWorld(t)
	for i := range 1500 {
		w.put(fmt.Sprintf("parts/%s-%04d", strings.Repeat("long-", 40), i), nil)
	}
	c := w.startChild(childConfig{Identities: 64})
	s := c.site()
	read := record(call{proc: procRead, args: readArgs(s.clip, 0, 1<<20)}.message())
	list := record(call{proc: procReaddirplus, args: xdr{}.opaque(s.parts).u64(0).u64(0).u32(1 << 20).u32(1 << 20)}.message())
	lookup := record(call{proc: procLookup, args: xdr{}.opaque(s.media).str("clip.mov")}.message())
	write := record(call{proc: procWrite, args: writeArgs(s.newFile("part", nil), 0, unstable, make([]byte, 1<<20))}.message())
	remove := func(i int) []byte {
		return record(call{xid: uint32(i), proc: procRemove, args: xdr{}.opaque(s.parts).str(fmt.Sprintf("%s%08d", strings.Repeat("n", 240), i))}.message())
	}
	var removes []byte
	for i := range 3000 {
		removes = append(removes, remove(i)...)
	}
	for _, flood := range []struct {
		name string
		sent []byte
	}{
		{"records of 2^31-1 bytes", xdr{}.u32(1<<32 - 1).raw(make([]byte, 96)...)},
		{"fragments of nearly the largest record", bytes.Repeat(xdr{}.u32(4).raw(0, 0, 0, 0), 100_000)},
		{"READs whose replies nobody takes", bytes.Repeat(read, 20)},
		{"listings that nobody takes", bytes.Repeat(list, 20)},
		{"LOOKUPs whose replies nobody takes", bytes.Repeat(lookup, 1500)},
		{"calls of nothing, whose replies nobody takes", bytes.Repeat(record(call{}.message()), 20_000)},
		{"WRITEs that stop before the last byte", write[:len(write)-1]},
		{"WRITEs, one after another", bytes.Repeat(write, 2)},
		{"calls to remember", removes},
		{"nothing", nil},
	} {
		const connections, at = 500, 100 // nearly as many as are let in, and how many send at a time
		conns := make([]*client, connections)
		together(at, func(g int) {
			for i := g; i < connections; i += at {
				conn, err := net.DialTimeout("tcp", c.addr, patience)
				if err != nil {
					t.Error(err)
					return
				}
				conns[i] = newClient(conn)
				_ = conn.(*net.TCPConn).SetReadBuffer(4096)
				_ = conn.SetWriteDeadline(time.Now().Add(soon)) // the server need not take all
				_, _ = conn.Write(flood.sent)
			}
		})
		var now stats
		if now = c.stats(); now.Peak > memoryLimit {
			t.Errorf("%s: the process has %d MB, and had %d MB", flood.name, now.RSS>>20, now.Peak>>20)
		}
		t.Logf("%s: %d MB, at most %d MB; %d goroutines", flood.name, now.RSS>>20, now.Peak>>20, now.Goroutines)
		for _, c := range conns {
			if c != nil {
				c.conn.Close()
			}
		}
		until(t, "the flood has gone", func() bool { return c.stats().Goroutines < 30 })
	}
	s.alive()
	c.site().alive()
}

// TestMemoryUnderFloodsInTLS is the same with handshakes that stop, and with READs whose replies nobody takes.
func TestMemoryUnderFloodsInTLS(t *testing.T) {
	w := newWorld(t)
	secure := saveTLS(t, w.dir)
	c := w.startChild(childConfig{Secure: true, Identities: 64, Limits: nfsd.Limits{Handshake: time.Minute}})
	open := func() net.Conn {
		conn, err := net.DialTimeout("tcp", c.addr, patience)
		if err != nil {
			t.Error(err)
			runtime.Goexit()
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	reader := siteAt(t, newClient(tls.Client(open(), secure)))
	reads := bytes.Repeat(record(call{proc: procRead, args: readArgs(reader.clip, 0, 1<<20)}.message()), 20)
	together(20, func(int) {
		for range 10 {
			conn := open()
			_ = conn.SetDeadline(time.Now().Add(20 * soon))
			_, _ = tls.Client(conn, secure).Write(reads)
		}
	})
	for range 300 { // 64 handshakes at a time are begun, the others wait
		_, _ = open().Write([]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3})
	}
	reader.alive()
	if now := c.stats(); now.Peak > memoryLimit {
		t.Errorf("the process has %d MB, and had %d MB", now.RSS>>20, now.Peak>>20)
	} else {
		t.Logf("%d MB, at most %d MB; %d goroutines", now.RSS>>20, now.Peak>>20, now.Goroutines)
	}
}
