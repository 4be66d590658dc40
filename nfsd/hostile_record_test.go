package nfsd_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"olive-distributed/nfsd"
)

// calls are right calls of every procedure of NFS, on a site's objects.
func (s *site) calls() []call {
	of := func(h []byte) xdr { return xdr{}.opaque(h) }
	name := func(h []byte, n string) xdr { return of(h).str(n) }
	return []call{
		{proc: procNull},
		{proc: procGetattr, args: of(s.clip)},
		{proc: procSetattr, args: of(s.parts).sattr(0o755, -1).u32(0)},
		{proc: procLookup, args: name(s.media, "clip.mov")},
		{proc: procAccess, args: of(s.root).u32(0x3f)},
		{proc: procReadlink, args: of(s.clip)},
		{proc: procRead, args: readArgs(s.clip, 0, 4096)},
		{proc: procWrite, args: writeArgs(s.clip, 0, unstable, []byte("data"))},
		{proc: procCreate, args: name(s.parts, "made").u32(unchecked).sattr(0o644, -1)},
		{proc: procMkdir, args: name(s.parts, "folder").sattr(0o755, -1)},
		{proc: procSymlink, args: name(s.parts, "symlink").sattr(-1, -1).str("/etc/passwd")},
		{proc: procMknod, args: name(s.parts, "fifo").u32(7).sattr(0o644, -1)},
		{proc: procRemove, args: name(s.parts, "none")},
		{proc: procRmdir, args: name(s.root, "none")},
		{proc: procRename, args: name(s.parts, "none").raw(name(s.parts, "other")...)},
		{proc: procLink, args: of(s.clip).raw(name(s.parts, "link")...)},
		{proc: procReaddir, args: of(s.parts).u64(0).u64(0).u32(4096)},
		{proc: procReaddirplus, args: of(s.media).u64(0).u64(0).u32(4096).u32(4096)},
		{proc: procFsstat, args: of(s.root)},
		{proc: procFsinfo, args: of(s.root)},
		{proc: procPathconf, args: of(s.root)},
		{proc: procCommit, args: of(s.clip).u64(0).u32(0)},
	}
}

func TestRightCallsAreAnswered(t *testing.T) { // what the hostile ones differ from
	w := newWorld(t).start(roomy)
	s := w.site()
	for _, k := range s.calls() {
		if p, err := s.do(k); err != nil || p.denied || p.accept != acceptOK {
			t.Errorf("procedure %d: %+v, %v", k.proc, p, err)
		}
	}
}

// outcome says what came of bytes that were sent: "closed", "denied N" or "accepted N", several when
// there were more.
func (c *client) outcome(t *testing.T, sent []byte) string {
	t.Helper()
	_ = c.write(sent) // the server may have closed already
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	var all []string
	for {
		p, err := c.receive()
		switch {
		case err != nil && isTimeout(err):
			t.Fatal("neither an answer nor an end")
		case err != nil:
			return strings.Join(append(all, "closed"), ", ")
		case p.denied:
			all = append(all, fmt.Sprintf("denied %d", p.accept))
		default:
			all = append(all, fmt.Sprintf("accepted %d", p.accept))
		}
	}
}

func TestRecords(t *testing.T) {
	shared := newWorld(t).start(roomy)
	null := call{xid: 7}.message()
	mark := func(n uint32) xdr { return xdr{}.u32(n) }
	const giant = 1<<31 - 1
	for name, test := range map[string]struct {
		sent []byte
		want string
	}{
		"a record of 2^31-1 bytes is not waited for":  {mark(giant | lastFragment).raw(null...), "closed"},
		"neither is a first fragment of 2^31-1 bytes": {mark(giant).raw(null...), "closed"},
		"nor a second": {mark(4).raw(null[:4]...).raw(mark(giant)...).raw(null...), "closed"},
		"a fragment just over the largest record":                     {mark(1<<20 + 64<<10).raw(make([]byte, 1000)...), "closed"},
		"endless fragments of one byte":                               {bytes.Repeat(mark(1).raw(0), 2<<20), "closed"},
		"a last fragment of nothing":                                  {mark(lastFragment), "closed"},
		"fragments that end in the middle":                            {mark(100).raw(null...), "closed"},
		"half a mark":                                                 {[]byte{0x80, 0}, "closed"},
		"no byte at all":                                              {nil, "closed"},
		"a call in one fragment":                                      {record(null), "accepted 0, closed"},
		"a call in many fragments":                                    {fragments(null, 4), "accepted 0, closed"},
		"a call in fragments of odd lengths":                          {fragments(null, 7), "accepted 0, closed"},
		"a call with a fragment of nothing in it":                     {mark(0).raw(record(null)...), "accepted 0, closed"},
		"two calls at once":                                           {append(record(null), record(null)...), "accepted 0, accepted 0, closed"},
		"a reply sent as a call":                                      {record(call{xid: 7, msgType: 1}.message()), "closed"},
		"a message of no type":                                        {record(call{xid: 7, msgType: 2}.message()), "closed"},
		"a call with bytes behind that nobody reads is answered once": {record(append(slices.Clone(null), make([]byte, 400)...)), "accepted 0, closed"},
		"HTTP":        {[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "closed"},
		"TLS":         {append([]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, make([]byte, 600)...), "closed"},
		"zeros":       {make([]byte, 1<<20), "closed"},
		"a lone 0xff": {bytes.Repeat([]byte{0xff}, 1<<16), "closed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := shared.in(t)
			if got := w.dial().outcome(t, test.sent); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			w.alive()
		})
	}
}

