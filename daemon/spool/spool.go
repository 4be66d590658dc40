// Package spool is the hot folder: what is dropped into incoming becomes a job, its film appears in
// outgoing, and the project ends in done or failed with a log that says what happened.
//
// A drop is claimed by a rename into a folder of its own below processing. The name of that
// folder is the [Drop]'s Key: it is there before the job is, so that after a crash at any step the
// same drop is submitted again under the same key, and an [Intake] that knows the key makes no
// second job. Nothing dropped is ever deleted or overwritten: names that are taken get -2, -3, ….
// A drop that cannot be claimed (full disk, read-only file system) stays where it is and is tried
// again; one that cannot be submitted stays in processing and is tried again.
//
// Events of the file system are only hints. What counts is a look at the folder: at the start,
// after a hint, when something may have settled, and every 30 s. The rules are in package ready.
//
// Names beginning with a dot or ending in .part, .tmp or ~ are never looked at. A dropped folder is
// one project: its only .ove file, or the one named like the folder, or the only one at the top.
//
// The folders, all of owner and group olive: incoming 3770 (set-group-id, so that the daemon can read what is
// dropped; sticky, so that nobody removes another's drop; the owner of the folder may rename
// all the same), processing 2750, outgoing, done and failed 2770 (without sticky: logs and
// films belong to the daemon where it is not root, and users must be able to take them away). [Spool.CheckModes]
// explains what differs.
package spool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"olive-distributed/daemon/durable"
	"olive-distributed/daemon/spool/ready"
)

// The folders below the root.
const (
	incoming   = "incoming"
	processing = "processing"
	outgoing   = "outgoing"
	done       = "done"
	failed     = "failed"
)

// ErrInUse means that another process serves the folder.
var ErrInUse = errors.New("another olive-master serves this folder: stop it first")

// Options say how the folder is served. Zero fields take the values named here.
type Options struct {
	Rules   ready.Rules
	Film    string        // extension of films, with the dot; "": .mp4
	Workers int           // drops that are claimed and submitted at a time, which mostly wait for the disk together; 0: 16
	Retry   time.Duration // between tries of what could not be submitted or put away; 0: 10 s
	Largest int64         // bytes of a project file, more is refused; 0: 512 MB
	Log     *slog.Logger  // nil: [slog.Default]
}

// A Check reads a project up to its end and says what is wrong with it; nil: it is whole. path is
// where the file lies now, for looking at media beside it. Several are called at a time.
type Check func(ctx context.Context, r io.Reader, path string) error

// A Spool serves one hot folder. Make it with [Open], let it [Spool.Run].
type Spool struct {
	root   string
	opt    Options
	check  Check
	intake Intake
	log    *slog.Logger
	lock   *os.File
	disk   durable.Disk
	reads  chan struct{} // a place for each check that runs
	watch  func(ctx context.Context, group *sync.WaitGroup) <-chan hint

	folder *ready.Folder // of the loop in Run

	mu      sync.Mutex
	claims  map[string]*claim     // by key
	taken   map[string]bool       // paths that will be written: films, and what is being put away
	waiting []ready.Waiting       // as of the last look
	said    map[string]bool       // problems that have been logged
	left    map[string]ready.Mark // names in incoming that could only be explained, not moved
}

// Open takes the folder for this process; missing folders are made. Close gives it back.
// Errors: [ErrInUse].
func Open(root string, check Check, intake Intake, opt Options) (*Spool, error) {
	opt.Film = cmp.Or(opt.Film, ".mp4")
	opt.Workers = cmp.Or(opt.Workers, 16)
	opt.Retry = cmp.Or(opt.Retry, 10*time.Second)
	opt.Largest = cmp.Or(opt.Largest, 512<<20)
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	s := &Spool{
		root: root, opt: opt, check: check, intake: intake, log: cmp.Or(opt.Log, slog.Default()),
		reads: make(chan struct{}, 2), folder: ready.New(opt.Rules),
		claims: map[string]*claim{}, taken: map[string]bool{}, said: map[string]bool{}, left: map[string]ready.Mark{},
	}
	s.watch = s.listen
	if err := s.makeFolders(); err != nil {
		return nil, err
	}
	s.lock, err = os.Open(s.path(processing))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		s.lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, fmt.Errorf("serve %s: %w", root, err)
	}
	return s, nil
}

// Close gives the folder back. Call it after Run has returned.
func (s *Spool) Close() error { return s.lock.Close() }

func (s *Spool) path(parts ...string) string {
	return filepath.Join(append([]string{s.root}, parts...)...)
}

// Pending lists what lies in incoming and is not taken yet, by name, with the reason.
func (s *Spool) Pending() []ready.Waiting {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

// complain logs a problem once, until it is over (err is nil).
func (s *Spool) complain(what string, err error) {
	s.mu.Lock()
	was := s.said[what]
	if err == nil {
		delete(s.said, what)
	} else {
		s.said[what] = true
	}
	s.mu.Unlock()
	switch {
	case err != nil && !was:
		s.log.Error(what, "error", err)
	case err == nil && was:
		s.log.Info(what + ": this works again")
	}
}
