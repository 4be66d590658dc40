package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"olive-distributed/daemon/config"
	"olive-distributed/daemon/door"
	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
	"olive-distributed/daemon/worker"
	"olive-distributed/daemon/worker/forward/hard"
	"olive-distributed/daemon/worker/machine"
)

// A keep is a master that serves its port, on a disk of its own.
type keep struct {
	t    *testing.T
	dir  string
	addr string
	d    *daemon
	stop func()
}

func newKeep(t *testing.T) *keep {
	t.Helper()
	k := &keep{t: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
	make := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=30:duration=3", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=3",
		"-c:v", "libx264", "-g", "12", "-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "aac", k.path("a b.mp4"))
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	k.write("p.ove", `<project><version>190219</version><url>p.ove</url><folders/>
<media><footage id="1" folder="0" name="a" url="a b.mp4" duration="3000000" speed="1"/></media>
<sequences><sequence id="1" folder="0" name="Main" width="64" height="48" framerate="30" afreq="48000" alayout="3" open="1">
<clip id="1" enabled="1" name="v" clipin="0" in="0" out="90" track="-1" media="1" stream="0"><linked/></clip>
<clip id="2" enabled="1" name="a" clipin="0" in="0" out="90" track="0" media="1" stream="1"><linked/></clip></sequence></sequences></project>`)
	known, err := knownEncoders()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(k.path("state"), 0o700); err != nil {
		t.Fatal(err)
	}
	k.write("state/machine.json", string(known))
	k.start()
	return k
}

// knownEncoders is what a master finds out about its machine, once for all of them.
var knownEncoders = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "olive-encoders-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "machine.json")
	if _, err := machine.Probe(context.Background(), path, 0); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func (k *keep) path(name string) string { return filepath.Join(k.dir, name) }

func (k *keep) write(name, text string) {
	k.t.Helper()
	if err := os.WriteFile(k.path(name), []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

// start begins a master on what lies on the disk, at the same address as before.
func (k *keep) start() {
	k.t.Helper()
	cfg, err := config.LoadMaster(k.path("none.toml"))
	if err != nil {
		k.t.Fatal(err)
	}
	cfg.State, cfg.Farm.LeaseTimeout = k.path("state"), 2*time.Second
	log := slog.New(slog.DiscardHandler)
	d := &daemon{cfg: cfg, log: log}
	d.door = door.New(d, d.reload, log)
	port, err := net.Listen("tcp", k.addr)
	if err != nil {
		k.t.Fatal(err)
	}
	k.addr = port.Addr().String()
	d.cfg.Listen = k.addr
	if err := d.open(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var rooms sync.WaitGroup
	rooms.Go(func() { _ = d.master.Run(ctx) })
	rooms.Go(func() { _ = d.bus.Serve(ctx, port) })
	k.d = d
	k.stop = sync.OnceFunc(func() {
		cancel()
		rooms.Wait()
		_ = d.bus.Close(context.Background())
		d.close()
	})
	k.t.Cleanup(k.stop)
}

func (k *keep) submit() uint32 {
	k.t.Helper()
	id, err := k.d.master.Submit(k.t.Context(), master.Request{Project: k.path("p.ove"), Output: k.path("film.mkv"), Preset: "lossless", Split: 2})
	if err != nil {
		k.t.Fatal(err)
	}
	return id
}

func (k *keep) until(what string, ok func() bool) {
	k.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			k.t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestAFilmFromAnotherMachine(t *testing.T) {
	k := newKeep(t)
	id := k.submit()
	k.guest("w1").work(id)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	film, err := k.d.master.Wait(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	got := frameSums(t, film.Path)
	if n := strings.Count(got, "\n0, "); n != 90 {
		t.Errorf("the film has %d frames, want 90", n)
	}
	if info, err := os.Stat(k.path("state/nfs.key")); err != nil || info.Mode() != 0o600 || info.Size() != keySize {
		t.Errorf("the key of handles: %v, %v", info, err)
	}
	if left, err := filepath.Glob(k.path("state/jobs/*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestAHandleOutlivesItsMaster(t *testing.T) {
	k := newKeep(t)
	k.submit()
	g := k.guest("w1")
	task := g.next()
	file, err := g.find(t.Context(), task, task.Share.Media[0])
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(k.path("a b.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for n, end := 0, false; !end; n++ {
		if n == 3 {
			k.stop()
			k.start()
		}
		var more []byte
		more, end, err = g.kernel.Read(t.Context(), file, int64(len(got)), 4096)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, more...)
	}
	if !bytes.Equal(got, want) {
		t.Error("the medium was read wrong")
	}
	g.leave()
	if g.kernel.Connects < 2 {
		t.Error("nothing was broken")
	}
}

func TestARevokedWorkerIsBlindAtOnce(t *testing.T) {
	k := newKeep(t)
	k.submit()
	g := k.guest("w1")
	task := g.next()
	file, err := g.find(t.Context(), task, task.Share.Media[0])
	if err != nil {
		t.Fatal(err)
	}
	open, err := g.dial(t.Context()) // a connection that waits
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := k.d.Revoke(t.Context(), "w1"); err != nil {
		t.Fatal(err)
	}
	if n, err := open.Read(make([]byte, 1)); err == nil {
		t.Errorf("the connection that was open gave %d bytes", n)
	}
	if n := len(k.d.shares.View("w1").Exports()); n != 0 {
		t.Errorf("it would still see %d jobs", n)
	}
	for range 3 {
		c, err := g.dial(t.Context())
		if err == nil { // a client of TLS 1.3 is told after its handshake
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		if err == nil {
			t.Error("it came in again")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond) // it would go on for ever
	defer cancel()
	if data, _, err := g.kernel.Read(ctx, file, 0, 100); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it has read %d bytes, %v", len(data), err)
	}
}

func TestAWorkerThatDiesWithFilesOpenIsReplaced(t *testing.T) {
	k := newKeep(t)
	id := k.submit()
	dying := k.guest("w1")
	task := dying.next()
	parts, err := dying.find(t.Context(), task, "parts")
	if err != nil {
		t.Fatal(err)
	}
	file, err := dying.kernel.Create(t.Context(), parts, worker.DraftName(filepath.Base(task.Part), "w1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := dying.kernel.Write(t.Context(), file, 0, make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	var reads sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range 8 { // in mid-read
		reads.Go(func() {
			if f, err := dying.find(ctx, task, task.Share.Media[0]); err == nil {
				for ctx.Err() == nil {
					_, _, _ = dying.kernel.Read(ctx, f, 0, 64<<10)
				}
			}
		})
	}
	dying.leave()
	cancel()
	reads.Wait()
	k.until("the loss of w1", func() bool {
		v, err := k.d.master.View(t.Context())
		return err == nil && slices.ContainsFunc(v.Workers, func(w farm.WorkerView) bool { return w.Spec.Name == "w1" && !w.Live })
	})
	k.guest("w2").work(id)
	waiting, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	if _, err := k.d.master.Wait(waiting, id); err != nil {
		t.Fatal(err)
	}
}

func TestWhatDoesNotFitIsTheReason(t *testing.T) {
	k := newKeep(t)
	id := k.submit()
	g := k.guest("w1")
	task := g.next()
	err := g.put(task, make([]byte, 64<<20)) // more than the frames of any range here have
	if !errors.Is(err, hard.Quota) {
		t.Fatalf("64 MiB were written: %v", err)
	}
	reason := fmt.Sprintf("write %s: disk quota exceeded", task.Part)
	if err := g.master.Failed(t.Context(), "w1", task, worker.Failure{Reason: reason}); err != nil {
		t.Fatal(err)
	}
	log, err := k.d.master.Log(t.Context(), id)
	if err != nil || !slices.ContainsFunc(log, func(e master.Event) bool { return strings.Contains(e.Text, reason) }) {
		t.Errorf("the log says %+v, %v", log, err)
	}
	g.work(id) // the rest of it does not stand in the way
}

func TestAKeyThatIsDamagedIsNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nfs.key")
	first, err := handleKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := handleKey(path); err != nil || !bytes.Equal(first, again) {
		t.Errorf("another key the second time: %v", err)
	}
	if err := os.WriteFile(path, first[:10], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := handleKey(path); err == nil || !strings.Contains(err.Error(), "has 10 bytes, not 32") {
		t.Errorf("%v", err)
	}
}
