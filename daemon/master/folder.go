package master

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"olive-distributed/daemon/durable"
	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/media/film"
)

// A folder holds the parts of one job, and its log. In a farm of one process its name is a digest
// of what decides about the parts, so that the same export finds it again, and a lock keeps others
// out; in a daemon the lock of the journal does.
type folder struct {
	dir   string
	lock  *os.File        // nil in a daemon
	taken map[string]bool // workers from whose inboxes the only part has just been taken
}

func newFolder(dir string) *folder { return &folder{dir: dir, taken: map[string]bool{}} }

// makeFolder makes a folder that nobody else has.
func makeFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder for parts: %w", err)
	}
	return newFolder(dir), nil
}

// lockFolder is makeFolder for a farm of one process.
func lockFolder(dir string) (*folder, error) {
	f, err := makeFolder(dir)
	if err == nil {
		f.lock, err = lock(dir)
	}
	return f, err
}

// lock takes a folder's lock, which ends with the process.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock folder for parts: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.New("another olivectl is exporting the same; wait for it, or stop it")
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}

// Files of a folder that are no parts.
const (
	lockName    = "lock"
	logName     = "log"
	projectName = "project.ove"
)

// keepProject stores a project and returns its path: what is exported is what was submitted, whatever
// becomes of the file that it came from. The folder is new and not known to anybody, so that its files need
// not appear in one step; [folder.settle] makes them durable.
func (f *folder) keepProject(data []byte) (string, error) {
	path := filepath.Join(f.dir, projectName)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("keep the project: %w", err)
	}
	_, err = file.Write(data)
	if err := errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("keep the project: %w", err)
	}
	return path, nil
}

// settle makes a new folder durable with the files in it, at the price of one wait for the disk.
func (f *folder) settle(disk *durable.Disk) error {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	paths := []string{f.dir, filepath.Dir(f.dir)}
	for _, e := range entries {
		paths = append(paths, filepath.Join(f.dir, e.Name()))
	}
	return disk.Sync(paths...)
}

// partName is the name of a range's part: one for each worker, since two may render the same range.
func (j *job) partName(r farm.RangeView, worker string) string {
	ext := ".wav"
	if r.Content != farm.Sound {
		preset, _ := film.PresetByName(j.Plan.Encoding.Preset) // the encoding was checked at submit
		ext = preset.PartExt
	}
	return fmt.Sprintf("%d-%d.%s%s", r.First, r.End, worker, ext)
}

// part describes an accepted part as it was verified.
func (f *folder) part(r farm.Result) film.Part {
	return film.Part{
		Path: filepath.Join(f.dir, r.Part), Frames: r.Frames, Size: r.Size,
		SHA256: r.SHA256, Extradata: r.Extradata, Content: r.Content,
	}
}

// resultOf is what the farm keeps of a part.
func resultOf(p film.Part) farm.Result {
	return farm.Result{
		Part: filepath.Base(p.Path), Frames: p.Frames, Size: p.Size,
		SHA256: p.SHA256, Extradata: p.Extradata, Content: p.Content,
	}
}

// release gives the folder up; unless it is kept for a retry, it goes.
func (f *folder) release(keep bool) {
	if !keep {
		os.RemoveAll(f.dir)
	}
	if f.lock != nil {
		f.lock.Close()
		f.lock = nil
	}
}

// appendLog adds lines to the log that outlives the process. A log is a comfort: that it cannot
// be written stops nothing.
func (f *folder) appendLog(events ...Event) {
	var lines bytes.Buffer
	for encoder, i := json.NewEncoder(&lines), 0; i < len(events); i++ {
		if encoder.Encode(events[i]) != nil {
			return
		}
	}
	file, err := os.OpenFile(filepath.Join(f.dir, logName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = file.Write(lines.Bytes())
	_ = file.Close()
}

// readLog reads what appendLog wrote, as far as it is whole.
func (f *folder) readLog() []Event {
	file, err := os.Open(filepath.Join(f.dir, logName))
	if err != nil {
		return nil
	}
	defer file.Close()
	var log []Event
	for d := json.NewDecoder(file); ; {
		var e Event
		if d.Decode(&e) != nil {
			return log
		}
		log = append(log, e)
	}
}

// sweepStrangers removes folders that belong to no job of the journal.
func (m *Master) sweepStrangers() error {
	known := map[string]bool{}
	for _, j := range m.jobs {
		known[j.Folder] = true
	}
	return sweep(m.cfg.Folder, func(e os.DirEntry, dir string) {
		if !known[e.Name()] {
			os.RemoveAll(dir)
		}
	})
}

// staleAfter is the age at which the unlocked folder of an olivectl is removed.
const staleAfter = 7 * 24 * time.Hour

// sweepStale removes folders that nobody came back for.
func sweepStale(base string) error {
	return sweep(base, func(e os.DirEntry, dir string) {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < staleAfter {
			return
		}
		if f, err := lock(dir); err == nil {
			os.RemoveAll(dir)
			f.Close()
		}
	})
}

func sweep(base string, each func(e os.DirEntry, dir string)) error {
	if err := os.MkdirAll(base, 0o700); err != nil {
		return fmt.Errorf("make folder for parts: %w", err)
	}
	entries, err := os.ReadDir(base)
	if err != nil {
		return fmt.Errorf("read folder for parts: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() {
			each(e, filepath.Join(base, e.Name()))
		}
	}
	return nil
}
