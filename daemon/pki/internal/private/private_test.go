package private_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"olive-distributed/daemon/pki/internal/private"
)

var errCrash = errors.New("the machine lost its power")

func open(t *testing.T, dir string, step private.Step) *private.Folder {
	t.Helper()
	f, err := private.Open(dir, step)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestCrashLeavesTheOldOrTheNew(t *testing.T) {
	const most = 50
	n := 0
	for done := false; !done && n < most; n++ {
		dir := filepath.Join(t.TempDir(), "keys")
		var steps []string
		limit := -1
		f := open(t, dir, func(what, path string) error {
			if limit >= 0 && len(steps) >= limit {
				return errCrash
			}
			if limit >= 0 {
				steps = append(steps, what+" "+filepath.Base(path))
			}
			return nil
		})
		if err := f.Replace("a.json", []byte("old")); err != nil {
			t.Fatal(err)
		}
		limit = n
		err := f.Replace("a.json", []byte("new"))
		done = err == nil
		if !done && !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		got, err := private.Read(f.Path("a.json"), 100)
		if err != nil || string(got) != "old" && string(got) != "new" || done && string(got) != "new" {
			t.Errorf("after %q: %q, %v; want the old or the new", steps, got, err)
		}
	}
	if n != 5 { // create, write, rename, sync, and once without a crash
		t.Errorf("%d steps, want 5", n)
	}
}

func TestFilesAreSyncedBeforeTheyAreAnnounced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	var steps []string
	f := open(t, dir, func(what, path string) error {
		steps = append(steps, what+" "+filepath.Base(path))
		return nil
	})
	if err := f.Replace("a.json", []byte("x")); err != nil {
		t.Fatal(err)
	}
	want := []string{"mkdir keys", "sync " + filepath.Base(filepath.Dir(dir)), "create a.json", "write a.json", "rename a.json", "sync keys"}
	if strings.Join(steps, ", ") != strings.Join(want, ", ") {
		t.Errorf("steps %q, want %q", steps, want)
	}
}

func TestSweepRemovesOnlyUnfinishedFiles(t *testing.T) {
	dir := t.TempDir()
	os.Chmod(dir, 0o700)
	f := open(t, dir, nil)
	for _, name := range []string{"a.json", ".a.json123", ".a.json", ".a.json.bak", ".b.json123", "a.json123"} {
		if err := os.WriteFile(f.Path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Sweep("a.json"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if got, want := strings.Join(left, " "), ".a.json .a.json.bak .b.json123 a.json a.json123 lock"; got != want {
		t.Errorf("left: %s\nwant: %s", got, want)
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	for name, c := range map[string]struct {
		make func() error
		want string
	}{
		"what others can read": {func() error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o604)) }, "chmod 600"},
		"what is too big":      {func() error { return os.WriteFile(path, []byte("12345"), 0o600) }, "too big"},
		"a folder":             {func() error { return os.Mkdir(path, 0o700) }, "not a regular file"},
		"a link":               {func() error { return errors.Join(os.WriteFile(dir+"/b", nil, 0o600), os.Symlink("b", path)) }, "symbolic links"},
		"nothing":              {func() error { return nil }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			defer os.Remove(path)
			if err := c.make(); err != nil {
				t.Fatal(err)
			}
			if _, err := private.Read(path, 4); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Read = %v, want %q", err, c.want)
			}
		})
	}
}

func TestOneAtATime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	f, err := private.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := private.Open(dir, nil); !errors.Is(err, private.ErrInUse) {
		t.Errorf("second Open = %v, want ErrInUse", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, nil)
}
