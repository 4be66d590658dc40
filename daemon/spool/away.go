package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"olive-distributed/daemon/spool/ready"
)

const (
	usualAdvice = "Correct what is named above, in Olive or in the folder of the media, and drop the project into incoming again."
	asideAdvice = "Correct this, and drop the project into incoming again: one .ove file, or one folder with a .ove file and its media."
)

// putAway moves a claim whose job has ended to done or failed and writes its log. Each step
// finds out whether it was made before. c.mu is held.
func (s *Spool) putAway(c *claim) error {
	folder := failed
	if c.Outcome.Result == Done {
		folder = done
		if err := s.hand(c.Outcome.Film, c); err != nil {
			s.log.Warn("give the film to its owner", "film", c.Outcome.Film, "error", err)
		}
	}
	if err := s.target(c, folder); err != nil {
		return err
	}
	if !c.InPlace {
		err := move(filepath.Join(c.dir, c.Name), s.path(folder, c.Target))
		if errors.Is(err, fs.ErrExist) { // not ours: somebody has put it there since
			s.release(s.path(folder, c.Target))
			c.Target = ""
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // not there: moved before a crash
			return err
		}
	}
	if err := s.writeLog(s.path(folder, c.Target), s.text(c), c.UID); err != nil {
		return err
	}
	if err := s.disk.Sync(s.path(folder)); err != nil {
		return err
	}
	s.release(s.path(folder, c.Target))
	if c.InPlace {
		c.Kept = true
		return c.save()
	}
	s.removeFolder(c)
	return nil
}

// target fixes the claim's name in the folder, durably.
func (s *Spool) target(c *claim, folder string) error {
	if c.Target != "" {
		return nil
	}
	ext := filepath.Ext(c.Name)
	if c.Folder {
		ext = ""
	}
	name, err := s.reserve(folder, strings.TrimSuffix(c.Name, ext), ext, ext+".log")
	if err != nil {
		return err
	}
	c.Target = name
	if err := c.save(); err != nil {
		c.Target = ""
		s.release(s.path(folder, name))
		return err
	}
	return nil
}

// hand makes a film its owner's: only root can give it away, else the group may read it.
func (s *Spool) hand(film string, c *claim) error {
	if film == "" || filepath.Dir(film) != s.path(outgoing) {
		return nil
	}
	f, st, err := openFile(film)
	if err != nil {
		return err
	}
	defer f.Close()
	if st.Nlink != 1 {
		return &os.PathError{Op: "give away", Path: film, Err: unix.EMLINK}
	}
	if os.Geteuid() == 0 {
		err = f.Chown(int(c.UID), -1)
	}
	return errors.Join(err, f.Chmod(os.FileMode(st.Mode&0o777|0o440)))
}

// writeLog writes path.log, in one step. One that is there is from before a crash.
func (s *Spool) writeLog(path, text string, uid uint32) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".olive-*.part")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // is gone when all is well
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o640))
	if os.Geteuid() == 0 {
		err = errors.Join(err, f.Chown(int(uid), -1))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := move(f.Name(), path+".log"); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// text is the log of a claim.
func (s *Spool) text(c *claim) string {
	o := c.Outcome
	var b strings.Builder
	fmt.Fprintf(&b, "Project: %s\nOwner:   %s\n", c.Name, owner(c.UID))
	if c.job != 0 {
		fmt.Fprintf(&b, "Job:     %d\n", c.job)
	}
	fmt.Fprintf(&b, "Ended:   %s\n", time.Now().Format("2006-01-02 15:04:05 -0700"))
	switch o.Result {
	case Done:
		fmt.Fprintf(&b, "Result:  exported\nFilm:    %s\n", o.Film)
	case Cancelled:
		b.WriteString("Result:  cancelled, there is no film\n")
		explain(&b, o.Reason, o.Advice, "Drop the project into incoming again when the film is wanted after all.")
	default:
		b.WriteString("Result:  not exported\n")
		explain(&b, o.Reason, o.Advice, usualAdvice)
	}
	if c.InPlace {
		fmt.Fprintf(&b, "\nThe folder stays in %s: the daemon may not move it (the group olive cannot write to it,\nor it lies on another file system). It will not be exported again as long as it stays as it is.\nTake it away when you do not need it there.\n", s.path(incoming))
	}
	if len(o.Story) > 0 {
		fmt.Fprintf(&b, "\nWhat happened:\n  %s\n", strings.Join(o.Story, "\n  "))
	}
	// The user has put it into incoming, and knows of no other place.
	return strings.ReplaceAll(b.String(), c.dir+"/", s.path(incoming)+"/")
}

func explain(b *strings.Builder, reason, advice, usual string) {
	if advice == "" {
		advice = usual
	}
	if reason != "" {
		fmt.Fprintf(b, "\nWhy:\n  %s\n", strings.ReplaceAll(reason, "\n", "\n  "))
	}
	fmt.Fprintf(b, "\nWhat to do:\n  %s\n", strings.ReplaceAll(advice, "\n", "\n  "))
}

func owner(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}

// putAside moves an entry that cannot become a job to failed, and explains it. One that cannot be
// moved is explained and left where it is, until it changes.
func (s *Spool) putAside(e ready.Entry, reason string) error {
	path := s.path(incoming, e.Name)
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); errors.Is(err, fs.ErrNotExist) {
		return nil // somebody was faster
	} else if err != nil {
		return err
	}
	name := clean(e.Name)
	ext := filepath.Ext(name)
	target, err := s.reserve(failed, stem(name), ext, ext+".log")
	if err != nil {
		return err
	}
	defer s.release(s.path(failed, target))
	to := s.path(failed, target)
	err = move(path, to)
	if errors.Is(err, unix.EXDEV) && st.Mode&unix.S_IFMT == unix.S_IFREG {
		if err = copyFile(path, s.path(failed, ".olive-"+strconv.FormatUint(st.Ino, 10)+".part"), to); err == nil {
			err = os.Remove(path)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Project: %s\nOwner:   %s\nEnded:   %s\nResult:  not exported, no job was made of it\n",
		name, owner(st.Uid), time.Now().Format("2006-01-02 15:04:05 -0700"))
	explain(&b, reason, "", asideAdvice)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		fmt.Fprintf(&b, "\nIt stays in %s: the daemon may not move it (%v).\n", s.path(incoming), errors.Unwrap(err))
		s.mu.Lock()
		s.left[e.Name] = e.Mark
		s.mu.Unlock()
	}
	return s.writeLog(to, b.String(), st.Uid)
}
