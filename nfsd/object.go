package nfsd

import (
	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/internal/disk"
	"olive-distributed/nfsd/internal/handle"
	"olive-distributed/nfsd/internal/nfs3"
	"olive-distributed/nfsd/internal/parts"
	"olive-distributed/nfsd/tree"
)

// An object is what a handle stands for, as far as the identity may see it now.
type object struct {
	handle handle.Handle
	id     handle.ID
	export *Export

	dir    *tree.Dir     // root and read-only folders
	file   *tree.Item    // read-only files
	folder *parts.Folder // the folder to write to, and its parts
	part   *parts.Part
	fd     int // of an open file; -1: there is none
}

// export is what the identity sees under that number.
func (k *call) export(id uint32) *Export {
	for _, e := range k.view.Exports() {
		if e.ID() == id {
			return e
		}
	}
	return nil
}

// object reads a handle from the arguments and finds what it stands for. Its attributes become those
// of the call. Files are open until the call ends.
func (k *call) object() (object, nfs3.Status) {
	raw := k.Args.Opaque(nfs3.HandleMax)
	if !k.Args.OK() {
		return object{}, garbage
	}
	h, id, ok := handle.Read(raw)
	if !ok {
		return object{}, nfs3.BadHandle
	}
	o := object{handle: h, id: id, fd: -1}
	k.release()
	if id.Kind == handle.File || id.Kind == handle.Part {
		k.opened = k.server.files.Get(disk.Key{Export: id.Export, Object: id.Object})
	}
	known := k.opened != nil && k.opened.Handle == h
	if !known && !k.server.mint.Genuine(&h) {
		return object{}, nfs3.BadHandle
	}
	if o.export = k.export(id.Export); o.export == nil {
		return object{}, nfs3.Stale
	}
	status := k.find(&o)
	if status == nfs3.OK {
		status = k.describe(&o)
	}
	return o, status
}

// find finds what a genuine handle of a visible export stands for.
func (k *call) find(o *object) nfs3.Status {
	switch o.id.Kind {
	case handle.Root:
		o.dir = o.export.Root()
	case handle.Dir:
		if o.dir = o.export.Dir(o.id.Object); o.dir == nil {
			return nfs3.Stale
		}
	case handle.File:
		if o.file = o.export.File(o.id.Object); o.file == nil {
			return nfs3.Stale
		}
		return k.findFile(o)
	case handle.Folder:
		return k.enterFolder(o)
	case handle.Part:
		if s := k.enterFolder(o); s != nfs3.OK {
			return s
		}
		return k.findPart(o)
	default:
		return nfs3.BadHandle
	}
	return nfs3.OK
}

// enterFolder makes o.folder the one that the export has to write to.
func (k *call) enterFolder(o *object) nfs3.Status {
	if o.export.Parts() == nil {
		return nfs3.Stale
	}
	if k.folders != nil {
		k.server.folders.Put(k.folders)
		k.folders = nil
	}
	f, err := k.server.folders.Get(o.export.Parts().Path, o.export.Parts().Quota, o.export.Parts().MostFiles())
	if err != nil {
		k.server.log.Error("nfsd: a folder to write to cannot be opened", "export", o.export.Name(), "reason", err)
		return missing(nfs3.StatusOf(err))
	}
	k.folders, o.folder = f, f.Folder
	return nfs3.OK
}

// missing is the status of a handle behind which there is nothing.
func missing(s nfs3.Status) nfs3.Status {
	if s == nfs3.NoEnt || s == nfs3.NotDir {
		return nfs3.Stale
	}
	return s
}

// findFile opens the read-only file that o is of, unless it is open already.
func (k *call) findFile(o *object) nfs3.Status {
	if o.file.Path == "" {
		if o.id.Generation != o.file.Generation&handle.GenerationMask {
			return nfs3.Stale
		}
		return nfs3.OK
	}
	h, s := k.openFile(o.export, o.file)
	if s != nfs3.OK {
		return missing(s)
	}
	if h != o.handle {
		return nfs3.Stale
	}
	o.fd = k.opened.FD
	return nfs3.OK
}

