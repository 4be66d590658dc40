package nfsd

import (
	"fmt"
	"sync"
	"time"

	"olive-distributed/nfsd/internal/parts"
)

// unusedFolder is how long a folder that nobody uses stays open.
const unusedFolder = 5 * time.Minute

const defaultFiles = 10_000 // of a folder

func (p *Folder) mostFiles() int {
	if p.Files == 0 {
		return defaultFiles
	}
	return p.Files
}

// An openFolder is one that is in use, or was lately.
type openFolder struct {
	*parts.Folder
	path  string
	users int
	gone  bool // not in folders any more: the last who uses it closes it
	fresh bool
}

// folders are the open folders by path, so that all who write to one share its quota.
type folders struct {
	mu    sync.Mutex
	open  map[string]*openFolder
	sweep *time.Timer
}

// get opens the folder. The caller must put it back.
func (s *folders) get(p *Folder) (*openFolder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.open[p.Path]
	if f != nil {
		if _, err := f.Stat(); err != nil { // removed; there may be another one now
			s.drop(f)
			f = nil
		}
	}
	if f == nil {
		folder, err := parts.Open(p.Path)
		if err != nil {
			return nil, fmt.Errorf("open the folder %s: %w", p.Name, err)
		}
		f = &openFolder{Folder: folder, path: p.Path}
		if s.open == nil {
			s.open = map[string]*openFolder{}
		}
		s.open[p.Path] = f
		if s.sweep == nil {
			s.sweep = time.AfterFunc(unusedFolder, s.sweepUnused)
		}
	}
	f.Limit(p.Quota, p.mostFiles())
	f.users++
	f.fresh = true
	return f, nil
}

// put ends the use of a folder.
func (s *folders) put(f *openFolder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.users--
	s.closeUnused(f)
}

func (s *folders) drop(f *openFolder) {
	delete(s.open, f.path)
	f.gone = true
	s.closeUnused(f)
}

func (s *folders) closeUnused(f *openFolder) {
	if f.gone && f.users == 0 {
		f.Close()
	}
}

func (s *folders) sweepUnused() {
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
		s.sweep = time.AfterFunc(unusedFolder, s.sweepUnused)
	}
}

// clear drops everything.
func (s *folders) clear() {
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
