package nfsd_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"time"
)

// patience bounds every wait for a server: long, since a loaded machine is no reason to fail.
const patience = time.Minute

const lastFragment = 1 << 31

// A call is one RPC call. Its zero fields are those of a right one.
type call struct {
	xid, msgType, rpcVers uint32 // rpcVers 0 stands for 2
	prog, vers, proc      uint32 // prog 0 stands for NFS, vers 0 for 3
	auth                  xdr    // credential and verifier as they go out; nil: AUTH_SYS of root
	args                  xdr
}

// rootAuth is an AUTH_SYS credential (RFC 5531, appendix A) of uid and gid 0 at host "x", with no verifier.
func rootAuth() xdr {
	cred := xdr{}.u32(0).str("x").u32(0).u32(0).u32(0)
	return xdr{}.u32(1).opaque(cred).u32(0).u32(0)
}

// message is the call without a record mark.
func (c call) message() xdr {
	or := func(v, zero uint32) uint32 {
		if v == 0 {
			return zero
		}
		return v
	}
	auth := c.auth
	if auth == nil {
		auth = rootAuth()
	}
	m := xdr{}.u32(c.xid).u32(c.msgType).u32(or(c.rpcVers, 2)).u32(or(c.prog, progNFS)).u32(or(c.vers, 3)).u32(c.proc)
	return m.raw(auth...).raw(c.args...)
}

// record puts messages' bytes into one record of one fragment.
func record(m []byte) []byte {
	return xdr{}.u32(uint32(len(m)) | lastFragment).raw(m...)
}

// A reply is an RPC reply of RFC 5531, section 9.
type reply struct {
	xid       uint32
	denied    bool
	accept    uint32 // accept_stat, or reject_stat when denied
	low, high uint32 // of a mismatch
	body      reading
}

// A client speaks RPC over one connection. Its methods are for one goroutine, except that one may
// send while another receives.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	xid  uint32
	buf  []byte // of the last reply: bodies are good until the next receive
}

// newClient begins with any number, as clients do: another that counts from the same one sends the same calls again.
func newClient(conn net.Conn) *client {
	return &client{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), xid: rand.Uint32()}
}

// write sends any bytes.
func (c *client) write(b []byte) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := c.conn.Write(b)
	return err
}

// send sends a call with an xid of its own, which it returns.
func (c *client) send(k call) (uint32, error) {
	c.xid++
	k.xid = c.xid
	return k.xid, c.write(record(k.message()))
}

// receive reads the next reply, to whichever call it may be.
func (c *client) receive() (reply, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return reply{}, err
	}
	c.buf = c.buf[:0]
	for last := false; !last; {
		var mark [4]byte
		if _, err := io.ReadFull(c.in, mark[:]); err != nil {
			return reply{}, err
		}
		last = mark[0]&0x80 != 0
		n, at := int(be.Uint32(mark[:])&^lastFragment), len(c.buf)
		if at+n > 64<<20 {
			return reply{}, fmt.Errorf("a reply of more than %d bytes", at+n)
		}
		if cap(c.buf) < at+n {
			c.buf = append(make([]byte, 0, at+n+4096), c.buf...)
		}
		c.buf = c.buf[:at+n]
		if _, err := io.ReadFull(c.in, c.buf[at:]); err != nil {
			return reply{}, err
		}
	}
	return parseReply(c.buf)
}

func parseReply(b []byte) (reply, error) {
	r := reading{b: b}
	p := reply{xid: r.u32()}
	if t := r.u32(); t != 1 {
		return p, fmt.Errorf("message type %d is not a reply", t)
	}
	p.denied = r.u32() == 1
	var mismatch bool
	if !p.denied {
		r.u32() // flavour of the verifier
		r.opaque()
	}
	p.accept = r.u32()
	if p.denied {
		mismatch = p.accept == 0
	} else {
		mismatch = p.accept == acceptProgMismatch
	}
	if mismatch {
		p.low, p.high = r.u32(), r.u32()
	}
	p.body = r
	if r.short {
		return p, fmt.Errorf("reply of %d bytes is too short: % x", len(b), b[:min(len(b), 64)])
	}
	return p, nil
}

