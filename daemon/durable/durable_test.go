package durable_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"olive-distributed/daemon/durable"
)

func TestEachOfManyIsToldOfItsOwnPathsOnly(t *testing.T) {
	var disk durable.Disk
	dir := t.TempDir()
	const many = 300 // more than are served together
	errs := make([]error, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			path := filepath.Join(dir, fmt.Sprint(i))
			if i%3 != 0 {
				errs[i] = os.WriteFile(path, []byte("x"), 0o600)
			}
			errs[i] = errors.Join(errs[i], disk.Sync(dir, path))
		})
	}
	all.Wait()
	for i, err := range errs {
		missing := i%3 == 0
		switch {
		case !missing && err != nil:
			t.Errorf("%d: %v", i, err)
		case missing && (!errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), filepath.Join(dir, fmt.Sprint(i)))):
			t.Errorf("%d, which is not there: %v", i, err)
		}
	}
}

func TestWhatManyNameFailsForAllOfThem(t *testing.T) {
	var disk durable.Disk
	missing := filepath.Join(t.TempDir(), "missing")
	var all sync.WaitGroup
	errs := make([]error, 50)
	for i := range errs {
		all.Go(func() { errs[i] = disk.Sync(missing) })
	}
	all.Wait()
	for i, err := range errs {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// While the disk is busy, which is played by a pipe that nobody writes to, many come and name the same folder.
func TestWhoComesWhileTheDiskIsBusyIsServedTogether(t *testing.T) {
	var disk durable.Disk
	shared, pipe := t.TempDir(), filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(watch)
	if _, err := unix.InotifyAddWatch(watch, shared, unix.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	const many = 40
	errs := make([]error, many)
	var all sync.WaitGroup
	all.Go(func() { _ = disk.Sync(pipe) }) // a pipe cannot be synced
	until(t, func() bool { waiting, busy := disk.Queue(); return busy && waiting == 0 })
	for i := range errs {
		all.Go(func() { errs[i] = disk.Sync(shared) })
	}
	until(t, func() bool { waiting, _ := disk.Queue(); return waiting == many })
	f, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	events := make([]byte, 4096)
	n, err := unix.Read(watch, events)
	if opened := n / unix.SizeofInotifyEvent; err != nil || opened != 1 {
		t.Errorf("the folder was opened %d times (%v) for %d who waited", opened, err, many)
	}
}

func TestAFailedSyncIsTold(t *testing.T) {
	var disk durable.Disk
	const never = "/dev/null" // it opens, and there is nothing to sync it to
	if err := disk.Sync(t.TempDir(), never); !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), never) {
		t.Errorf("the answer is %v", err)
	}
}

func TestADiskServesAgainAfterItHasHadNothingToDo(t *testing.T) {
	var disk durable.Disk
	for range 3 {
		if err := disk.Sync(t.TempDir()); err != nil {
			t.Fatal(err)
		}
		if err := disk.Sync(); err != nil {
			t.Fatal("nothing to sync:", err)
		}
	}
}
