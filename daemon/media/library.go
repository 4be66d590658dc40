package media

import (
	"context"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"olive-distributed/daemon/media/probe"
)

// A Library opens media and remembers what it learnt about them. It is safe for concurrent
// use; the same medium is examined once, however many ask at the same time.
type Library struct {
	dir     string
	ctx     context.Context
	cancel  context.CancelFunc
	work    sync.WaitGroup
	files   memo[*probe.File]
	indexes memo[*Index]

	mu   sync.Mutex
	temp string // holds the remuxes when there is no dir
}

// NewLibrary keeps indexes and remuxed media in dir, or only for its own life when dir is "".
// Several processes may share dir. What was not used for a week is removed from it; whatever lies
// there may be deleted while no Library uses it.
func NewLibrary(dir string) *Library {
	if dir != "" {
		prune(dir, time.Now().Add(-unusedAfter))
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Library{dir: dir, ctx: ctx, cancel: cancel}
}

// errClosed is the answer of a closed Library.
var errClosed = errors.New("the media library is closed")

// Close stops what still runs, waits for it and removes temporary remuxes. Readers that are
// open must be closed before.
func (l *Library) Close() error {
	l.cancel()
	l.work.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.temp == "" {
		return nil
	}
	if err := os.RemoveAll(l.temp); err != nil {
		return fmt.Errorf("remove remuxed media: %w", err)
	}
	l.temp = ""
	return nil
}

// copyDir is where copies go.
func (l *Library) copyDir() (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dir != "" {
		return l.dir, os.MkdirAll(l.dir, 0o700)
	}
	if l.temp == "" {
		temp, err := os.MkdirTemp("", "olive-media-")
		if err != nil {
			return "", err
		}
		l.temp = temp
	}
	return l.temp, nil
}

// CopyPath is where a copy of what key names lies, or is to be written. Copies are removed with the
// library, or when nobody has used them for long.
func (l *Library) CopyPath(key, ext string) (string, error) {
	dir, err := l.copyDir()
	if err != nil {
		return "", err
	}
	return cachePath(dir, key, ext), nil
}

// A memo answers each key once: callers that come while the answer is being made wait for it.
// Errors are not kept.
type memo[T any] struct {
	mu    sync.Mutex
	calls map[string]*call[T]
}

type call[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// do runs answer under the library's life, not the caller's: others may wait for the same answer.
func (m *memo[T]) do(ctx context.Context, l *Library, key string, answer func(context.Context) (T, error)) (T, error) {
	m.mu.Lock()
	c, ok := m.calls[key]
	if !ok {
		if l.ctx.Err() != nil {
			m.mu.Unlock()
			var none T
			return none, errClosed
		}
		c = m.add(key)
		l.work.Go(func() {
			defer close(c.done)
			if c.value, c.err = answer(l.ctx); c.err != nil {
				m.forget(key)
			}
		})
	}
	m.mu.Unlock()
	select {
	case <-c.done:
		return c.value, c.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

func (m *memo[T]) add(key string) *call[T] {
	if m.calls == nil {
		m.calls = map[string]*call[T]{}
	}
	c := &call[T]{done: make(chan struct{})}
	m.calls[key] = c
	return c
}

func (m *memo[T]) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.calls, key)
}

// Probe reads the headers of path. It refuses, without opening it, what is not a regular file,
// and every container that could name further files.
func (l *Library) Probe(ctx context.Context, path string) (*probe.File, error) {
	src, err := probe.Open(path, 0)
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	return l.Headers(ctx, src)
}

// Headers reads the headers of a medium, once.
func (l *Library) Headers(ctx context.Context, src probe.Source) (*probe.File, error) {
	return l.files.do(ctx, l, src.Key, func(ctx context.Context) (*probe.File, error) {
		if rec, ok := l.load(src.Key, fileExt); ok && rec.File != nil {
			return rec.File, nil
		}
		file, err := probe.Headers(ctx, src)
		if err != nil {
			return nil, err
		}
		l.save(src.Key, fileExt, record{File: file})
		return file, nil
	})
}

// cacheVersion changes with the meaning of what lies in the cache.
const cacheVersion = "olive-media-3"

// cachePath names a cache file by what it was made of.
func cachePath(dir, key, ext string) string {
	sum := sha256.Sum256([]byte(cacheVersion + "\x00" + key))
	return filepath.Join(dir, hex.EncodeToString(sum[:16])+ext)
}

// A record is what lies in the cache about a medium: its headers, or the index of a stream.
type record struct {
	File  *probe.File
	Index *Index
	Play  play
}

// load reads a record from the cache; any fault means that it is made anew.
func (l *Library) load(key, ext string) (rec record, ok bool) {
	if l.dir == "" {
		return record{}, false
	}
	path := cachePath(l.dir, key, ext)
	f, err := os.Open(path)
	if err != nil {
		return record{}, false
	}
	defer f.Close()
	if err := gob.NewDecoder(f).Decode(&rec); err != nil {
		return record{}, false
	}
	used := time.Now()
	if rec.Play.Remuxed && os.Chtimes(rec.Play.Path, used, used) != nil { // it is gone
		return record{}, false
	}
	_ = os.Chtimes(path, used, used) // at worst it is dropped too early
	return rec, true
}

// loadIndex reads an index from the cache.
func (l *Library) loadIndex(key string) (*Index, bool) {
	rec, ok := l.load(key, indexExt)
	if !ok || rec.Index == nil {
		return nil, false
	}
	rec.Index.play = rec.Play
	return rec.Index, true
}

const (
	fileExt  = ".file"
	indexExt = ".index"
)

// save writes a record into the cache. The cache only saves time, so a failure is no error.
func (l *Library) save(key, ext string, rec record) {
	if l.dir == "" || os.MkdirAll(l.dir, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(l.dir, "record-*.tmp")
	if err != nil {
		return
	}
	err = errors.Join(gob.NewEncoder(f).Encode(rec), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), cachePath(l.dir, key, ext))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
}

// unusedAfter is the age at which what lies in the cache goes.
const unusedAfter = 7 * 24 * time.Hour

// prune removes what was not used for long. Only files of our kinds are touched.
func prune(dir string, before time.Time) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // there is no cache yet
	}
	for _, e := range entries {
		ours := slices.Contains([]string{fileExt, indexExt, ".mkv", ".nut", ".tmp"}, filepath.Ext(e.Name()))
		if info, err := e.Info(); err == nil && ours && info.Mode().IsRegular() && info.ModTime().Before(before) {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
