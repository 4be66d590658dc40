// Package durable makes files and folders outlast a power cut, for many who ask at once at the price of few.
//
// A journaling file system writes one transaction for all that was changed before it. So who asks while
// the disk is busy waits, and is served together with all others who wait, by one thread: the first sync
// makes the file system write for everybody, and the others find that it has. With a thread for each, as
// many as there are processors would keep the runtime's places while they wait for the disk, and
// hundreds would want them back at the same moment.
//
// An error says that what was asked for may be gone after a power cut; nothing is undone.
package durable

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// most is how many requests are served together; each may have some files open.
const most = 64

// A Disk syncs what lies on one file system. The zero Disk is ready. Its methods may be called from many
// goroutines.
type Disk struct {
	mu      sync.Mutex
	waiting []*request
	busy    bool // somebody serves
}

type request struct {
	paths []string
	done  chan struct{} // closed after err is set
	err   error
}

// Sync returns when everything that was done to files, or to the names in folders, before the call is on
// the disk. It cannot be interrupted, since a sync cannot.
func (d *Disk) Sync(paths ...string) error {
	r := &request{paths: paths, done: make(chan struct{})}
	d.mu.Lock()
	d.waiting = append(d.waiting, r)
	first := !d.busy
	d.busy = true
	d.mu.Unlock()
	if first {
		go d.serve() // as long as there is somebody who waits for it
	}
	<-r.done
	return r.err
}

func (d *Disk) serve() {
	for list := d.take(); len(list) > 0; list = d.take() {
		serve(list)
	}
}

func (d *Disk) take() []*request {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.waiting[:min(len(d.waiting), most)]
	d.waiting = slices.Clone(d.waiting[len(list):])
	d.busy = len(list) > 0
	return list
}

// serve syncs each path once, which many may have named.
func serve(list []*request) {
	begun := map[string]*item{}
	for _, r := range list {
		for _, path := range r.paths {
			if begun[path] == nil {
				begun[path] = begin(path)
			}
		}
	}
	for _, r := range list {
		for _, path := range r.paths {
			r.err = errors.Join(r.err, begun[path].finish())
		}
		close(r.done)
	}
}

// An item is a file or folder on its way to the disk.
type item struct {
	path string
	file *os.File // nil: it is finished
	err  error
}

// begin starts to write a file's pages, so that those of all are in one transaction.
func begin(path string) *item {
	f, err := os.Open(path)
	if err != nil {
		return &item{err: fmt.Errorf("make durable: %w", err)}
	}
	// A folder, and some file systems, know nothing of this; then the sync does all.
	_ = unix.SyncFileRange(int(f.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
	return &item{path: path, file: f}
}

func (i *item) finish() error {
	if i.file != nil {
		if err := errors.Join(i.file.Sync(), i.file.Close()); err != nil {
			i.err = fmt.Errorf("make %s durable: %w", i.path, err)
		}
		i.file = nil
	}
	return i.err
}
