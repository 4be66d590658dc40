package durable_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

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
