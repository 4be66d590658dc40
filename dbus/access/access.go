// Package access finds out whether another user could open a file, for daemons that are asked to
// open it on that user's behalf and have other rights than the user.
//
// It judges by what lies on the disk: owner, group, mode and POSIX access control list of each
// folder on the way and of the file. Every name is resolved by hand, one after the other, from
// descriptors that are held: what [Caller.Open] returns is the very file that was judged, however
// the names on the way are exchanged meanwhile. Where this package and the kernel could differ
// (capabilities, the server's idea of a network file system, the security modules), it does not know
// more than the mode says. What it refuses is an [*Error], and nothing stays open.
package access

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Caller is a user with all of the groups of one of its processes.
type Caller struct {
	UID    uint32
	Groups []uint32
}

// Root may do everything, as the kernel sees it.
func (c Caller) root() bool { return c.UID == 0 }

func (c Caller) in(gid uint32) bool { return slices.Contains(c.Groups, gid) }

// An Error refuses a path.
type Error struct {
	Path string // as asked for
	At   string // the file or folder on the way that is in the way
	Want string // "read", "search" or "write"
	Err  error  // [fs.ErrPermission] when it is the caller that may not, else why nobody can
}

func (e *Error) Error() string {
	if e.Err == fs.ErrPermission {
		return fmt.Sprintf("you may not %s %s", e.Want, e.At)
	}
	if e.At != e.Path {
		return fmt.Sprintf("%s: %s: %v", e.Path, e.At, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.Path, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Permissions, as in a mode.
const (
	read   = 4
	write  = 2
	search = 1
)

func word(bits uint16) string {
	switch {
	case bits&write != 0:
		return "write to"
	case bits&read != 0:
		return "read"
	}
	return "enter"
}

// Open opens a regular file for reading if the caller may read it.
func (c Caller) Open(name string) (*os.File, error) {
	w, err := c.walk(name)
	if err != nil {
		return nil, err
	}
	defer w.close()
	if w.stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, &Error{name, w.at, word(read), errors.New("is not a regular file")}
	}
	if err := w.judge(read); err != nil {
		return nil, err
	}
	fd, err := unix.Open(procPath(w.fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, &Error{name, w.at, word(read), fmt.Errorf("the daemon cannot open it: %w", err)}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Readable says whether the caller may read a file, nil for yes.
func (c Caller) Readable(name string) error {
	w, err := c.walk(name)
	if err != nil {
		return err
	}
	defer w.close()
	return w.judge(read)
}

// Judge is Readable that says which file it has judged, by device and inode.
func (c Caller) Judge(name string) (device, inode uint64, err error) {
	w, err := c.walk(name)
	if err != nil {
		return 0, 0, err
	}
	defer w.close()
	return uint64(w.stat.Dev), w.stat.Ino, w.judge(read)
}

// List returns the names in a folder that the caller may read, in order.
func (c Caller) List(name string) ([]string, error) {
	w, err := c.walk(name)
	if err != nil {
		return nil, err
	}
	defer w.close()
	if err := w.judge(read | search); err != nil {
		return nil, err
	}
	fd, err := unix.Open(procPath(w.fd), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &Error{name, w.at, word(read), fmt.Errorf("the daemon cannot open it: %w", err)}
	}
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	names, err := dir.Readdirnames(maxNames + 1)
	if len(names) > maxNames {
		return nil, &Error{name, w.at, word(read), fmt.Errorf("has more than %d files", maxNames)}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, &Error{name, w.at, word(read), err}
	}
	slices.Sort(names)
	return names, nil
}

// maxNames is the most that List reads.
const maxNames = 100_000

// Creatable says whether the caller may make the file, or put it in the place of one that is
// there; nil for yes.
func (c Caller) Creatable(name string) error {
	cut := strings.LastIndexByte(name, '/') + 1
	base := name[cut:]
	if base == "" || base == "." || base == ".." {
		return &Error{name, name, word(write), errors.New("is not the name of a file")}
	}
	w, err := c.walk(name[:cut])
	if err != nil {
		return err
	}
	defer w.close()
	if w.stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		return &Error{name, w.at, word(write), errors.New("is not a folder")}
	}
	if err := w.judge(write | search); err != nil {
		return err
	}
	var old unix.Stat_t
	err = unix.Fstatat(w.fd, base, &old, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return &Error{name, w.at, word(write), err}
	case w.stat.Mode&unix.S_ISVTX != 0 && !c.root() && old.Uid != c.UID && w.stat.Uid != c.UID:
		return &Error{name, name, "replace", fs.ErrPermission}
	}
	return nil
}

// judge refuses the caller what the file at which the walker stands does not grant.
func (w *walker) judge(want uint16) error {
	acl, err := readACL(w.fd)
	if err != nil {
		return w.fail(w.at, fmt.Errorf("read its access control list: %w", err))
	}
	if !w.caller.may(&w.stat, acl, want) {
		return &Error{w.asked, w.at, word(want), fs.ErrPermission}
	}
	return nil
}

// may is the check of POSIX.1e, draft 17, section 23.1.5; without an access control list the
// mode says the same in three entries.
func (c Caller) may(stat *unix.Stat_t, acl []entry, want uint16) bool {
	if c.root() {
		return true
	}
	mode := stat.Mode
	owner, group, other := uint16(mode>>6&7), uint16(mode>>3&7), uint16(mode&7)
	if c.UID == stat.Uid {
		return owner&want == want
	}
	if acl != nil {
		return c.mayByList(stat.Gid, acl, want)
	}
	if c.in(stat.Gid) {
		return group&want == want
	}
	return other&want == want
}

func procPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }
