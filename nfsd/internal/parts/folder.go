// Package parts is the folder that clients write to: a flat folder of regular files with a quota.
//
// A [Folder] knows its files by inode, so that a file is found again whatever it was renamed to. What others do
// in the folder (the server itself takes parts away) is seen when it matters: when a file is not where
// it was, when the quota is reached, when a listing begins. What they add counts from then on.
//
// A file's place in the quota is its size. It is taken before a write and settled after one that failed, so
// that writes at the same time never exceed the quota together. What makes, removes and renames is on the disk when it
// returns without an error.
package parts

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/internal/disk"
)

// recent is how long after its last change a folder's time of modification does not prove that
// nothing else has changed: the kernel's clock for files goes in steps.
const recent = 50 * time.Millisecond

// A Part is a file of the folder.
type Part struct {
	Inode      uint64
	Generation uint32
	Cookie     uint64 // its place in listings

	name atomic.Pointer[string] // nil: it is gone
	size int64                  // its place in the quota, under Folder.mu

	change sync.RWMutex // writes hold it to read, a change of the size to write
	syncs  sync.Mutex
}

// Name is the name of the file now; ok is false when it is gone.
func (p *Part) Name() (name string, ok bool) {
	if n := p.name.Load(); n != nil {
		return *n, true
	}
	return "", false
}

// Sync runs one sync of the file at a time, so that each one's error is known before the next one ends.
func (p *Part) Sync(sync func() error) error {
	p.syncs.Lock()
	defer p.syncs.Unlock()
	return sync()
}

// A Folder is open until [Folder.Close]. It is safe for concurrent use.
type Folder struct {
	path     string
	dir      int // descriptor
	verifier uint64

	names sync.Mutex // held by what changes names, on the disk and in the index

	mu      sync.Mutex // holds the fields below; no file is touched while it is held
	quota   int64      // bytes, 0: none
	most    int        // files
	used    int64
	byName  map[string]*Part
	byInode map[uint64]*Part
	order   []*Part // by cookie; those that are gone are taken out now and then
	cookie  uint64  // the last one given
	seen    unix.Timespec
}

// FirstCookie is the smallest cookie of a part: those below are free for "." and "..".
const FirstCookie = 3

// Open opens the folder at an absolute path and looks at all that is in it.
func Open(path string) (*Folder, error) {
	dir, err := disk.OpenDir(path)
	if err != nil {
		return nil, err
	}
	f := &Folder{
		path: path, dir: dir, verifier: rand.Uint64(), cookie: FirstCookie - 1,
		byName: map[string]*Part{}, byInode: map[uint64]*Part{},
	}
	f.names.Lock()
	defer f.names.Unlock()
	if err := f.scan(); err != nil {
		unix.Close(dir)
		return nil, err
	}
	return f, nil
}

// Close closes the folder's descriptor.
func (f *Folder) Close() error { return unix.Close(f.dir) }

// Limit sets the quota in bytes (0: none) and the number of files from which on none is made.
func (f *Folder) Limit(quota int64, files int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.quota, f.most = quota, files
}

// Usage is how much the files take of the quota, and how many there are.
func (f *Folder) Usage() (used int64, files int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.used, len(f.byInode)
}

// Stat describes the folder itself. After it was removed from the disk it is an error, [unix.ESTALE].
func (f *Folder) Stat() (st unix.Stat_t, err error) {
	if err = unix.Fstat(f.dir, &st); err == nil && st.Nlink == 0 {
		err = unix.ESTALE
	}
	return st, err
}

// StatPart describes a file; [unix.ESTALE] when it is not where it was.
func (f *Folder) StatPart(p *Part) (unix.Stat_t, error) {
	name, ok := p.Name()
	if !ok {
		return unix.Stat_t{}, unix.ESTALE
	}
	st, err := disk.Stat(f.dir, name)
	if err == nil && (st.Ino != p.Inode || !disk.Regular(&st)) {
		err = unix.ESTALE
	}
	return st, err
}

// Verifier tells the cookies of this Folder from those of one that was opened before.
func (f *Folder) Verifier() uint64 { return f.verifier }

// Disk describes the file system that the folder lies on.
func (f *Folder) Disk() (st unix.Statfs_t, err error) {
	err = unix.Fstatfs(f.dir, &st)
	return st, err
}

// Lookup finds a file by its name. What is not a regular file does not exist: [unix.ENOENT].
func (f *Folder) Lookup(name string) (*Part, unix.Stat_t, error) {
	st, err := f.stat(name)
	if err != nil {
		return nil, st, err
	}
	f.mu.Lock()
	p := f.byName[name]
	f.mu.Unlock()
	if p != nil && p.Inode == st.Ino {
		return p, st, nil
	}
	f.names.Lock()
	defer f.names.Unlock()
	return f.look(name)
}

func (f *Folder) stat(name string) (unix.Stat_t, error) {
	st, err := disk.Stat(f.dir, name)
	if err == nil && !disk.Regular(&st) {
		err = unix.ENOENT
	}
	if err != nil {
		return st, fmt.Errorf("look up %s in %s: %w", name, f.path, err)
	}
	return st, nil
}

