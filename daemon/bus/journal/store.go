package journal

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// Files of a store, beside nats-server's folder "jetstream".
const (
	lockFile   = "lock"
	markerFile = "olive-store" // says that there is a store; written twice in its life
	ackedFile  = "acked"       // how far the log was acknowledged
)

// A marker tells a new store from one that has lost its files.
type marker struct {
	Version int    `json:"version"`
	Store   string `json:"store"` // random name, also in each snapshot
	// Ready is false while the store is being made: nothing has been acknowledged then.
	Ready bool `json:"ready"`
}

const storeVersion = 1

// lock takes the store for this process. The kernel drops the lock when the process ends.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", dir, ErrLocked)
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return f, nil
}

// readMarker returns the marker, or the zero marker if there is no store and no trace of one.
func readMarker(dir string) (marker, error) {
	path := filepath.Join(dir, markerFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		for _, trace := range []string{ackedFile, "jetstream"} {
			if _, err := os.Lstat(filepath.Join(dir, trace)); err == nil {
				return marker{}, &DamageError{Path: path, Offset: -1, Reason: "it is missing, though " + trace + " is there"}
			}
		}
		return marker{}, nil
	}
	if err != nil {
		return marker{}, fmt.Errorf("read the store: %w", err)
	}
	var m marker
	if err := json.Unmarshal(data, &m); err != nil || m.Version < 1 || m.Store == "" {
		return marker{}, &DamageError{Path: path, Offset: -1, Reason: "it is not a marker of a store"}
	}
	if m.Version != storeVersion {
		return marker{}, &VersionError{What: "the farm's store", Got: m.Version, Want: storeVersion}
	}
	return m, nil
}

func (m marker) write(dir string) error {
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("mark the store: %w", err)
	}
	if err := renameio.WriteFile(filepath.Join(dir, markerFile), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("mark the store: %w", err)
	}
	return syncDir(dir)
}

// begin marks the folder as a store in the making, and removes what an earlier try has left.
func begin(dir string) (marker, error) {
	m := marker{Version: storeVersion, Store: rand.Text()}
	if err := m.write(dir); err != nil {
		return m, err
	}
	if err := os.RemoveAll(filepath.Join(dir, "jetstream")); err != nil {
		return m, fmt.Errorf("make the store: %w", err)
	}
	return m, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("make the store durable: %w", err)
	}
	defer func() { _ = d.Close() }()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("make the store durable: %w", err)
	}
	return nil
}

// acked is the file that says how far the log was acknowledged, beside and apart from the log. It
// is written after each commit and synced now and then: after a kill it is exact, after a power cut
// it may be behind, but never ahead.
//
// Sequence (8 bytes), events (8), checksum of the record (4), CRC-32C of these (4).
type acked struct{ f *os.File }

const ackedSize = 24

func openAcked(dir string, create bool) (acked, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE | os.O_TRUNC
	}
	path := filepath.Join(dir, ackedFile)
	f, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return acked{}, &DamageError{Path: path, Offset: -1, Reason: "it is missing"}
	}
	if err != nil {
		return acked{}, fmt.Errorf("open the store: %w", err)
	}
	return acked{f}, nil
}

func (a acked) write(c chain) error {
	var b [ackedSize]byte
	binary.LittleEndian.PutUint64(b[0:], c.Seq)
	binary.LittleEndian.PutUint64(b[8:], c.Events)
	binary.LittleEndian.PutUint32(b[16:], c.Sum)
	binary.LittleEndian.PutUint32(b[20:], crc32.Checksum(b[:20], castagnoli))
	if _, err := a.f.WriteAt(b[:], 0); err != nil {
		return fmt.Errorf("note what is acknowledged: %w", err)
	}
	return nil
}

func (a acked) sync() error {
	if err := unix.Fdatasync(int(a.f.Fd())); err != nil {
		return fmt.Errorf("note what is acknowledged: %w", err)
	}
	return nil
}

func (a acked) read() (chain, error) {
	var b [ackedSize]byte
	if _, err := a.f.ReadAt(b[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return chain{}, fmt.Errorf("read the store: %w", err)
	}
	if crc32.Checksum(b[:20], castagnoli) != binary.LittleEndian.Uint32(b[20:]) {
		return chain{}, &DamageError{Path: a.f.Name(), Offset: -1, Reason: "wrong checksum"}
	}
	return chain{
		Seq:    binary.LittleEndian.Uint64(b[0:]),
		Events: binary.LittleEndian.Uint64(b[8:]),
		Sum:    binary.LittleEndian.Uint32(b[16:]),
	}, nil
}
