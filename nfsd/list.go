package nfsd

import (
	"olive-distributed/nfsd/internal/handle"
	"olive-distributed/nfsd/internal/nfs3"
	"olive-distributed/nfsd/internal/parts"
	"olive-distributed/nfsd/internal/xdr"
	"olive-distributed/nfsd/tree"
)

// partsAtOnce is how many parts a listing takes from the folder at a time.
const partsAtOnce = 256

// A listing is the reply to READDIR or READDIRPLUS while it is made.
type listing struct {
	k    *call
	o    *object
	plus bool

	start      int // of the results, their status included
	most       int // bytes of the results
	names      int // bytes of names and numbers so far
	mostNames  int
	count      int
	incomplete bool
}

// Bytes that the entries of a listing take besides their names.
const (
	nameSize = 8 + 4 + 8           // number, length of the name, cookie
	plusSize = 4 + nfs3.AttrSize   // post_op_attr
	handled  = 4 + 4 + handle.Size // post_op_fh3
	endSize  = 4 + 4               // no more entries, whether that is all
)

func (k *call) readDir() nfs3.Status     { return k.list(false) }
func (k *call) readDirPlus() nfs3.Status { return k.list(true) }

// list answers both procedures.
func (k *call) list(plus bool) nfs3.Status {
	o, s := k.object()
	cookie, verf := k.Args.Uint64(), k.Args.Uint64()
	most := k.Args.Uint32()
	names := most
	if plus {
		most = k.Args.Uint32()
	}
	switch {
	case s == nfs3.OK && !k.Args.OK():
		return garbage
	case s != nfs3.OK:
		return s
	case o.dir == nil && (o.folder == nil || o.part != nil):
		return nfs3.NotDir
	case cookie != 0 && verf != k.listVerifier(&o):
		return nfs3.BadCookie
	}
	l := &listing{
		k: k, o: &o, plus: plus, start: len(k.Out) - 4,
		most: int(min(most, ioMax)), mostNames: int(min(names, ioMax)),
	}
	if s := k.grow(l.start + l.most + 256); s != nfs3.OK {
		return s
	}
	k.postOp()
	k.Out = xdr.Uint64(k.Out, k.listVerifier(&o))
	if s := l.entries(cookie); s != nfs3.OK {
		return s
	}
	if l.count == 0 && l.incomplete || len(k.Out)-l.start+endSize > l.most {
		return nfs3.TooSmall
	}
	k.Out = xdr.Bool(xdr.Bool(k.Out, false), !l.incomplete)
	return nfs3.OK
}

// listVerifier is that of the cookies. Those of parts mean the same until the server restarts or forgets
// the folder.
func (k *call) listVerifier(o *object) uint64 {
	if o.dir != nil {
		return o.dir.Verifier
	}
	return o.folder.Verifier()
}

// entries appends the entries behind a cookie, as many as there is room for. "." and ".." have the
// cookies 1 and 2.
func (l *listing) entries(cookie uint64) nfs3.Status {
	self, up := uint64(tree.PartsFileID), uint64(tree.RootFileID)
	if l.o.dir != nil {
		self = l.o.dir.FileID()
	}
	if cookie < 1 && !l.add(self, ".", 1, nil, handle.Handle{}) {
		return nfs3.OK
	}
	if cookie < 2 && !l.add(up, "..", 2, nil, handle.Handle{}) {
		return nfs3.OK
	}
	if l.o.dir != nil {
		return l.fixed(cookie)
	}
	return l.parts(cookie)
}

// fixed appends the entries of a read-only folder: their cookies are their places.
func (l *listing) fixed(cookie uint64) nfs3.Status {
	all := l.o.dir.Entries
	for i := max(cookie, parts.FirstCookie-1) - (parts.FirstCookie - 1); i < uint64(len(all)); i++ {
		id, attr, h := l.fixedEntry(&all[i])
		if !l.add(id, all[i].Name, i+parts.FirstCookie, attr, h) {
			break
		}
	}
	return nfs3.OK
}

// fixedEntry describes an entry: without attributes and handle, if there is nothing behind it now.
func (l *listing) fixedEntry(it *tree.Entry) (id uint64, attr *nfs3.Attr, h handle.Handle) {
	k, e := l.k, l.o.export
	var a nfs3.Attr
	switch {
	case it.Parts != nil:
		return tree.PartsFileID, nil, h // a client asks for it by name
	case it.Dir != nil:
		a, h = e.DirAttr(it.Dir), k.dirHandle(e, it.Dir)
		return a.FileID, &a, h
	case !l.plus:
		return it.File.Object, nil, h
	case it.File.Path == "":
		a, h = e.DataAttr(it.File), k.dataHandle(e, it.File)
		return a.FileID, &a, h
	}
	h, st, err := k.fileHandle(e, it.File)
	if err != nil {
		return it.File.Object, nil, h
	}
	a = e.FileAttr(it.File, &st)
	return a.FileID, &a, h
}

// parts appends the files of the folder to write to.
func (l *listing) parts(cookie uint64) nfs3.Status {
	for {
		some, err := l.o.folder.List(cookie, partsAtOnce)
		if err != nil {
			return nfs3.StatusOf(err)
		}
		for _, p := range some {
			cookie = p.Cookie
			if !l.addPart(p) {
				return nfs3.OK
			}
		}
		if len(some) < partsAtOnce {
			return nfs3.OK
		}
	}
}

// addPart appends a part, if the identity may see it and it is still there.
func (l *listing) addPart(p *parts.Part) bool {
	name, ok := p.Name()
	if !ok || !l.o.export.Parts().Allowed(name) {
		return true
	}
	if !l.plus {
		return l.add(p.Inode, name, p.Cookie, nil, handle.Handle{})
	}
	var attr *nfs3.Attr
	var h handle.Handle
	if st, err := l.o.folder.StatPart(p); err == nil {
		a := l.o.export.PartAttr(&st)
		attr, h = &a, l.k.partHandle(l.o.export, p)
	}
	return l.add(p.Inode, name, p.Cookie, attr, h)
}

// add appends an entry; false: there is no room for it.
func (l *listing) add(id uint64, name string, cookie uint64, attr *nfs3.Attr, h handle.Handle) bool {
	k := l.k
	padded := (len(name) + 3) &^ 3
	size := 4 + nameSize + padded
	if l.plus {
		size += plusSize + handled
	}
	if len(k.Out)-l.start+size+endSize > l.most || l.plus && l.count > 0 && l.names+nameSize+padded > l.mostNames {
		l.incomplete = true
		return false
	}
	l.count++
	l.names += nameSize + padded
	k.Out = xdr.Uint64(xdr.Bool(k.Out, true), id)
	k.Out = xdr.Uint64(xdr.Opaque(k.Out, name), cookie)
	if !l.plus {
		return true
	}
	k.Out = nfs3.AppendPostOp(k.Out, attr)
	k.Out = xdr.Bool(k.Out, attr != nil)
	if attr != nil {
		k.Out = xdr.Opaque(k.Out, h[:])
	}
	return true
}
