package master_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"olive-distributed/daemon/bus"
	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/worker"
)

// A wire is a world with a bus before its master.
type wire struct {
	*world
	addr string
	key  *ecdsa.PrivateKey
	ca   *x509.Certificate
}

func newWire(t *testing.T) *wire {
	w := &wire{world: newWorld(t)}
	w.key, w.ca = newCA(t)
	pool := x509.NewCertPool()
	pool.AddCert(w.ca)
	server, err := bus.New(bus.Config{
		TLS:      &tls.Config{Certificates: []tls.Certificate{leaf(w.key, w.ca, "master")}, ClientCAs: pool},
		Identify: func(cs tls.ConnectionState) (string, error) { return cs.PeerCertificates[0].Subject.CommonName, nil },
		Handlers: w.m.Handlers(), Codes: worker.Codes(),
	})
	if err != nil {
		t.Fatal(err)
	}
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = port.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(ctx, port) })
	t.Cleanup(func() {
		wait, done := context.WithTimeout(context.Background(), 10*time.Second)
		defer done()
		_ = server.Close(wait)
		cancel()
		serving.Wait()
	})
	return w
}

// dial connects a worker.
func (w *wire) dial(name string, notices ...bus.Notice) (*bus.Client, worker.Remote) {
	w.t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(w.ca)
	conf := &tls.Config{Certificates: []tls.Certificate{leaf(w.key, w.ca, name)}, RootCAs: pool, ServerName: "master"}
	c, err := bus.Dial(bus.ClientConfig{Name: name, Addr: w.addr, TLS: conf, Codes: worker.Codes(), Notices: notices})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c, worker.NewRemote(c, nil)
}

func (w *wire) enter(name string) (*bus.Client, worker.Remote) {
	w.t.Helper()
	c, r := w.dial(name)
	if err := r.Hello(w.t.Context(), worker.Spec{Name: name, Boot: name, Engines: []string{"builtin"}}, nil); err != nil {
		w.t.Fatal(err)
	}
	return c, r
}

// take is the next task over the wire.
func (w *wire) take(r worker.Remote, name string) *worker.Task {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	task, err := r.Next(ctx, name)
	if err != nil {
		w.t.Fatal(err)
	}
	return task
}

func (w *wire) workers() map[string]farm.WorkerView {
	w.t.Helper()
	v, err := w.m.View(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string]farm.WorkerView{}
	for _, f := range v.Workers {
		all[f.Spec.Name] = f
	}
	return all
}

