package tree

import (
	"strings"

	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/internal/nfs3"
)

// Is says whether st is of the file that the view means.
func (f *Item) Is(st *unix.Stat_t) bool {
	w := f.Was
	return w == nil || w.Size == st.Size && (w.Inode == 0 || w.Inode == st.Ino) && (w.Device == 0 || w.Device == st.Dev) &&
		w.Modified.Unix() == st.Mtim.Sec && int64(w.Modified.Nanosecond()) == st.Mtim.Nsec
}

func (e *Export) attr(kind, mode uint32, object uint64) nfs3.Attr {
	at := unix.NsecToTimespec(e.made.UnixNano())
	return nfs3.Attr{
		Type: kind, Mode: mode, Links: 1, FSID: uint64(e.id), FileID: object,
		Atime: at, Mtime: at, Ctime: at,
	}
}

// DirAttr describes a read-only folder.
func (e *Export) DirAttr(d *Dir) nfs3.Attr {
	a := e.attr(nfs3.Directory, 0o555, d.FileID())
	a.Links, a.Size = 2, 4096
	return a
}

// DataAttr describes a file that has its content in memory.
func (e *Export) DataAttr(f *Item) nfs3.Attr {
	a := e.attr(nfs3.Regular, 0o444, f.Object)
	a.Size, a.Used = uint64(len(f.Data)), uint64(len(f.Data))
	return a
}

// FileAttr describes a read-only file of the disk.
func (e *Export) FileAttr(f *Item, st *unix.Stat_t) nfs3.Attr {
	return withStat(e.attr(nfs3.Regular, 0o444, f.Object), st)
}

// PartAttr describes a file in the folder to write to.
func (e *Export) PartAttr(st *unix.Stat_t) nfs3.Attr {
	return withStat(e.attr(nfs3.Regular, 0o666, st.Ino), st)
}

// FolderAttr describes the folder to write to.
func (e *Export) FolderAttr(st *unix.Stat_t) nfs3.Attr {
	a := withStat(e.attr(nfs3.Directory, 0o777, PartsFileID), st)
	a.Links = 2
	return a
}

func withStat(a nfs3.Attr, st *unix.Stat_t) nfs3.Attr {
	a.Size, a.Used = uint64(st.Size), uint64(st.Blocks)*512
	a.Atime, a.Mtime, a.Ctime = st.Atim, st.Mtim, st.Ctim
	return a
}

// The numbers of the folders that every export has.
const (
	RootFileID  = 1<<63 - 1
	PartsFileID = 1<<63 - 2 // of the folder to write to
)

// FileID is the number of a read-only folder for clients.
func (d *Dir) FileID() uint64 {
	if d.Object == 0 {
		return RootFileID
	}
	return d.Object
}

// Allowed says whether a name in the folder exists for the identity.
func (p *Folder) Allowed(name string) bool {
	return p.Allow == nil || p.Allow(name) || silly(name)
}

// silly says whether name is one that clients give to a removed file that is still open there.
func silly(name string) bool {
	digits, ok := strings.CutPrefix(name, ".nfs")
	return ok && len(digits) > 0 && len(digits) <= 32 && strings.Trim(digits, "0123456789abcdefABCDEF") == ""
}
