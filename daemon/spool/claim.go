package spool

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"olive-distributed/daemon/spool/ready"
)

// Files of the spool in a claim's folder; a dropped name never begins with a dot.
const (
	stateFile = ".olive.json"
	jobFile   = ".job" // number of the job; apart from the state, since it need not survive a power cut
	copyTemp  = ".copy"
)

// A state is what is kept of a claim in its folder. When it is lost (a power cut may empty it),
// what lies beside it says enough to go on.
type state struct {
	Source  []byte     `json:"source"`            // name in incoming, which may be any bytes
	Name    string     `json:"name"`              // the same for showing; so it is called here
	Project string     `json:"project,omitempty"` // in a folder: the .ove file, relative to it
	Folder  bool       `json:"folder,omitempty"`
	InPlace bool       `json:"in_place,omitempty"` // it could not be moved here and lies in incoming
	Copied  bool       `json:"copied,omitempty"`   // moved here by a copy: the original goes
	Mark    ready.Mark `json:"mark"`
	UID     uint32     `json:"uid"`
	GID     uint32     `json:"gid"`
	Output  string     `json:"output"` // name in outgoing
	Outcome *Outcome   `json:"outcome,omitempty"`
	Target  string     `json:"target,omitempty"` // name in done or failed
	Kept    bool       `json:"kept,omitempty"`   // all is told; it only stays because of InPlace
}

// A claim is a drop below processing.
type claim struct {
	key string
	dir string

	mu sync.Mutex
	state
	job       uint32 // 0: not known
	waits     bool   // to be submitted or put away
	busy      bool   // somebody does that
	submitted bool   // in this life of the process
	gone      bool
}

// idle reports whether somebody must go on with the claim. c.mu is held.
func (c *claim) idle() bool {
	return !c.waits && !c.busy && !c.gone && !c.Kept && (c.Outcome != nil || !c.submitted)
}

func (c *claim) save() error {
	data, err := json.Marshal(c.state)
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(c.dir, stateFile), data, 0o640, renameio.WithTempDir(c.dir)) // or it would look for one
}

// note is save for a state that may be lost in a power cut: what lies beside it says enough then. It
// saves the disk a wait for each of many drops.
func (c *claim) note() error {
	data, err := json.Marshal(c.state)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.dir, stateFile), data, 0o640)
}

// place is where the drop lies.
func (s *Spool) place(c *claim) string {
	if c.InPlace {
		return s.path(incoming, string(c.Source))
	}
	return filepath.Join(c.dir, c.Name)
}

func (s *Spool) drop(c *claim) Drop {
	project := s.place(c)
	if c.Folder {
		project = filepath.Join(project, c.Project)
	}
	return Drop{
		Key: c.key, Job: c.job, Name: c.Name, Project: project, Folder: c.Folder,
		UID: c.UID, GID: c.GID, Output: s.path(outgoing, c.Output),
	}
}

// errChanged means that the entry is not any more what was looked at.
var errChanged = errors.New("it has changed meanwhile")

// act carries out an action.
func (l *loop) act(ctx context.Context, a ready.Action) answer {
	e := a.Entry
	again := func(f *ready.Folder) { f.Retry(e, time.Time{}, "") }
	stuck := func(f *ready.Folder, err error) { f.Retry(e, time.Now().Add(l.opt.Retry), err.Error()) }
	what := "take " + l.path(incoming, clean(e.Name))
	if e.Fault == "" {
		st, err := l.examine(ctx, e)
		if ctx.Err() != nil || errors.Is(err, errChanged) || errors.Is(err, fs.ErrNotExist) {
			return again
		}
		if err == nil {
			c, err := l.claim(e, st)
			if errors.Is(err, errChanged) || errors.Is(err, fs.ErrNotExist) {
				return again
			}
			l.complain(what, err)
			if err != nil {
				return func(f *ready.Folder) { stuck(f, err) }
			}
			l.carryOn(ctx, c)
			return func(f *ready.Folder) { f.Gone(e) }
		}
		a.Reason = err.Error()
	}
	if a.Verb == ready.Take {
		return func(f *ready.Folder) { f.Refused(e, a.Reason) }
	}
	err := l.putAside(e, a.Reason)
	l.complain("put aside "+l.path(incoming, clean(e.Name)), err)
	if err != nil {
		return func(f *ready.Folder) { stuck(f, err) }
	}
	return func(f *ready.Folder) { f.Gone(e) }
}

