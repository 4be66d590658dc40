package access_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"olive-distributed/dbus/access"
)

// thread runs f with the rights of the caller, as the kernel grants them to a thread that ends with f.
func thread(t *testing.T, c access.Caller, f func() error) error {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test needs root: run the tests as root")
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked
		for _, s := range [][4]uintptr{
			{unix.SYS_SETGROUPS, uintptr(len(c.Groups)), uintptr(unsafe.Pointer(unsafe.SliceData(c.Groups)))},
			{unix.SYS_SETRESGID, uintptr(c.Groups[0]), uintptr(c.Groups[0]), uintptr(c.Groups[0])},
			{unix.SYS_SETRESUID, uintptr(c.UID), uintptr(c.UID), uintptr(c.UID)},
		} {
			if _, _, errno := syscall.RawSyscall(s[0], s[1], s[2], s[3]); errno != 0 {
				done <- errors.New("cannot become another user")
				return
			}
		}
		done <- f()
	}()
	return <-done
}

// folder is one that everybody can enter.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "olive-access-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

type acl []struct {
	tag, perm uint16
	id        uint32
}

func (a acl) set(t *testing.T, path string) {
	t.Helper()
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range a {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	if err := unix.Setxattr(path, "system.posix_acl_access", b, 0); err != nil {
		t.Fatalf("set access control list of %s: %v", path, err)
	}
}

const none = 0xffffffff

// randomACL has entries in the order in which the kernel wants them.
func randomACL(r *rand.Rand) acl {
	perm := func() uint16 { return uint16(r.IntN(8)) }
	a := acl{{1, perm(), none}}
	for id := uint32(3001); id < 3004; id++ {
		if r.IntN(2) == 0 {
			a = append(a, acl{{2, perm(), id}}...)
		}
	}
	a = append(a, acl{{4, perm(), none}}...)
	for id := uint32(4001); id < 4004; id++ {
		if r.IntN(2) == 0 {
			a = append(a, acl{{8, perm(), id}}...)
		}
	}
	return append(a, acl{{0x10, perm(), none}, {0x20, perm(), none}}...)
}

// decorate gives a file a random owner, mode and sometimes a list.
func decorate(t *testing.T, r *rand.Rand, path string) {
	t.Helper()
	if err := errors.Join(os.Chown(path, 3001+r.IntN(3), 4001+r.IntN(3)), os.Chmod(path, os.FileMode(r.IntN(0o1000)))); err != nil {
		t.Fatal(err)
	}
	if r.IntN(2) == 0 {
		randomACL(r).set(t, path)
	}
}

// quirk says that the kernel looks only at the mode because the list's mask is empty, and so
// grants others what the list does not grant to them by name.
func quirk(paths ...string) bool {
	return slices.ContainsFunc(paths, func(p string) bool {
		info, err := os.Stat(p)
		n, listed := unix.Getxattr(p, "system.posix_acl_access", nil)
		return err == nil && listed == nil && n > 0 && info.Mode().Perm()&0o070 == 0
	})
}

// TestTheKernelAgrees compares the judgement with what the kernel does, for files of random
// owners, modes and lists in such folders.
func TestTheKernelAgrees(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var granted, refused int
	for range 400 {
		dir := folder(t)
		sub, file := filepath.Join(dir, "sub"), filepath.Join(dir, "sub", "film.ove")
		if err := errors.Join(os.Mkdir(sub, 0o755), os.WriteFile(file, []byte("film"), 0o600)); err != nil {
			t.Fatal(err)
		}
		decorate(t, r, file)
		decorate(t, r, sub)
		c := access.Caller{UID: 3001 + uint32(r.IntN(3)), Groups: []uint32{4001 + uint32(r.IntN(3))}}
		if r.IntN(2) == 0 {
			c.Groups = append(c.Groups, 4001+uint32(r.IntN(3)))
		}
		for _, check := range []struct {
			what         string
			ours, kernel func() error
		}{
			{"read", func() error { return c.Readable(file) }, func() error {
				f, err := os.Open(file)
				f.Close()
				return err
			}},
			{"list", func() error { _, err := c.List(sub); return err }, func() error {
				return errors.Join(unix.Faccessat(unix.AT_FDCWD, sub, unix.R_OK|unix.X_OK, 0))
			}},
			{"create", func() error { return c.Creatable(filepath.Join(sub, "new")) }, func() error {
				return unix.Faccessat(unix.AT_FDCWD, sub, unix.W_OK|unix.X_OK, 0)
			}},
		} {
			ours, kernel := check.ours(), thread(t, c, check.kernel)
			if ours == nil {
				granted++
			} else {
				refused++
			}
			if (ours == nil) != (kernel == nil) && !(ours != nil && quirk(sub, file)) {
				t.Errorf("%s by %+v: we say %v, the kernel %v", check.what, c, ours, kernel)
			}
		}
	}
	if granted < 50 || refused < 50 {
		t.Errorf("%d granted and %d refused: the test sees too little", granted, refused)
	}
}

func TestOpen(t *testing.T) {
	user := access.Caller{UID: 3001, Groups: []uint32{4001}}
	dir := folder(t)
	path := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(path("open"), []byte("content"), 0o644))
	must(os.WriteFile(path("secret"), []byte("secret"), 0o600))
	must(os.Mkdir(path("closed"), 0o700))
	must(os.WriteFile(path("closed/open"), []byte("behind"), 0o644))
	must(os.Symlink("open", path("link")))
	must(os.Symlink(path("secret"), path("to-secret")))
	must(os.Symlink(path("closed/open"), path("to-closed")))
	must(os.Symlink("loop", path("loop")))
	must(unix.Mkfifo(path("fifo"), 0o666))
	must(os.Symlink("/proc/self/fd/0", path("magic")))
	for name, test := range map[string]struct {
		path string
		want error // nil, or what it is
		text string
	}{
		"a file of everybody's":               {path("open"), nil, ""},
		"a link to one":                       {path("link"), nil, ""},
		"dots on the way":                     {dir + "/closed/../open", fs.ErrPermission, "you may not enter " + path("closed")},
		"a file of somebody's":                {path("secret"), fs.ErrPermission, "you may not read " + path("secret")},
		"a link to it":                        {path("to-secret"), fs.ErrPermission, "you may not read " + path("secret")},
		"an open file in a closed folder":     {path("closed/open"), fs.ErrPermission, "you may not enter " + path("closed")},
		"a link into the closed folder":       {path("to-closed"), fs.ErrPermission, "you may not enter " + path("closed")},
		"a loop of links":                     {path("loop"), syscall.ELOOP, ""},
		"nothing":                             {path("nothing"), fs.ErrNotExist, ""},
		"a file as a folder":                  {path("open/film"), syscall.ENOTDIR, ""},
		"a file with a slash behind it":       {path("open") + "/", syscall.ENOTDIR, ""},
		"a relative path":                     {"open", errAny, "is not an absolute path"},
		"a FIFO, which would block":           {path("fifo"), errAny, "is not a regular file"},
		"a folder":                            {dir, errAny, "is not a regular file"},
		"the daemon's own descriptors":        {path("magic"), fs.ErrPermission, "you may not enter /proc/"},
		"the daemon's descriptors by its pid": {fmt.Sprintf("/proc/%d/fd/0", os.Getpid()), fs.ErrPermission, "you may not enter /proc/"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := user.Open(test.path)
			if test.want == nil {
				if err != nil {
					t.Fatalf("Open(%s) = %v, want the file", test.path, err)
				}
				defer f.Close()
				if b, err := io.ReadAll(f); err != nil || string(b) != "content" {
					t.Errorf("content is %q, %v", b, err)
				}
				return
			}
			var refused *access.Error
			if !errors.As(err, &refused) || test.want != errAny && !errors.Is(err, test.want) || !contains(err, test.text) {
				t.Errorf("Open(%s) = %v, want %v with %q", test.path, err, test.want, test.text)
			}
		})
	}
	if _, err := (access.Caller{}).Open(path("secret")); err != nil {
		t.Errorf("root: %v", err)
	}
}