func TestAFilmOverTheWire(t *testing.T) {
	w := newWire(t)
	id := w.submit(64)
	_, ada := w.enter("ada")
	for range 5 { // four of pictures, one of sound
		task := w.take(ada, "ada")
		if err := ada.Beat(t.Context(), "ada", task, 3); err != nil {
			t.Fatal(err)
		}
		part := w.render(task)
		for range 2 { // an answer may be lost: the same report again is no harm
			if err := ada.Done(t.Context(), "ada", task, part); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := w.wait(id); err != nil {
		t.Fatal(err)
	}
	if err := ada.Goodbye(t.Context(), "ada"); err != nil || w.workers()["ada"].Live {
		t.Errorf("after its goodbye: %v, %+v", err, w.workers()["ada"])
	}
}

func TestTheNextTaskComesWithTheAnswerToAReport(t *testing.T) {
	w := newWire(t)
	id := w.submit(64)
	_, ada := w.enter("ada")
	reports := 0
	for task := w.take(ada, "ada"); task != nil; reports++ {
		part := w.render(task)
		next, err := ada.DoneNext(t.Context(), "ada", task, part)
		if err != nil {
			t.Fatal(err)
		}
		// The answer may have been lost: the same report again brings the same task.
		again, err := ada.DoneNext(t.Context(), "ada", task, part)
		if err != nil || (again == nil) != (next == nil) || next != nil && again.ID() != next.ID() {
			t.Fatalf("%v, then %v, %v", next, again, err)
		}
		task = next
	}
	if _, err := w.wait(id); err != nil || reports != 5 {
		t.Errorf("%d reports: %v", reports, err)
	}
}

func TestABeatWithoutAnAnswerCounts(t *testing.T) {
	w := newWire(t)
	w.submit(64)
	_, ada := w.enter("ada")
	task := w.take(ada, "ada")
	if err := ada.Note(t.Context(), "ada", task, 7); err != nil {
		t.Fatal(err)
	}
	until(t, "the beat", func() bool { return w.workers()["ada"].Frames == 7 })
}

// A drained worker hears of it while it waits for work, and again while it has a range.
func TestADrainedWorkerIsToldSo(t *testing.T) {
	w := newWire(t)
	c, _ := w.enter("ada")
	told := make(chan bool, 4)
	ada := worker.NewRemote(c, func(drained bool) { told <- drained })
	tasks := make(chan *worker.Task, 1)
	ask := func() { tasks <- w.take(ada, "ada") }
	go ask()
	if err := w.m.DrainWorker(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if drained := <-told; !drained {
		t.Fatal("it is told that it is not drained")
	}
	w.submit(64)
	if v := w.workers()["ada"]; v.Holds.Job != 0 || !v.Drained {
		t.Fatalf("drained, it is %+v", v)
	}
	if err := w.m.ResumeWorker(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if drained := <-told; drained {
		t.Fatal("resumed, it is told that it is drained")
	}
	task := <-tasks

	if err := w.m.DrainWorker(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if err := ada.Done(t.Context(), "ada", task, w.render(task)); err != nil {
		t.Fatal(err)
	}
	go ask()
	if drained := <-told; !drained || w.workers()["ada"].Holds.Job != 0 {
		t.Fatalf("after its range: told %v, %+v", drained, w.workers()["ada"])
	}
	if err := w.m.ResumeWorker(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	<-tasks
}

func TestAWorkerIsWhoItsCertificateSays(t *testing.T) {
	w := newWire(t)
	w.enter("ada")
	c, _ := w.dial("eve")
	lie := worker.HelloMessage{Spec: worker.Spec{Name: "ada", Boot: "another", Engines: []string{"builtin"}, Threads: 99}}
	if err := c.Request(t.Context(), worker.KindHello, lie, nil); err != nil {
		t.Fatal(err)
	}
	all := w.workers()
	if all["ada"].Spec.Threads != 0 || all["eve"].Spec.Threads != 99 || len(all) != 2 {
		t.Errorf("workers %+v", all)
	}
}

func TestAStrangerIsToldToSayHello(t *testing.T) {
	w := newWire(t)
	w.submit(64)
	_, eve := w.dial("eve")
	task := &worker.Task{Job: 1, Range: 0}
	for name, err := range map[string]error{
		"work":    func() error { _, err := eve.Next(t.Context(), "eve"); return err }(),
		"beat":    eve.Beat(t.Context(), "eve", task, 1),
		"failure": eve.Failed(t.Context(), "eve", task, worker.Failure{Reason: "x"}),
	} {
		if !errors.Is(err, worker.ErrStranger) && !errors.Is(err, worker.ErrGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALyingWorkerChangesNothingOfOthers(t *testing.T) {
	w := newWire(t)
	id := w.submit(64)
	_, ada := w.enter("ada")
	c, eve := w.enter("eve")
	task := w.take(ada, "ada")
	part := w.render(task)
	report := func(m worker.ReportMessage) error { return c.Request(t.Context(), worker.KindReport, m, nil) }
	of := func(job, r uint32) worker.RangeID { return worker.RangeID{Job: job, Range: r} }
	for name, ask := range map[string]struct {
		do   func() error
		gone bool
	}{
		"a failure of another's range":  {do: func() error { return eve.Failed(t.Context(), "eve", task, worker.Failure{Reason: "mine", Fatal: true}) }, gone: true},
		"a beat for another's range":    {do: func() error { return eve.Beat(t.Context(), "eve", task, 1<<40) }, gone: true},
		"a part of a job that is not":   {do: func() error { return report(worker.ReportMessage{RangeID: of(77, 0), Part: &part.Part}) }, gone: true},
		"a part of a range that is not": {do: func() error { return report(worker.ReportMessage{RangeID: of(id, 1<<31), Part: &part.Part}) }, gone: true},
		"another's part as its own":     {do: func() error { return report(worker.ReportMessage{RangeID: task.ID(), Part: &part.Part}) }, gone: true},
		"an empty report":               {do: func() error { return report(worker.ReportMessage{RangeID: task.ID()}) }},
		"a report that is no object":    {do: func() error { return c.Request(t.Context(), worker.KindReport, []int{1}, nil) }},
		"numbers that are none": {do: func() error {
			return c.Request(t.Context(), worker.KindBeat, map[string]any{"job": -1, "range": 1e300, "done": "many"}, nil)
		}},
		"a kind that is not": {do: func() error { return c.Request(t.Context(), "takeover", worker.WorkMessage{}, nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			err := ask.do()
			if err == nil || ask.gone && !errors.Is(err, worker.ErrGone) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := os.Stat(part.Part.Path); err != nil {
		t.Errorf("ada's part has suffered: %v", err)
	}
	if err := ada.Done(t.Context(), "ada", task, part); err != nil {
		t.Errorf("ada's report: %v", err)
	}
	if j := w.job(id); j.State != farm.Running || len(j.Ranges[task.Range].Failed) != 0 {
		t.Errorf("job %+v", j)
	}
}

// Whoever may write into the folder of parts must not make the master read what it points at, or
// wait for a pipe.
func TestAPartMustBeAFile(t *testing.T) {
	for name, put := range map[string]func(path, secret string) error{
		"a link":        func(path, secret string) error { return os.Symlink(secret, path) },
		"a dead link":   func(path, secret string) error { return os.Symlink(secret+".not", path) },
		"a pipe":        func(path, _ string) error { return syscall.Mkfifo(path, 0o600) },
		"a folder":      func(path, _ string) error { return os.Mkdir(path, 0o700) },
		"nothing":       func(string, string) error { return nil },
		"an empty file": func(path, _ string) error { return os.WriteFile(path, nil, 0o600) },
		"a playlist": func(path, secret string) error {
			return os.WriteFile(path, []byte("ffconcat version 1.0\nfile '"+secret+"'\n"), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			id := w.submit(64)
			_, eve := w.enter("eve")
			task := w.take(eve, "eve")
			for task.Sound { // pictures are looked at by ffprobe: the harder case
				if err := eve.Done(t.Context(), "eve", task, w.render(task)); err != nil {
					t.Fatal(err)
				}
				task = w.take(eve, "eve")
			}
			secret := filepath.Join(w.dir, "secret.mkv")
			good := *task
			good.Part = secret
			part := w.render(&good) // a true part, elsewhere: only that it is a link is wrong
			if err := put(task.Part, secret); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := eve.Done(ctx, "eve", task, part); err != nil {
				t.Errorf("the report as such: %v", err)
			}
			r := w.job(id).Ranges[task.Range]
			if r.State == farm.Completed || len(r.Failed) != 1 {
				t.Errorf("range %+v", r)
			}
			if _, err := os.Stat(secret); err != nil {
				t.Errorf("what the link points at has suffered: %v", err)
			}
			log, err := w.m.Log(t.Context(), id)
			if err != nil || !strings.Contains(log[len(log)-1].Text, "verification") {
				t.Errorf("log %+v, %v", log, err)
			}
		})
	}
}

func TestThePathInAReportIsNotLookedAt(t *testing.T) {
	w := newWire(t)
	id := w.submit(64)
	_, eve := w.enter("eve")
	task := w.take(eve, "eve")
	part := w.render(task)
	part.Part.Path = "../../../../etc/passwd"
	if err := eve.Done(t.Context(), "eve", task, part); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSuffix(filepath.Base(task.Part), ".wav") + "." + part.Part.SHA256[:16] + ".wav"
	if got := w.job(id).Ranges[task.Range].Result.Part; got != want {
		t.Errorf("the part is %q", got)
	}
}

func TestAReportForAForgottenJobIsGone(t *testing.T) {
	w := newWire(t)
	id := w.submit(64)
	_, ada := w.enter("ada")
	task := w.take(ada, "ada")
	part := w.render(task)
	if err := errors.Join(w.m.Cancel(t.Context(), id), w.m.Forget(t.Context(), id)); err != nil {
		t.Fatal(err)
	}
	if err := ada.Done(t.Context(), "ada", task, part); !errors.Is(err, worker.ErrGone) {
		t.Errorf("%v", err)
	}
	if err := ada.Failed(t.Context(), "ada", task, worker.Failure{Reason: "late"}); !errors.Is(err, worker.ErrGone) {
		t.Errorf("%v", err)
	}
	if err := ada.Beat(t.Context(), "ada", task, 1); !errors.Is(err, worker.ErrGone) {
		t.Errorf("%v", err)
	}
}

func TestALongPollIsEndedByTheMastersEnd(t *testing.T) {
	w := newWire(t)
	c, _ := w.enter("ada")
	answer := make(chan error, 1)
	go func() { answer <- c.Request(t.Context(), worker.KindWork, worker.WorkMessage{}, nil) }()
	until(t, "the long poll", func() bool { return w.workers()["ada"].Live })
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-answer:
		if !errors.Is(err, bus.ErrStopping) {
			t.Errorf("%v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the worker still waits")
	}
}

func TestAHostileSpecIsRefusedOrTamed(t *testing.T) {
	w := newWire(t)
	c, _ := w.dial("eve")
	for name, s := range map[string]worker.Spec{
		"threads below zero": {Engines: []string{"builtin"}, Threads: -1},
		"endless engines":    {Engines: make([]string, 100_000)},
		"a speed below zero": {Engines: []string{"builtin"}, Speed: -1e300},
		"a speed beyond all": {Engines: []string{"builtin"}, Speed: 1e300},
		"a very long boot":   {Engines: []string{"builtin"}, Boot: strings.Repeat("x", 1<<19)},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.Request(t.Context(), worker.KindHello, worker.HelloMessage{Spec: s}, nil)
			t.Logf("answer: %v", err)
			if errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	}
	id := w.submit(64) // and the farm goes on
	_, ada := w.enter("ada")
	for w.job(id).State == farm.Queued || w.job(id).State == farm.Running {
		task := w.take(ada, "ada")
		if err := ada.Done(t.Context(), "ada", task, w.render(task)); err != nil {
			t.Fatal(err)
		}
		if all := w.job(id); all.FramesDone == all.FramesTotal {
			break
		}
	}
}