// do sends a call and waits for its reply, which must be the next.
func (c *client) do(k call) (reply, error) {
	xid, err := c.send(k)
	if err != nil {
		return reply{}, err
	}
	p, err := c.receive()
	if err == nil && p.xid != xid {
		err = fmt.Errorf("reply to call %d, want to %d", p.xid, xid)
	}
	return p, err
}

// nfs calls a procedure of NFS and returns the results behind the status, which is the error when not OK.
func (c *client) nfs(proc uint32, args xdr) (*reading, error) {
	return c.results(call{proc: proc, args: args})
}

func (c *client) results(k call) (*reading, error) {
	p, err := c.do(k)
	if err != nil {
		return nil, err
	}
	if p.denied || p.accept != acceptOK {
		return nil, fmt.Errorf("procedure %d: denied %v, accept_stat %d", k.proc, p.denied, p.accept)
	}
	if s := p.body.status(); s != statOK {
		return &p.body, s
	}
	return &p.body, nil
}

// pipeline keeps up to window calls in flight: next gives them until it returns false, done gets
// each result, in the order of the replies, with the number of its call. An error of done ends it.
func (c *client) pipeline(window int, next func(i int) (call, bool), done func(i int, body *reading) error) error {
	first := c.xid + 1
	sent, got := 0, 0
	for more := true; ; {
		for more && sent-got < window {
			var k call
			if k, more = next(sent); !more {
				break
			}
			if _, err := c.send(k); err != nil {
				return err
			}
			sent++
		}
		if got == sent {
			return nil
		}
		p, err := c.receive()
		if err != nil {
			return err
		}
		if p.denied || p.accept != acceptOK || p.xid-first >= uint32(sent) {
			return fmt.Errorf("reply %+v among calls from %d on", p, first)
		}
		got++
		if err := done(int(p.xid-first), &p.body); err != nil {
			return err
		}
	}
}

// mount asks for an export's root.
func (c *client) mount(path string) ([]byte, error) {
	r, err := c.results(call{prog: progMount, proc: mountMnt, args: xdr{}.str(path)})
	if err != nil {
		return nil, fmt.Errorf("mount %q: %w", path, err)
	}
	return clone(r.opaque()), nil
}

func (c *client) lookup(dir []byte, name string) ([]byte, error) {
	r, err := c.nfs(procLookup, xdr{}.opaque(dir).str(name))
	if err != nil {
		return nil, err
	}
	return clone(r.opaque()), nil
}

// walk looks up name after name.
func (c *client) walk(dir []byte, names ...string) ([]byte, error) {
	for _, n := range names {
		var err error
		if dir, err = c.lookup(dir, n); err != nil {
			return nil, fmt.Errorf("lookup %q: %w", n, err)
		}
	}
	return dir, nil
}

func (c *client) getattr(h []byte) (attr, error) {
	r, err := c.nfs(procGetattr, xdr{}.opaque(h))
	if err != nil {
		return attr{}, err
	}
	return r.attr(), nil
}

// create makes a file with CREATE of that mode, 0644.
func (c *client) create(dir []byte, name string, how uint32) ([]byte, error) {
	x := xdr{}.opaque(dir).str(name).u32(how)
	if how == exclusive {
		x = x.u64(uint64(c.xid) << 20)
	} else {
		x = x.sattr(0o644, -1)
	}
	r, err := c.nfs(procCreate, x)
	if err != nil {
		return nil, err
	}
	if h := r.postHandle(); h != nil {
		return clone(h), nil
	}
	return c.lookup(dir, name)
}

// readArgs are the arguments of READ.
func readArgs(h []byte, off uint64, n uint32) xdr { return xdr{}.opaque(h).u64(off).u32(n) }

// read returns what one READ gives.
func (c *client) read(h []byte, off uint64, n uint32) (data []byte, eof bool, err error) {
	r, err := c.nfs(procRead, readArgs(h, off, n))
	if err != nil {
		return nil, false, err
	}
	return readResult(r)
}

