package journal_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"olive-distributed/daemon/bus/journal"
	"olive-distributed/daemon/farm"
)

// BenchmarkDurable measures events that are made durable one by one, by so many callers at once,
// each of which waits for its own.
func BenchmarkDurable(b *testing.B) {
	for _, callers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("%d in flight", callers), func(b *testing.B) {
			w := open(b, journal.Config{Dir: b.TempDir()})
			defer w.close()
			event := []farm.Event{{
				Kind: farm.RangeCompleted, At: epoch, Job: 17, Range: 1234, Worker: "worker-0123",
				Result: &farm.Result{Part: "parts/17/1234-worker-0123.mkv", Frames: 225, Size: 1 << 22, SHA256: fmt.Sprintf("%064x", 7)},
			}}
			var all sync.WaitGroup
			work := make(chan struct{})
			for range callers {
				all.Go(func() {
					for range work {
						if err := w.j.Append(b.Context(), event); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for b.Loop() {
				work <- struct{}{}
			}
			close(work)
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkStart measures a start after kill -9 with 100k completed ranges in one job: the last
// snapshot, and the log since it as it is when the next one is nearly due.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	fill := exec.Command(os.Args[0])
	fill.Env = append(os.Environ(), "JOURNAL_TEST_FILL="+dir)
	fill.Stderr = os.Stderr
	if err := fill.Run(); err == nil || fill.ProcessState.ExitCode() != -1 {
		b.Fatalf("the child was to end by kill -9: %v", err)
	}
	r, err := journal.Check(dir)
	if err != nil {
		b.Fatal(err)
	}
	var took time.Duration
	for b.Loop() {
		b.StopTimer()
		killed := filepath.Join(b.TempDir(), "store") // each time as the kill has left it
		if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
			b.Fatal(err)
		}
		syscall.Sync() // the journal had synced it
		b.StartTimer()
		begin := time.Now()
		w := open(b, journal.Config{Dir: killed})
		took += time.Since(begin)
		b.StopTimer()
		if v, _ := w.f.Job(1); len(v.Ranges) != 100_000 {
			b.Fatalf("%d ranges", len(v.Ranges))
		}
		w.close()
		b.StartTimer()
	}
	b.ReportMetric(float64(took.Milliseconds())/float64(b.N), "ms/start")
	b.ReportMetric(float64(r.Replayed), "replayed")
	b.ReportMetric(float64(r.Bytes)/1e6, "MB")
}

// fill makes 100k ranges, with snapshots as they are due, and dies.
func fill(dir string) {
	var t testing.B
	w := open(&t, journal.Config{Dir: dir})
	w.append(w.f.Hello(w.now, farm.WorkerSpec{Name: "ada", Boot: "1"}, farm.RangeID{}))
	_, events, err := w.f.Submit(w.now, farm.JobSpec{Name: "film", End: 1 << 39, FPS: 25})
	w.append(events, err)
	last := make(chan error, 1)
	for n := range 100_000 {
		done := func(error) {}
		if n == 99_999 {
			done = func(err error) { last <- err }
		}
		w.j.Enqueue(turn(&t, w.f, &w.now), done)
		if w.j.SnapshotDue() {
			w.j.Snapshot(w.f, nil)
		}
		if n%1000 == 999 { // workers are not that fast: let the log come along
			w.append(nil, nil)
		}
	}
	if err := <-last; err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	p, _ := os.FindProcess(os.Getpid())
	_ = p.Kill()
	select {}
}
