package nfs3

import (
	"bytes"
	"errors"
	"io/fs"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// A Status is nfsstat3, which is also the mountstat3 of the same name (RFC 1813 §2.6, §5.1.5).
type Status uint32

// The statuses that are used here.
const (
	OK          Status = 0
	Perm        Status = 1
	NoEnt       Status = 2
	IO          Status = 5
	Acces       Status = 13
	Exist       Status = 17
	XDev        Status = 18
	NotDir      Status = 20
	IsDir       Status = 21
	Inval       Status = 22
	FBig        Status = 27
	NoSpc       Status = 28
	ROFS        Status = 30
	NameTooLong Status = 63
	DQuot       Status = 69
	Stale       Status = 70
	BadHandle   Status = 10001
	NotSync     Status = 10002
	BadCookie   Status = 10003
	NotSupp     Status = 10004
	TooSmall    Status = 10005
	ServerFault Status = 10006
	JukeBox     Status = 10008
)

// NameMax is the longest name, in bytes.
const NameMax = 255

// NameStatus says whether a client's name can be that of a file: [OK], or why not.
func NameStatus(name []byte) Status {
	switch {
	case len(name) > NameMax:
		return NameTooLong
	case len(name) == 0, string(name) == ".", string(name) == "..":
		return Inval
	case bytes.IndexByte(name, '/') >= 0, bytes.IndexByte(name, 0) >= 0, !utf8.Valid(name):
		return Inval
	}
	return OK
}

var statuses = []struct {
	err    error
	status Status
}{
	{unix.EPERM, Perm},
	{unix.EACCES, Acces},
	{unix.EEXIST, Exist},
	{unix.EXDEV, XDev},
	{unix.ENOTDIR, NotDir},
	{unix.EISDIR, IsDir},
	{unix.EFBIG, FBig},
	{unix.ENOSPC, NoSpc},
	{unix.EROFS, ROFS},
	{unix.ENAMETOOLONG, NameTooLong},
	{unix.EDQUOT, DQuot},
	{unix.ESTALE, Stale},
	{unix.EMFILE, JukeBox}, // the client waits and asks again
	{unix.ENFILE, JukeBox},
	{unix.ENOMEM, JukeBox},
	{fs.ErrNotExist, NoEnt},
}

// StatusOf is the status for an error of the system; [IO] for those that clients cannot know.
func StatusOf(err error) Status {
	if err == nil {
		return OK
	}
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return s.status
		}
	}
	return IO
}
