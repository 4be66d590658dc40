package nfsd

import (
	"math"

	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/internal/disk"
	"olive-distributed/nfsd/internal/nfs3"
	"olive-distributed/nfsd/internal/rpc"
	"olive-distributed/nfsd/internal/xdr"
)

// Sizes in bytes.
const (
	fileMax  = math.MaxInt64
	ioMax    = 1 << 20  // of the data of one READ or WRITE
	listBest = 64 << 10 // of a listing

	// readHeader is the length of a reply to READ before its data (RFC 1813 §3.3.6).
	readHeader = rpc.ReplyHeader + 4 + 4 + nfs3.AttrSize + 4 + 4 + 4
)

// read answers with one piece of memory: header and data are sent in one go.
func (k *call) read() nfs3.Status {
	o, s := k.object()
	offset, count := k.Args.Uint64(), k.Args.Uint32()
	switch {
	case s == nfs3.OK && !k.Args.OK():
		return garbage
	case s != nfs3.OK:
		return s
	case o.file == nil && o.part == nil:
		return nfs3.IsDir
	case offset > fileMax:
		return nfs3.Inval
	}
	n := int(min(uint64(count), ioMax, k.attr.Size-min(offset, k.attr.Size)))
	if s := k.grow(readHeader + n + 3); s != nfs3.OK {
		return s
	}
	data := k.Out[:cap(k.Out)][readHeader : readHeader+n]
	if o.fd < 0 {
		copy(data, o.file.Data[min(offset, uint64(len(o.file.Data))):])
	} else if n, s = k.readAt(o.fd, data, int64(offset)); s != nfs3.OK {
		return s
	}
	k.postOp()
	k.Out = xdr.Uint32(k.Out, uint32(n))
	k.Out = xdr.Bool(k.Out, offset+uint64(n) >= k.attr.Size)
	k.Out = xdr.Uint32(k.Out, uint32(n))
	k.Out = xdr.Pad(k.Out[:readHeader+n], n)
	return nfs3.OK
}

// readAt fills b as far as the file goes. The leader does not wait for the disk.
func (k *call) readAt(fd int, b []byte, offset int64) (n int, s nfs3.Status) {
	if k.Leads {
		if n, err := disk.ReadCached(fd, b, offset); err != nil || n < len(b) {
			return 0, later
		}
		return len(b), nfs3.OK
	}
	for n < len(b) {
		m, err := unix.Pread(fd, b[n:], offset+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, nfs3.StatusOf(err)
		}
		if m == 0 {
			break
		}
		n += m
	}
	return n, nfs3.OK
}
