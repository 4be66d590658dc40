// Package nfs3 holds the numbers and structures of NFS version 3 and its MOUNT protocol (RFC 1813). It does nothing
// with them but read and write them.
package nfs3

import (
	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/internal/xdr"
)

// The programs, and the only version of each.
const (
	Program      = 100003
	MountProgram = 100005
	Version      = 3
)

// Procs is the number of procedures of NFS (§3.3).
const Procs = 22

// HandleMax is the length of the longest handle that the protocol knows (§2.4), PathMax that of a path to mount (§5.1.1).
const (
	HandleMax = 64
	PathMax   = 1024
)

// The types of files (ftype3, §2.6).
const (
	Regular   = 1
	Directory = 2
)

// The rights of ACCESS (§3.3.4).
const (
	AccessRead   = 1
	AccessLookup = 2
	AccessModify = 4
	AccessExtend = 8
	AccessDelete = 16
)

// How a WRITE is to be kept (stable_how, §3.3.7).
const (
	Unstable = iota
	DataSync
	FileSync
)

// How a file is created (createmode3, §3.3.8).
const (
	Unchecked = iota
	Guarded
	Exclusive
)

// The properties of the file system (§3.3.19): all files alike, and times can be set.
const FSProperties = 0x8 | 0x10

// nobody is who owns everything: who a caller is on its own machine means nothing here.
const nobody = 65534

// AttrSize is the length of an [Attr] in a reply, without the word before it that says it follows.
const AttrSize = 84

// An Attr is fattr3 (§2.6).
type Attr struct {
	Type, Mode, Links   uint32
	Size, Used          uint64
	FSID, FileID        uint64
	Atime, Mtime, Ctime unix.Timespec
}

// Append writes the attributes.
func (a *Attr) Append(b []byte) []byte {
	for _, v := range [...]uint32{a.Type, a.Mode, a.Links, nobody, nobody} {
		b = xdr.Uint32(b, v)
	}
	for _, v := range [...]uint64{a.Size, a.Used, 0, a.FSID, a.FileID} {
		b = xdr.Uint64(b, v)
	}
	return appendTime(appendTime(appendTime(b, a.Atime), a.Mtime), a.Ctime)
}

func appendTime(b []byte, t unix.Timespec) []byte {
	return xdr.Uint32(xdr.Uint32(b, uint32(t.Sec)), uint32(t.Nsec))
}

// AppendPostOp writes post_op_attr: a, or that there are none when it is nil.
func AppendPostOp(b []byte, a *Attr) []byte {
	if a == nil {
		return xdr.Bool(b, false)
	}
	return a.Append(xdr.Bool(b, true))
}

// AppendWCC writes wcc_data: nothing about before, and a about after.
func AppendWCC(b []byte, a *Attr) []byte {
	return AppendPostOp(xdr.Bool(b, false), a)
}

// A SetAttr is sattr3 (§2.6): what is to be changed. The times are as utimensat takes them.
type SetAttr struct {
	HasSize bool
	Size    uint64
	HasTime bool
	Times   [2]unix.Timespec // of access, of modification
}

// ReadSetAttr reads sattr3. Mode and owner are read and forgotten: here they cannot be chosen.
func ReadSetAttr(r *xdr.Reader) SetAttr {
	for range 3 { // mode, uid, gid
		if r.Bool() {
			r.Uint32()
		}
	}
	var s SetAttr
	if s.HasSize = r.Bool(); s.HasSize {
		s.Size = r.Uint64()
	}
	for i := range s.Times {
		s.Times[i] = readSetTime(r)
		s.HasTime = s.HasTime || s.Times[i].Nsec != unix.UTIME_OMIT
	}
	return s
}

// readSetTime reads set_atime or set_mtime.
func readSetTime(r *xdr.Reader) unix.Timespec {
	switch r.Uint32() {
	case 0:
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	case 1:
		return unix.Timespec{Nsec: unix.UTIME_NOW}
	case 2:
		return ReadTime(r)
	}
	r.Fail()
	return unix.Timespec{}
}

// ReadTime reads nfstime3; more nanoseconds than a second has are not one.
func ReadTime(r *xdr.Reader) unix.Timespec {
	t := unix.Timespec{Sec: int64(r.Uint32()), Nsec: int64(r.Uint32())}
	if t.Nsec >= 1e9 {
		r.Fail()
	}
	return t
}
