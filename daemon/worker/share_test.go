package worker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/worker"
)

// A mount has the files of every task, in a folder of this machine.
type mount struct {
	dir       string
	fault     error
	once      sync.Once
	abandoned chan struct{}

	mu    sync.Mutex
	users int
}

func (m *mount) Reach(_ context.Context, t *worker.Task) (*worker.Task, func(), error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fault != nil {
		return nil, nil, m.fault
	}
	m.users++
	return t.In(m.dir), func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.users--
	}, nil
}

func (m *mount) Abandon(*worker.Task) { m.once.Do(func() { close(m.abandoned) }) }

// inUse is how many tasks use it.
func (m *mount) inUse() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.users
}

// elsewhere makes a shop's tasks those of a master on another machine.
func elsewhere(s *shop) *mount {
	m := &mount{dir: s.dir, abandoned: make(chan struct{})}
	for n, t := range s.boss.queue {
		t.Share = &worker.Share{Export: "job-1", Project: "p.ove", Digest: t.Plan.Digest, Part: filepath.Base(t.Part)}
		t.Plan.Project, t.Plan.Digest, t.Part = "/srv/jobs/X/project.ove", "of another file", fmt.Sprintf("/srv/jobs/X/in/ada/%d.wav", n+1)
	}
	s.Files = m
	return m
}

// medium adds a medium to the tasks.
func medium(s *shop, footage int, name, theirs, here string) {
	s.t.Helper()
	path := filepath.Join(s.dir, "media", here)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	files := []string{path}
	if strings.Contains(here, "%") {
		files = []string{fmt.Sprintf(path, 0), fmt.Sprintf(path, 1), fmt.Sprintf(path, 2)}
	}
	for _, file := range files {
		if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	m, err := render.Describe(&ove.Footage{ID: footage, URL: here}, filepath.Join(s.dir, "media", here), false)
	if err != nil {
		s.t.Fatal(err)
	}
	m.Path, m.Place = theirs, ""
	for _, t := range s.boss.queue {
		t.Plan.Media = append(t.Plan.Media, m)
		t.Share.Media = append(t.Share.Media, "media/"+here)
	}
}

func TestATaskIsRenderedWhereItsFilesAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, 2, takes(5*time.Second))
		m := elsewhere(s)
		s.open()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		got := s.boss.state()
		if len(got.done) != 2 || len(got.failed) > 0 {
			t.Errorf("%d done, failed %v", len(got.done), got.failed)
		}
		if got.done[2].Path != "/srv/jobs/X/in/ada/2.wav" {
			t.Errorf("part 2 is reported as %q", got.done[2].Path)
		}
		s.files("1.wav", "2.wav")
		s.Drain()
		if err := <-s.ended; err != nil || m.inUse() != 0 {
			t.Errorf("%v, %d tasks still use the mount", err, m.inUse())
		}
	})
}

const withMedia = `<project><version>190219</version><url>p.ove</url><folders/><media>
<footage id="1" url="media/1-a.mp4" name="a"/><footage id="2" url="media/2-s%03d.png" name="s"/><footage id="3" url="media/1-a.mp4.old" name="o"/></media><sequences>
<sequence id="1" folder="0" name="S" width="64" height="48" framerate="30" afreq="48000" alayout="3" open="1"/></sequences></project>`

// sharedShop has a project with media, and tasks of a master on another machine.
func sharedShop(t *testing.T, takes func(s *shop) error) *shop {
	t.Helper()
	var s *shop
	s = newShop(t, 1, func(context.Context, func(int64)) error { return takes(s) })
	elsewhere(s)
	path := filepath.Join(s.dir, "p.ove")
	if err := os.WriteFile(path, []byte(withMedia), 0o600); err != nil {
		t.Fatal(err)
	}
	_, digest, err := render.ReadProject(path)
	if err != nil {
		t.Fatal(err)
	}
	s.boss.queue[0].Share.Digest = digest
	medium(s, 1, "a", "/srv/films/a b.mp4", "1-a.mp4")
	medium(s, 2, "s", "/srv/stills/s%03d.png", "2-s%03d.png")
	medium(s, 3, "o", "/srv/films/old.mp4", "1-a.mp4.old")
	return s
}

// fail runs the only range of a shop, and returns why it failed.
func (s *shop) fail() string {
	s.t.Helper()
	s.open()
	time.Sleep(30 * time.Second)
	synctest.Wait()
	got := s.boss.state()
	if len(got.failed) != 1 || len(got.done) > 0 {
		s.t.Fatalf("failed %v, done %v", got.failed, got.done)
	}
	s.Drain()
	if err := <-s.ended; err != nil {
		s.t.Error(err)
	}
	return got.failed[1].Reason
}

