package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"

	"olive-distributed/daemon/spool/ready"
)

var keyPattern = regexp.MustCompile(`^[A-Z2-7]{26}$`) // as crypto/rand.Text makes them

const largestState = 16 << 20 // the story of a job is part of it

// load finds the claims of earlier lives. What was begun and has no drop in it goes; the drop
// is in incoming still.
func (s *Spool) load() error {
	for _, folder := range []string{done, failed} { // logs and copies that a kill has cut off
		torn, err := filepath.Glob(s.path(folder, ".olive-*.part"))
		if err != nil {
			return err
		}
		for _, path := range torn {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	list, err := os.ReadDir(s.path(processing))
	if err != nil {
		return err
	}
	for _, d := range list {
		if !d.IsDir() || !keyPattern.MatchString(d.Name()) {
			s.log.Warn("not ours, left alone", "path", s.path(processing, d.Name()))
			continue
		}
		if err := s.loadClaim(d.Name()); err != nil {
			return fmt.Errorf("go on with %s: %w", s.path(processing, d.Name()), err)
		}
	}
	return nil
}

func (s *Spool) loadClaim(key string) error {
	c := &claim{key: key, dir: s.path(processing, key)}
	if err := readState(c); err != nil {
		s.log.Warn("the state of a dropped project is lost; going on from its files", "key", key, "error", err)
		if err := s.derive(c); err != nil {
			return err
		}
	}
	c.readJob()
	if c.Name != "" && !c.InPlace {
		_, err := os.Lstat(s.place(c))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err != nil && c.Target == "" { // with a target it has been moved there
			c.Name = ""
		}
	}
	if c.Name == "" {
		s.removeFolder(c)
		return nil
	}
	if c.Copied { // the copy counts: the original goes, if it is still what was copied
		from := s.path(incoming, string(c.Source))
		if e, err := s.see(from, string(c.Source)); err == nil && e.Mark == c.Mark {
			if err := os.Remove(from); err != nil {
				return err
			}
		}
	}
	return s.adopt(c)
}

// adopt enters a claim and what it has been promised.
func (s *Spool) adopt(c *claim) error {
	if c.Output == "" {
		output, err := s.reserve(outgoing, stem(c.Name), s.opt.Film, s.opt.Film+".log", ".log")
		if err != nil {
			return err
		}
		c.Output = output
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims[c.key] = c
	if c.Kept {
		return nil
	}
	s.taken[s.path(outgoing, c.Output)] = true
	if c.Target != "" {
		folder := failed
		if c.Outcome != nil && c.Outcome.Result == Done {
			folder = done
		}
		s.taken[s.path(folder, c.Target)] = true
	}
	return nil
}

func readState(c *claim) error {
	f, _, err := openFile(filepath.Join(c.dir, stateFile))
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, largestState))
	if err != nil {
		return err
	}
	st, err := parseState(data)
	if err != nil {
		return err
	}
	c.state = st
	return nil
}

// readJob finds the number of the job, if it was noted.
func (c *claim) readJob() {
	data, err := os.ReadFile(filepath.Join(c.dir, jobFile))
	if err != nil {
		return
	}
	if n, err := strconv.ParseUint(string(data), 10, 32); err == nil {
		c.job = uint32(n)
	}
}

// parseState reads a state and refuses one whose names could lead elsewhere.
func parseState(data []byte) (state, error) {
	var st state
	if err := json.Unmarshal(data, &st); err != nil {
		return state{}, err
	}
	for _, name := range []string{string(st.Source), st.Name, st.Output} {
		if name == "" || name == "." || !filepath.IsLocal(name) || filepath.Base(name) != name {
			return state{}, fmt.Errorf("%q is no name", name)
		}
	}
	if t := st.Target; t != "" && (t == "." || !filepath.IsLocal(t) || filepath.Base(t) != t) {
		return state{}, fmt.Errorf("%q is no name", t)
	}
	if st.Folder != (st.Project != "") || st.Folder && !filepath.IsLocal(st.Project) {
		return state{}, fmt.Errorf("%q is no project in a folder", st.Project)
	}
	return st, nil
}

// derive makes up a state from what lies in a claim's folder; no Name: nothing.
func (s *Spool) derive(c *claim) error {
	names, err := readNames(c.dir)
	if err != nil || len(names) == 0 {
		return err
	}
	name := names[0]
	c.state = state{Source: []byte(name), Name: name}
	path := s.place(c)
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &os.PathError{Op: "look at", Path: path, Err: err}
	}
	if c.Folder = st.Mode&unix.S_IFMT == unix.S_IFDIR; c.Folder {
		if c.Project, err = s.projectIn(path); err != nil {
			c.Project = "." // the intake will say that it is no file
			err = nil
		} else if err := unix.Lstat(filepath.Join(path, c.Project), &st); err != nil {
			return &os.PathError{Op: "look at", Path: path, Err: err}
		}
	}
	c.UID, c.GID = st.Uid, st.Gid
	return err
}

// A stayer is an entry of incoming that is not to be taken although it lies there.
type stayer struct {
	mark    ready.Mark
	running bool // whatever happens to it
}

// staying lists by name what is claimed, or explained, where it lies.
func (s *Spool) staying() map[string]stayer {
	stay := make(map[string]stayer)
	s.mu.Lock()
	for name, mark := range s.left {
		stay[name] = stayer{mark: mark}
	}
	s.mu.Unlock()
	for _, c := range s.inPlace() {
		c.mu.Lock()
		stay[string(c.Source)] = stayer{c.Mark, !c.Kept}
		c.mu.Unlock()
	}
	return stay
}

// inPlace lists the claims that lie in incoming. Which these are does not change once a claim is known.
func (s *Spool) inPlace() []*claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*claim
	for _, c := range s.claims {
		if c.InPlace {
			list = append(list, c)
		}
	}
	return list
}

// forget drops what is known of entries that were told and have gone or changed since.
func (s *Spool) forget(present map[string]bool) {
	for _, c := range s.inPlace() {
		c.mu.Lock()
		over := c.Kept && !present[string(c.Source)]
		c.mu.Unlock()
		if over {
			s.removeFolder(c)
			s.mu.Lock()
			delete(s.claims, c.key)
			s.mu.Unlock()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.left {
		if !present[name] {
			delete(s.left, name)
		}
	}
}
