// Package tree is what can be mounted: exports, each of read-only files and at most one folder to write to, and how
// NFS describes what is in them. It opens nothing.
package tree

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"strings"
	"time"

	"olive-distributed/nfsd/internal/disk"
	"olive-distributed/nfsd/internal/nfs3"
)

// A View is what one identity may see now. It is asked for every call: it must be fast, must not
// block, and is used by several goroutines at a time.
type View interface {
	// Exports returns what can be mounted, in any order, each ID and each name once. What is not
	// in it any more is stale to those who have mounted it. The server keeps nothing of the
	// answer but the exports, so return the same *Export for as long as nothing in it changes;
	// neither the slice nor an Export is changed by the server.
	Exports() []*Export
}

// A File is a regular file that can be read. Its content is that of Path on the server, or Data.
type File struct {
	Name string // where clients see it: "name", or "folder/name" with one folder at most
	Path string // where it lies on the server: absolute, without symbolic links on the way
	Data []byte // its content when Path is ""; it must not change afterwards

	// Was is what the file was when the view was made. A file at Path that differs is stale:
	// neither its attributes nor its content can be read. nil: whatever lies there.
	Was *Stamp
}

// A Stamp tells one content of a file from another. A device or inode of zero is not compared: devices can get
// other numbers when the system starts again.
type Stamp struct {
	Device, Inode uint64
	Size          int64 // bytes
	Modified      time.Time
}

// StampOf is the stamp of a file that [os.Stat] or [os.Lstat] describes.
func StampOf(info os.FileInfo) (Stamp, error) {
	st, err := disk.FromInfo(info)
	if err != nil {
		return Stamp{}, fmt.Errorf("stamp of %s: %w", info.Name(), err)
	}
	return Stamp{Device: st.Dev, Inode: st.Ino, Size: info.Size(), Modified: info.ModTime()}, nil
}

// A Folder can be written to. It holds regular files only, and no folder: what else lies in it on
// the server does not exist for clients.
type Folder struct {
	Name  string // where clients see it, in the root of the export
	Path  string // where it lies on the server: absolute, without symbolic links on the way
	Quota int64  // bytes, the sum of the sizes of its files; 0: no limit but the disk's
	Files int    // how many files it may hold; 0: 10,000

	// Allow says which names exist for the identity: it may make, see, write, rename and remove
	// them, and no others. It must be fast and safe for concurrent use. nil: every name. The
	// names that clients give to removed files which are still open (".nfs", then digits) are
	// always allowed.
	Allow func(name string) bool
}

const defaultFiles = 10_000 // of a folder

// MostFiles is how many files it may hold.
func (p *Folder) MostFiles() int { return cmp.Or(p.Files, defaultFiles) }

// An Export is one tree that can be mounted: read-only files, and at most one folder to write to.
// It is made by [NewExport] and never changes.
type Export struct {
	id      uint32
	name    string
	made    time.Time
	parts   *Folder
	root    *Dir
	folders map[uint64]*Dir  // by object number, without the root
	files   map[uint64]*Item // by object number
}

// A Dir is a read-only folder: the root of an export or one below it.
type Dir struct {
	Object   uint64
	Entries  []Entry // in the order of their names
	Verifier uint64  // of its listing
	byName   map[string]*Entry
}

// Lookup is the entry of that name, nil if there is none.
func (d *Dir) Lookup(name string) *Entry { return d.byName[name] }

// An Entry is one name of a read-only folder; exactly one of its pointers is set.
type Entry struct {
	Name  string
	File  *Item
	Dir   *Dir
	Parts *Folder
}

// An Item is a [File] in its place.
type Item struct {
	File
	Object     uint64
	Generation uint32 // of Data
}

