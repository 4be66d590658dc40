// Package disk opens the regular files that clients may reach, keeps them open for a while, and tells
// one file from another that has taken its place.
package disk

import (
	"errors"
	"os"
	"syscall"
)

// FromInfo is the system's own description in info.
func FromInfo(info os.FileInfo) (*syscall.Stat_t, error) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, errors.New("it is not a file of this system")
	}
	return st, nil
}
