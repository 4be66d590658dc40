package master

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A newFile grows without a name, and vanishes unless it is published.
type newFile struct {
	*os.File
	path string // where it will be
	temp string // the hidden name it has where files cannot be without one
}

// create opens a new file that is to become path.
func create(path string) (*newFile, error) {
	dir := filepath.Dir(path)
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	switch {
	case err == nil:
		return &newFile{File: os.NewFile(uintptr(fd), path), path: path}, nil
	case !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR):
		return nil, &os.PathError{Op: "create in", Path: dir, Err: err}
	}
	f, err := os.CreateTemp(dir, ".olive-*.part") // some network file systems
	if err != nil {
		return nil, err
	}
	return &newFile{File: f, path: path, temp: f.Name()}, nil
}

// openPath is a path under which this user's other processes can open the file.
func (f *newFile) openPath() string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())
}

// publish makes the file durable and gives it its name, in place of an older file.
func (f *newFile) publish(mode os.FileMode) error {
	if err := errors.Join(f.Chmod(mode), f.Sync()); err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	if f.temp == "" {
		err := f.link(f.path)
		if errors.Is(err, unix.EEXIST) { // a name can be taken over only by another name
			f.temp = filepath.Join(filepath.Dir(f.path), fmt.Sprintf(".olive-%d-%d.part", os.Getpid(), f.Fd()))
			err = f.link(f.temp)
		}
		if err != nil {
			return err
		}
	}
	if f.temp != "" {
		if err := os.Rename(f.temp, f.path); err != nil {
			return err
		}
		f.temp = ""
	}
	d, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// own gives the file to the user whom the job belongs to; only root can.
func (f *newFile) own(uid uint32) error {
	if os.Geteuid() != 0 || uid == 0 {
		return nil
	}
	return f.Chown(int(uid), -1)
}

func (f *newFile) link(name string) error {
	err := unix.Linkat(unix.AT_FDCWD, f.openPath(), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &os.LinkError{Op: "link", Old: "new file", New: name, Err: err}
	}
	return nil
}

// discard closes the file; unpublished, it is gone.
func (f *newFile) discard() {
	f.Close()
	if f.temp != "" {
		os.Remove(f.temp)
	}
}
