package spool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"olive-distributed/daemon/spool"
)

// A ledger is an intake that survives kill -9: one file per key, and a film at once.
type ledger struct {
	dir   string
	spool *spool.Spool
}

func (l *ledger) Submit(_ context.Context, d spool.Drop) (spool.Receipt, error) {
	text, err := os.ReadFile(d.Project)
	if err != nil {
		return spool.Receipt{}, err
	}
	if string(text) != whole {
		return spool.Receipt{}, errors.New("not whole")
	}
	data, err := json.Marshal(d)
	if err != nil {
		return spool.Receipt{}, err
	}
	out := spool.Outcome{Result: spool.Done, Film: d.Output}
	f, err := os.OpenFile(filepath.Join(l.dir, d.Key), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return spool.Receipt{Job: 1, Ended: &out}, nil
	}
	if err != nil {
		return spool.Receipt{}, err
	}
	if _, err := f.Write(data); err != nil {
		return spool.Receipt{}, err
	}
	if err := f.Close(); err != nil {
		return spool.Receipt{}, err
	}
	if err := os.WriteFile(d.Output, []byte("film"), 0o600); err != nil {
		return spool.Receipt{}, err
	}
	return spool.Receipt{Job: 1}, l.spool.Finish(d.Key, out)
}

// TestMain serves a spool when a crash test says so, until it is killed.
func TestMain(m *testing.M) {
	root := os.Getenv("OLIVE_TEST_SPOOL")
	if root == "" {
		os.Exit(m.Run())
	}
	l := &ledger{dir: os.Getenv("OLIVE_TEST_LEDGER")}
	s, err := spool.Open(root, check, l, quick)
	if err == nil {
		l.spool = s
		err = s.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestKilledAtAnyTimeNothingIsLostOrSubmittedTwice(t *testing.T) {
	for name, elsewhere := range map[string]bool{"by rename": false, "by copy from another file system": true} {
		t.Run(name, func(t *testing.T) {
			root, book := t.TempDir(), t.TempDir()
			r := open(t, root, newFarm(), quick)
			r.Close()
			if elsewhere {
				r.elsewhere()
			}
			const many, kills = 120, 8
			for i := range many {
				r.write(whole, "incoming", fmt.Sprintf("p%03d.ove", i))
			}
			for k := range kills {
				c := exec.Command(os.Args[0])
				c.Env = append(os.Environ(), "OLIVE_TEST_SPOOL="+root, "OLIVE_TEST_LEDGER="+book)
				c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				r.wait(func() error { // some further
					if n := len(strings.Fields(r.names2(book))); n <= k*many/(kills+4) {
						return fmt.Errorf("life %d: %d submitted", k, n)
					}
					return nil
				})
				_ = c.Process.Kill()
				_ = c.Wait()
			}
			l := &ledger{dir: book}
			s, err := spool.Open(root, check, l, quick)
			if err != nil {
				t.Fatal(err)
			}
			l.spool = s
			r.Spool = s
			r.run()
			r.wait(func() error {
				if in, left := r.names("incoming"), r.names("processing"); in+left != "" {
					return fmt.Errorf("left: %.200s; %.200s", in, left)
				}
				return nil
			})
			r.stop()
			if got := len(strings.Fields(r.names2(book))); got != many {
				t.Errorf("%d submitted, want %d", got, many)
			}
			var want []string
			for i := range many {
				want = append(want, fmt.Sprintf("p%03d.ove p%03d.ove.log", i, i))
			}
			r.wantNames("done", strings.Join(want, " "))
			r.wantNames("failed", "")
		})
	}
}

func (r *rig) names2(dir string) string {
	rel, err := filepath.Rel(r.root, dir)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.names(rel)
}

// elsewhere lets incoming lie on another file system.
func (r *rig) elsewhere() {
	r.t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "olive-spool-")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { os.RemoveAll(dir) })
	if err := errors.Join(os.Remove(r.in("incoming")), os.Symlink(dir, r.in("incoming"))); err != nil {
		r.t.Fatal(err)
	}
	err = os.Rename(r.write("", ".outside", "probe"), r.in("incoming", ".probe"))
	if !errors.Is(err, syscall.EXDEV) {
		r.t.Fatalf("this test wants /dev/shm and the folder for temporary files on two file systems: %v", err)
	}
}

func TestAFolderThatCannotBeMovedIsServedWhereItLies(t *testing.T) {
	r := open(t, t.TempDir(), newFarm(), quick)
	r.elsewhere()
	r.run()
	r.write("m", "incoming", "film", "clip.mov")
	r.write(whole, "incoming", "film", "a.ove")
	d := r.next()
	if want := r.in("incoming", "film", "a.ove"); d.Project != want {
		t.Errorf("project %s, want %s", d.Project, want)
	}
	r.film(d)
	r.wantNames("done", "film.log")
	r.wantLog("done/film.log", "The folder stays in "+r.in("incoming"))
	r.stop()
	s, err := spool.Open(r.root, check, r.farm, quick) // a restart does not take it again
	if err != nil {
		t.Fatal(err)
	}
	r.Spool = s
	r.run()
	r.write(whole, "incoming", "other.ove")
	if d := r.next(); d.Name != "other.ove" {
		t.Errorf("submitted %+v", d)
	}
	r.write(whole, "incoming", "film", "more.mov") // but a change does
	if d := r.next(); d.Name != "film" || d.Output != r.in("outgoing", "film-2.mp4") {
		t.Errorf("submitted %+v", d)
	}
}

