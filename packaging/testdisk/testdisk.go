// Package testdisk gives tests disks that become full. Mounting takes root; without it a test fails and
// says so. A disk is gone when its test ends.
package testdisk

import (
	"fmt"
	"syscall"
	"testing"
)

// Small returns an empty folder that is a disk of its own, of some kilobytes.
func Small(t *testing.T, kilobytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("olive-test", dir, "tmpfs", 0, fmt.Sprintf("size=%dk", kilobytes)); err != nil {
		t.Fatalf("mount a small disk (run the tests as root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}
