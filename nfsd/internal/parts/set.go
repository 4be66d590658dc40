package parts

import (
	"sync"
	"time"

	"olive-distributed/nfsd/internal/keep"
)

// unused is how long a folder that nobody uses stays open.
const unused = 5 * time.Minute

// A Shared folder is one that is in use, or was lately.
type Shared struct {
	*Folder
	keep.Hold
}

// A Set holds the open folders by path, so that all who write to one share its quota. It is safe for concurrent use.
type Set struct {
	opening sync.Mutex // one at a time finds out that a folder is not open
	kept    keep.Keeper[string, *Shared]
}

// NewSet makes a set in which nothing is.
func NewSet() *Set { return &Set{kept: keep.Keeper[string, *Shared]{Idle: unused}} }

// Get opens the folder at an absolute path and sets its limits (see [Folder.Limit]). The caller must [Set.Put] it back.
func (s *Set) Get(path string, quota int64, files int) (*Shared, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	f, ok := s.kept.Get(path)
	if ok {
		if _, err := f.Stat(); err != nil { // removed; there may be another one now
			s.kept.Drop(path)
			s.kept.Put(f)
			ok = false
		}
	}
	if !ok {
		folder, err := Open(path)
		if err != nil {
			return nil, err
		}
		f = s.kept.Add(path, &Shared{Folder: folder}, func(*Shared, *Shared) bool { return false })
	}
	f.Limit(quota, files)
	return f, nil
}

// Put ends the use of a folder.
func (s *Set) Put(f *Shared) { s.kept.Put(f) }

// Clear drops everything.
func (s *Set) Clear() { s.kept.Clear() }