// TestEndlessFragments sends fragments that add up to nothing much: the server must have enough of them by itself.
func TestEndlessFragments(t *testing.T) {
	w := newWorld(t).start(nfsd.Limits{Record: time.Hour, Idle: time.Hour})
	for what, fragment := range map[string]xdr{"of nothing": xdr{}.u32(0), "of one byte": xdr{}.u32(1).raw(0)} {
		t.Run(what, func(t *testing.T) {
			c := w.in(t).dial()
			_ = c.write(bytes.Repeat(fragment, 100_000)) // until the server closes
			c.closed(t)
		})
	}
	w.alive()
}

// fragments cuts a message into fragments of n bytes.
func fragments(m []byte, n int) []byte {
	var out xdr
	for part := range slices.Chunk(m, n) {
		out = out.u32(uint32(len(part))).raw(part...)
	}
	return out.u32(lastFragment)
}

func TestRecordsTooShortForACall(t *testing.T) {
	w := newWorld(t).start(roomy)
	m := call{xid: 7, auth: xdr{}.u32(0).u32(0).u32(0).u32(0)}.message()
	if len(m) != 40 {
		t.Fatalf("the shortest call has %d bytes", len(m))
	}
	for n := range m {
		got := w.dial().outcome(t, record(m[:n]))
		if got != "closed" && got != "accepted 4, closed" {
			t.Errorf("a record of %d bytes: got %q", n, got)
		}
	}
	if got := w.dial().outcome(t, record(m)); got != "accepted 0, closed" {
		t.Errorf("the shortest call: got %q", got)
	}
}

// authSys is a credential that names a machine and the groups of root (RFC 5531, 14), and no verifier.
func authSys(machine string, groups []uint32) xdr {
	body := xdr{}.u32(0).str(machine).u32(0).u32(0).u32(uint32(len(groups)))
	for _, g := range groups {
		body = body.u32(g)
	}
	return xdr{}.u32(1).opaque(body).u32(0).u32(0)
}

