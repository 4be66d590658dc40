package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// longest leaves room in the 255 bytes of a name for a number and a longer extension.
const longest = 220

// clean makes a name that can be shown in a line and sent over D-Bus: what is no printable
// character becomes _, and a name that is too long loses the end of its stem.
func clean(name string) string {
	var b strings.Builder
	for i, w := 0, 0; i < len(name); i += w {
		var r rune
		r, w = utf8.DecodeRuneInString(name[i:])
		if r == utf8.RuneError && w == 1 || !unicode.IsPrint(r) && !unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			r = '_'
		}
		b.WriteRune(r)
	}
	name = b.String()
	if len(name) <= longest {
		return name
	}
	ext := filepath.Ext(name)
	if len(ext) > 16 {
		ext = ""
	}
	cut := longest - len(ext)
	for !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + ext
}

func stem(name string) string { return strings.TrimSuffix(name, filepath.Ext(name)) }

// reserve finds the first of stem+ext, stem-2+ext, … in folder for which nothing of that name is
// there or promised, with or without the further extensions, and promises it.
func (s *Spool) reserve(folder, stem, ext string, more ...string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := 1; n < 100_000; n++ {
		name := stem
		if n > 1 {
			name = fmt.Sprintf("%s-%d", stem, n)
		}
		free, err := s.free(folder, name, append(more, ext))
		if err != nil {
			return "", err
		}
		if free {
			s.taken[s.path(folder, name+ext)] = true
			return name + ext, nil
		}
	}
	return "", fmt.Errorf("%s has too many files named %s-N: take some away", s.path(folder), stem)
}

func (s *Spool) free(folder, name string, exts []string) (bool, error) {
	for _, ext := range exts {
		path := s.path(folder, name+ext)
		_, err := os.Lstat(path)
		if err == nil || s.taken[path] {
			return false, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return false, err
		}
	}
	return true, nil
}

func (s *Spool) release(path string) {
	s.mu.Lock()
	delete(s.taken, path)
	s.mu.Unlock()
}

// Promise finds a name in outgoing for a film that is not one of a drop, and keeps it from drops until
// [Spool.Free].
func (s *Spool) Promise(project, ext string) (path string, err error) {
	name, err := s.reserve(outgoing, stem(clean(filepath.Base(project))), ext, ext+".log", ".log")
	if err != nil {
		return "", fmt.Errorf("find a name for the film: %w", err)
	}
	return s.path(outgoing, name), nil
}

// Keep promises a name in outgoing again, after a restart. Other paths are nothing to it.
func (s *Spool) Keep(path string) {
	if filepath.Dir(path) == s.path(outgoing) {
		s.mu.Lock()
		s.taken[path] = true
		s.mu.Unlock()
	}
}

// Free ends a promise.
func (s *Spool) Free(path string) { s.release(path) }

// move renames without overwriting anything.
func move(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) { // some network file systems
		if _, err := os.Lstat(to); err == nil {
			return &os.LinkError{Op: "move", Old: from, New: to, Err: unix.EEXIST}
		}
		return os.Rename(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "move", Old: from, New: to, Err: err}
	}
	return nil
}

// openFile opens a regular file, and nothing else, without waiting.
func openFile(path string) (*os.File, *unix.Stat_t, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = fmt.Errorf("this is %s, not a file", kind(st.Mode))
	}
	if err != nil {
		f.Close()
		return nil, nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return f, &st, nil
}

// copyFile copies a regular file durably to a name that is free, through temp beside it.
func copyFile(from, temp, to string) (err error) {
	src, st, err := openFile(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temp)
		}
	}()
	_, err = io.Copy(dst, src)
	if err == nil && os.Geteuid() == 0 {
		err = dst.Chown(int(st.Uid), int(st.Gid))
	}
	if err = errors.Join(err, dst.Sync(), dst.Close()); err != nil {
		return err
	}
	return move(temp, to)
}
