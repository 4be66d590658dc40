package access

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// An entry of a POSIX access control list.
type entry struct {
	tag  uint16
	perm uint16
	id   uint32 // of a named user or group
}

// Tags and version of the extended attribute, from linux/posix_acl_xattr.h.
const (
	tagOwner = 0x01
	tagUser  = 0x02
	tagGroup = 0x04 // the file's own
	tagNamed = 0x08 // another group
	tagMask  = 0x10
	tagOther = 0x20

	aclVersion = 2
	aclHeader  = 4
	aclEntry   = 8
	maxACL     = 64 << 10
)

// readACL returns the list of a file opened with O_PATH, nil for none.
func readACL(fd int) ([]entry, error) {
	const name = "system.posix_acl_access"
	buf := make([]byte, 512)
	for {
		n, err := unix.Getxattr(procPath(fd), name, buf)
		switch {
		case errors.Is(err, unix.ENODATA), errors.Is(err, unix.EOPNOTSUPP):
			return nil, nil
		case errors.Is(err, unix.ERANGE) && len(buf) < maxACL:
			buf = make([]byte, 2*len(buf))
		case err != nil:
			return nil, err
		default:
			return parseACL(buf[:n])
		}
	}
}

var errACL = errors.New("not an access control list")

// parseACL reads the attribute: a version and entries, little-endian.
func parseACL(b []byte) ([]entry, error) {
	if len(b) < aclHeader || (len(b)-aclHeader)%aclEntry != 0 || binary.LittleEndian.Uint32(b) != aclVersion {
		return nil, errACL
	}
	list := []entry{}
	seen := map[entry]bool{}
	for b = b[aclHeader:]; len(b) > 0; b = b[aclEntry:] {
		e := entry{binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]), binary.LittleEndian.Uint32(b[4:])}
		key := entry{tag: e.tag}
		switch e.tag {
		case tagUser, tagNamed:
			key.id = e.id
		case tagOwner, tagGroup, tagMask, tagOther:
		default:
			return nil, fmt.Errorf("%w: tag %#x", errACL, e.tag)
		}
		if e.perm > 7 || seen[key] {
			return nil, errACL
		}
		seen[key] = true
		list = append(list, e)
	}
	if !seen[entry{tag: tagOwner}] || !seen[entry{tag: tagGroup}] || !seen[entry{tag: tagOther}] {
		return nil, errACL
	}
	return list, nil
}

// mayByList is for callers who do not own the file, whose group is gid. One group that grants all
// that is wanted is enough; two that grant a part each are not.
func (c Caller) mayByList(gid uint32, acl []entry, want uint16) bool {
	mask, other := uint16(7), uint16(0)
	for _, e := range acl {
		switch e.tag {
		case tagMask:
			mask = e.perm
		case tagOther:
			other = e.perm
		}
	}
	for _, e := range acl {
		if e.tag == tagUser && e.id == c.UID {
			return e.perm&mask&want == want
		}
	}
	inGroup := false
	for _, e := range acl {
		if e.tag == tagGroup && c.in(gid) || e.tag == tagNamed && c.in(e.id) {
			inGroup = true
			if e.perm&mask&want == want {
				return true
			}
		}
	}
	return !inGroup && other&want == want
}