func TestHeaders(t *testing.T) {
	shared := newWorld(t).start(roomy)
	for name, test := range map[string]struct {
		call call
		want reply
	}{
		"RPC version 1":                  {call{rpcVers: 1}, reply{denied: true, accept: 0, low: 2, high: 2}},
		"RPC version 3":                  {call{rpcVers: 3}, reply{denied: true, accept: 0, low: 2, high: 2}},
		"RPC version 2^32-1":             {call{rpcVers: 1<<32 - 1}, reply{denied: true, accept: 0, low: 2, high: 2}},
		"the port mapper":                {call{prog: progPortmap, vers: 2, proc: 3}, reply{accept: acceptProgUnavail}},
		"the lock manager":               {call{prog: progNLM, vers: 4, proc: 2}, reply{accept: acceptProgUnavail}},
		"the status monitor":             {call{prog: 100024, vers: 1}, reply{accept: acceptProgUnavail}},
		"ACLs":                           {call{prog: 100227, vers: 3, proc: 1}, reply{accept: acceptProgUnavail}},
		"quotas":                         {call{prog: 100011, vers: 1, proc: 1}, reply{accept: acceptProgUnavail}},
		"program 2^32-1":                 {call{prog: 1<<32 - 1}, reply{accept: acceptProgUnavail}},
		"NFS version 2":                  {call{vers: 2, proc: 1}, reply{accept: acceptProgMismatch, low: 3, high: 3}},
		"NFS version 4":                  {call{vers: 4, proc: 1}, reply{accept: acceptProgMismatch, low: 3, high: 3}},
		"NFS version 2^32-1":             {call{vers: 1<<32 - 1}, reply{accept: acceptProgMismatch, low: 3, high: 3}},
		"mount version 1":                {call{prog: progMount, vers: 1, proc: 1}, reply{accept: acceptProgMismatch, low: 3, high: 3}},
		"NFS procedure 22":               {call{proc: 22}, reply{accept: acceptProcUnavail}},
		"NFS procedure 2^32-1":           {call{proc: 1<<32 - 1}, reply{accept: acceptProcUnavail}},
		"mount procedure 6":              {call{prog: progMount, proc: 6}, reply{accept: acceptProcUnavail}},
		"NFS, nothing asked":             {call{}, reply{}},
		"mount, nothing asked":           {call{prog: progMount}, reply{}},
		"nobody's credential":            {call{auth: xdr{}.u32(0).u32(0).u32(0).u32(0)}, reply{}},
		"a credential of 400 bytes":      {call{auth: xdr{}.u32(1).opaque(make([]byte, 400)).u32(0).u32(0)}, reply{}},
		"a user with 16 groups":          {call{auth: authSys("client", make([]uint32, 16))}, reply{}},
		"a user with 1000 groups":        {call{auth: authSys("client", make([]uint32, 1000))}, reply{denied: true, accept: 1}},
		"a user of a machine of 1 MB":    {call{auth: authSys(strings.Repeat("c", 1<<20), nil)}, reply{denied: true, accept: 1}},
		"a user whose groups are a lie":  {call{auth: xdr{}.u32(1).opaque(xdr{}.u32(0).str("client").u32(0).u32(0).u32(1<<32 - 1)).u32(0).u32(0)}, reply{}},
		"a user who says nothing":        {call{auth: xdr{}.u32(1).opaque(nil).u32(0).u32(0)}, reply{}},
		"Kerberos":                       {call{auth: xdr{}.u32(6).opaque(make([]byte, 20)).u32(0).u32(0)}, reply{denied: true, accept: 1}},
		"a credential of no flavour":     {call{auth: xdr{}.u32(1<<32 - 1).u32(0).u32(0).u32(0)}, reply{denied: true, accept: 1}},
		"a verifier that nobody expects": {call{auth: xdr{}.u32(0).u32(0).u32(0).str("verify")}, reply{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := shared.in(t).site()
			got, err := s.do(test.call)
			if err != nil {
				t.Fatal(err)
			}
			if got.denied != test.want.denied || got.accept != test.want.accept || got.low != test.want.low || got.high != test.want.high {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			s.alive()
		})
	}
}

// TestLengths claims lengths of everything that has one, far over what is there.
func TestLengths(t *testing.T) {
	shared := newWorld(t).start(roomy)
	s := shared.site()
	claims := []uint32{1<<32 - 1, 1<<32 - 4, 1 << 31, 1<<31 - 1, 16 << 20, 1<<20 + 1, 70_000, 1025, 401}
	handle := slices.Clip(xdr{}.opaque(s.parts))
	file := must(s.create(s.parts, "lengths", unchecked))(t)
	for what, make := range map[string]func(n uint32) call{
		"credential":       func(n uint32) call { return call{auth: xdr{}.u32(1).claim(n, []byte("abcd")).u32(0).u32(0)} },
		"verifier":         func(n uint32) call { return call{auth: xdr{}.u32(0).u32(0).u32(0).claim(n, []byte("abcd"))} },
		"handle":           func(n uint32) call { return call{proc: procGetattr, args: xdr{}.claim(n, s.clip)} },
		"handle of READ":   func(n uint32) call { return call{proc: procRead, args: xdr{}.claim(n, s.clip).u64(0).u32(10)} },
		"handle of COMMIT": func(n uint32) call { return call{proc: procCommit, args: xdr{}.claim(n, file).u64(0).u32(0)} },
		"name of LOOKUP":   func(n uint32) call { return call{proc: procLookup, args: handle.claim(n, []byte("clip"))} },
		"name of CREATE": func(n uint32) call {
			return call{proc: procCreate, args: handle.claim(n, []byte("clip")).u32(0).sattr(-1, -1)}
		},
		"name of REMOVE": func(n uint32) call { return call{proc: procRemove, args: handle.claim(n, []byte("clip"))} },
		"second of RENAME": func(n uint32) call {
			return call{proc: procRename, args: handle.str("a").raw(handle.claim(n, []byte("b"))...)}
		},
		"path of SYMLINK": func(n uint32) call {
			return call{proc: procSymlink, args: handle.str("a").sattr(-1, -1).claim(n, []byte("b"))}
		},
		"path of MNT": func(n uint32) call {
			return call{prog: progMount, proc: mountMnt, args: xdr{}.claim(n, []byte("/job-1"))}
		},
		"path of LINK": func(n uint32) call {
			return call{proc: procLink, args: xdr{}.opaque(file).raw(handle.claim(n, []byte("b"))...)}
		},
		"data of WRITE": func(n uint32) call {
			return call{proc: procWrite, args: xdr{}.opaque(file).u64(0).u32(n).u32(0).claim(n, []byte("data"))}
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := shared.in(t)
			for _, n := range claims {
				c := w.dial()
				got := c.outcome(t, record(make(n).message()))
				c.conn.Close()
				if refusals := []string{"closed", "accepted 4, closed", "denied 1, closed"}; !slices.Contains(refusals, got) {
					if r := w.statusOf(make(n)); r == statOK {
						t.Errorf("length %d: got %q with status 0", n, got)
					}
				}
			}
			w.alive()
		})
	}
	if a := must(s.getattr(file))(t); a.size != 0 {
		t.Errorf("a refused WRITE has made the file %d bytes long", a.size)
	}
}

