package spool

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"olive-distributed/daemon/spool/ready"
)

// limits of a dropped folder; more is a mistake, such as a whole disk.
const (
	mostFiles = 100_000
	deepest   = 32
)

// ignored reports whether a name is never looked at.
func ignored(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".part") || strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, "~")
}

func isProject(name string) bool { return strings.EqualFold(filepath.Ext(name), ".ove") }

// list looks at all of incoming, but for what is explained or claimed where it lies.
func (s *Spool) list(made map[string]bool) ([]ready.Entry, error) {
	names, err := readNames(s.path(incoming))
	if err != nil {
		return nil, err
	}
	stay := s.staying()
	present := make(map[string]bool, len(stay))
	list := make([]ready.Entry, 0, len(names))
	for _, name := range names {
		e, err := s.see(s.path(incoming, name), name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // gone meanwhile
		case err != nil:
			e.Fault = fmt.Sprintf("it cannot be read: %v", err)
		}
		e.Moved = e.Moved || made[name]
		if st, ok := stay[name]; ok && (st.running || st.mark == e.Mark) {
			present[name] = true
			continue
		}
		list = append(list, e)
	}
	s.forget(present)
	return list, nil
}

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	all, err := d.Readdirnames(-1)
	names := all[:0]
	for _, n := range all {
		if !ignored(n) {
			names = append(names, n)
		}
	}
	return names, err
}

// see looks at one entry without opening it.
func (s *Spool) see(path, name string) (ready.Entry, error) {
	e := ready.Entry{Name: name}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return e, &os.PathError{Op: "look at", Path: path, Err: err}
	}
	sum := sha256.New()
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		st.Size, st.Mtim = 0, unix.Timespec{} // its list of names says more
	}
	add(sum, "", &st)
	e.Touch = st.Ctim.Nano()
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.Fault = s.fileFault(name, &st)
		e.Moved = e.Touch > st.Mtim.Nano()
	case unix.S_IFDIR:
		t := s.newTree(path)
		t.sum, t.newest = sum, e.Touch
		if err = t.walk(path, 0); err == nil {
			e.Fault, e.Touch = cmp.Or(t.fault, t.projectFault()), t.newest
		}
	default:
		e.Fault, e.Lasting = fmt.Sprintf("this is %s, not a file", kind(st.Mode)), true
	}
	sum.Sum(e.Mark[:0])
	return e, err
}

// add mixes into sum what must keep still about one file or folder.
func add(sum hash.Hash, rel string, st *unix.Stat_t) {
	b := make([]byte, 0, 64+len(rel))
	for _, n := range []int64{int64(st.Ino), st.Size, st.Mtim.Nano(), int64(st.Mode & unix.S_IFMT), int64(len(rel))} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	sum.Write(append(b, rel...))
}

func (s *Spool) fileFault(name string, st *unix.Stat_t) string {
	switch {
	case !isProject(name):
		return "this is no project: only .ove files and folders with one belong here; drop a project and its media together, as one folder"
	case st.Nlink != 1:
		return fmt.Sprintf("the file has %d names (hard links), so that somebody could change it while it is exported: drop a copy", st.Nlink)
	case st.Size > s.opt.Largest:
		return fmt.Sprintf("the file has %d MB, which is too much for a project", st.Size>>20)
	}
	return ""
}

func kind(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFIFO:
		return "a named pipe"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFDIR:
		return "a folder"
	case unix.S_IFREG:
		return "a file"
	}
	return "a device"
}

// A tree is a walk through a dropped folder, in the order of names.
type tree struct {
	*Spool
	sum    hash.Hash
	top    string
	newest int64
	files  int
	fault  string   // the first one
	first  []string // projects at the top, relative to it
	below  []string // projects further down
}

func (t *tree) walk(dir string, depth int) error {
	if depth > deepest {
		t.fault = cmp.Or(t.fault, fmt.Sprintf("the folder is deeper than %d folders", deepest))
		return nil
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, d := range list {
		if err := t.visit(filepath.Join(dir, d.Name()), depth); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (t *tree) visit(path string, depth int) error {
	if t.files++; t.files > mostFiles {
		t.fault = cmp.Or(t.fault, fmt.Sprintf("the folder holds more than %d files", mostFiles))
		return nil
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return err
	}
	rel, err := filepath.Rel(t.top, path)
	if err != nil {
		return err
	}
	add(t.sum, rel, &st)
	t.newest = max(t.newest, st.Ctim.Nano())
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return t.walk(path, depth+1)
	case unix.S_IFREG:
		if isProject(rel) && !ignored(filepath.Base(rel)) {
			t.project(rel, depth, &st)
		}
	default:
		t.fault = cmp.Or(t.fault, fmt.Sprintf("%q in the folder is %s: put the file itself there", rel, kind(st.Mode)))
	}
	return nil
}

func (t *tree) project(rel string, depth int, st *unix.Stat_t) {
	if f := t.fileFault(rel, st); f != "" {
		t.fault = cmp.Or(t.fault, fmt.Sprintf("%q in the folder: %s", rel, f))
	}
	if depth == 0 {
		t.first = append(t.first, rel)
	} else {
		t.below = append(t.below, rel)
	}
}

// chosen is the project that the folder stands for.
func (t *tree) chosen() (string, bool) {
	for _, rel := range t.first {
		if stem(rel) == filepath.Base(t.top) {
			return rel, true
		}
	}
	switch {
	case len(t.first) == 1:
		return t.first[0], true
	case len(t.first) == 0 && len(t.below) == 1:
		return t.below[0], true
	}
	return "", false
}

func (t *tree) projectFault() string {
	rel, ok := t.chosen()
	all := append(t.first, t.below...)
	switch {
	case ok && clean(rel) != rel:
		return fmt.Sprintf("the project %q in the folder has a name that cannot be shown: rename it", rel)
	case ok:
		return ""
	case len(all) == 0:
		return "the folder holds no project: put the .ove file into it"
	}
	return fmt.Sprintf("the folder holds %d projects (%s): leave one in it, or give one the name of the folder", len(all), few(all))
}

func few(names []string) string {
	const shown = 5
	text := strings.ToValidUTF8(strings.Join(names[:min(len(names), shown)], ", "), "?")
	if len(names) > shown {
		text += ", …"
	}
	return text
}

func (s *Spool) newTree(path string) *tree { return &tree{Spool: s, sum: sha256.New(), top: path} }
