// Package rig runs containers with a real systemd, in which tests install packages.
//
// It needs root, systemd-nspawn, mmdebstrap and, for the first base tree, Debian's mirrors. A container's
// changes are thrown away when it stops; all containers and networks of a process end with it. An error
// leaves nothing running.
package rig

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// packages are what a machine has on which olive-distributed is installed: systemd, and what the package depends on.
var packages = []string{
	"systemd", "systemd-sysv", "libpam-systemd", "libnss-systemd", "dbus", "polkitd", "udev", "kmod",
	"iproute2", "procps", "passwd", "login", "netbase", "nfs-common", "ffmpeg",
}

// recipe is how the base tree is made: the release of Debian that the packages are for, without what nobody
// reads in a container. This machine's name does not belong into it.
var recipe = []string{
	"--quiet", "--mode=root", "--variant=minbase", "--include=" + strings.Join(packages, ","),
	`--aptopt=APT::Install-Recommends "false"`, `--aptopt=Acquire::Languages "none"`,
	"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
	`--customize-hook=rm -f "$1/etc/hostname"`, "bookworm",
}

// Base returns a tree of Debian, built at the first call on a machine and kept in the user's cache
// folder. Its name depends on the recipe.
func Base(ctx context.Context) (string, error) {
	dir, err := Keep("", strings.Join(recipe, " "), func(dir string) error {
		_, err := run(ctx, nil, "mmdebstrap", append(slices.Clip(recipe), dir)...)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("build base tree: %w", err)
	}
	return dir, nil
}

// Keep returns a folder of the user's cache that build makes when it is not there, whoever else asks at
// the same time. Its name begins with prefix and depends on the recipe. An error leaves none.
func Keep(prefix, recipe string, build func(dir string) error) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	sum := sha256.Sum256([]byte(recipe))
	dir := filepath.Join(cache, "olive-distributed-rig", prefix+hex.EncodeToString(sum[:8]))
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder: %w", err)
	}
	unlock, err := lock(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	unfinished := dir + ".new" // the lock is ours: what lies there is of a run that was killed
	if err := os.RemoveAll(unfinished); err != nil {
		return "", fmt.Errorf("remove what is unfinished: %w", err)
	}
	if err := build(unfinished); err != nil {
		return "", errors.Join(err, os.RemoveAll(unfinished))
	}
	if err := os.Rename(unfinished, dir); err != nil {
		return "", fmt.Errorf("keep it: %w", err)
	}
	return dir, nil
}

// lock waits for a lock file.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// run runs a program of this machine. The error holds the end of what it said.
func run(ctx context.Context, stdin []byte, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if err != nil {
		const tail = 4000 // bytes
		text := strings.TrimSpace(out.String() + said.String())
		err = fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, text[max(0, len(text)-tail):])
	}
	return out.String(), err
}
