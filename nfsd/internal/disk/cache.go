package disk

import (
	"container/list"
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/internal/handle"
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

	place *list.Element // nil: it is not in the cache any more, the last who uses it closes it
	users int
	fresh bool // used since the last sweep
}

// A Cache keeps files open that have been used lately. It is safe for concurrent use. The
// zero value is ready when Most is set.
type Cache struct {
	Most int // files that it keeps

	mu    sync.Mutex
	files map[Key]*Open
	order list.List // of *Open, the last used in front
	sweep *time.Timer
}

// Get is the open file of that key, or nil. The caller must [Cache.Put] it back.
func (c *Cache) Get(k Key) *Open {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.files[k]
	if f != nil {
		c.use(f)
	}
	return f
}

func (c *Cache) use(f *Open) {
	f.users++
	f.fresh = true
	c.order.MoveToFront(f.place)
}

// Add takes over a file that was opened. When another of its key came first, f is closed and that
// one returned. The caller must [Cache.Put] the result back.
func (c *Cache) Add(f *Open) *Open {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.files[f.Key]; other != nil {
		if other.Handle == f.Handle && other.About == f.About {
			unix.Close(f.FD)
			c.use(other)
			return other
		}
		c.drop(other)
	}
	if c.files == nil {
		c.files = map[Key]*Open{}
	}
	f.place = c.order.PushFront(f)
	f.users, f.fresh = 1, true
	c.files[f.Key] = f
	for e := c.order.Back(); e != nil && len(c.files) > c.Most; e = c.order.Back() {
		c.drop(e.Value.(*Open))
	}
	if c.sweep == nil {
		c.sweep = time.AfterFunc(idle, c.sweepIdle)
	}
	return f
}

// Put ends the use of a file.
func (c *Cache) Put(f *Open) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.users--
	c.closeUnused(f)
}

// Drop closes the file of that key as soon as nobody uses it.
func (c *Cache) Drop(k Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.files[k]; f != nil {
		c.drop(f)
	}
}

func (c *Cache) drop(f *Open) {
	delete(c.files, f.Key)
	c.order.Remove(f.place)
	f.place = nil
	c.closeUnused(f)
}

func (c *Cache) closeUnused(f *Open) {
	if f.place == nil && f.users == 0 {
		unix.Close(f.FD)
	}
}

// sweepIdle drops what was not used since the last sweep, and comes again as long as something is left.
func (c *Cache) sweepIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.files {
		if !f.fresh && f.users == 0 {
			c.drop(f)
		}
		f.fresh = false
	}
	c.sweep = nil
	if len(c.files) > 0 {
		c.sweep = time.AfterFunc(idle, c.sweepIdle)
	}
}

// Clear drops everything.
func (c *Cache) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.files {
		c.drop(f)
	}
	if c.sweep != nil {
		c.sweep.Stop()
		c.sweep = nil
	}
}

// Try runs open, and once more after everything has been dropped when there was no descriptor left.
func (c *Cache) Try(open func() error) error {
	err := open()
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		c.Clear()
		err = open()
	}
	return err
}
