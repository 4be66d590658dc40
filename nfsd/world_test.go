package nfsd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"olive-distributed/nfsd"
)

// key makes handles good in every server of the tests, as a restarted master's are.
var key = []byte("0123456789abcdef0123456789abcdef")

const quota = 8 << 20

// roomy are limits for tests that open many connections for other reasons.
var roomy = nfsd.Limits{PerIdentity: 500}

// A showing is a [nfsd.View] that can change under the server, and panic.
type showing struct {
	exports atomic.Pointer[[]*nfsd.Export]
	broken  atomic.Bool
}

func show(e ...*nfsd.Export) *showing {
	v := &showing{}
	v.exports.Store(&e)
	return v
}

func (v *showing) Exports() []*nfsd.Export {
	if v.broken.Load() {
		panic("the view is broken")
	}
	return *v.exports.Load()
}

// A world is a folder of files, and a server of them: what "worker" may see is export 1, "job-1".
// Beside it lies what nobody may see.
type world struct {
	t      testing.TB
	dir    string
	export *nfsd.Export
	views  map[string]*showing
	server *nfsd.Server
	addr   string // where whoever connects is "worker"
	log    *logbook
	clip   []byte // content of media/clip.mov
}

// secret is the content of what no client may ever see or change.
const secret = "SECRET: outside of every export"

// newWorld lays out the files.
func newWorld(t testing.TB) *world {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, log: &logbook{}}
	w.clip = make([]byte, 3<<20+77)
	rand.NewChaCha8([32]byte{1}).Read(w.clip)
	for _, d := range []string{"media", "parts", "outside"} {
		if err := os.Mkdir(w.path(d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.put("media/clip.mov", w.clip)
	w.put("media/small.wav", []byte("hello"))
	w.put("outside/secret", []byte(secret))
	w.export = w.newExport(1, "job-1", w.folder())
	w.views = map[string]*showing{"worker": show(w.export)}
	return w
}

// in is the same world for a subtest.
func (w *world) in(t testing.TB) *world {
	c := *w
	c.t = t
	return &c
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) put(name string, data []byte) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), data, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) content(name string) []byte {
	w.t.Helper()
	b, err := os.ReadFile(w.path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) files() []nfsd.File { return filesOf(w.dir) }

// folder is the folder of parts as the world's export has it.
func (w *world) folder() *nfsd.Folder { return folderOf(w.dir) }

func filesOf(dir string) []nfsd.File {
	return []nfsd.File{
		{Name: "media/clip.mov", Path: filepath.Join(dir, "media/clip.mov")},
		{Name: "media/small.wav", Path: filepath.Join(dir, "media/small.wav")},
		{Name: "project.ove", Data: []byte("<project/>")},
	}
}

func folderOf(dir string) *nfsd.Folder {
	return &nfsd.Folder{Name: "parts", Path: filepath.Join(dir, "parts"), Quota: quota}
}

func (w *world) newExport(id uint32, name string, parts *nfsd.Folder, more ...nfsd.File) *nfsd.Export {
	w.t.Helper()
	e, err := nfsd.NewExport(id, name, append(w.files(), more...), parts)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// start serves the world until the test ends.
func (w *world) start(l nfsd.Limits) *world {
	w.t.Helper()
	s, err := nfsd.New(nfsd.Config{
		Views: func(identity string) nfsd.View {
			if v := w.views[identity]; v != nil {
				return v
			}
			return nil
		},
		Key: key, Limits: l, Log: slog.New(w.log),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.server = s
	w.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			w.t.Error(err)
		}
		if !w.log.mayPanic && w.log.has("panic") {
			w.t.Errorf("the server panicked:\n%s", w.log)
		}
	})
	w.addr = w.listen(nil, func(net.Conn) (string, error) { return "worker", nil })
	return w
}

// listen serves one more listener, wrapped by wrap.
func (w *world) listen(wrap func(net.Listener) net.Listener, identify func(net.Conn) (string, error)) string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	addr := l.Addr().String()
	if wrap != nil {
		l = wrap(l)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.server.Serve(ctx, l, identify) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Serve: %v", err)
		}
	})
	return addr
}

// as serves one more listener, at which everybody is that identity.
func (w *world) as(identity string) string {
	return w.listen(nil, func(net.Conn) (string, error) { return identity, nil })
}

// dial connects as "worker".
func (w *world) dial() *client { return dialTo(w.t, w.addr) }

func dialTo(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return newClient(conn)
}

// A site is what most tests work on: a connection and the handles of what lies there.
type site struct {
	*client
	t                               testing.TB
	root, media, clip, small, parts []byte
}

func (w *world) site() *site { return siteAt(w.t, w.dial()) }

func siteAt(t testing.TB, c *client) *site {
	t.Helper()
	s := &site{client: c, t: t}
	s.root = must(c.mount("/job-1"))(t)
	s.media = must(c.walk(s.root, "media"))(t)
	s.clip = must(c.walk(s.media, "clip.mov"))(t)
	s.small = must(c.walk(s.media, "small.wav"))(t)
	s.parts = must(c.walk(s.root, "parts"))(t)
	return s
}

// alive fails the test unless the connection still serves.
func (s *site) alive() {
	s.t.Helper()
	if data, _, err := s.read(s.small, 0, 100); err != nil || string(data) != "hello" {
		s.t.Fatalf("after this, READ gives %q, %v, want hello", data, err)
	}
}

// alive fails the test unless the server still serves a new connection.
func (w *world) alive() {
	w.t.Helper()
	s := w.site()
	s.alive()
	s.conn.Close()
}

// newFile makes a file with this content.
func (s *site) newFile(name string, data []byte) []byte {
	s.t.Helper()
	h := must(s.create(s.parts, name, unchecked))(s.t)
	must(s.writeFile(h, 0, fileSync, data))(s.t)
	return h
}

// must returns a value, or fails the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantStatus fails the test unless err is one of the statuses.
func wantStatus(t testing.TB, what string, err error, want ...status) {
	t.Helper()
	var got status
	if err != nil && !errors.As(err, &got) {
		t.Fatalf("%s: %v", what, err)
	}
	for _, s := range want {
		if got == s {
			return
		}
	}
	t.Errorf("%s: got status %d, want one of %d", what, got, want)
}

// closed waits for the server to close the connection, and returns what it said before.
func (c *client) closed(t testing.TB) []byte {
	t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.LimitReader(c.in, 1<<26))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the server has not closed the connection")
	}
	return b
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// together runs f so many times at once, each with its number, and waits.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// A logbook keeps what the server logs.
type logbook struct {
	mu       sync.Mutex
	text     bytes.Buffer
	mayPanic bool // a test wants it to
}

func (l *logbook) Enabled(context.Context, slog.Level) bool { return true }
func (l *logbook) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logbook) WithGroup(string) slog.Handler            { return l }

func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.text, "%s %s", r.Level, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&l.text, " %v", a)
		return true
	})
	_, err := l.text.WriteString("\n")
	return err
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logbook) has(word string) bool { return strings.Contains(l.String(), word) }
