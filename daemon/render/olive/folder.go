package olive

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A folder is the editor's world for one run: its project, its working folder and its home. It is
// locked, so that those of a process that was killed can be told from others.
type folder struct {
	dir  string
	lock *os.File
}

const folderPrefix = "olive-editor-"

// newFolder makes a folder in dir, "" for the system's, and removes the ones that were left there.
func newFolder(dir string) (*folder, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	sweep(dir)
	f := &folder{}
	var err error
	if f.dir, err = os.MkdirTemp(dir, folderPrefix); err != nil {
		return nil, err
	}
	if f.lock, err = os.Open(f.dir); err == nil {
		err = unix.Flock(int(f.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	for _, sub := range []string{f.work(), f.home(), f.runtime(), f.temp()} {
		err = errors.Join(err, os.Mkdir(sub, 0o700))
	}
	if err == nil {
		err = f.linkFonts()
	}
	if err != nil {
		f.remove()
		return nil, err
	}
	return f, nil
}

func (f *folder) project() string { return filepath.Join(f.dir, "project.ove") }
func (f *folder) work() string    { return filepath.Join(f.dir, "work") }
func (f *folder) home() string    { return filepath.Join(f.dir, "home") }
func (f *folder) runtime() string { return filepath.Join(f.dir, "run") }
func (f *folder) temp() string    { return filepath.Join(f.dir, "tmp") }

// nowhere is a path at which no medium is.
func (f *folder) nowhere() string { return filepath.Join(f.dir, "left-out") }

// linkFonts lets the editor find the same fonts as we, although its home is another one.
func (f *folder) linkFonts() error {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil // then there are none
	}
	either := func(variable, below string) string {
		if dir := os.Getenv(variable); filepath.IsAbs(dir) {
			return dir
		}
		return filepath.Join(home, below)
	}
	for to, from := range map[string]string{
		".fonts":             filepath.Join(home, ".fonts"),
		".config/fontconfig": filepath.Join(either("XDG_CONFIG_HOME", ".config"), "fontconfig"),
		".local/share/fonts": filepath.Join(either("XDG_DATA_HOME", ".local/share"), "fonts"),
		".cache/fontconfig":  filepath.Join(either("XDG_CACHE_HOME", ".cache"), "fontconfig"),
	} {
		if _, err := os.Stat(from); err != nil {
			continue
		}
		link := filepath.Join(f.home(), to)
		if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
			return err
		}
		if err := os.Symlink(from, link); err != nil {
			return err
		}
	}
	return nil
}

// remove takes everything away.
func (f *folder) remove() {
	_ = os.RemoveAll(f.dir) // what cannot be removed now, sweep tries again
	if f.lock != nil {
		_ = f.lock.Close()
	}
}

// sweep removes folders that no process holds any more.
func sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), folderPrefix) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		lock, err := os.Open(path)
		if err != nil {
			continue
		}
		if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil && !fresh(lock) {
			_ = os.RemoveAll(path)
		}
		_ = lock.Close()
	}
}
