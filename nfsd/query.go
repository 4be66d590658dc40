package nfsd

import (
	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/internal/disk"
	"olive-distributed/nfsd/internal/handle"
	"olive-distributed/nfsd/internal/nfs3"
	"olive-distributed/nfsd/internal/xdr"
	"olive-distributed/nfsd/tree"
)

// nfsProcedures are those of NFS version 3 (RFC 1813 §3.3), by their number.
var nfsProcedures = [nfs3.Procs]procedure{
	{name: "null", run: (*call).null, quick: true},
	{name: "getattr", run: (*call).getAttr, fail: bare, quick: true},
	{name: "setattr", run: (*call).setAttr, fail: wcc, once: true},
	{name: "lookup", run: (*call).lookup, fail: postOp, quick: true},
	{name: "access", run: (*call).access, fail: postOp, quick: true},
	{name: "readlink", run: (*call).readLink, fail: postOp, quick: true},
	{name: "read", run: (*call).read, fail: postOp, quick: true},
	{name: "write", run: (*call).write, fail: wcc, quick: true},
	{name: "create", run: (*call).create, fail: wcc, once: true},
	{name: "mkdir", run: (*call).refuse, fail: wcc, quick: true},
	{name: "symlink", run: (*call).refuse, fail: wcc, quick: true},
	{name: "mknod", run: (*call).refuse, fail: wcc, quick: true},
	{name: "remove", run: (*call).remove, fail: wcc, once: true},
	{name: "rmdir", run: (*call).refuse, fail: wcc, quick: true},
	{name: "rename", run: (*call).rename, fail: wccTwo, once: true},
	{name: "link", run: (*call).refuse, fail: linkWCC, quick: true},
	{name: "readdir", run: (*call).readDir, fail: postOp},
	{name: "readdirplus", run: (*call).readDirPlus, fail: postOp},
	{name: "fsstat", run: (*call).fsStat, fail: postOp, quick: true},
	{name: "fsinfo", run: (*call).fsInfo, fail: postOp, quick: true},
	{name: "pathconf", run: (*call).pathConf, fail: postOp, quick: true},
	{name: "commit", run: (*call).commit, fail: wcc},
}

// refuse answers what nobody can do here: folders, links and devices are not made.
func (k *call) refuse() nfs3.Status {
	if _, s := k.object(); s != nfs3.OK {
		return s
	}
	return nfs3.NotSupp
}

func (k *call) getAttr() nfs3.Status {
	if _, s := k.object(); s != nfs3.OK {
		return s
	}
	k.Out = k.attr.Append(k.Out)
	return nfs3.OK
}

func (k *call) access() nfs3.Status {
	o, s := k.object()
	asked := k.Args.Uint32()
	if s == nfs3.OK && !k.Args.OK() {
		s = garbage
	}
	if s != nfs3.OK {
		return s
	}
	var may uint32
	switch {
	case o.dir != nil:
		may = nfs3.AccessRead | nfs3.AccessLookup
	case o.file != nil:
		may = nfs3.AccessRead
	case o.part != nil:
		may = nfs3.AccessRead | nfs3.AccessModify | nfs3.AccessExtend
	default:
		may = nfs3.AccessRead | nfs3.AccessLookup | nfs3.AccessModify | nfs3.AccessExtend | nfs3.AccessDelete
	}
	k.postOp()
	k.Out = xdr.Uint32(k.Out, asked&may)
	return nfs3.OK
}

// readLink has no link to read.
func (k *call) readLink() nfs3.Status {
	if _, s := k.object(); s != nfs3.OK {
		return s
	}
	return nfs3.Inval
}

// lookup finds a name in a folder.
func (k *call) lookup() nfs3.Status {
	o, s := k.object()
	name := k.Args.Opaque(len(k.Args.Rest()))
	switch {
	case s == nfs3.OK && !k.Args.OK():
		return garbage
	case s != nfs3.OK:
		return s
	case o.dir == nil && (o.folder == nil || o.part != nil):
		return nfs3.NotDir
	}
	dir, dirKnown := k.attr, k.hasAttr
	found := object{export: o.export, fd: -1}
	s = k.lookupName(&o, name, &found)
	attr := k.attr
	k.attr, k.hasAttr = dir, dirKnown
	if s != nfs3.OK {
		return s
	}
	k.Out = xdr.Opaque(k.Out, found.handle[:])
	k.Out = nfs3.AppendPostOp(k.Out, &attr)
	k.postOp()
	return nfs3.OK
}

// lookupName finds a name in the folder o: its handle, and its attributes as those of the call.
func (k *call) lookupName(o *object, name []byte, found *object) nfs3.Status {
	if s := nfs3.NameStatus(name); s != nfs3.OK {
		return s
	}
	if o.folder != nil {
		return k.lookupPart(o, string(name), found)
	}
	it := o.dir.Lookup(string(name))
	switch {
	case it == nil:
		return nfs3.NoEnt
	case it.Dir != nil:
		k.attr, found.handle = o.export.DirAttr(it.Dir), k.dirHandle(o.export, it.Dir)
		return nfs3.OK
	case it.Parts != nil:
		found.handle = k.folderHandle(o.export)
		if s := k.enterFolder(found); s != nfs3.OK {
			return s
		}
		return k.describe(found)
	}
	return k.lookupFile(it.File, found)
}

