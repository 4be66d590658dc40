package disk

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/internal/handle"
	"olive-distributed/nfsd/internal/keep"
)

// idle is how long a file that nobody uses stays open: as long as it is, a file that was removed
// keeps its place on the disk.
const idle = 10 * time.Second

// A Key tells files apart within a server: the number of the export, and of the object in it.
type Key struct {
	Export uint32
	Object uint64
}

// An Open file is one that a [Cache] keeps open.
type Open struct {
	Key    Key
	Handle handle.Handle
	FD     int
	About  any // what the caller knows about the file

	keep.Hold
}

// Close closes the file.
func (f *Open) Close() error { return unix.Close(f.FD) }

func sameOpen(a, b *Open) bool { return a.Handle == b.Handle && a.About == b.About }

// A Cache keeps files open that have been used lately. It is safe for concurrent use.
type Cache struct {
	kept keep.Keeper[Key, *Open]
}

// NewCache makes a cache of at most so many files.
func NewCache(most int) *Cache {
	return &Cache{keep.Keeper[Key, *Open]{Most: most, Idle: idle}}
}

// Get is the open file of that key, or nil. The caller must [Cache.Put] it back.
func (c *Cache) Get(k Key) *Open {
	f, _ := c.kept.Get(k)
	return f
}

// Add takes over a file that was opened. When another of its key came first, f is closed and that
// one returned. The caller must [Cache.Put] the result back.
func (c *Cache) Add(f *Open) *Open { return c.kept.Add(f.Key, f, sameOpen) }

// Put ends the use of a file.
func (c *Cache) Put(f *Open) { c.kept.Put(f) }

// Drop closes the file of that key as soon as nobody uses it.
func (c *Cache) Drop(k Key) { c.kept.Drop(k) }

// Clear drops everything.
func (c *Cache) Clear() { c.kept.Clear() }

// Try runs open, and once more after everything has been dropped when there was no descriptor left.
func (c *Cache) Try(open func() error) error {
	err := open()
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		c.Clear()
		err = open()
	}
	return err
}