// statusOf sends a call on a connection of its own; a call that is refused before has statusless, no status.
func (w *world) statusOf(k call) status {
	w.t.Helper()
	c := w.dial()
	defer c.conn.Close()
	p, err := c.do(k)
	if err != nil || p.denied || p.accept != acceptOK {
		return statusless
	}
	return p.body.status()
}

const statusless status = 1<<32 - 1

func TestDataOfWriteAndItsCount(t *testing.T) {
	shared := newWorld(t).start(roomy)
	for name, test := range map[string]struct {
		count uint32
		data  string
	}{
		"count over the data": {8, "four"}, "count under the data": {2, "four"},
		"count without data": {1 << 20, ""}, "data without count": {0, "four"},
		"count of 2^32-1": {1<<32 - 1, "four"},
	} {
		t.Run(name, func(t *testing.T) {
			w := shared.in(t)
			s := w.site()
			h := must(s.create(s.parts, "mismatch", unchecked))(t)
			got := w.statusOf(call{proc: procWrite, args: xdr{}.opaque(h).u64(0).u32(test.count).u32(fileSync).str(test.data)})
			if got != statusless && got != statInval {
				t.Errorf("got status %d", got)
			}
			if a := must(s.getattr(h))(t); a.size != 0 {
				t.Errorf("the file has %d bytes now", a.size)
			}
		})
	}
}

// TestTruncatedArguments cuts the arguments of every procedure at every word: none may be taken for right ones.
func TestTruncatedArguments(t *testing.T) {
	w := newWorld(t).start(roomy)
	s := w.site()
	for _, k := range s.calls() {
		for n := 0; n < len(k.args); n += 2 {
			cut := k
			cut.args = k.args[:n]
			p, err := s.do(cut)
			switch {
			case err != nil: // closed
				s = w.site()
			case p.denied || p.accept == acceptGarbage:
			case p.accept != acceptOK:
				t.Errorf("procedure %d cut at %d of %d: accept_stat %d", k.proc, n, len(k.args), p.accept)
			default:
				if got := p.body.status(); got == statOK {
					t.Errorf("procedure %d cut at %d of %d is done all the same", k.proc, n, len(k.args))
				}
			}
		}
	}
	s.alive()
}

// TestBooleansAndUnions gives discriminants that no arm is for.
func TestBooleansAndUnions(t *testing.T) {
	shared := newWorld(t).start(roomy)
	s := shared.site()
	h := s.newFile("unions", []byte("unions"))
	const no = 77
	for name, k := range map[string]call{
		"CREATE of no kind":            {proc: procCreate, args: xdr{}.opaque(s.parts).str("union").u32(no).sattr(-1, -1)},
		"CREATE with no boolean":       {proc: procCreate, args: xdr{}.opaque(s.parts).str("union").u32(unchecked).u32(no).u32(0).u32(0).u32(0).u32(0).u32(0)},
		"WRITE of no stability":        {proc: procWrite, args: xdr{}.opaque(h).u64(0).u32(4).u32(no).str("XXXX")},
		"SETATTR with no boolean":      {proc: procSetattr, args: xdr{}.opaque(h).u32(no).u32(0).u32(0).u32(0).u32(0).u32(0).u32(0)},
		"SETATTR with no kind of time": {proc: procSetattr, args: xdr{}.opaque(h).u32(0).u32(0).u32(0).u32(0).u32(no).u32(0).u32(0)},
		"SETATTR with a guard of no boolean": {
			proc: procSetattr, args: xdr{}.opaque(h).sattr(-1, 0).u32(no),
		},
		"MKNOD of no kind": {proc: procMknod, args: xdr{}.opaque(s.parts).str("union").u32(no)},
	} {
		t.Run(name, func(t *testing.T) {
			w := shared.in(t)
			if got := w.statusOf(k); got == statOK {
				t.Error("it is done")
			}
			if got := w.content("parts/unions"); string(got) != "unions" {
				t.Errorf("the file holds %q now", got)
			}
			if _, err := s.lookup(s.parts, "union"); err != statNoEnt {
				t.Errorf("LOOKUP of what must not be made: %v", err)
			}
		})
	}
}