// lookupFile opens nothing: who looks through a large folder would only push out what others read.
func (k *call) lookupFile(f *tree.Item, found *object) nfs3.Status {
	if f.Path == "" {
		k.attr, found.handle = found.export.DataAttr(f), k.dataHandle(found.export, f)
		return nfs3.OK
	}
	h, st, err := k.fileHandle(found.export, f)
	if err != nil {
		return nfs3.StatusOf(err)
	}
	k.attr, found.handle = found.export.FileAttr(f, &st), h
	return nfs3.OK
}

func (k *call) lookupPart(o *object, name string, found *object) nfs3.Status {
	if !o.export.Parts().Allowed(name) {
		return nfs3.NoEnt
	}
	p, st, err := o.folder.Lookup(name)
	if err != nil {
		return nfs3.StatusOf(err)
	}
	k.attr, found.handle = o.export.PartAttr(&st), k.partHandle(o.export, p)
	return nfs3.OK
}

func (k *call) dirHandle(e *Export, d *tree.Dir) handle.Handle {
	if d == e.Root() {
		return k.server.mint.Make(handle.ID{Export: e.ID(), Kind: handle.Root})
	}
	return k.server.mint.Make(handle.ID{Export: e.ID(), Kind: handle.Dir, Object: d.Object})
}

func (k *call) folderHandle(e *Export) handle.Handle {
	return k.server.mint.Make(handle.ID{Export: e.ID(), Kind: handle.Folder})
}

func (k *call) dataHandle(e *Export, f *tree.Item) handle.Handle {
	return k.server.mint.Make(handle.ID{
		Export: e.ID(), Kind: handle.File, Object: f.Object, Generation: f.Generation & handle.GenerationMask,
	})
}

// fileHandle is the handle and description of what lies at f's path now, without opening it.
func (k *call) fileHandle(e *Export, f *tree.Item) (h handle.Handle, st unix.Stat_t, err error) {
	if st, err = disk.Stat(unix.AT_FDCWD, f.Path); err != nil {
		return h, st, err
	}
	if !disk.Regular(&st) || !f.Is(&st) {
		return h, st, unix.ESTALE
	}
	gen, err := disk.Generation(unix.AT_FDCWD, f.Path, &st)
	if err != nil {
		return h, st, err
	}
	return k.server.mint.Make(handle.ID{Export: e.ID(), Kind: handle.File, Generation: gen, Object: f.Object}), st, nil
}

// fsStat says how much room there is: in the folder to write to.
func (k *call) fsStat() nfs3.Status {
	o, s := k.object()
	if s != nfs3.OK {
		return s
	}
	var bytes, free, files, freeFiles uint64
	if p := o.export.Parts(); p != nil {
		if o.folder == nil {
			if s := k.enterFolder(&o); s != nfs3.OK {
				return s
			}
		}
		st, err := o.folder.Disk()
		if err != nil {
			return nfs3.StatusOf(err)
		}
		used, has := o.folder.Usage()
		bytes, free = st.Blocks*uint64(st.Bsize), st.Bavail*uint64(st.Bsize)
		if p.Quota > 0 {
			bytes, free = uint64(p.Quota), min(free, uint64(max(0, p.Quota-used)))
		}
		files = uint64(p.MostFiles())
		freeFiles = uint64(max(0, p.MostFiles()-has))
	}
	k.postOp()
	for _, v := range [...]uint64{bytes, free, free, files, freeFiles, freeFiles} {
		k.Out = xdr.Uint64(k.Out, v)
	}
	k.Out = xdr.Uint32(k.Out, 0) // it may change at any time
	return nfs3.OK
}

func (k *call) fsInfo() nfs3.Status {
	if _, s := k.object(); s != nfs3.OK {
		return s
	}
	k.postOp()
	for _, v := range [...]uint32{
		ioMax, ioMax, 4096, // READ: most, best, multiple of
		ioMax, ioMax, 4096, // WRITE
		listBest, // READDIR
	} {
		k.Out = xdr.Uint32(k.Out, v)
	}
	k.Out = xdr.Uint64(k.Out, fileMax)
	k.Out = xdr.Uint32(xdr.Uint32(k.Out, 0), 1) // times are kept to the nanosecond
	k.Out = xdr.Uint32(k.Out, nfs3.FSProperties)
	return nfs3.OK
}

func (k *call) pathConf() nfs3.Status {
	if _, s := k.object(); s != nfs3.OK {
		return s
	}
	k.postOp()
	k.Out = xdr.Uint32(xdr.Uint32(k.Out, 1), nfs3.NameMax)
	for _, v := range [...]bool{
		true,  // longer names are an error
		true,  // owners cannot be changed
		false, // case matters
		true,  // and is kept
	} {
		k.Out = xdr.Bool(k.Out, v)
	}
	return nfs3.OK
}
