package nfsd_test

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Numbers of RFC 5531 (RPC) and RFC 1813 (NFS version 3 and its mount protocol).
const (
	progPortmap = 100000
	progNFS     = 100003
	progMount   = 100005
	progNLM     = 100021

	procNull        = 0
	procGetattr     = 1
	procSetattr     = 2
	procLookup      = 3
	procAccess      = 4
	procReadlink    = 5
	procRead        = 6
	procWrite       = 7
	procCreate      = 8
	procMkdir       = 9
	procSymlink     = 10
	procMknod       = 11
	procRemove      = 12
	procRmdir       = 13
	procRename      = 14
	procLink        = 15
	procReaddir     = 16
	procReaddirplus = 17
	procFsstat      = 18
	procFsinfo      = 19
	procPathconf    = 20
	procCommit      = 21

	mountMnt    = 1
	mountDump   = 2
	mountUmnt   = 3
	mountExport = 5

	acceptOK           = 0
	acceptProgUnavail  = 1
	acceptProgMismatch = 2
	acceptProcUnavail  = 3
	acceptGarbage      = 4
	acceptSystem       = 5

	unstable = 0
	fileSync = 2

	unchecked = 0
	guarded   = 1
	exclusive = 2

	typeRegular = 1
	typeDir     = 2
)

// A status is an nfsstat3 or, for the small numbers that both have, a mountstat3.
type status uint32

const (
	statOK       status = 0
	statPerm     status = 1
	statNoEnt    status = 2
	statIO       status = 5
	statAcces    status = 13
	statExist    status = 17
	statNotDir   status = 20
	statIsDir    status = 21
	statInval    status = 22
	statFBig     status = 27
	statNoSpc    status = 28
	statROFS     status = 30
	statNameLong status = 63
	statNotEmpty status = 66
	statDQuot    status = 69
	statStale    status = 70
	statBadHnd   status = 10001
	statBadCook  status = 10003
	statNotSupp  status = 10004
	statTooSmall status = 10005
	statJukebox  status = 10008
)

func (s status) Error() string { return fmt.Sprintf("status %d", uint32(s)) }

var be = binary.BigEndian

// An xdr is a growing sequence of XDR items, RFC 4506.
type xdr []byte

func (x xdr) u32(v uint32) xdr    { return be.AppendUint32(x, v) }
func (x xdr) u64(v uint64) xdr    { return be.AppendUint64(x, v) }
func (x xdr) raw(b ...byte) xdr   { return append(x, b...) }
func (x xdr) str(s string) xdr    { return x.opaque([]byte(s)) }
func (x xdr) opaque(b []byte) xdr { return x.claim(uint32(len(b)), b) }

// claim appends an opaque whose length is a lie, unless it is the length of b.
func (x xdr) claim(n uint32, b []byte) xdr {
	x = append(x.u32(n), b...)
	return append(x, make([]byte, -len(b)&3)...)
}

// sattr appends an sattr3 with these two set, or neither when negative.
func (x xdr) sattr(mode int32, size int64) xdr {
	if mode >= 0 {
		x = x.u32(1).u32(uint32(mode))
	} else {
		x = x.u32(0)
	}
	x = x.u32(0).u32(0) // owner, group
	if size >= 0 {
		x = x.u32(1).u64(uint64(size))
	} else {
		x = x.u32(0)
	}
	return x.u32(0).u32(0) // times
}

// sized appends an sattr3 that sets this size, and nothing else.
func (x xdr) sized(size uint64) xdr {
	return x.u32(0).u32(0).u32(0).u32(1).u64(size).u32(0).u32(0)
}

// A reading reads XDR items one after another. After the first that is not there, all are zero and
// short is true.
type reading struct {
	b     []byte
	short bool
}

func (r *reading) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.short = nil, true
		return make([]byte, max(0, min(n, 256)))
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reading) u32() uint32 { return be.Uint32(r.take(4)) }
func (r *reading) u64() uint64 { return be.Uint64(r.take(8)) }

func (r *reading) opaque() []byte {
	n := int(r.u32())
	b := r.take(n)
	r.take(-n & 3)
	return b
}

func (r *reading) status() status { return status(r.u32()) }

// An attr is what the tests look at of a fattr3.
type attr struct {
	kind, mode, nlink, uid, gid uint32
	size, used, fsid, fileid    uint64
	mtime                       time.Time
}

func (r *reading) attr() attr {
	a := attr{kind: r.u32(), mode: r.u32(), nlink: r.u32(), uid: r.u32(), gid: r.u32(), size: r.u64(), used: r.u64()}
	r.u64() // rdev
	a.fsid, a.fileid = r.u64(), r.u64()
	r.u64() // atime
	a.mtime = time.Unix(int64(r.u32()), int64(r.u32()))
	r.u64() // ctime
	return a
}

// postAttr reads a post_op_attr; nil stands for none.
func (r *reading) postAttr() *attr {
	if r.u32() == 0 {
		return nil
	}
	a := r.attr()
	return &a
}

// wcc reads wcc_data and returns its second half.
func (r *reading) wcc() *attr {
	if r.u32() != 0 {
		r.take(24)
	}
	return r.postAttr()
}

// postHandle reads a post_op_fh3; nil stands for none.
func (r *reading) postHandle() []byte {
	if r.u32() == 0 {
		return nil
	}
	return r.opaque()
}
