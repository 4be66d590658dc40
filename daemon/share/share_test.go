package share_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/share"
	"olive-distributed/daemon/worker/forward/hard"
	"olive-distributed/nfsd"
)

// A house is a master's disk with one job on it.
type house struct {
	t      *testing.T
	dir    string
	folder string
	plan   *render.Plan
	sheet  *share.Sheet
	shares *share.Shares

	mu  sync.Mutex
	now time.Time
}

const project = `<project><version>190219</version><url>/elsewhere/p.ove</url><folders/><media>
<footage id="1" url="/studio/a b.mp4" name="a"/><footage id="2" url="shot_%02d.png" name="s" startnumber="7"/>
<footage id="3" url="missing.mov" name="m" proxy="1" proxypath="p.mov"/><footage id="4" url="a b.mp4" name="twin" proxy="1" proxypath="x.mov"/>
</media><sequences><sequence id="1" folder="0" name="S" width="64" height="48" framerate="30" afreq="48000" alayout="3" open="1"/></sequences></project>`

func newHouse(t *testing.T, quota int64) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), now: time.Unix(1e9, 0)}
	h.folder = filepath.Join(h.dir, "jobs", "X")
	for _, dir := range []string{h.folder, h.path("one"), h.path("two")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h.write("one/a b.mp4", "one")
	h.write("two/a b.mp4", "two two")
	h.write("proxy.mov", "proxy")
	h.write("secret", "secret")
	for n := 8; n < 12; n++ { // ffmpeg looks for the first one at 7 to 11
		h.write(fmt.Sprintf("shot_%02d.png", n), fmt.Sprint("picture ", n))
	}
	if err := os.Symlink(h.path("one"), h.path("link")); err != nil {
		t.Fatal(err)
	}
	h.plan = &render.Plan{
		Project: filepath.Join(h.folder, "project.ove"), Encoding: film.Encoding{Width: 64, Height: 48}, FPS: 30, SoundRate: 48000,
		Media: []render.Medium{
			h.medium(1, "link/a b.mp4", false), h.medium(2, "shot_%02d.png", false), h.medium(4, "two/a b.mp4", false), h.medium(4, "proxy.mov", true),
		},
	}
	var err error
	if h.sheet, err = share.Prepare(h.folder, []byte(project), h.plan); err != nil {
		t.Fatal(err)
	}
	h.shares = share.New(share.Config{Quota: quota, Now: func() time.Time {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.now
	}, Log: slog.New(slog.DiscardHandler)})
	h.open(12)
	return h
}

func (h *house) path(name string) string { return filepath.Join(h.dir, name) }

