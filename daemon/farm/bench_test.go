package farm_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
)

// crowd is a farm with so many workers, and one job of so many completed ranges and a long rest.
func crowd(b *testing.B, workers, ranges int) *world {
	w := newWorld(b, farm.Policy{})
	w.submit(farm.JobSpec{End: 1 << 39})
	for n := range workers {
		w.hello(fmt.Sprintf("worker-%05d", n))
	}
	for n := range ranges {
		w.turn(b, fmt.Sprintf("worker-%05d", n%workers))
	}
	return w
}

// turn is a worker's ask for work and its report, ten seconds later.
func (w *world) turn(b *testing.B, name string) {
	a, events, err := w.f.Next(w.now, name)
	w.must(events, err)
	w.now = w.now.Add(10 * time.Second)
	r := farm.Result{Part: fmt.Sprintf("parts/%v-%s.mkv", a.ID, name), Size: 1 << 22, Frames: a.End - a.First, SHA256: fmt.Sprintf("%064x", a.First)}
	w.must(w.f.Complete(w.now, name, a.ID, r))
}

func BenchmarkNext(b *testing.B) {
	b.Run("cut, assigned and completed, after 100k ranges", func(b *testing.B) {
		w := crowd(b, 10_000, 100_000)
		for n := 0; b.Loop(); n++ {
			name := fmt.Sprintf("worker-%05d", n%10_000)
			a, _, err := w.f.Next(w.now, name)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := w.f.Complete(w.now, name, a.ID, farm.Result{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("pending, assigned and handed back, 100k ranges pending", func(b *testing.B) {
		w := crowd(b, 1, 0)
		w.submit(farm.JobSpec{End: 1 << 30, Priority: 1})
		w.hello("spare") // has failed nothing, so that the job goes on
		for range 100_000 {
			a, events, err := w.f.Next(w.now, "worker-00000")
			w.must(events, err)
			w.must(w.f.Fail(w.now, "worker-00000", a.ID, "x", false))
			w.now = w.now.Add(time.Hour)
			w.must(nil, errors.Join(w.f.Beat(w.now, "spare", farm.RangeID{}, 0)))
		}
		w.must(w.f.JobFailed(w.now, 2, "x"))
		w.must(w.f.Retry(w.now, 2))
		for b.Loop() {
			if _, _, err := w.f.Next(w.now, "spare"); err != nil {
				b.Fatal(err)
			}
			if _, err := w.f.Goodbye(w.now, "spare"); err != nil {
				b.Fatal(err)
			}
			if _, err := w.f.Hello(w.now, farm.WorkerSpec{Name: "spare"}, farm.RangeID{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("no work, 10k ranges ongoing", func(b *testing.B) {
		w := newWorld(b, farm.Policy{})
		w.submit(farm.JobSpec{End: 1 << 30, Split: 10_000})
		for n := range 10_000 {
			name := fmt.Sprintf("worker-%05d", n)
			w.must(w.f.Hello(w.now, farm.WorkerSpec{Name: name, Speed: 10}, farm.RangeID{}))
			w.next(name)
		}
		w.must(w.f.Hello(w.now, farm.WorkerSpec{Name: "idle", Speed: 10}, farm.RangeID{}))
		w.now = w.now.Add(time.Minute)
		for b.Loop() {
			w.now = w.now.Add(100 * time.Microsecond) // ten thousand workers that ask once a second
			if _, _, err := w.f.Next(w.now, "idle"); !errors.Is(err, farm.ErrNoWork) {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkExpire(b *testing.B) {
	w := crowd(b, 10_000, 0)
	for b.Loop() {
		w.f.Expire(w.now)
	}
}

func BenchmarkStart(b *testing.B) {
	w := crowd(b, 100, 100_000)
	log := lines(b, w.log)
	b.Run("fold 200k events", func(b *testing.B) {
		for b.Loop() {
			f := farm.New(farm.Policy{})
			for line := range strings.Lines(log) {
				var e farm.Event
				if err := json.Unmarshal([]byte(line), &e); err != nil {
					b.Fatal(err)
				}
				if err := f.Apply(e); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(len(log))/1e6, "MB")
	})
	b.Run("apply 200k events that are read", func(b *testing.B) {
		for b.Loop() {
			f := farm.New(farm.Policy{})
			for _, e := range w.log {
				if err := f.Apply(e); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	s, err := w.f.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("restore 100k ranges", func(b *testing.B) {
		for b.Loop() {
			if _, err := farm.Restore(farm.Policy{}, s); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(s.Jobs[1]))/1e6, "MB")
	})
}