// NewExport describes the tree "/name". The id goes into handles: it must stay the same across restarts,
// and must never be used for another export. An error names what is wrong: a name that
// is not a name, one that is there twice, a path that is not absolute.
func NewExport(id uint32, name string, files []File, parts *Folder) (*Export, error) {
	if why := nfs3.NameStatus([]byte(name)); why != nfs3.OK {
		return nil, fmt.Errorf("export %q: this is not a name", name)
	}
	e := &Export{
		id: id, name: name, made: time.Now(), parts: parts,
		root:    &Dir{byName: map[string]*Entry{}},
		folders: map[uint64]*Dir{}, files: map[uint64]*Item{},
	}
	for _, f := range files {
		if err := e.add(f); err != nil {
			return nil, fmt.Errorf("export %s: file %q: %w", name, f.Name, err)
		}
	}
	if parts != nil {
		if err := e.addParts(parts); err != nil {
			return nil, fmt.Errorf("export %s: folder %q: %w", name, parts.Name, err)
		}
	}
	e.root.seal()
	for _, d := range e.folders {
		d.seal()
	}
	return e, nil
}

// ID is the number that the export was made with.
func (e *Export) ID() uint32 { return e.id }

// Name is the name that the export was made with; clients mount "/" + name.
func (e *Export) Name() string { return e.name }

// Parts is the folder to write to, nil if there is none.
func (e *Export) Parts() *Folder { return e.parts }

// Root is what is mounted.
func (e *Export) Root() *Dir { return e.root }

// Dir is the folder of that number, nil if there is none. The root has none.
func (e *Export) Dir(object uint64) *Dir { return e.folders[object] }

// File is the file of that number, nil if there is none.
func (e *Export) File(object uint64) *Item { return e.files[object] }

func (e *Export) add(f File) error {
	if (f.Path == "") == (f.Data == nil) {
		return fmt.Errorf("it needs a path or data, and not both")
	}
	if f.Path != "" && !strings.HasPrefix(f.Path, "/") {
		return fmt.Errorf("the path %q is not absolute", f.Path)
	}
	dir, base := e.root, f.Name
	if first, rest, below := strings.Cut(f.Name, "/"); below {
		var err error
		if dir, err = e.folder(first); err != nil {
			return err
		}
		base = rest
	}
	it := &Item{File: f, Object: objectNumber("file", f.Name)}
	if f.Path == "" {
		it.Generation = uint32(sum(f.Data))
	}
	if _, taken := e.files[it.Object]; taken {
		return fmt.Errorf("the name is there twice")
	}
	e.files[it.Object] = it
	return dir.add(Entry{Name: base, File: it})
}

// folder is the read-only folder of that name in the root; it is made when it is not there.
func (e *Export) folder(name string) (*Dir, error) {
	if have, ok := e.root.byName[name]; ok {
		if have.Dir == nil {
			return nil, fmt.Errorf("%q is a file as well", name)
		}
		return have.Dir, nil
	}
	d := &Dir{Object: objectNumber("folder", name), byName: map[string]*Entry{}}
	e.folders[d.Object] = d
	return d, e.root.add(Entry{Name: name, Dir: d})
}

func (e *Export) addParts(p *Folder) error {
	if !strings.HasPrefix(p.Path, "/") {
		return fmt.Errorf("the path %q is not absolute", p.Path)
	}
	if p.Quota < 0 || p.Files < 0 {
		return fmt.Errorf("a limit is below zero")
	}
	return e.root.add(Entry{Name: p.Name, Parts: p})
}

func (d *Dir) add(it Entry) error {
	if nfs3.NameStatus([]byte(it.Name)) != nfs3.OK {
		return fmt.Errorf("%q is not a name", it.Name)
	}
	if _, taken := d.byName[it.Name]; taken {
		return fmt.Errorf("the name is there twice")
	}
	d.byName[it.Name] = &it
	return nil
}

// seal orders the entries, which makes their places the cookies of listings.
func (d *Dir) seal() {
	for _, it := range d.byName {
		d.Entries = append(d.Entries, *it)
	}
	slices.SortFunc(d.Entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	h := fnv.New64a()
	for _, it := range d.Entries {
		h.Write([]byte(it.Name + "/"))
	}
	d.Verifier = h.Sum64()
}

// objectNumber is the number in handles of a name that the view made: the topmost bit tells it from the inode numbers
// of parts.
func objectNumber(kind, name string) uint64 {
	return sum([]byte(kind+"/"+name)) | 1<<63
}

func sum(b []byte) uint64 {
	h := fnv.New64a()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(b)))
	h.Write(b)
	h.Write(n[:])
	return h.Sum64()
}
