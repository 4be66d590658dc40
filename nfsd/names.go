package nfsd

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/internal/disk"
	"olive-distributed/nfsd/internal/nfs3"
	"olive-distributed/nfsd/internal/parts"
	"olive-distributed/nfsd/internal/xdr"
)

// place reads diropargs3: a folder, and a name that may be changed in it.
func (k *call) place() (o object, name string, s nfs3.Status) {
	o, s = k.object()
	raw := k.Args.Opaque(len(k.Args.Rest()))
	switch {
	case s == nfs3.OK && !k.Args.OK():
		return o, "", garbage
	case s != nfs3.OK:
		return o, "", s
	case o.file != nil, o.part != nil:
		return o, "", nfs3.NotDir
	case o.dir != nil:
		return o, "", nfs3.ROFS
	}
	if s := nfs3.NameStatus(raw); s != nfs3.OK {
		return o, "", s
	}
	name = string(raw)
	if !o.export.Parts().Allowed(name) {
		return o, "", nfs3.Acces
	}
	return o, name, nfs3.OK
}

// again describes the folder after a change.
func (k *call) again(o *object) {
	k.hasAttr = false
	k.describe(o)
}

// create makes a file. One that is there is only ever changed if a size is asked for.
func (k *call) create() nfs3.Status {
	o, name, s := k.place()
	if s == garbage {
		return s
	}
	how, set, ok := readHow(&k.Args)
	switch {
	case s == nfs3.OK && !ok:
		return garbage
	case s != nfs3.OK:
		return s
	}
	p, made, err := o.folder.Create(name, how)
	if err != nil {
		k.again(&o)
		return nfs3.StatusOf(err)
	}
	file := object{export: o.export, folder: o.folder, part: p, fd: -1}
	if s = k.openPart(&file); s == nfs3.OK {
		s = k.set(&file, set)
	}
	if s != nfs3.OK {
		if made {
			o.folder.Remove(name)
			k.dropPart(&o, p)
		}
		k.again(&o)
		return s
	}
	h := k.partHandle(o.export, p)
	k.Out = xdr.Opaque(xdr.Bool(k.Out, true), h[:])
	k.postOp()
	k.again(&o)
	k.wcc()
	return nfs3.OK
}

// readHow reads createhow3. The mark of an exclusive create is kept in the seconds of the file's times, as
// they survive a restart; the topmost bits are lost, for file systems whose time ends in 2038.
func readHow(r *xdr.Reader) (how parts.How, set nfs3.SetAttr, ok bool) {
	switch r.Uint32() {
	case nfs3.Unchecked:
		set = nfs3.ReadSetAttr(r)
	case nfs3.Guarded:
		how.New = true
		set = nfs3.ReadSetAttr(r)
	case nfs3.Exclusive:
		how.New = true
		if v := r.Fixed(8); v != nil {
			how.Mark = &[2]unix.Timespec{
				{Sec: int64(binary.BigEndian.Uint32(v) & 0x7fffffff)},
				{Sec: int64(binary.BigEndian.Uint32(v[4:]) & 0x7fffffff)},
			}
		}
	default:
		return how, set, false
	}
	return how, set, r.OK()
}

// dropPart closes a part that was removed.
func (k *call) dropPart(o *object, p *parts.Part) {
	if p != nil {
		k.server.files.Drop(disk.Key{Export: o.export.ID(), Object: p.Inode})
	}
}

func (k *call) remove() nfs3.Status {
	o, name, s := k.place()
	if s != nfs3.OK {
		return s
	}
	p, err := o.folder.Remove(name)
	k.dropPart(&o, p)
	k.again(&o)
	if err != nil {
		return nfs3.StatusOf(err)
	}
	k.wcc()
	return nfs3.OK
}

// rename works within a folder: there is only one that can be written to.
func (k *call) rename() nfs3.Status {
	from, name, s := k.place()
	if s == garbage {
		return s
	}
	to, newName, s2 := k.place()
	switch {
	case s2 == garbage:
		return s2
	case s != nfs3.OK:
		return s
	case s2 != nfs3.OK:
		return s2
	case from.export.ID() != to.export.ID():
		return nfs3.XDev
	}
	displaced, err := to.folder.Rename(name, newName)
	k.dropPart(&to, displaced)
	k.again(&to)
	if err != nil {
		return nfs3.StatusOf(err)
	}
	k.wcc()
	k.wcc()
	return nfs3.OK
}
