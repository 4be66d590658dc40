package disk_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/internal/disk"
	"olive-distributed/nfsd/internal/handle"
)

func folder(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	must(t, os.Mkdir(filepath.Join(dir, "real"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "real", "file"), []byte("x"), 0o600))
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOnlyRegularFilesAreOpened(t *testing.T) {
	dir := folder(t)
	must(t, os.Symlink("real", filepath.Join(dir, "way")))
	must(t, os.Symlink("file", filepath.Join(dir, "real", "link")))
	must(t, unix.Mkfifo(filepath.Join(dir, "real", "fifo"), 0o600))
	l, err := net.Listen("unix", filepath.Join(dir, "real", "socket"))
	must(t, err)
	defer l.Close()
	for path, want := range map[string]error{
		"real/file":    nil,
		"real/none":    unix.ENOENT,
		"real/link":    unix.ENOENT, // a link counts as nothing
		"way/file":     unix.ENOENT, // and so does what lies behind one
		"real/fifo":    unix.ENOENT, // and nobody waits for a writer
		"real/socket":  unix.ENOENT,
		"real":         unix.ENOENT,
		"real/file/in": unix.ENOTDIR,
	} {
		fd, _, err := disk.OpenPath(filepath.Join(dir, path))
		if !errors.Is(err, want) {
			t.Errorf("open %s: %v, want %v", path, err, want)
		}
		if err == nil {
			must(t, unix.Close(fd))
		}
	}
	at, err := disk.OpenDir(filepath.Join(dir, "real"))
	must(t, err)
	defer unix.Close(at)
	for name, want := range map[string]error{"file": nil, "../real/file": unix.ENOENT, "/etc/passwd": unix.ENOENT, "link": unix.ENOENT, ".": unix.ENOENT} {
		fd, _, err := disk.OpenAt(at, name, unix.O_RDWR)
		if !errors.Is(err, want) {
			t.Errorf("open %s in the folder: %v, want %v", name, err, want)
		}
		if err == nil {
			must(t, unix.Close(fd))
		}
	}
	if fd, err := disk.OpenDir(filepath.Join(dir, "way")); err == nil {
		unix.Close(fd)
		t.Error("a folder was opened through a link")
	}
}

func TestAGenerationStaysWithItsFile(t *testing.T) {
	dir := folder(t)
	path, moved := filepath.Join(dir, "real", "file"), filepath.Join(dir, "moved")
	gen := func(path string) uint32 {
		t.Helper()
		st, err := disk.Stat(unix.AT_FDCWD, path)
		must(t, err)
		g, err := disk.Generation(unix.AT_FDCWD, path, &st)
		must(t, err)
		fd, st, err := disk.OpenPath(path)
		must(t, err)
		defer unix.Close(fd)
		open, err := disk.Generation(fd, "", &st)
		must(t, err)
		if g != open || g > handle.GenerationMask {
			t.Errorf("by its path the generation is %x, by its descriptor %x", g, open)
		}
		return g
	}
	before := gen(path)
	must(t, os.WriteFile(path, []byte("longer"), 0o600))
	must(t, os.Rename(path, moved))
	if after := gen(moved); after != before {
		t.Errorf("after a write and a rename the generation is %x, it was %x", after, before)
	}
	must(t, os.WriteFile(path, []byte("another"), 0o600))
	if other := gen(path); other == before {
		t.Error("another file has the same generation")
	}
}

// open is a file for a cache; closed says whether its descriptor is closed.
func open(t *testing.T, dir string, object uint64) (*disk.Open, func() bool) {
	t.Helper()
	fd, st, err := disk.OpenPath(filepath.Join(dir, "real", "file"))
	must(t, err)
	return &disk.Open{Key: disk.Key{Export: 1, Object: object}, FD: fd}, func() bool {
		var now unix.Stat_t
		return unix.Fstat(fd, &now) != nil || now.Ino != st.Ino
	}
}

func TestACacheKeepsWhatIsInUse(t *testing.T) {
	dir := folder(t)
	c := disk.NewCache(2)
	defer c.Clear()
	first, closed := open(t, dir, 1)
	c.Add(first)
	for object := uint64(2); object < 5; object++ {
		f, _ := open(t, dir, object)
		c.Put(c.Add(f))
	}
	if c.Get(first.Key) != nil {
		t.Error("the one that was not used for the longest is still there")
	}
	if closed() {
		t.Fatal("a file was closed that somebody uses")
	}
	c.Put(first)
	if !closed() {
		t.Error("a file that nobody uses is still open")
	}
}

func TestTwoWhoOpenTheSameShareIt(t *testing.T) {
	dir := folder(t)
	c := disk.NewCache(2)
	defer c.Clear()
	a, aClosed := open(t, dir, 1)
	b, bClosed := open(t, dir, 1)
	if got := c.Add(a); got != a {
		t.Fatal("the first is not kept")
	}
	if got := c.Add(b); got != a || !bClosed() {
		t.Error("the second is kept too")
	}
	c.Drop(a.Key)
	c.Put(a)
	if aClosed() {
		t.Error("it was closed before the second user had put it back")
	}
	c.Put(a)
	if !aClosed() {
		t.Error("it is still open")
	}
}

func TestAnotherFileTakesAKey(t *testing.T) {
	dir := folder(t)
	c := disk.NewCache(2)
	defer c.Clear()
	a, aClosed := open(t, dir, 1)
	b, _ := open(t, dir, 1)
	b.About = "another path"
	c.Put(c.Add(a))
	if got := c.Add(b); got != b || !aClosed() {
		t.Error("what was there before is kept")
	}
	c.Put(b)
}

func TestWithoutDescriptorsTheCacheIsEmptied(t *testing.T) {
	dir := folder(t)
	c := disk.NewCache(2)
	f, closed := open(t, dir, 1)
	c.Put(c.Add(f))
	tries := 0
	err := c.Try(func() error {
		if tries++; tries == 1 {
			return &os.PathError{Err: unix.EMFILE}
		}
		return nil
	})
	if err != nil || tries != 2 || !closed() {
		t.Errorf("after %d tries: %v, closed %t", tries, err, closed())
	}
	if err := c.Try(func() error { tries++; return unix.EIO }); !errors.Is(err, unix.EIO) || tries != 3 {
		t.Errorf("another error: %v after %d tries", err, tries)
	}
}

func TestReadCached(t *testing.T) {
	dir := folder(t)
	f, _ := open(t, dir, 1)
	defer unix.Close(f.FD)
	b := make([]byte, 4)
	if _, err := unix.Pread(f.FD, b, 0); err != nil { // now it is in memory
		t.Fatal(err)
	}
	n, err := disk.ReadCached(f.FD, b, 0)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return // a file system that always waits
	}
	if err != nil || n != 1 || b[0] != 'x' {
		t.Errorf("read %d bytes %q, %v", n, b[:n], err)
	}
}
