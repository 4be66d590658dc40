package parts

import (
	"sync"
	"time"
)

// unused is how long a folder that nobody uses stays open.
const unused = 5 * time.Minute

// A Shared folder is one that is in use, or was lately.
type Shared struct {
	*Folder
	users int
	gone  bool // not in the set any more: the last who uses it closes it
	fresh bool
}

// A Set holds the open folders by path, so that all who write to one share its quota. The zero value is empty. It is
// safe for concurrent use.
type Set struct {
	mu    sync.Mutex
	open  map[string]*Shared
	sweep *time.Timer
}

// Get opens the folder at an absolute path and sets its limits (see [Folder.Limit]). The caller must [Set.Put] it back.
func (s *Set) Get(path string, quota int64, files int) (*Shared, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.open[path]
	if f != nil {
		if _, err := f.Stat(); err != nil { // removed; there may be another one now
			s.drop(f)
			f = nil
		}
	}
	if f == nil {
		folder, err := Open(path)
		if err != nil {
			return nil, err
		}
		f = &Shared{Folder: folder}
		if s.open == nil {
			s.open = map[string]*Shared{}
		}
		s.open[path] = f
		if s.sweep == nil {
			s.sweep = time.AfterFunc(unused, s.sweepUnused)
		}
	}
	f.Limit(quota, files)
	f.users++
	f.fresh = true
	return f, nil
}

// Put ends the use of a folder.
func (s *Set) Put(f *Shared) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.users--
	s.closeUnused(f)
}

func (s *Set) drop(f *Shared) {
	delete(s.open, f.path)
	f.gone = true
	s.closeUnused(f)
}

func (s *Set) closeUnused(f *Shared) {
	if f.gone && f.users == 0 {
		f.Close()
	}
}

func (s *Set) sweepUnused() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.open {
		if !f.fresh && f.users == 0 {
			s.drop(f)
		}
		f.fresh = false
	}
	s.sweep = nil
	if len(s.open) > 0 {
		s.sweep = time.AfterFunc(unused, s.sweepUnused)
	}
}

// Clear drops everything.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.open {
		s.drop(f)
	}
	if s.sweep != nil {
		s.sweep.Stop()
		s.sweep = nil
	}
}
