// Package config reads the settings of the daemons: TOML files with a default for every key.
//
// A missing file means the defaults. A file with any fault is refused whole, and every fault is
// told with file, line and column: syntax, unknown keys, wrong types, values out of range. What a
// failed call returns must not be used.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// An Error is one fault of a settings file.
type Error struct {
	File         string
	Line, Column int // in characters, from 1
	Problem      string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Problem)
}

// LoadMaster reads the master's settings. An error holds an [*Error] for each fault of the file.
func LoadMaster(path string) (Master, error) {
	m := defaultMaster()
	if err := load(path, m.keys()); err != nil {
		return Master{}, err
	}
	return m, nil
}

// LoadWorker reads a worker's settings. An error holds an [*Error] for each fault of the file.
func LoadWorker(path string) (Worker, error) {
	w := defaultWorker()
	if err := load(path, w.keys()); err != nil {
		return Worker{}, err
	}
	if w.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			return Worker{}, fmt.Errorf("the worker has no name: set name in %s: %w", path, err)
		}
		if w.Name = nameOf(host); w.Name == "" {
			return Worker{}, fmt.Errorf("the host name %q makes no worker's name: set name in %s", host, path)
		}
	}
	return w, nil
}

// nameOf makes a worker's name of the first label of a host name, "" when nothing of it is left.
func nameOf(host string) string {
	label, _, _ := strings.Cut(strings.ToLower(host), ".")
	label = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, label)
	return strings.Trim(label[:min(len(label), maxName)], "-")
}

const maxFile = 64 << 10

// load sets keys from the file.
func load(path string, keys []key) error {
	return loadChecked(path, keys, func(fs.FileInfo) error { return nil })
}

// loadChecked is load for a file that is read only if check has nothing against it.
func loadChecked(path string, keys []key, check func(fs.FileInfo) error) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not block the start
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err == nil && info.Size() > maxFile {
		err = fmt.Errorf("it is larger than %d KiB", maxFile>>10)
	}
	if err == nil {
		err = check(info)
	}
	if err != nil {
		return fmt.Errorf("read settings %s: %w", path, err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	var all []error
	for _, fault := range parse(strings.TrimPrefix(string(text), "\ufeff"), keys) {
		fault.File = path
		all = append(all, fault)
	}
	return errors.Join(all...)
}

// byPlace orders faults as they stand in the file.
func byPlace(a, b *Error) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}
