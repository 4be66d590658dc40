package parts

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/internal/disk"
)

// after1 is the place of the first part whose cookie is larger.
func after1(order []*Part, cookie uint64) int {
	i, found := slices.BinarySearchFunc(order, cookie, func(p *Part, c uint64) int { return cmp.Compare(p.Cookie, c) })
	if found {
		i++
	}
	return i
}

// BeginWrite takes the place that a write up to end needs. When it returns nil, [Folder.EndWrite] must follow the
// write; an error is [unix.EDQUOT] or [unix.ESTALE].
func (f *Folder) BeginWrite(p *Part, end int64) error {
	p.change.RLock()
	err := f.take(p, end)
	if err != nil {
		p.change.RUnlock()
	}
	return err
}

// EndWrite ends a write to fd, an open file of p.
func (f *Folder) EndWrite(p *Part, fd int, err error) {
	p.change.RUnlock()
	if err != nil {
		p.change.Lock()
		defer p.change.Unlock()
		f.settle(p, fd)
	}
}

// Truncate gives fd, an open file of p, another size.
func (f *Folder) Truncate(p *Part, fd int, size int64) error {
	p.change.Lock()
	defer p.change.Unlock()
	if err := f.take(p, size); err != nil {
		return err
	}
	defer f.settle(p, fd)
	if err := unix.Ftruncate(fd, size); err != nil {
		return fmt.Errorf("change the size in %s: %w", f.path, err)
	}
	return nil
}

// take makes the part's place in the quota reach to end. When there is not enough, it looks whether others have
// made room.
func (f *Folder) take(p *Part, end int64) error {
	err := f.tryTake(p, end)
	if !errors.Is(err, unix.EDQUOT) {
		return err
	}
	f.names.Lock()
	defer f.names.Unlock()
	if err := f.refresh(); err != nil {
		return err
	}
	return f.tryTake(p, end)
}

func (f *Folder) tryTake(p *Part, end int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := p.Name(); !ok {
		return unix.ESTALE
	}
	grow := end - p.size
	if grow <= 0 {
		return nil
	}
	if f.quota > 0 && grow > f.quota-f.used {
		return unix.EDQUOT
	}
	p.size = end
	f.used += grow
	return nil
}

// settle makes the part's place what its size is. The caller holds change, so that nobody writes.
func (f *Folder) settle(p *Part, fd int) {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := p.Name(); ok {
		f.used += st.Size - p.size
		p.size = st.Size
	}
}

// How says what [Folder.Create] does about a file that is there already.
type How struct {
	New bool // it is an error, [unix.EEXIST]

	// Mark, when it is not nil, is set as the times of access and modification of a file that is made. A file that is
	// there already, empty and with this mark, was made by the same call before, and is no error.
	Mark *[2]unix.Timespec
}

// Create makes an empty file, or finds the one that is there, which it does not change. made says which. Without room
// for another file it is [unix.ENOSPC].
func (f *Folder) Create(name string, how How) (p *Part, made bool, err error) {
	f.names.Lock()
	defer f.names.Unlock()
	if _, err := disk.Stat(f.dir, name); err == nil {
		p, err := f.existing(name, how)
		return p, false, err
	}
	if err := f.room(); err != nil {
		return nil, false, err
	}
	before := f.sawAll()
	fd, st, err := disk.OpenAt(f.dir, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return nil, false, err
	}
	defer unix.Close(fd)
	gen, err := disk.Generation(fd, "", &st)
	if err == nil && how.Mark != nil {
		err = unix.UtimesNanoAt(f.dir, name, how.Mark[:], unix.AT_SYMLINK_NOFOLLOW)
	}
	if err == nil {
		err = f.sync(before)
	}
	if err != nil {
		unix.Unlinkat(f.dir, name, 0)
		return nil, false, fmt.Errorf("create %s in %s: %w", name, f.path, err)
	}
	return f.note(name, &st, gen), true, nil
}

// existing is the file that Create found.
func (f *Folder) existing(name string, how How) (*Part, error) {
	p, st, err := f.look(name)
	if errors.Is(err, unix.ENOENT) {
		return nil, unix.EEXIST // something that is not a regular file
	}
	if err != nil {
		return nil, err
	}
	marked := how.Mark != nil && st.Size == 0 && st.Atim.Sec == how.Mark[0].Sec && st.Mtim.Sec == how.Mark[1].Sec
	if how.New && !marked {
		return nil, unix.EEXIST
	}
	return p, nil
}

// room says whether there may be another file.
func (f *Folder) room() error {
	full := func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.most > 0 && len(f.byInode) >= f.most
	}
	if !full() {
		return nil
	}
	if err := f.refresh(); err != nil {
		return err
	}
	if full() {
		return unix.ENOSPC
	}
	return nil
}

// sawAll says whether the index is that of the folder now, before it is changed.
func (f *Folder) sawAll() bool {
	st, err := f.Stat()
	f.mu.Lock()
	defer f.mu.Unlock()
	return err == nil && st.Mtim == f.seen
}

// sync brings a change of names to the disk. What the index knew before, it will know after.
func (f *Folder) sync(sawAll bool) error {
	if err := unix.Fsync(f.dir); err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil || !sawAll {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = st.Mtim
	return nil
}

// Remove removes a file. It returns what was removed, which may still be open somewhere.
func (f *Folder) Remove(name string) (*Part, error) {
	f.names.Lock()
	defer f.names.Unlock()
	p, _, err := f.look(name)
	if err != nil {
		return nil, err
	}
	before := f.sawAll()
	if err := unix.Unlinkat(f.dir, name, 0); err != nil {
		return nil, fmt.Errorf("remove %s in %s: %w", name, f.path, err)
	}
	f.forget(name)
	return p, f.sync(before)
}

// Rename gives a file another name. A file that had this name is removed; displaced is it, or nil.
func (f *Folder) Rename(from, to string) (displaced *Part, err error) {
	f.names.Lock()
	defer f.names.Unlock()
	p, _, err := f.look(from)
	if err != nil {
		return nil, err
	}
	if from == to {
		return nil, nil
	}
	switch displaced, _, err = f.look(to); {
	case errors.Is(err, unix.ENOENT):
		if _, err := disk.Stat(f.dir, to); err == nil {
			return nil, unix.EEXIST // something that does not exist for clients
		}
	case err != nil:
		return nil, err
	}
	if displaced == p { // two names of one file: rename(2) does nothing, and so both stay
		return nil, nil
	}
	before := f.sawAll()
	if err := unix.Renameat2(f.dir, from, f.dir, to, 0); err != nil {
		return nil, fmt.Errorf("rename %s to %s in %s: %w", from, to, f.path, err)
	}
	f.mu.Lock()
	if displaced != nil {
		f.gone(displaced)
	}
	delete(f.byName, from)
	p.name.Store(&to)
	f.byName[to] = p
	f.mu.Unlock()
	return displaced, f.sync(before)
}