func (h *house) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(h.path(name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) medium(footage int, name string, proxy bool) render.Medium {
	h.t.Helper()
	m, err := render.Describe(&ove.Footage{ID: footage, URL: name, StartNumber: 7}, h.path(name), proxy)
	if err != nil {
		h.t.Fatal(err)
	}
	return m
}

func (h *house) open(id uint32) {
	h.t.Helper()
	j, err := share.NewJob(h.folder, h.plan, h.sheet)
	if err != nil {
		h.t.Fatal(err)
	}
	h.shares.Open(id, j)
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func id(job, number uint32) farm.RangeID { return farm.RangeID{Job: job, Range: number} }

// grant gives a range of ten frames of the job 12.
func (h *house) grant(worker string, number uint32) {
	h.shares.Grant(worker, share.Range{ID: id(12, number), Len: 10, Names: []string{fmt.Sprintf("%d.mp4", number), fmt.Sprintf("%d.mp4.tmp", number)}})
}

// mount serves the worker's view and returns a client of it.
func (h *house) mount(worker string) *hard.Client {
	h.t.Helper()
	return h.serve(h.shares, worker)
}

func (h *house) serve(s *share.Shares, worker string) *hard.Client {
	h.t.Helper()
	server, err := nfsd.New(nfsd.Config{Views: func(w string) nfsd.View { return s.View(w) }, Key: make([]byte, 32), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		h.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(ctx, l, func(net.Conn) (string, error) { return worker, nil }) })
	c := hard.New(func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
	})
	h.t.Cleanup(func() {
		c.Close()
		stop()
		serving.Wait()
		_ = server.Close()
	})
	return c
}

// walk is a handle from the root of the job 12.
func walk(t *testing.T, c *hard.Client, names ...string) (hard.Handle, error) {
	t.Helper()
	at, err := c.Mount(t.Context(), "/job-12")
	for _, name := range names {
		if err == nil {
			at, err = c.Lookup(t.Context(), at, name)
		}
	}
	return at, err
}

func read(t *testing.T, c *hard.Client, names ...string) (string, error) {
	t.Helper()
	f, err := walk(t, c, names...)
	if err != nil {
		return "", err
	}
	data, _, err := c.Read(t.Context(), f, 0, 1<<20)
	return string(data), err
}

func list(t *testing.T, c *hard.Client, names ...string) []string {
	t.Helper()
	dir, err := walk(t, c, names...)
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.List(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func TestAWorkerSeesTheFilesOfItsJob(t *testing.T) {
	h := newHouse(t, 0)
	h.grant("w1", 0)
	c := h.mount("w1")
	if got, want := list(t, c), []string{"media", "parts", "project.ove"}; !slices.Equal(got, want) {
		t.Errorf("the job has %q, want %q", got, want)
	}
	media := []string{"1-a_b.mp4", "2-shot_08.png", "2-shot_09.png", "2-shot_10.png", "2-shot_11.png", "3-a_b.mp4", "4-proxy.mov"}
	if got := list(t, c, "media"); !slices.Equal(got, media) {
		t.Errorf("media are %q, want %q", got, media)
	}
	for name, want := range map[string]string{"1-a_b.mp4": "one", "3-a_b.mp4": "two two", "2-shot_10.png": "picture 10", "4-proxy.mov": "proxy"} {
		if got, err := read(t, c, "media", name); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
	if _, err := c.Mount(t.Context(), "/job-13"); err == nil {
		t.Error("another job can be mounted")
	}
	stranger := h.mount("w2")
	if _, err := stranger.Mount(t.Context(), "/job-12"); err == nil {
		t.Error("a worker without a range has mounted the job")
	}
}

func TestTheProjectHasThePathsOfTheExport(t *testing.T) {
	h := newHouse(t, 0)
	h.grant("w1", 0)
	text, err := read(t, h.mount("w1"), "project.ove")
	if err != nil {
		t.Fatal(err)
	}
	p, err := ove.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := map[int][2]string{1: {"media/1-a_b.mp4", ""}, 2: {"media/2-shot_%02d.png", ""}, 3: {"media/left-out", ""}, 4: {"media/3-a_b.mp4", "media/4-proxy.mov"}}
	for _, f := range p.Footage {
		if got := [2]string{f.URL, f.ProxyPath}; got != want[f.ID] || f.Proxy != (got[1] != "") {
			t.Errorf("footage %d is at %q (proxy %v), want %q", f.ID, got, f.Proxy, want[f.ID])
		}
		if at := p.Candidates(f, "/mnt/project.ove"); !slices.Contains(at, "/mnt/"+f.URL) {
			t.Errorf("footage %d is looked for at %q", f.ID, at)
		}
	}
	if strings.Contains(text, "/studio") {
		t.Error("the project tells of the master's folders")
	}
	if _, digest, err := render.ParseProject([]byte(text)); err != nil || digest != h.sheet.Digest {
		t.Errorf("digest %s, %v, the sheet says %s", digest, err, h.sheet.Digest)
	}
}

// What is mounted must stay good, whoever asks: names are those of the sheet, whatever becomes of the files.
func TestNamesAndHandlesOutliveTheMaster(t *testing.T) {
	h := newHouse(t, 0)
	h.grant("w1", 0)
	c := h.mount("w1")
	handle, err := walk(t, c, "media", "3-a_b.mp4")
	if err != nil {
		t.Fatal(err)
	}
	j, err := share.NewJob(h.folder, h.plan, h.sheet)
	if err != nil {
		t.Fatal(err)
	}
	next := share.New(share.Config{})
	next.Open(12, j)
	next.Grant("w1", share.Range{ID: id(12, 0), Len: 10})
	data, _, err := h.serve(next, "w1").Read(t.Context(), handle, 0, 100)
	if err != nil || string(data) != "two two" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestPartsAreTheWorkersOwn(t *testing.T) {
	h := newHouse(t, 100)
	h.grant("w1", 4)
	c := h.mount("w1")
	ctx := t.Context()
	parts, err := walk(t, c, "parts")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"5.mp4", "log", "x", "4.mp4.tmp2"} {
		if _, err := c.Create(ctx, parts, name); err == nil {
			t.Errorf("a file %q was made", name)
		}
	}
	f, err := c.Create(ctx, parts, "4.mp4.tmp")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(ctx, f, 0, []byte("part")); err != nil {
		t.Fatal(err)
	}
	if err := c.Write(ctx, f, 90, make([]byte, 20)); !errors.Is(err, hard.Quota) {
		t.Errorf("beyond the quota: %v, want %v", err, hard.Quota)
	}
	if err := c.Rename(ctx, parts, "4.mp4.tmp", "5.mp4"); err == nil {
		t.Error("a part took the name of another range's")
	}
	if err := c.Rename(ctx, parts, "4.mp4.tmp", "4.mp4"); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(filepath.Join(share.Inbox(h.folder, "w1"), "4.mp4")); err != nil || string(got) != "part" {
		t.Errorf("the inbox has %q, %v", got, err)
	}

	h.grant("w2", 4) // a copy of the range
	other := h.mount("w2")
	if got := list(t, other, "parts"); len(got) > 0 {
		t.Errorf("another worker sees %q", got)
	}
	media, err := walk(t, c, "media")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(ctx, media, "1-a_b.mp4"); err == nil {
		t.Error("a medium was removed")
	}
	if _, err := c.Create(ctx, media, "4.mp4"); err == nil {
		t.Error("a file was made among the media")
	}
}

func TestTheDisksEndIsTold(t *testing.T) {
	h := newHouse(t, 1<<40)
	h.grant("w1", 4)
	inbox := share.Inbox(h.folder, "w1")
	if err := os.MkdirAll(inbox, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", inbox, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(inbox, unix.MNT_DETACH) })
	c := h.mount("w1")
	parts, err := walk(t, c, "parts")
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.Create(t.Context(), parts, "4.mp4.tmp")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(t.Context(), f, 0, make([]byte, 256<<10)); !errors.Is(err, hard.NoSpace) {
		t.Errorf("%v, want %v", err, hard.NoSpace)
	}
	if err := c.Remove(t.Context(), parts, "4.mp4.tmp"); err != nil {
		t.Errorf("what does not fit cannot be removed: %v", err)
	}
}

func TestAMediumThatChangesIsStale(t *testing.T) {
	for name, change := range map[string]func(h *house, path string) error{
		"deleted":  func(_ *house, path string) error { return os.Remove(path) },
		"replaced": func(_ *house, path string) error { return twin(path) },
		"written":  func(_ *house, path string) error { return os.WriteFile(path, []byte("more than before"), 0o600) },
		"touched":  func(_ *house, path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) },
		"replaced by a link to something else": func(h *house, path string) error {
			return errors.Join(os.Remove(path), os.Symlink(h.path("secret"), path))
		},
	} {
		for medium, at := range map[string][2]string{
			"a film":                           {"two/a b.mp4", "3-a_b.mp4"},
			"a picture in the middle of a run": {"shot_10.png", "2-shot_10.png"},
		} {
			t.Run(medium+" is "+name, func(t *testing.T) {
				h := newHouse(t, 0)
				h.grant("w1", 0)
				c := h.mount("w1")
				f, err := walk(t, c, "media", at[1])
				if err != nil {
					t.Fatal(err)
				}
				if err := change(h, h.path(at[0])); err != nil {
					t.Fatal(err)
				}
				if data, _, err := c.Read(t.Context(), f, 0, 100); !errors.Is(err, hard.Stale) {
					t.Errorf("read %q, %v, want %v", data, err, hard.Stale)
				}
				if got, err := read(t, c, "media", at[1]); err == nil {
					t.Errorf("found anew: read %q", got)
				}
				if got, err := read(t, c, "media", "1-a_b.mp4"); err != nil || got != "one" {
					t.Errorf("another medium: %q, %v", got, err)
				}
			})
		}
	}
	t.Run("before it is shown first", func(t *testing.T) {
		h := newHouse(t, 0)
		h.write("two/a b.mp4", "more than before")
		h.grant("w1", 0)
		if got, err := read(t, h.mount("w1"), "media", "3-a_b.mp4"); err == nil {
			t.Errorf("read %q", got)
		}
	})
}

// twin puts another file at the path that has the content and the time of the one that lies there.
func twin(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	other := path + ".twin"
	return errors.Join(os.WriteFile(other, data, 0o600), os.Chtimes(other, info.ModTime(), info.ModTime()), os.Rename(other, path))
}

// Other workers render with what was there at submit, so this one must not see more.
func TestARunOfPicturesIsThatOfThePlan(t *testing.T) {
	h := newHouse(t, 0)
	h.write("shot_07.png", "a picture before the first")
	h.write("shot_12.png", "a picture after the last")
	if err := os.Rename(h.path("shot_09.png"), h.path("away")); err != nil {
		t.Fatal(err)
	}
	h.grant("w1", 0)
	c := h.mount("w1")
	for name, want := range map[string]string{"08": "picture 8", "10": "picture 10", "11": "picture 11", "07": "", "12": "", "09": ""} {
		if got, err := read(t, c, "media", "2-shot_"+name+".png"); got != want || (err == nil) != (want != "") {
			t.Errorf("picture %s: %q, %v, want %q", name, got, err, want)
		}
	}
	if err := os.Rename(h.path("away"), h.path("shot_09.png")); err != nil {
		t.Fatal(err)
	}
	if got, err := read(t, c, "media", "2-shot_09.png"); err != nil || got != "picture 9" {
		t.Errorf("a picture that was put back: %q, %v", got, err)
	}
}

func TestWhatIsTakenAwayIsGone(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(h *house)
		seen bool
	}{
		"nothing":                           {func(*house) {}, true},
		"the range is withdrawn":            {func(h *house) { h.shares.Withdraw("w1", id(12, 0)) }, false},
		"another range is withdrawn":        {func(h *house) { h.shares.Withdraw("w1", id(12, 1)) }, true},
		"the range of another worker":       {func(h *house) { h.shares.Withdraw("w2", id(12, 0)) }, true},
		"the job ends":                      {func(h *house) { h.shares.Close(12) }, false},
		"another job ends":                  {func(h *house) { h.shares.Close(13) }, true},
		"the worker is dismissed":           {func(h *house) { h.shares.Dismiss("w1") }, false},
		"the worker leaves":                 {func(h *house) { h.shares.Leave("w1") }, false},
		"it has reported":                   {func(h *house) { h.shares.Reported("w1", id(12, 0)); h.pass(14 * time.Second) }, true},
		"it has reported long ago":          {func(h *house) { h.shares.Reported("w1", id(12, 0)); h.pass(16 * time.Second) }, false},
		"it has reported, and has another":  {func(h *house) { h.shares.Reported("w1", id(12, 0)); h.grant("w1", 1); h.pass(time.Hour) }, true},
		"it is silent":                      {func(h *house) { h.shares.Silent("w1"); h.pass(110 * time.Second) }, true},
		"it is silent for long":             {func(h *house) { h.shares.Silent("w1"); h.pass(130 * time.Second) }, false},
		"it is silent, and back":            {func(h *house) { h.shares.Silent("w1"); h.grant("w1", 0); h.pass(time.Hour) }, true},
		"it was silent, and was taken away": {func(h *house) { h.shares.Silent("w1"); h.shares.Withdraw("w1", id(12, 0)) }, false},
		"the job is opened again":           {func(h *house) { h.shares.Close(12); h.open(12) }, false},
		"the job is given out again":        {func(h *house) { h.shares.Close(12); h.open(12); h.grant("w1", 0) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, 0)
			h.grant("w1", 0)
			client := h.mount("w1")
			f, err := walk(t, client, "media", "1-a_b.mp4")
			if err != nil {
				t.Fatal(err)
			}
			c.act(h)
			if _, _, err := client.Read(t.Context(), f, 0, 10); (err == nil) != c.seen {
				t.Errorf("read: %v, want it seen %v", err, c.seen)
			}
			if _, err := client.Mount(t.Context(), "/job-12"); (err == nil) != c.seen {
				t.Errorf("mount: %v, want it seen %v", err, c.seen)
			}
		})
	}
}

// A worker with a name that was dismissed is another one; a connection of the old one must not see what the new one has.
func TestADismissedWorkersConnectionStaysBlind(t *testing.T) {
	h := newHouse(t, 0)
	h.grant("w1", 0)
	old := h.mount("w1")
	if _, err := walk(t, old); err != nil {
		t.Fatal(err)
	}
	h.shares.Dismiss("w1")
	h.grant("w1", 1)
	if _, err := walk(t, old); err == nil {
		t.Error("the old connection sees the new worker's job")
	}
	if _, err := walk(t, h.mount("w1")); err != nil {
		t.Errorf("the new worker: %v", err)
	}
}

func TestTheQuotaIsWhatTheRangeNeeds(t *testing.T) {
	h := newHouse(t, 0)
	h.grant("w1", 4)
	c := h.mount("w1")
	parts, err := walk(t, c, "parts")
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.Create(t.Context(), parts, "4.mp4")
	if err != nil {
		t.Fatal(err)
	}
	const raw = 10 * 64 * 48 * 4
	if err := c.Write(t.Context(), f, raw, []byte("x")); err != nil {
		t.Errorf("a part as large as its frames: %v", err)
	}
	if err := c.Write(t.Context(), f, 2*raw+16<<20, []byte("x")); !errors.Is(err, hard.Quota) {
		t.Errorf("a part twice as large, and 16 MiB: %v", err)
	}
}

func TestManyAtATime(t *testing.T) {
	h := newHouse(t, 0)
	var all sync.WaitGroup
	for w := range 4 {
		name := fmt.Sprint("w", w)
		v := h.shares.View(name)
		all.Go(func() {
			for n := range uint32(200) {
				h.grant(name, n)
				if len(v.Exports()) > 1 {
					t.Error("one job is shown twice")
				}
				h.shares.Withdraw(name, id(12, n))
				if n%50 == 0 {
					h.shares.Close(12)
					h.open(12)
				}
			}
		})
		all.Go(func() {
			for range 400 {
				_ = v.Exports()
			}
		})
	}
	all.Wait()
	for w := range 4 {
		if left := h.shares.View(fmt.Sprint("w", w)).Exports(); len(left) > 0 {
			t.Errorf("w%d still sees %d jobs", w, len(left))
		}
	}
}
