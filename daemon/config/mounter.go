package config

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"
)

// Mounter holds the settings of olive-mounter.
type Mounter struct {
	Port    int           // of the worker's NFS port on 127.0.0.1
	Timeout time.Duration // for one mount; the master must have answered by then
	Idle    time.Duration // without a call, after which the helper leaves
}

func defaultMounter() Mounter {
	return Mounter{Port: 7481, Timeout: 30 * time.Second, Idle: time.Minute}
}

func (m *Mounter) keys() []key {
	return []key{
		{"port", integer{&m.Port, 1, 65535}},
		{"timeout", duration{&m.Timeout, time.Second, 5 * time.Minute}},
		{"idle", duration{&m.Idle, time.Second, 24 * time.Hour}},
	}
}

// LoadMounter reads the mount helper's settings, which must be root's: a file that others may write, or that
// belongs to anybody else, is refused. An error holds an [*Error] for each fault of the text.
func LoadMounter(path string) (Mounter, error) {
	m := defaultMounter()
	if err := loadChecked(path, m.keys(), ownedByRoot); err != nil {
		return Mounter{}, err
	}
	return m, nil
}

// ownedByRoot refuses a file that root alone may not have written.
func ownedByRoot(info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return errors.New("it has no owner")
	case stat.Uid != 0:
		return fmt.Errorf("it belongs to user %d and must be root's: look at what it says, then chown root:root it", stat.Uid)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("its mode is %04o and others than root may write it: look at what it says, then chmod go-w it", info.Mode().Perm())
	}
	return nil
}