// look notes what lies on the disk under a name. The caller holds names.
func (f *Folder) look(name string) (*Part, unix.Stat_t, error) {
	st, err := f.stat(name)
	if err != nil {
		f.forget(name)
		return nil, st, err
	}
	gen, err := disk.Generation(f.dir, name, &st)
	if err != nil {
		return nil, st, err
	}
	return f.note(name, &st, gen), st, nil
}

// note is the part for a file that lies under name on the disk.
func (f *Folder) note(name string, st *unix.Stat_t, gen uint32) *Part {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.byInode[st.Ino]
	if p != nil && p.Generation != gen {
		f.gone(p)
		p = nil
	}
	if other := f.byName[name]; other != nil && other != p {
		f.gone(other)
	}
	if p == nil {
		f.cookie++
		p = &Part{Inode: st.Ino, Generation: gen, Cookie: f.cookie, size: st.Size}
		f.used += p.size
		f.byInode[p.Inode] = p
		f.order = append(f.order, p)
	} else if was, ok := p.Name(); ok && was != name {
		delete(f.byName, was)
	}
	p.name.Store(&name)
	f.byName[name] = p
	return p
}

// forget takes out a name behind which there is nothing.
func (f *Folder) forget(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.byName[name]; p != nil {
		f.gone(p)
	}
}

// gone takes out a part. The caller holds mu.
func (f *Folder) gone(p *Part) {
	name, ok := p.Name()
	if !ok {
		return
	}
	delete(f.byName, name)
	delete(f.byInode, p.Inode)
	f.used -= p.size
	p.name.Store(nil)
	if len(f.order) > 64 && len(f.order) > 2*len(f.byInode) {
		kept := make([]*Part, 0, len(f.byInode))
		for _, p := range f.order {
			if _, ok := p.Name(); ok {
				kept = append(kept, p)
			}
		}
		f.order = kept
	}
}

// refresh looks at all files again if something in the folder may have changed. The caller holds names.
func (f *Folder) refresh() error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	f.mu.Lock()
	same := st.Mtim == f.seen
	f.mu.Unlock()
	if same && time.Since(time.Unix(st.Mtim.Unix())) > recent {
		return nil
	}
	return f.scan()
}

// scan looks at all files. The caller holds names.
func (f *Folder) scan() error {
	before, err := f.Stat()
	if err != nil {
		return err
	}
	found, err := f.readNames()
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(found))
	for _, name := range found {
		there[name] = true
	}
	for _, name := range found {
		if _, _, err := f.look(name); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, p := range f.byName { // those that have got another name are there under it by now
		if !there[name] {
			f.gone(p)
		}
	}
	f.seen = before.Mtim
	return nil
}

func (f *Folder) readNames() ([]string, error) {
	fd, err := unix.Openat(f.dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", f.path, err)
	}
	d := os.NewFile(uintptr(fd), f.path)
	defer d.Close()
	return d.Readdirnames(-1)
}

// Find finds a file by what its handle says, whatever it is called now; [unix.ESTALE] when it is gone.
func (f *Folder) Find(inode uint64, generation uint32) (*Part, error) {
	if p := f.known(inode, generation); p != nil {
		return p, nil
	}
	f.names.Lock()
	defer f.names.Unlock()
	if err := f.refresh(); err != nil {
		return nil, err
	}
	if p := f.known(inode, generation); p != nil {
		return p, nil
	}
	return nil, unix.ESTALE
}

func (f *Folder) known(inode uint64, generation uint32) *Part {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.byInode[inode]; p != nil && p.Generation == generation {
		return p
	}
	return nil
}

// OpenPart opens a file to read and write. It is [unix.ESTALE] when it is gone.
func (f *Folder) OpenPart(p *Part) (int, error) {
	fd, err := f.openNow(p)
	if !errors.Is(err, unix.ESTALE) {
		return fd, err
	}
	f.names.Lock()
	defer f.names.Unlock()
	if err := f.scan(); err != nil {
		return -1, err
	}
	return f.openNow(p)
}

func (f *Folder) openNow(p *Part) (int, error) {
	name, ok := p.Name()
	if !ok {
		return -1, unix.ESTALE
	}
	fd, st, err := disk.OpenAt(f.dir, name, unix.O_RDWR)
	if errors.Is(err, unix.ENOENT) {
		return -1, unix.ESTALE
	}
	if err != nil {
		return -1, err
	}
	gen, err := disk.Generation(fd, "", &st)
	if err == nil && (st.Ino != p.Inode || gen != p.Generation) {
		err = unix.ESTALE
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// List returns at most n files whose cookies are larger than after, in their order. A listing from
// the start (after is less than [FirstCookie]) looks at the folder.
func (f *Folder) List(after uint64, n int) ([]*Part, error) {
	if after < FirstCookie {
		f.names.Lock()
		err := f.refresh()
		f.names.Unlock()
		if err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []*Part
	for _, p := range f.order[after1(f.order, after):] {
		if len(out) == n {
			break
		}
		if _, ok := p.Name(); ok {
			out = append(out, p)
		}
	}
	return out, nil
}
