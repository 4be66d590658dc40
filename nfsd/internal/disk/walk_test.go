package disk

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAWalkOpensWhatOpenat2Would(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700),
		os.WriteFile(filepath.Join(dir, "a", "b", "file"), []byte("x"), 0o600),
		os.Symlink("b", filepath.Join(dir, "a", "link")),
		os.Symlink("b/file", filepath.Join(dir, "a", "leaf")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	at, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(at)
	before := descriptors(t)
	for name, c := range map[string]struct {
		path  string
		flags int
		want  error
	}{
		"a file below the folder":        {"a/b/file", unix.O_RDONLY, nil},
		"a path from the root":           {dir + "/a/b/file", unix.O_RDONLY, nil},
		"a folder":                       {dir + "/a/b", unix.O_DIRECTORY, nil},
		"the root":                       {"/", unix.O_DIRECTORY, nil},
		"a new file":                     {"a/new", unix.O_RDWR | unix.O_CREAT | unix.O_EXCL, nil},
		"one that is there already":      {"a/b/file", unix.O_RDWR | unix.O_CREAT | unix.O_EXCL, unix.EEXIST},
		"nothing":                        {"a/none/file", unix.O_RDONLY, unix.ENOENT},
		"a way through a link":           {"a/link/file", unix.O_RDONLY, unix.ENOTDIR},
		"a link":                         {"a/leaf", unix.O_RDONLY, unix.ELOOP},
		"a way upwards":                  {"a/../a/b/file", unix.O_RDONLY, unix.EXDEV},
		"the folder above":               {"..", unix.O_DIRECTORY, unix.EXDEV},
		"a way through a file":           {"a/b/file/x", unix.O_RDONLY, unix.ENOTDIR},
		"a folder that is a link itself": {dir + "/a/link", unix.O_DIRECTORY, unix.ENOTDIR},
	} {
		fd, err := walk(at, c.path, c.flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err == nil {
			unix.Close(fd)
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, before %d", after, before)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