// examine reads the entry's project and returns the beginning of its state.
func (s *Spool) examine(ctx context.Context, e ready.Entry) (state, error) {
	st := state{Source: []byte(e.Name), Name: clean(e.Name), Mark: e.Mark}
	path := s.path(incoming, e.Name)
	var top unix.Stat_t
	if err := unix.Lstat(path, &top); err != nil {
		return st, &os.PathError{Op: "look at", Path: path, Err: err}
	}
	if st.Folder = top.Mode&unix.S_IFMT == unix.S_IFDIR; st.Folder {
		rel, err := s.projectIn(path)
		if err != nil {
			return st, err
		}
		st.Project, path = rel, filepath.Join(path, rel)
	}
	f, info, err := openFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return st, errors.New("the project cannot be read: allow it with `chmod g+r` and `chgrp olive`, for its folder also `chmod g+x`")
	}
	if err != nil {
		return st, err
	}
	defer f.Close()
	if info.Nlink != 1 {
		return st, errChanged
	}
	st.UID, st.GID = info.Uid, info.Gid
	select {
	case s.reads <- struct{}{}:
		defer func() { <-s.reads }()
	case <-ctx.Done():
		return st, context.Cause(ctx)
	}
	return st, s.check(ctx, f, path)
}

// projectIn returns the project that a folder stands for.
func (s *Spool) projectIn(path string) (string, error) {
	t := s.newTree(path)
	if err := t.walk(path, 0); err != nil {
		return "", err
	}
	rel, ok := t.chosen()
	if !ok || t.fault != "" {
		return "", errChanged
	}
	return rel, nil
}

// claim moves an entry into a folder of its own, so that it is there, or in incoming, at any time.
func (s *Spool) claim(e ready.Entry, st state) (*claim, error) {
	c := &claim{key: rand.Text(), state: st}
	c.dir = s.path(processing, c.key)
	if err := os.Mkdir(c.dir, 0o750); err != nil {
		return nil, err
	}
	output, err := s.reserve(outgoing, stem(c.Name), s.opt.Film, s.opt.Film+".log", ".log")
	if err == nil {
		c.Output = output
		if err = s.fetch(c, e); err == nil {
			s.mu.Lock()
			s.claims[c.key] = c
			s.mu.Unlock()
			return c, nil
		}
		s.release(s.path(outgoing, output))
	}
	s.removeFolder(c)
	return nil, err
}

// removeFolder removes a claim's folder and what the spool has put into it, temporary files of a
// life that was killed included, but never a drop: the name of one does not begin with a dot.
func (s *Spool) removeFolder(c *claim) {
	list, err := os.ReadDir(c.dir)
	for _, d := range list {
		if strings.HasPrefix(d.Name(), ".") {
			err = errors.Join(err, os.Remove(filepath.Join(c.dir, d.Name())))
		}
	}
	if err = errors.Join(err, os.Remove(c.dir)); err != nil {
		s.log.Warn("clean up; the next start tries again", "path", c.dir, "error", err)
	}
}

// fetch brings the entry into the claim's folder, or marks it as claimed where it lies. After an
// error it lies in incoming.
func (s *Spool) fetch(c *claim, e ready.Entry) error {
	if err := c.note(); err != nil {
		return fmt.Errorf("claim %q: %w", c.Name, err)
	}
	from, to := s.path(incoming, e.Name), filepath.Join(c.dir, c.Name)
	err := move(from, to)
	switch {
	case err == nil:
		return s.verify(c, e, from, to)
	case c.Folder && (errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EROFS) || errors.Is(err, fs.ErrPermission)):
		c.InPlace = true
		if now, err := s.see(from, e.Name); err != nil || now.Mark != e.Mark {
			return errChanged
		}
		return c.save()
	case errors.Is(err, unix.EXDEV):
		return s.fetchCopy(c, e, from, to)
	}
	return fmt.Errorf("claim: %w", err)
}

// verify gives back what is not what was looked at. What keeps still gets durable.
func (s *Spool) verify(c *claim, e ready.Entry, from, to string) error {
	why := errChanged
	if now, err := s.see(to, e.Name); err == nil && now.Mark == e.Mark && (now.Fault == "" || c.Folder) {
		why = s.disk.Sync(c.dir, s.path(processing), s.path(incoming))
	}
	if why == nil {
		return nil
	}
	err := move(to, from)
	for n := 2; errors.Is(err, fs.ErrExist) && n < 1000; n++ { // its name has been taken meanwhile
		err = move(to, s.path(incoming, fmt.Sprintf("%s-%d%s", stem(c.Name), n, filepath.Ext(c.Name))))
	}
	if err != nil {
		return fmt.Errorf("give back: %w", err)
	}
	return why
}

// fetchCopy is a claim across file systems. The state says Copied first: from the moment at which
// the copy has its name, it counts, and the original goes.
func (s *Spool) fetchCopy(c *claim, e ready.Entry, from, to string) error {
	c.Copied = true
	if err := c.save(); err != nil {
		return err
	}
	err := copyFile(from, filepath.Join(c.dir, copyTemp), to)
	if err == nil {
		err = s.disk.Sync(c.dir)
	}
	if err == nil {
		err = errChanged
		if now, seeErr := s.see(from, e.Name); seeErr == nil && now.Mark == e.Mark {
			err = os.Remove(from)
		}
	}
	if err != nil {
		os.Remove(to) // the original is still there
	}
	return err
}
