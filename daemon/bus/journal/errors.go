package journal

import (
	"errors"
	"fmt"
)

var (
	// ErrFull means that the disk, or the log's own limit, has no room. Nothing is lost: what waits
	// is written as soon as there is room again.
	ErrFull = errors.New("no room for the log: free some space on the disk of the farm's store")
	// ErrUnknown means that nobody can say yet whether the events are durable; they may become it later.
	ErrUnknown = errors.New("not known whether the events are durable")
	// ErrClosed means that the journal is closed.
	ErrClosed = errors.New("the journal is closed")
	// ErrLocked means that another process has the store open.
	ErrLocked = errors.New("the store is in use by another process: is a second master running?")
	// ErrNoStore means that there is no store where one must be.
	ErrNoStore = errors.New("there is no store here: is its disk mounted? Start with a new farm only if you mean to forget the old one")
	// ErrFenced means that somebody else has written to the log. The journal writes no more.
	ErrFenced = errors.New("somebody else has written to the log")
	// ErrTooLarge refuses events that do not fit into one record. The journal writes no more, since
	// what comes later would not fit what is missing.
	ErrTooLarge = errors.New("too much for one record of the log")
)

// A DamageError says that the store does not hold what was written to it. Nothing was changed.
type DamageError struct {
	Path   string // the file or folder
	Offset int64  // byte in the file; -1: the whole of it
	Reason string
}

func (e *DamageError) Error() string {
	where := e.Path
	if e.Offset >= 0 {
		where = fmt.Sprintf("%s at byte %d", e.Path, e.Offset)
	}
	return fmt.Sprintf("the farm's store is damaged: %s: %s. Put the store's folder back from a backup, or move it away to start with an empty farm", where, e.Reason)
}

// A VersionError refuses what a newer program has written.
type VersionError struct {
	What      string
	Got, Want int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has version %d, but this program reads version %d: start the newer program again", e.What, e.Got, e.Want)
}
