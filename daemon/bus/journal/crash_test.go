package journal_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"olive-distributed/daemon/bus/journal"
	"olive-distributed/daemon/farm"
)

// child is a master that never rests, until it is killed. It prints how many ranges the farm has
// completed: "R n" as restored, "A n" as acknowledged.
func child(dir string) {
	fatal := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	cfg := journal.Config{Dir: dir, Reserve: 1 << 20}
	if os.Getenv("JOURNAL_TEST_NOSYNC") != "" {
		cfg = cfg.WithoutSync()
	}
	j, f, err := journal.Open(context.Background(), cfg)
	fatal(err)
	now, n := epoch, 0
	if v, ok := f.Job(1); ok {
		for _, r := range v.Ranges {
			if r.State == farm.Completed {
				n++
			}
		}
	} else {
		_, events, err := f.Submit(now, farm.JobSpec{Name: "film", End: 1 << 39, FPS: 25})
		fatal(err)
		fatal(j.Append(context.Background(), events))
	}
	fmt.Println("R", n)
	hello, err := f.Hello(now, farm.WorkerSpec{Name: "ada", Boot: fmt.Sprint(n)}, farm.RangeID{})
	fatal(err)
	fatal(j.Append(context.Background(), hello))
	slots := make(chan struct{}, 64)
	var t testing.B // only to say that something failed, which exits
	for i := 0; ; i++ {
		slots <- struct{}{}
		n++
		count := n
		j.Enqueue(turn(&t, f, &now), func(err error) {
			fatal(err)
			os.Stdout.WriteString(fmt.Sprintln("A", count)) // not buffered: in the pipe before anything else happens
			<-slots
		})
		if i%300 == 299 {
			j.Snapshot(f, fatal)
		}
	}
}

// A run is a running child.
type run struct {
	*exec.Cmd
	out      *bufio.Scanner
	restored int
	acked    int
}

func start(t *testing.T, dir string, env ...string) *run {
	t.Helper()
	r := &run{Cmd: exec.Command(os.Args[0])}
	r.Env = append(append(os.Environ(), "JOURNAL_TEST_CHILD="+dir), env...)
	r.Stderr = os.Stderr
	r.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := r.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.out = bufio.NewScanner(out)
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// read takes in what the child says, until it has acknowledged so much or its output ends.
func (r *run) read(enough int) {
	for (enough == 0 || r.acked < enough) && r.out.Scan() {
		var what string
		var n int
		if _, err := fmt.Sscan(r.out.Text(), &what, &n); err != nil {
			continue
		}
		if what == "R" {
			r.restored = n
		}
		r.acked = max(r.acked, n)
	}
}

// kill ends the child and takes in the rest of what it has said.
func (r *run) kill(t *testing.T) {
	t.Helper()
	if err := r.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	r.read(0)
	_ = r.Wait()
}

func TestKill9LosesNothingAcknowledged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	acked := 0
	for cycle := range 25 {
		r := start(t, dir)
		if cycle%5 == 4 { // in the middle of the start
			timer := time.AfterFunc(rand.N(60*time.Millisecond), func() { _ = r.Process.Kill() })
			r.read(acked + 1)
			timer.Stop()
		} else {
			r.read(acked + 50 + rand.IntN(600))
		}
		r.kill(t)
		if r.restored != 0 && r.restored < acked {
			t.Fatalf("cycle %d: %d ranges were acknowledged, %d came back", cycle, acked, r.restored)
		}
		acked = max(acked, r.acked)
		if _, err := journal.Check(dir); err != nil {
			t.Fatalf("cycle %d: %v", cycle, err)
		}
	}
	if acked < 1000 {
		t.Errorf("only %d ranges in all: the test tests little", acked)
	}
}

// disk mounts a file system that lies in an image file, and returns its folder.
func disk(t *testing.T, image string) string {
	t.Helper()
	dir := t.TempDir()
	command(t, "mount", "-o", "loop", image, dir)
	t.Cleanup(func() { command(t, "umount", dir) })
	return dir
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s (this test needs root and loop devices)", name, args, err, out)
	}
}

// powerCut lets a child write onto a disk, and returns what the child had acknowledged when the
// power went off, and what its successor finds. What the kernel had not written to the disk by
// then is in no image, so it is lost.
func powerCut(t *testing.T, env ...string) (acked, restored int, err error) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk")
	command(t, "truncate", "-s", "128M", image)
	command(t, "mkfs.ext4", "-q", image)
	dir := disk(t, image)
	r := start(t, filepath.Join(dir, "store"), env...)
	r.read(1500 + rand.IntN(3000))
	if err := r.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	acked = r.acked
	cut := image + "-cut"
	copyFile(t, image, cut)
	if err := r.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	r.kill(t)
	after := filepath.Join(disk(t, cut), "store")
	if _, err := journal.Check(after); err != nil {
		return acked, 0, err
	}
	next := start(t, after)
	next.read(1)
	next.kill(t)
	return acked, next.restored, nil
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
}

func TestAPowerCutLosesNothingAcknowledged(t *testing.T) {
	for range 3 {
		acked, restored, err := powerCut(t)
		if err != nil {
			t.Fatal(err)
		}
		if restored < acked {
			t.Errorf("%d ranges were acknowledged, %d came back", acked, restored)
		}
	}
}

func TestAPowerCutIsCaughtWithoutSync(t *testing.T) {
	acked, restored, err := powerCut(t, "JOURNAL_TEST_NOSYNC=1")
	if err == nil && restored >= acked {
		t.Errorf("without syncing, %d of %d acknowledged ranges survived: the cut cuts nothing", restored, acked)
	}
	t.Logf("without syncing: %d acknowledged, %d came back, %v", acked, restored, err)
}
