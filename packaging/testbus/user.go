package testbus

import (
	"fmt"
	"os/user"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// User is a user of the rig, with all groups: olive (of the daemons), member (of the group olive), other.
func User(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, err
	}
	numbers := make([]uint32, 0, len(ids)+2)
	for _, id := range append([]string{u.Uid, u.Gid}, ids...) {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		numbers = append(numbers, uint32(n))
	}
	return &syscall.Credential{Uid: numbers[0], Gid: numbers[1], Groups: numbers[2:]}, nil
}

// As runs f on a thread that belongs to a user, and ends with f: connections that f makes are the user's.
func As(name string, f func() error) error {
	c, err := User(name)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		if err := become(c); err != nil {
			done <- fmt.Errorf("become %s: %w", name, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// become changes the thread only: package syscall would change the process.
func become(c *syscall.Credential) error {
	for _, s := range [][4]uintptr{
		{unix.SYS_SETGROUPS, uintptr(len(c.Groups)), uintptr(unsafe.Pointer(unsafe.SliceData(c.Groups)))},
		{unix.SYS_SETRESGID, uintptr(c.Gid), uintptr(c.Gid), uintptr(c.Gid)},
		{unix.SYS_SETRESUID, uintptr(c.Uid), uintptr(c.Uid), uintptr(c.Uid)},
	} {
		if _, _, errno := syscall.RawSyscall(s[0], s[1], s[2], s[3]); errno != 0 {
			return errno
		}
	}
	return nil
}
