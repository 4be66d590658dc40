package access

import (
	"errors"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A walker stands at a file or folder.
type walker struct {
	caller Caller
	asked  string
	at     string // where it stands
	fd     int    // opened with O_PATH
	stat   unix.Stat_t
}

// maxLinks and maxSteps bound a walk.
const (
	maxLinks = 40
	maxSteps = 1000
)

// walk goes to an absolute path with the caller's rights.
func (c Caller) walk(name string) (_ *walker, err error) {
	w := &walker{caller: c, asked: name, at: "/", fd: -1}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if !strings.HasPrefix(name, "/") || strings.ContainsRune(name, 0) {
		return nil, &Error{name, name, word(read), errors.New("is not an absolute path")}
	}
	if err := w.root(); err != nil {
		return nil, err
	}
	todo, links := split(name), 0
	for steps := 0; len(todo) > 0; steps++ {
		if steps > maxSteps {
			return nil, w.fail(w.at, unix.ENAMETOOLONG)
		}
		target, err := w.step(todo[0])
		if err != nil {
			return nil, err
		}
		todo = todo[1:]
		if target == "" {
			continue
		}
		if links++; links > maxLinks {
			return nil, w.fail(w.at, unix.ELOOP)
		}
		if strings.HasPrefix(target, "/") {
			if err := w.root(); err != nil {
				return nil, err
			}
		}
		todo = slices.Concat(split(target), todo)
	}
	return w, nil
}

// split cuts a path; a slash at its end asks for a folder.
func split(name string) []string {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
	if strings.HasSuffix(name, "/") {
		parts = append(parts, ".")
	}
	return parts
}

func (w *walker) root() error { return w.move(unix.AT_FDCWD, "/", "/") }

// step goes to name in the folder it stands at. A symbolic link leaves it where it is, and its
// target is returned.
func (w *walker) step(name string) (target string, err error) {
	if w.stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		return "", w.fail(w.at, unix.ENOTDIR)
	}
	if err := w.judge(search); err != nil {
		return "", err
	}
	next := path.Join(w.at, name)
	var stat unix.Stat_t
	if err := unix.Fstatat(w.fd, name, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return "", w.fail(next, err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFLNK {
		return "", w.move(w.fd, name, next)
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(w.fd, name, buf)
	if err != nil {
		return "", w.fail(next, err)
	}
	if n == 0 || n == len(buf) {
		return "", w.fail(next, unix.ENAMETOOLONG)
	}
	return string(buf[:n]), nil
}

// move opens what becomes the new place; a link that has come between is not followed.
func (w *walker) move(dir int, name, at string) error {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return w.fail(at, err)
	}
	w.close()
	w.fd, w.at = fd, at
	if err := unix.Fstat(fd, &w.stat); err != nil {
		return w.fail(at, err)
	}
	if w.stat.Mode&unix.S_IFMT == unix.S_IFLNK {
		return w.fail(at, unix.ELOOP) // it was none a moment ago
	}
	return nil
}

func (w *walker) close() {
	if w.fd >= 0 {
		unix.Close(w.fd)
		w.fd = -1
	}
}

// fail is for what not even the daemon can see.
func (w *walker) fail(at string, err error) error {
	return &Error{w.asked, at, word(search), err}
}
