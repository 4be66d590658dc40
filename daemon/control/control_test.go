package control_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"olive-distributed/daemon/control"
	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/render/builtin"
)

// members is a farm's membership in memory.
type members struct {
	mu   sync.Mutex
	list map[string]control.Enrolled
}

func (m *members) Invite(_ context.Context, name string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.list[name]; ok {
		return "", errors.New("it is in the farm already")
	}
	m.list[name] = control.Enrolled{Name: name, Expires: time.Unix(1_000_000_000, 0).UTC()}
	return "olivectl join master:7480 --token " + name, nil
}

func (m *members) Revoke(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.list[name]
	if !ok {
		return farm.ErrNoWorker
	}
	e.Revoked = true
	m.list[name] = e
	return nil
}

func (m *members) Enrolled() (list []control.Enrolled) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.list {
		list = append(list, e)
	}
	return list
}

// serve runs a master behind a socket until the test, or the returned function, ends it.
func serve(t *testing.T) (path string, stop func()) {
	t.Helper()
	dir, lib := t.TempDir(), media.NewLibrary("")
	m, err := master.New(master.Config{Library: lib, Engine: builtin.New(lib, 1), Folder: filepath.Join(dir, "jobs")})
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "run", "control.sock")
	ln, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var rooms sync.WaitGroup
	rooms.Go(func() { _ = m.Run(ctx) })
	rooms.Go(func() {
		if err := control.Serve(ctx, ln, m, &members{list: map[string]control.Enrolled{}}); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		rooms.Wait()
		lib.Close()
	})
	t.Cleanup(stop)
	return path, stop
}

func dial(t *testing.T, path string) *control.Client {
	c := control.NewClient(path)
	t.Cleanup(c.Close)
	return c
}

// solid needs no media.
const solid = `<project><version>190219</version><url>p.ove</url><folders/><media/><sequences>
<sequence id="1" folder="0" name="S" width="64" height="48" framerate="30" afreq="48000" alayout="3" open="1">
<clip id="1" enabled="1" name="c" clipin="0" in="0" out="60" track="-1" speed="1" type="0"><linked/>
<effect name="Render/Solid" enabled="1"/></clip></sequence></sequences></project>`

