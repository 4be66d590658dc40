package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"olive-distributed/daemon/bus"
	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/pki"
	"olive-distributed/daemon/render/builtin"
	"olive-distributed/daemon/worker"
	"olive-distributed/daemon/worker/forward"
	"olive-distributed/daemon/worker/forward/hard"
	"olive-distributed/nfsd"
)

// A guest is a worker on another machine: it has a certificate, and a forwarder for its kernel.
type guest struct {
	k        *keep
	name     string
	identity *pki.Identity
	client   *bus.Client
	master   worker.Remote
	kernel   *hard.Client
	mount    string
	leave    func()
}

func (k *keep) guest(name string) *guest {
	k.t.Helper()
	token, _, err := k.d.Invite(name, time.Minute)
	if err != nil {
		k.t.Fatal(err)
	}
	secret, err := pki.ParseToken(token)
	if err != nil {
		k.t.Fatal(err)
	}
	g := &guest{k: k, name: name, mount: k.path("mount-" + name)}
	if g.identity, err = pki.Join(k.t.Context(), k.addr, secret, k.path("id-"+name), time.Now()); err != nil {
		k.t.Fatal(err)
	}
	g.client, err = bus.Dial(bus.ClientConfig{Name: name, Addr: k.addr, TLS: g.identity.ClientConfig(pki.ProtoBus, time.Now), Codes: worker.Codes()})
	if err != nil {
		k.t.Fatal(err)
	}
	g.master = worker.NewRemote(g.client, nil)
	g.connect()
	return g
}

// connect starts what the kernel talks to, and the kernel.
func (g *guest) connect() {
	t := g.k.t
	f, err := forward.New(forward.Config{Dial: g.dial, Pause: time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = f.Serve(ctx, l) })
	g.kernel = hard.New(func(ctx context.Context) (net.Conn, error) {
		for port := 1023; ; port-- {
			c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}}).DialContext(ctx, "tcp", l.Addr().String())
			if port < 900 || !errors.Is(err, unix.EADDRINUSE) && !errors.Is(err, unix.EADDRNOTAVAIL) {
				return c, err
			}
		}
	})
	g.leave = sync.OnceFunc(func() {
		g.kernel.Close()
		stop()
		serving.Wait()
		g.client.Close()
	})
	t.Cleanup(g.leave)
}

func (g *guest) dial(ctx context.Context) (net.Conn, error) {
	return forward.Dialer{Addr: g.k.addr, TLS: g.identity.ClientConfig(nfsd.Protocol, time.Now)}.Dial(ctx)
}

// next introduces the worker and takes a range.
func (g *guest) next() *worker.Task {
	g.k.t.Helper()
	ctx, cancel := context.WithTimeout(g.k.t.Context(), time.Minute)
	defer cancel()
	marks, err := g.k.d.encoders(ctx)(ctx)
	if err == nil {
		err = g.master.Hello(ctx, worker.Spec{Name: g.name, Boot: g.name, Engines: []string{"builtin"}, Presets: []string{marks["lossless"]}}, nil)
	}
	if err != nil {
		g.k.t.Fatal(err)
	}
	task, err := g.master.Next(ctx, g.name)
	if err != nil {
		g.k.t.Fatal(err)
	}
	if task.Share == nil {
		g.k.t.Fatal("the task does not say how it is reached")
	}
	return task
}

// find walks from the root of a task's export.
func (g *guest) find(ctx context.Context, t *worker.Task, path string) (hard.Handle, error) {
	at, err := g.kernel.Mount(ctx, "/"+t.Share.Export)
	for name := range strings.SplitSeq(path, "/") {
		if err == nil {
			at, err = g.kernel.Lookup(ctx, at, name)
		}
	}
	return at, err
}

// fetch reads a file of the export into the folder that stands for the mount.
func (g *guest) fetch(t *worker.Task, path string, modified time.Time) {
	g.k.t.Helper()
	ctx := g.k.t.Context()
	file, err := g.find(ctx, t, path)
	var data []byte
	for end := false; err == nil && !end; {
		var more []byte
		more, end, err = g.kernel.Read(ctx, file, int64(len(data)), 64<<10)
		data = append(data, more...)
	}
	to := filepath.Join(g.mount, path)
	err = errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, data, 0o600))
	if !modified.IsZero() {
		err = errors.Join(err, os.Chtimes(to, modified, modified))
	}
	if err != nil {
		g.k.t.Fatalf("%s: %v", path, err)
	}
}

// put writes a file into parts, as the kernel does: under another name first.
func (g *guest) put(t *worker.Task, data []byte) error {
	ctx := g.k.t.Context()
	parts, err := g.find(ctx, t, "parts")
	if err != nil {
		return err
	}
	name := filepath.Base(t.Share.Part)
	draft := worker.DraftName(name, g.name)
	file, err := g.kernel.Create(ctx, parts, draft)
	for at := 0; err == nil && at < len(data); at += 64 << 10 {
		err = g.kernel.Write(ctx, file, int64(at), data[at:min(len(data), at+64<<10)])
	}
	if err != nil {
		return err
	}
	return g.kernel.Rename(ctx, parts, draft, name)
}

// renderTask makes the part of a task that is reached in some way, and returns its bytes too.
func renderTask(t *testing.T, task *worker.Task, out string) (worker.Delivery, []byte) {
	t.Helper()
	lib := media.NewLibrary("")
	defer lib.Close()
	scene, err := task.Plan.Open()
	if err != nil {
		t.Fatal(err)
	}
	engine := builtin.New(lib, 1)
	draw := engine.Video
	if task.Sound {
		draw = engine.Sound
	}
	notes, err := draw(t.Context(), scene, task.Span, out, func(int64) {})
	if err != nil {
		t.Fatal(err)
	}
	part, err := task.Plan.Verify(t.Context(), task.Span, task.Sound, out)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return worker.Delivery{Part: part, Notes: notes}, data
}

// work does ranges until the job has ended. Each is rendered from both ends, and must be the same.
func (g *guest) work(id uint32) {
	t := g.k.t
	t.Helper()
	for s := g.state(id); s == farm.Queued || s == farm.Running; s = g.state(id) {
		task := g.next()
		g.fetch(task, task.Share.Project, time.Time{})
		for i, m := range task.Plan.Media {
			g.fetch(task, task.Share.Media[i], time.Unix(0, m.Modified))
		}
		delivery, data := renderTask(t, task.In(g.mount), g.k.path("part"+filepath.Ext(task.Part)))
		if _, local := renderTask(t, task, g.k.path("local"+filepath.Ext(task.Part))); !bytes.Equal(data, local) {
			t.Errorf("%v: the part is another one over the mount", task)
		}
		if err := g.put(task, data); err != nil {
			t.Fatal(err)
		}
		if err := g.master.Done(t.Context(), g.name, task, delivery); err != nil {
			t.Fatal(err)
		}
	}
}

func (g *guest) state(id uint32) farm.State {
	j, err := g.k.d.master.Job(g.k.t.Context(), id)
	if err != nil {
		g.k.t.Fatal(err)
	}
	return j.State
}
