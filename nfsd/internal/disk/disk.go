// Package disk opens the regular files that clients may reach, keeps some of them open for a while, and tells
// one file from another that has taken its place.
//
// No symbolic link is followed anywhere on a path, nothing but a regular file is ever opened, and opening never
// waits for the other end of a FIFO. A failed call leaves no descriptor behind.
package disk

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/internal/handle"
)

// Error of a path on which something else lies than what is looked for: it counts as gone.
var errNotRegular = fmt.Errorf("not a regular file: %w", unix.ENOENT)

// FromInfo is the system's own description in info.
func FromInfo(info os.FileInfo) (*syscall.Stat_t, error) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, errors.New("it is not a file of this system")
	}
	return st, nil
}

const openFlags = unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY

// OpenPath opens an absolute path for reading.
func OpenPath(path string) (fd int, st unix.Stat_t, err error) {
	return open(unix.AT_FDCWD, path, unix.O_RDONLY, 0, unix.RESOLVE_NO_SYMLINKS)
}

// OpenAt opens a name in the folder dir with flags, O_CREAT and O_EXCL among them.
func OpenAt(dir int, name string, flags int) (fd int, st unix.Stat_t, err error) {
	return open(dir, name, flags, 0o640, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS)
}

// OpenDir opens an absolute path of a folder.
func OpenDir(path string) (int, error) {
	how := unix.OpenHow{Flags: unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	fd, err := openat2(unix.AT_FDCWD, path, &how)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", path, err)
	}
	return fd, nil
}

func open(dir int, path string, flags int, mode, resolve uint64) (int, unix.Stat_t, error) {
	how := unix.OpenHow{Flags: uint64(flags | openFlags), Resolve: resolve}
	if flags&unix.O_CREAT != 0 {
		how.Mode = mode
	}
	var st unix.Stat_t
	fd, err := openat2(dir, path, &how)
	switch {
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENXIO), errors.Is(err, unix.EXDEV), errors.Is(err, unix.EISDIR):
		return -1, st, fmt.Errorf("open %s: %w", path, errNotRegular)
	case err != nil:
		return -1, st, fmt.Errorf("open %s: %w", path, err)
	}
	err = unix.Fstat(fd, &st)
	if err == nil && !Regular(&st) {
		err = errNotRegular
	}
	if err != nil {
		unix.Close(fd)
		return -1, st, fmt.Errorf("open %s: %w", path, err)
	}
	return fd, st, nil
}

// openat2 goes on after signals and the races in which the kernel asks for another try, some times.
func openat2(dir int, path string, how *unix.OpenHow) (fd int, err error) {
	for range 16 {
		fd, err = unix.Openat2(dir, path, how)
		if err != unix.EINTR && err != unix.EAGAIN {
			break
		}
	}
	return fd, err
}

// Regular says whether st is of a regular file.
func Regular(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFREG }

// Stat describes a name in dir (or a path, which dir does not matter to) without following a link.
func Stat(dir int, name string) (st unix.Stat_t, err error) {
	err = unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

// Generation is a number of 24 bits that differs, but for one chance in 16 million, between a file and
// another that lies at the same name or has got the same inode number. name is looked up in
// dir without following a link; "" is dir itself. It stays the same across renames and restarts.
//
// It comes from the file handle of the kernel, which holds the generation of the inode (name_to_handle_at(2)); where
// there is none, from the time of birth.
func Generation(dir int, name string, st *unix.Stat_t) (uint32, error) {
	var fh kernelHandle
	sum := hash(fnvOffset, st.Ino)
	if err := fh.get(dir, name); err == nil {
		sum = hash(sum, uint64(fh.kind))
		for _, b := range fh.b[:min(fh.size, uint32(len(fh.b)))] {
			sum = (sum ^ uint64(b)) * fnvPrime
		}
	} else {
		var sx unix.Statx_t
		if err := unix.Statx(dir, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH, unix.STATX_BTIME, &sx); err != nil {
			return 0, fmt.Errorf("generation of %s: %w", name, err)
		}
		sum = hash(hash(sum, uint64(sx.Btime.Sec)), uint64(sx.Btime.Nsec))
	}
	return uint32(sum^sum>>24^sum>>48) & handle.GenerationMask, nil
}

// FNV-1a, 64 bits.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func hash(sum, v uint64) uint64 {
	for range 8 {
		sum = (sum ^ v&0xff) * fnvPrime
		v >>= 8
	}
	return sum
}

// A kernelHandle is struct file_handle with a buffer of the largest size (MAX_HANDLE_SZ).
type kernelHandle struct {
	size uint32
	kind int32
	b    [128]byte
}

// get is name_to_handle_at(2).
func (h *kernelHandle) get(dir int, name string) error {
	h.size = uint32(len(h.b))
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	var mount int32
	_, _, e := unix.Syscall6(unix.SYS_NAME_TO_HANDLE_AT, uintptr(dir), uintptr(unsafe.Pointer(p)),
		uintptr(unsafe.Pointer(h)), uintptr(unsafe.Pointer(&mount)), unix.AT_EMPTY_PATH, 0)
	if e != 0 {
		return e
	}
	return nil
}

// SetTimes sets the times of access and modification of an open file, as utimensat(2) takes them.
func SetTimes(fd int, times *[2]unix.Timespec) error {
	_, _, e := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(times)), 0, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

// ReadCached reads what is in the page cache already, and so never waits for the disk. It reads less, or fails with
// [unix.EAGAIN], when something is not.
func ReadCached(fd int, b []byte, offset int64) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	to := unix.Iovec{Base: &b[0], Len: uint64(len(b))}
	n, _, e := unix.Syscall6(unix.SYS_PREADV2, uintptr(fd), uintptr(unsafe.Pointer(&to)), 1, uintptr(offset), 0, unix.RWF_NOWAIT)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}