var errAny = errors.New("any")

func contains(err error, text string) bool {
	return err != nil && strings.Contains(err.Error(), text)
}

// TestNamesThatChange exchanges a file of the user's and a secret all the time: what is opened
// is never the secret.
func TestNamesThatChange(t *testing.T) {
	dir := folder(t)
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	if err := errors.Join(os.WriteFile(a, []byte("mine"), 0o644), os.WriteFile(b, []byte("secret"), 0o600)); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
			}
		}
	}()
	opened := 0
	for range 5000 {
		f, err := access.Caller{UID: 3001, Groups: []uint32{4001}}.Open(a)
		if err != nil {
			continue
		}
		opened++
		content, err := io.ReadAll(f)
		f.Close()
		if err != nil || string(content) != "mine" {
			t.Fatalf("opened %q, %v", content, err)
		}
	}
	close(stop)
	<-stopped
	if opened == 0 {
		t.Error("nothing was opened: the test saw nothing")
	}
}

func TestCreatable(t *testing.T) {
	dir := folder(t)
	if err := errors.Join(os.Chmod(dir, 0o777|os.ModeSticky), os.WriteFile(filepath.Join(dir, "roots"), nil, 0o666)); err != nil {
		t.Fatal(err)
	}
	user := access.Caller{UID: 3001, Groups: []uint32{4001}}
	if err := user.Creatable(filepath.Join(dir, "new")); err != nil {
		t.Errorf("a new name in a sticky folder: %v", err)
	}
	if err := user.Creatable(filepath.Join(dir, "roots")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("another's file in a sticky folder: %v, want a refusal", err)
	}
	if err := user.Creatable(dir + "/.."); err == nil {
		t.Error("a folder can be made as a film")
	}
	if err := user.Creatable("/etc/film.mp4"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a closed folder: %v, want a refusal", err)
	}
}