func TestAReasonSpeaksOfTheMastersFiles(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"a medium":                    {"media/1-a.mp4", "/srv/films/a b.mp4"},
		"one whose name begins alike": {"media/1-a.mp4.old", "/srv/films/old.mp4"},
		"a picture of a sequence":     {"media/2-s007.png", "/srv/stills/s007.png"},
		"the draft of the part":       {"1.wav.ada.tmp", "/srv/jobs/X/in/ada/1.wav.ada.tmp"},
		"the project":                 {"p.ove", "/srv/jobs/X/project.ove"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sharedShop(t, func(s *shop) error {
					return &os.PathError{Op: "open", Path: filepath.Join(s.dir, c.file), Err: syscall.EDQUOT}
				})
				if got, want := s.fail(), "open "+c.want+": disk quota exceeded"; got != want {
					t.Errorf("%q, want %q", got, want)
				}
			})
		})
	}
}

// Whatever came of the range: its film would be made of two media.
func TestAMediumThatChangesFailsItsRange(t *testing.T) {
	picture := func(change func(path string) error) func(string) error {
		return func(medium string) error { return change(filepath.Join(filepath.Dir(medium), "2-s001.png")) }
	}
	for name, c := range map[string]struct {
		change func(medium string) error
		result error // of the engine
		want   string
	}{
		"it is written": {func(p string) error { return os.WriteFile(p, []byte("longer"), 0o600) }, nil, "medium /srv/films/a b.mp4 has changed since the export began"},
		"it is touched": {func(p string) error { return os.Chtimes(p, time.Time{}, time.Unix(1, 0)) }, nil, "medium /srv/films/a b.mp4 has changed since the export began"},
		"it is deleted": {os.Remove, nil, "medium /srv/films/a b.mp4 is not there any more: put it back, and retry the job"},
		"a picture in the middle is written": {
			picture(func(p string) error { return os.WriteFile(p, []byte("longer"), 0o600) }), nil, "the image sequence /srv/stills/s%03d.png has changed since the export began",
		},
		"a picture in the middle is deleted": {picture(os.Remove), nil, "medium /srv/stills/s001.png is not there any more: put it back, and retry the job"},
		"the engine fails for that reason":   {os.Remove, errors.New("moov atom not found"), "medium /srv/films/a b.mp4 is not there any more: put it back, and retry the job"},
		"the engine fails for another one":   {func(string) error { return nil }, errors.New("out of memory"), "out of memory"},
		"the server says that it is stale":   {func(string) error { return nil }, fmt.Errorf("read: %w", syscall.ESTALE), "the file has changed since the export began, or the range was taken back"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sharedShop(t, func(s *shop) error {
					return errors.Join(c.change(filepath.Join(s.dir, "media", "1-a.mp4")), c.result)
				})
				if got := s.fail(); !strings.Contains(got, c.want) {
					t.Errorf("%q, want %q", got, c.want)
				}
				s.files("media")
			})
		})
	}
}

func TestFilesThatCannotBeReachedAreAReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, 1, nil)
		elsewhere(s).fault = errors.New("no helper")
		if got := s.fail(); got != "reach the files of job 1: no helper" {
			t.Errorf("%q", got)
		}
	})
}

// A call into a hard mount whose server is away does not hear that nobody waits for it any more.
func TestARangeThatHangsInItsFilesIsFreed(t *testing.T) {
	for name, c := range map[string]struct {
		give func(s *shop)
		stop bool
	}{
		"nobody needs it":       {func(s *shop) { s.boss.mu.Lock(); s.boss.gone = true; s.boss.mu.Unlock() }, false},
		"the worker is stopped": {func(s *shop) { s.cancel(errors.New("stop")) }, true},
		"it does not move":      {func(s *shop) { s.Stall = time.Minute }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m *mount
				s := newShop(t, 1, func(context.Context, func(int64)) error {
					<-m.abandoned
					return syscall.EIO
				})
				m = elsewhere(s)
				if strings.Contains(name, "move") {
					c.give(s)
				}
				s.open()
				time.Sleep(5 * time.Second)
				if !strings.Contains(name, "move") {
					c.give(s)
				}
				time.Sleep(8 * time.Second)
				select {
				case <-m.abandoned:
					t.Error("its files were abandoned at once")
				default:
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				select {
				case <-m.abandoned:
				default:
					t.Fatal("it hangs for ever")
				}
				if m.inUse() != 0 {
					t.Error("the mount is still in use")
				}
				if !c.stop {
					s.Drain()
				}
				if err := <-s.ended; (err != nil) != c.stop {
					t.Errorf("the worker ended with %v", err)
				}
			})
		})
	}
}

func TestARangeThatEndsInTimeKeepsItsFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, 1, takes(time.Minute))
		m := elsewhere(s)
		s.open()
		time.Sleep(10 * time.Second)
		s.cancel(errors.New("stop"))
		<-s.ended
		time.Sleep(time.Minute)
		select {
		case <-m.abandoned:
			t.Error("its files were abandoned")
		default:
		}
	})
}