func TestALostStateIsMadeUpFromTheFiles(t *testing.T) {
	r := open(t, t.TempDir(), newFarm(), quick)
	const key = "AAAAAAAAAAAAAAAAAAAAAAAAAA"
	r.write("", "processing", key, ".olive.json") // as a power cut leaves it
	r.write(whole, "processing", key, "film", "sub", "a.ove")
	r.write("", "processing", "BBBBBBBBBBBBBBBBBBBBBBBBBB", ".olive.json") // claimed nothing yet
	r.write("", "processing", "notes.txt")
	r.run()
	if d := r.next(); d.Key != key || d.Project != r.in("processing", key, "film", "sub", "a.ove") {
		t.Errorf("submitted %+v", d)
	} else {
		r.film(d)
	}
	r.wantNames("processing", "notes.txt")
}

// small mounts a file system of a few pages.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=64", "none", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s (this test needs root)", err, out)
	}
	t.Cleanup(func() {
		if err := exec.Command("umount", dir).Run(); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestAFullDiskLosesNothing(t *testing.T) {
	root := small(t)
	r := open(t, root, newFarm(), quick)
	r.moveIn("a.ove", whole)
	big, err := os.Create(r.in(".big"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = big.Write(make([]byte, 4096))
	}
	big.Close()
	r.run()
	r.wait(func() error {
		if p := r.Pending(); len(p) != 1 || !strings.Contains(p[0].Why, "no space left") {
			return fmt.Errorf("pending %v", p)
		}
		return nil
	})
	r.none()
	r.wantNames("incoming", "a.ove")
	if err := os.Remove(r.in(".big")); err != nil {
		t.Fatal(err)
	}
	r.next()
}

func TestAReadOnlyFolderIsServedWhenItCanBeWritten(t *testing.T) {
	root := small(t)
	r := open(t, root, newFarm(), quick)
	r.moveIn("a.ove", whole)
	remount := func(how string) {
		if out, err := exec.Command("mount", "-o", "remount,"+how, root).CombinedOutput(); err != nil {
			t.Fatalf("remount: %v: %s", err, out)
		}
	}
	remount("ro")
	r.run()
	r.wait(func() error {
		if p := r.Pending(); len(p) != 1 || !strings.Contains(p[0].Why, "read-only") {
			return fmt.Errorf("pending %v", p)
		}
		return nil
	})
	r.none()
	remount("rw")
	r.next()
}

func TestTheOwnerOfTheFileOwnsTheJobAndTheFilm(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root")
	}
	const user = 12345
	r := start(t, quick)
	if err := os.Chown(r.write(whole, ".outside", "a.ove"), user, user); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(r.in(".outside", "a.ove"), r.in("incoming", "a.ove")); err != nil {
		t.Fatal(err)
	}
	d := r.next()
	if d.UID != user || d.GID != user {
		t.Errorf("the job belongs to %d:%d, want %d", d.UID, d.GID, user)
	}
	r.film(d)
	for _, path := range []string{d.Output, r.in("done", "a.ove"), r.in("done", "a.ove.log")} {
		var st syscall.Stat_t
		if err := syscall.Stat(path, &st); err != nil || st.Uid != user {
			t.Errorf("%s belongs to %d, %v", path, st.Uid, err)
		}
	}
}

func TestWhatIsSwappedWhileItIsReadIsReadAgain(t *testing.T) {
	r := open(t, t.TempDir(), newFarm(), quick)
	r.Close()
	swapped := false // only one entry, so only one call at a time
	s, err := spool.Open(r.root, func(ctx context.Context, f io.Reader, path string) error {
		if !swapped {
			swapped = true
			if err := os.Rename(r.write("<project>", ".outside", "half"), path); err != nil {
				return err
			}
		}
		return check(ctx, f, path)
	}, r.farm, quick)
	if err != nil {
		t.Fatal(err)
	}
	r.Spool = s
	r.run()
	r.moveIn("a.ove", whole)
	r.waitNames("failed", "a.ove a.ove.log")
	r.none()
	r.waitNames("processing", "")
}

func TestAMoveOverwritesNothing(t *testing.T) {
	r := open(t, t.TempDir(), newFarm(), quick)
	defer r.Close()
	from, to := r.write("new", ".outside", "a"), r.write("old", ".outside", "b")
	if err := spool.Move(from, to); !errors.Is(err, os.ErrExist) {
		t.Errorf("a move to a name that is taken: %v", err)
	}
	if data, err := os.ReadFile(to); string(data) != "old" {
		t.Errorf("overwritten with %q, %v", data, err)
	}
}
