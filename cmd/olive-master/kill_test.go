package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
)

// TestFarmWhoseMasterIsKilled kills the master at random moments, with accepted ranges behind it.
// The nightly form is OLIVE_CYCLES=50 go test -run TestFarmWhoseMasterIsKilled -timeout 30m ./cmd/olive-master
func TestFarmWhoseMasterIsKilled(t *testing.T) {
	f := newFarm(t, "w1", "w2", "w3")
	cycles := 5
	if n, err := strconv.Atoi(os.Getenv("OLIVE_CYCLES")); err == nil {
		cycles = n
	}
	for done := 0; done < cycles; {
		film := fmt.Sprintf("crash%d.mkv", done)
		id := f.submit(film)
		for done < cycles && f.job(id).State != farm.Done {
			before := f.completed(id)
			f.until("one more range", func() bool {
				return len(f.completed(id)) > len(before) || f.job(id).State != farm.Running
			})
			<-time.After(rand.N(time.Second))
			before = f.completed(id)
			f.running["master"].kill()
			f.startMaster()
			after := f.completed(id)
			for r := range before {
				if !after[r] {
					t.Errorf("range %d had been accepted and is not any more", r)
				}
			}
			done++
		}
		f.check(id, film)
		os.Remove(f.path(film))
	}
}

// completed are the accepted ranges of a job.
func (f *testFarm) completed(id uint32) map[uint32]bool {
	set := map[uint32]bool{}
	for _, r := range f.job(id).Ranges {
		if r.State == farm.Completed {
			set[r.Number] = true
		}
	}
	return set
}
