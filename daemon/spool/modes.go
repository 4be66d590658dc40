package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// folders are the spool's folders with their modes; the package comment says why.
var folders = []struct {
	name string
	mode uint32
}{{incoming, 0o3770}, {processing, 0o2750}, {outgoing, 0o2770}, {done, 0o2770}, {failed, 0o2770}}

// makeFolders makes the folders that are missing.
func (s *Spool) makeFolders() error {
	for _, f := range folders {
		path := s.path(f.name)
		err := unix.Mkdir(path, f.mode&0o777)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = unix.Chmod(path, f.mode) // the umask has no say, and mkdir leaves out the upper bits
		}
		if err != nil {
			return &os.PathError{Op: "make", Path: path, Err: err}
		}
	}
	return nil
}

// CheckModes compares the folders with the modes and the group that they should have, and says for
// each difference what comes of it and which command puts it right; nil: all is well. gid is that
// of the group olive; negative: any.
func (s *Spool) CheckModes(gid int) []string {
	var wrong []string
	for _, f := range folders {
		path := s.path(f.name)
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v: make it with `systemd-tmpfiles --create`", path, err))
			continue
		}
		wrong = append(wrong, modeFaults(path, f.mode, gid, &st)...)
	}
	return wrong
}

func modeFaults(path string, want uint32, gid int, st *unix.Stat_t) []string {
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return []string{fmt.Sprintf("%s is %s: the spool needs a folder there", path, kind(st.Mode))}
	}
	mode := st.Mode & 0o7777
	var why []string
	switch {
	case mode&unix.S_ISGID == 0:
		why = append(why, "without set-group-id the daemon cannot read what users with a strict umask drop, nor they their films")
	case want&unix.S_ISVTX != 0 && mode&unix.S_ISVTX == 0:
		why = append(why, "without the sticky bit each member of the group can remove what others drop")
	case mode&0o070&want != want&0o070:
		why = append(why, "the group cannot use it")
	case mode&0o007 != 0:
		why = append(why, "users outside of the group get in")
	case mode&0o700 != 0o700:
		why = append(why, "the daemon cannot use it")
	}
	var wrong []string
	for _, w := range why {
		wrong = append(wrong, fmt.Sprintf("%s has mode %04o: %s: `chmod %04o %s`", path, mode, w, want, path))
	}
	if gid >= 0 && st.Gid != uint32(gid) {
		wrong = append(wrong, fmt.Sprintf("%s belongs to group %s: `chgrp olive %s`", path, strconv.FormatUint(uint64(st.Gid), 10), path))
	}
	if int(st.Uid) != os.Geteuid() {
		wrong = append(wrong, fmt.Sprintf("%s belongs to user %d, but the daemon runs as %d and cannot take what others drop: `chown olive %s`", path, st.Uid, os.Geteuid(), path))
	}
	return wrong
}