// openFile makes k.opened the open file that lies at f's path, and returns its handle.
func (k *call) openFile(e *Export, f *tree.Item) (handle.Handle, nfs3.Status) {
	key := disk.Key{Export: e.ID(), Object: f.Object}
	if k.opened == nil {
		k.opened = k.server.files.Get(key)
	}
	if k.opened != nil {
		if path, _ := k.opened.About.(string); path == f.Path {
			return k.opened.Handle, nfs3.OK
		}
		k.dropOpened()
	}
	var fd int
	var st unix.Stat_t
	err := k.server.files.Try(func() (err error) {
		fd, st, err = disk.OpenPath(f.Path)
		return err
	})
	if err != nil {
		return handle.Handle{}, nfs3.StatusOf(err)
	}
	gen, err := disk.Generation(fd, "", &st)
	if err != nil {
		unix.Close(fd)
		return handle.Handle{}, nfs3.StatusOf(err)
	}
	h := k.server.mint.Make(handle.ID{Export: e.ID(), Kind: handle.File, Generation: gen, Object: f.Object})
	k.opened = k.server.files.Add(&disk.Open{Key: key, Handle: h, FD: fd, About: f.Path})
	return h, nfs3.OK
}

// dropOpened ends the use of k.opened, which is not what it should be any more.
func (k *call) dropOpened() {
	k.server.files.Drop(k.opened.Key)
	k.server.files.Put(k.opened)
	k.opened = nil
}

// findPart finds the part that o is of and opens it.
func (k *call) findPart(o *object) nfs3.Status {
	p, err := o.folder.Find(o.id.Object, o.id.Generation)
	if err != nil {
		return missing(nfs3.StatusOf(err))
	}
	if name, ok := p.Name(); !ok || !o.export.Parts().Allowed(name) {
		return nfs3.Stale
	}
	o.part = p
	return k.openPart(o)
}

// openPart opens o.part, unless it is open already.
func (k *call) openPart(o *object) nfs3.Status {
	key := disk.Key{Export: o.export.ID(), Object: o.part.Inode}
	if k.opened == nil {
		k.opened = k.server.files.Get(key)
	}
	if k.opened != nil {
		if k.opened.About == any(o.part) {
			o.fd = k.opened.FD
			return nfs3.OK
		}
		k.dropOpened()
	}
	var fd int
	err := k.server.files.Try(func() (err error) {
		fd, err = o.folder.OpenPart(o.part)
		return err
	})
	if err != nil {
		return missing(nfs3.StatusOf(err))
	}
	h := k.partHandle(o.export, o.part)
	k.opened = k.server.files.Add(&disk.Open{Key: key, Handle: h, FD: fd, About: o.part})
	o.fd = k.opened.FD
	return nfs3.OK
}

func (k *call) partHandle(e *Export, p *parts.Part) handle.Handle {
	return k.server.mint.Make(handle.ID{Export: e.ID(), Kind: handle.Part, Generation: p.Generation, Object: p.Inode})
}

// describe makes the attributes of o those of the call.
func (k *call) describe(o *object) nfs3.Status {
	switch {
	case o.dir != nil:
		k.attr = o.export.DirAttr(o.dir)
	case o.fd < 0 && o.file != nil:
		k.attr = o.export.DataAttr(o.file)
	case o.fd < 0:
		st, err := o.folder.Stat()
		if err != nil {
			return nfs3.StatusOf(err)
		}
		k.attr = o.export.FolderAttr(&st)
	default:
		return k.describeOpen(o)
	}
	k.hasAttr = true
	return nfs3.OK
}

// describeOpen describes an open file, which may have been removed or changed since it was opened.
func (k *call) describeOpen(o *object) nfs3.Status {
	var st unix.Stat_t
	if err := unix.Fstat(o.fd, &st); err != nil {
		return nfs3.StatusOf(err)
	}
	if st.Nlink == 0 || o.file != nil && !o.file.Is(&st) {
		k.dropOpened()
		return nfs3.Stale
	}
	if o.file != nil {
		k.attr = o.export.FileAttr(o.file, &st)
	} else {
		k.attr = o.export.PartAttr(&st)
	}
	k.hasAttr = true
	return nfs3.OK
}