func readResult(r *reading) (data []byte, eof bool, err error) {
	r.postAttr()
	count := r.u32()
	eof = r.u32() == 1
	data = r.opaque()
	if r.short || int(count) != len(data) || len(r.b) != 0 {
		return nil, false, fmt.Errorf("READ: count %d, %d bytes of data, short %v, %d behind", count, len(data), r.short, len(r.b))
	}
	return data, eof, nil
}

func writeArgs(h []byte, off uint64, how uint32, data []byte) xdr {
	return xdr{}.opaque(h).u64(off).u32(uint32(len(data))).u32(how).opaque(data)
}

// A written is the result of WRITE.
type written struct {
	count, how uint32
	verifier   uint64
}

func (c *client) writeFile(h []byte, off uint64, how uint32, data []byte) (written, error) {
	r, err := c.nfs(procWrite, writeArgs(h, off, how, data))
	if err != nil {
		return written{}, err
	}
	r.wcc()
	w := written{count: r.u32(), how: r.u32(), verifier: r.u64()}
	if r.short {
		return w, errors.New("WRITE: short result")
	}
	return w, nil
}

// commit returns the verifier.
func (c *client) commit(h []byte) (uint64, error) {
	r, err := c.nfs(procCommit, xdr{}.opaque(h).u64(0).u32(0))
	if err != nil {
		return 0, err
	}
	r.wcc()
	return r.u64(), nil
}

// An entry is one of a directory.
type entry struct {
	fileid, cookie uint64
	name           string
	attr           *attr
	handle         []byte
}

// A page is what one READDIRPLUS gives.
type page struct {
	entries  []entry
	verifier uint64
	eof      bool
	bytes    int // of the results
}

func (c *client) readdirplus(dir []byte, cookie, verifier uint64, dircount, maxcount uint32) (page, error) {
	r, err := c.nfs(procReaddirplus, xdr{}.opaque(dir).u64(cookie).u64(verifier).u32(dircount).u32(maxcount))
	if err != nil {
		return page{}, err
	}
	p := page{bytes: len(r.b) + 4}
	r.postAttr()
	p.verifier = r.u64()
	for r.u32() == 1 && !r.short {
		e := entry{fileid: r.u64(), name: string(r.opaque()), cookie: r.u64()}
		e.attr, e.handle = r.postAttr(), clone(r.postHandle())
		p.entries = append(p.entries, e)
	}
	p.eof = r.u32() == 1
	if r.short || len(r.b) != 0 {
		return p, fmt.Errorf("READDIRPLUS: short %v, %d bytes behind", r.short, len(r.b))
	}
	return p, nil
}

// readdir is readdirplus without attributes and handles.
func (c *client) readdir(dir []byte, cookie, verifier uint64, count uint32) (page, error) {
	r, err := c.nfs(procReaddir, xdr{}.opaque(dir).u64(cookie).u64(verifier).u32(count))
	if err != nil {
		return page{}, err
	}
	p := page{bytes: len(r.b) + 4}
	r.postAttr()
	p.verifier = r.u64()
	for r.u32() == 1 && !r.short {
		p.entries = append(p.entries, entry{fileid: r.u64(), name: string(r.opaque()), cookie: r.u64()})
	}
	p.eof = r.u32() == 1
	if r.short || len(r.b) != 0 {
		return p, fmt.Errorf("READDIR: short %v, %d bytes behind", r.short, len(r.b))
	}
	return p, nil
}

// list reads a whole directory, and returns the number of calls.
func (c *client) list(dir []byte, dircount, maxcount uint32) ([]entry, int, error) {
	var all []entry
	var p page
	for calls, cookie := 1, uint64(0); ; calls++ {
		var err error
		if p, err = c.readdirplus(dir, cookie, p.verifier, dircount, maxcount); err != nil {
			return nil, calls, err
		}
		all = append(all, p.entries...)
		if p.eof {
			return all, calls, nil
		}
		if len(p.entries) == 0 {
			return nil, calls, errors.New("a page with no entry that is not the last")
		}
		cookie = p.entries[len(p.entries)-1].cookie
	}
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
