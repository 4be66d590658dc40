package nfsd

import (
	"crypto/rand"
	"encoding/binary"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/internal/disk"
	"olive-distributed/nfsd/internal/nfs3"
	"olive-distributed/nfsd/internal/xdr"
)

// A verifier tells clients whether what they wrote without sync can have been lost (writeverf3).
type verifier struct{ atomic.Uint64 }

// change makes it another one.
func (v *verifier) change() {
	var b [8]byte
	for {
		rand.Read(b[:])
		if n := binary.BigEndian.Uint64(b[:]); n != v.Load() {
			v.Store(n)
			return
		}
	}
}

// part reads a handle that must be of a part.
func (k *call) part() (object, nfs3.Status) {
	o, s := k.object()
	switch {
	case s != nfs3.OK, o.part != nil:
		return o, s
	case o.file != nil:
		return o, nfs3.ROFS
	}
	return o, nfs3.IsDir
}

// write writes and, if the client asked for it, syncs. The verifier is taken before, so that a sync that fails
// meanwhile is noticed.
func (k *call) write() nfs3.Status {
	o, s := k.part()
	offset, count, how := k.Args.Uint64(), k.Args.Uint32(), k.Args.Uint32()
	data := k.Args.Opaque(len(k.Args.Rest()))
	switch {
	case s == garbage, s == nfs3.OK && (!k.Args.OK() || how > nfs3.FileSync):
		return garbage
	case s == nfs3.IsDir:
		return nfs3.Inval
	case s != nfs3.OK:
		return s
	case int(count) != len(data), len(data) > ioMax:
		return nfs3.Inval
	case offset > fileMax-uint64(count):
		return nfs3.FBig
	}
	if k.Leads && how != nfs3.Unstable {
		return later
	}
	verf := k.server.verifier.Load()
	n := 0
	if len(data) > 0 {
		if n, s = k.writeAt(&o, data, int64(offset)); s != nfs3.OK {
			return s
		}
	}
	if how != nfs3.Unstable {
		if s := k.sync(&o, how == nfs3.FileSync); s != nfs3.OK {
			return s
		}
	}
	if s := k.describe(&o); s != nfs3.OK {
		return s
	}
	k.wcc()
	k.Out = xdr.Uint32(xdr.Uint32(k.Out, uint32(n)), how)
	k.Out = xdr.Uint64(k.Out, verf)
	return nfs3.OK
}

// writeAt writes what fits into the quota and onto the disk. Something written is no error.
func (k *call) writeAt(o *object, data []byte, offset int64) (n int, s nfs3.Status) {
	if err := o.folder.BeginWrite(o.part, offset+int64(len(data))); err != nil {
		return 0, nfs3.StatusOf(err)
	}
	var err error
	for n < len(data) && err == nil {
		var m int
		m, err = unix.Pwrite(o.fd, data[n:], offset+int64(n))
		n += max(m, 0)
		if err == unix.EINTR {
			err = nil
		}
	}
	o.folder.EndWrite(o.part, o.fd, err)
	if n > 0 {
		return n, nfs3.OK
	}
	return 0, nfs3.StatusOf(err)
}

// sync brings a part to the disk. After an error nobody knows what is there: all that was not synced must be
// written again, in every part, as clients have one verifier for all.
func (k *call) sync(o *object, metadata bool) nfs3.Status {
	sync := unix.Fdatasync
	if metadata {
		sync = unix.Fsync
	}
	err := o.part.Sync(func() error {
		err := sync(o.fd)
		if err != nil {
			k.server.verifier.change()
		}
		return err
	})
	if err != nil {
		k.server.log.Error("nfsd: what a client wrote may be lost, it is told to write again: look after the disk",
			"identity", k.Identity(), "export", o.export.Name(), "reason", err)
	}
	return nfs3.StatusOf(err)
}

// commit syncs the whole file, whatever part of it was asked for.
func (k *call) commit() nfs3.Status {
	o, s := k.part()
	offset, count := k.Args.Uint64(), k.Args.Uint32()
	switch {
	case s == nfs3.OK && !k.Args.OK():
		return garbage
	case s == nfs3.IsDir:
		return nfs3.Inval
	case s != nfs3.OK:
		return s
	case offset > fileMax-uint64(count):
		return nfs3.Inval
	}
	if s := k.sync(&o, false); s != nfs3.OK {
		return s
	}
	verf := k.server.verifier.Load()
	k.wcc()
	k.Out = xdr.Uint64(k.Out, verf)
	return nfs3.OK
}

// setAttr changes size and times of a part. Times of the folder are left alone, and mode and owner everywhere.
func (k *call) setAttr() nfs3.Status {
	o, s := k.object()
	set := nfs3.ReadSetAttr(&k.Args)
	guarded := k.Args.Bool()
	var guard unix.Timespec
	if guarded {
		guard = nfs3.ReadTime(&k.Args)
	}
	switch {
	case s == nfs3.OK && !k.Args.OK():
		return garbage
	case s != nfs3.OK:
		return s
	case o.dir != nil, o.file != nil:
		return nfs3.ROFS
	case guarded && guard != k.attr.Ctime:
		return nfs3.NotSync
	case o.part == nil && set.HasSize:
		return nfs3.IsDir
	case o.part != nil:
		if s := k.set(&o, set); s != nfs3.OK {
			return s
		}
	}
	k.wcc()
	return nfs3.OK
}

// set changes a part, brings that to the disk, and describes it anew.
func (k *call) set(o *object, set nfs3.SetAttr) nfs3.Status {
	if set.HasSize {
		if set.Size > fileMax {
			return nfs3.FBig
		}
		if err := o.folder.Truncate(o.part, o.fd, int64(set.Size)); err != nil {
			return nfs3.StatusOf(err)
		}
	}
	if set.HasTime {
		if err := disk.SetTimes(o.fd, &set.Times); err != nil {
			return nfs3.StatusOf(err)
		}
	}
	if set.HasSize || set.HasTime {
		if s := k.sync(o, true); s != nfs3.OK {
			return s
		}
	}
	return k.describe(o)
}
