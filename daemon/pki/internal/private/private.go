// Package private keeps small secret files in a folder that one process at a time works with.
//
// A file is replaced durably as a whole: after a crash there is its old version or its new one. A
// file or folder that others could read or change is refused, with the command that mends it.
package private

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// ErrInUse means that another process works with the folder.
var ErrInUse = errors.New("another olive process is using it: stop that one, or wait for it")

// A Folder is open and locked. Its files belong to whom the folder belongs: root may work on
// behalf of a service that is not root.
type Folder struct {
	Dir  string
	lock *os.File
	step Step
}

// A Step is asked before each change of the disk, and its error fails the change. It is how tests
// break the disk; nil does nothing.
type Step func(what, path string) error

const lockName = "lock"

// Open makes the folder if it is not there (but not its parent), and locks it until Close. Errors: [ErrInUse].
func Open(dir string, step Step) (*Folder, error) {
	f := &Folder{Dir: dir, step: step}
	if err := f.make(); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, lockName)
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := f.own(lock); err != nil {
		lock.Close()
		return nil, err
	}
	f.lock = lock
	return f, nil
}

// Close gives the lock back.
func (f *Folder) Close() error { return f.lock.Close() }

// Path returns the path of a file in the folder.
func (f *Folder) Path(name string) string { return filepath.Join(f.Dir, name) }

func (f *Folder) make() error {
	info, err := os.Stat(f.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := f.before("mkdir", f.Dir); err != nil {
			return err
		}
		if err := os.Mkdir(f.Dir, 0o700); err != nil {
			return fmt.Errorf("make folder of keys: %w", err)
		}
		return f.sync(filepath.Dir(f.Dir))
	case err != nil:
		return fmt.Errorf("look at folder of keys: %w", err)
	case !info.IsDir():
		return fmt.Errorf("%s must be a folder", f.Dir)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others can write into %s, where keys lie: run chmod 700 %s", f.Dir, f.Dir)
	}
	return nil
}

func (f *Folder) before(what, path string) error {
	if f.step == nil {
		return nil
	}
	return f.step(what, path)
}

// Sweep removes what an interrupted write of the file has left.
func (f *Folder) Sweep(name string) error {
	entries, err := os.ReadDir(f.Dir)
	if err != nil {
		return fmt.Errorf("read folder of keys: %w", err)
	}
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), "."+name)
		if !ok || number == "" || strings.Trim(number, "0123456789") != "" {
			continue
		}
		if err := f.before("remove", e.Name()); err != nil {
			return err
		}
		if err := os.Remove(f.Path(e.Name())); err != nil {
			return fmt.Errorf("remove unfinished file: %w", err)
		}
	}
	return nil
}

// A Draft is a new version of a file that does not have its name yet. Discard ends it, saved or not.
type Draft struct {
	file   *renameio.PendingFile
	folder *Folder
	name   string
}

// Draft begins a new version of the file, so that it is known early if there can be one.
func (f *Folder) Draft(name string) (*Draft, error) {
	path := f.Path(name)
	if err := f.before("create", path); err != nil {
		return nil, err
	}
	pending, err := renameio.NewPendingFile(path, renameio.WithTempDir(f.Dir), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.own(pending.File); err != nil {
		pending.Cleanup()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return &Draft{pending, f, name}, nil
}

// own gives the file to the owner of the folder.
func (f *Folder) own(file *os.File) error {
	var of, now unix.Stat_t
	if err := unix.Stat(f.Dir, &of); err != nil {
		return fmt.Errorf("look at %s: %w", f.Dir, err)
	}
	if err := unix.Fstat(int(file.Fd()), &now); err != nil {
		return fmt.Errorf("look at %s: %w", file.Name(), err)
	}
	if of.Uid == now.Uid || os.Geteuid() != 0 {
		return nil
	}
	return file.Chown(int(of.Uid), int(of.Gid))
}

// Save gives the draft its content and its name. After an error the old version may be there, or,
// if only the folder could not be synced, the new one.
func (d *Draft) Save(data []byte) error {
	path := d.folder.Path(d.name)
	if err := d.folder.before("write", path); err != nil {
		return err
	}
	if _, err := d.file.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := d.folder.before("rename", path); err != nil {
		return err
	}
	if err := d.file.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return d.folder.sync(d.folder.Dir)
}

// Discard removes the draft unless it was saved.
func (d *Draft) Discard() { d.file.Cleanup() }

// Replace writes the file durably: afterwards there is the new version, or the old one.
func (f *Folder) Replace(name string, data []byte) error {
	d, err := f.Draft(name)
	if err != nil {
		return err
	}
	defer d.Discard()
	return d.Save(data)
}

// sync makes the names in dir durable.
func (f *Folder) sync(dir string) error {
	if err := f.before("sync", dir); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// Read reads a file of at most limit bytes that nobody else may read.
func Read(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s can be read by others: run chmod 600 %s", path, path)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is too big", path)
	}
	return data, nil
}
