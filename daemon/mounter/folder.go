package mounter

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// trusted refuses a folder if anybody but root could put something else in its place, or into it: systemd
// would mount wherever that leads. Like /tmp, a folder above it may be everybody's if nobody
// can take away what belongs to others.
func trusted(folder string) error {
	if !filepath.IsAbs(folder) {
		return fmt.Errorf("the folder for mounts, %q, is no absolute path", folder)
	}
	at := "/"
	for _, name := range strings.Split(filepath.Clean(folder), "/") {
		at = filepath.Join(at, name)
		info, err := os.Lstat(at)
		if err != nil {
			return fmt.Errorf("the folder for mounts cannot be looked at: %w: systemd-tmpfiles --create makes it", err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		shared := info.Mode().Perm()&0o022 != 0 && (info.Mode()&os.ModeSticky == 0 || at == folder)
		if !ok || !info.IsDir() || stat.Uid != 0 || shared {
			return fmt.Errorf("%s (%v) is not a folder that root alone can change, so nothing is mounted below it: "+
				"chown root it and chmod go-w it, as /usr/lib/tmpfiles.d/olive.conf has it", at, info.Mode())
		}
	}
	return nil
}