func submit(t *testing.T, c *control.Client) uint32 {
	t.Helper()
	dir := t.TempDir()
	r := master.Request{Project: filepath.Join(dir, "p.ove"), Output: filepath.Join(dir, "film.mkv"), Preset: "lossless", Owner: 4711}
	if err := os.WriteFile(r.Project, []byte(solid), 0o600); err != nil {
		t.Fatal(err)
	}
	id, err := c.Submit(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestCommandsCrossTheSocket(t *testing.T) {
	path, _ := serve(t)
	c, ctx := dial(t, path), t.Context()
	id := submit(t, c)
	for _, verb := range []string{"pause", "resume"} {
		if err := c.Job(ctx, id, verb); err != nil {
			t.Errorf("%s: %v", verb, err)
		}
	}
	if err := c.SetPriority(ctx, id, -7); err != nil {
		t.Error(err)
	}
	s, err := c.Status(ctx)
	if err != nil || len(s.Jobs) != 1 || s.Jobs[0].Priority != -7 || !strings.HasSuffix(s.Jobs[0].Output, "film.mkv") {
		t.Fatalf("status %+v, %v", s, err)
	}
	if got := s.Jobs[0].Spec.Owner; got != uint32(os.Getuid()) {
		t.Errorf("the owner is %d: what the caller says of itself was believed", got)
	}
	log, err := c.Log(ctx, id)
	if err != nil || len(log) != 1 || log[0].Kind != "submitted" {
		t.Errorf("log %v, %v", log, err)
	}
	line, err := c.Invite(ctx, "ada")
	if err != nil || line != "olivectl join master:7480 --token ada" {
		t.Errorf("invite %q, %v", line, err)
	}
	if err := c.Worker(ctx, "ada", "revoke"); err != nil {
		t.Error(err)
	}
	if s, err := c.Status(ctx); err != nil || len(s.Enrolled) != 1 || !s.Enrolled[0].Revoked || s.Enrolled[0].Expires.Unix() != 1_000_000_000 {
		t.Errorf("enrolled %+v, %v", s.Enrolled, err)
	}
	if err := c.Job(ctx, id, "cancel"); err != nil {
		t.Error(err)
	}
	if err := c.Job(ctx, id, "forget"); err != nil {
		t.Error(err)
	}
	if s, err := c.Status(ctx); err != nil || len(s.Jobs) != 0 {
		t.Errorf("jobs %+v, %v", s.Jobs, err)
	}
}

func TestErrorsKeepTheirKind(t *testing.T) {
	path, _ := serve(t)
	c, ctx := dial(t, path), t.Context()
	id := submit(t, c)
	dir := t.TempDir()
	for name, ask := range map[string]struct {
		do   func() error
		is   error
		code string
		text string
	}{
		"a job that is not there":         {do: func() error { return c.Job(ctx, 99, "pause") }, is: farm.ErrNoJob, text: "job 99"},
		"its priority":                    {do: func() error { return c.SetPriority(ctx, 99, 1) }, is: farm.ErrNoJob},
		"its log":                         {do: func() error { _, err := c.Log(ctx, 99); return err }, is: farm.ErrNoJob},
		"a worker that is not there":      {do: func() error { return c.Worker(ctx, "eve", "pause") }, is: farm.ErrNoWorker},
		"a worker with a path for a name": {do: func() error { return c.Worker(ctx, "../../jobs/1", "pause") }, is: farm.ErrNoWorker, text: "../../jobs/1"},
		"a state that does not allow it":  {do: func() error { return c.Job(ctx, id, "retry") }, code: control.CodeState, text: "retry"},
		"forgetting what is under way":    {do: func() error { return c.Job(ctx, id, "forget") }, code: control.CodeState},
		"a project that is none": {do: func() error {
			_, err := c.Submit(ctx, master.Request{Project: "/etc/passwd", Output: filepath.Join(dir, "x.mp4")})
			return err
		}, code: control.CodeRefused, text: "not an Olive project"},
		"a project that would have to be waited for": {do: func() error {
			pipe := filepath.Join(dir, "pipe.ove")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				return err
			}
			_, err := c.Submit(ctx, master.Request{Project: pipe, Output: filepath.Join(dir, "x.mp4")})
			return err
		}, code: control.CodeRefused, text: "not a regular file"},
		"a path from somewhere": {do: func() error {
			_, err := c.Submit(ctx, master.Request{Project: "p.ove", Output: "/tmp/x.mp4"})
			return err
		}, code: control.CodeRequest, text: "absolute"},
		"a request that is too large": {do: func() error {
			_, err := c.Submit(ctx, master.Request{Project: "/" + strings.Repeat("x", 2<<20), Output: "/x"})
			return err
		}, code: control.CodeRequest, text: "too large"},
		"a command that is none":    {do: func() error { return c.Job(ctx, id, "explode") }, text: "another version"},
		"a worker without a name":   {do: func() error { return c.Worker(ctx, "", "pause") }, text: "name"},
		"an invitation for nobody":  {do: func() error { _, err := c.Invite(ctx, ""); return err }, text: "name"},
		"a worker that is two dots": {do: func() error { return c.Worker(ctx, "..", "pause") }, is: farm.ErrNoWorker},
	} {
		t.Run(name, func(t *testing.T) {
			err := ask.do()
			var answer *control.Error
			switch {
			case err == nil:
				t.Fatal("no error")
			case ask.is != nil && !errors.Is(err, ask.is):
				t.Errorf("%v is not %v", err, ask.is)
			case ask.code != "" && (!errors.As(err, &answer) || answer.Code != ask.code):
				t.Errorf("%#v has not the code %s", err, ask.code)
			case !strings.Contains(err.Error(), ask.text):
				t.Errorf("%q does not tell %q", err, ask.text)
			}
		})
	}
}

func TestTheSocketIsTheOwnersOnly(t *testing.T) {
	path, _ := serve(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got.Perm() != 0o600 || got.Type() != os.ModeSocket {
		t.Errorf("mode %v", got)
	}
}

func TestOneMasterOneSocket(t *testing.T) {
	path, stop := serve(t)
	if _, err := control.Listen(path); err == nil || !strings.Contains(err.Error(), "another olive-master") {
		t.Errorf("a second one: %v", err)
	}
	if _, err := dial(t, path).Status(t.Context()); err != nil {
		t.Errorf("the first one has suffered: %v", err)
	}
	stop()
	ln, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
}

func TestASocketThatAKilledMasterLeftIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	old.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
	ln, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
}

func TestAFileInTheSocketsPlaceIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("thesis"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Listen(path); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("it was taken for a socket: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "thesis" {
		t.Errorf("the file is %q, %v", text, err)
	}
}

func TestNoMaster(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	_, err := dial(t, path).Status(t.Context())
	if !errors.Is(err, control.ErrNoMaster) || !strings.Contains(err.Error(), "is olive-master running?") || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}

func TestAStrangeServerIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("220 mail.example.org ESMTP\r\n"))
			c.Close()
		}
	}()
	if _, err := dial(t, path).Status(t.Context()); err == nil {
		t.Error("no error")
	}
}

func TestACallThatIsGivenUpEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	ln, err := net.Listen("unix", path) // takes calls and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	go func() {
		if c, err := ln.Accept(); err == nil {
			defer c.Close()
			_, _ = c.Read(make([]byte, 1))
			cancel(why)
			<-t.Context().Done()
		}
	}()
	if _, err := dial(t, path).Status(ctx); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}
