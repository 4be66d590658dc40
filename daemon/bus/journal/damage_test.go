package journal_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/bus/journal"
	"olive-distributed/daemon/farm"
)

// full returns a closed store with a snapshot and some log behind it.
func full(t *testing.T) string {
	t.Helper()
	w := open(t, config(t))
	w.begin()
	w.turns(30)
	w.snapshot()
	w.turns(30)
	w.close()
	return w.cfg.Dir
}

const (
	logBlock  = "jetstream/$G/streams/LOG/msgs"
	snapBlock = "jetstream/$G/streams/SNAP/msgs"
)

// newest is the newest block file in the folder.
func newest(t *testing.T, dir string) string {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(dir, "*.blk"))
	if err != nil || len(blocks) == 0 {
		t.Fatalf("no blocks in %s: %v", dir, err)
	}
	return blocks[len(blocks)-1]
}

// edit changes the content of a file.
func edit(t *testing.T, path string, change func(b []byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func flip(share float64) func(b []byte) []byte {
	return func(b []byte) []byte { b[int(share*float64(len(b)))] ^= 0x10; return b }
}

func TestDamageIsRefusedAndLeftAlone(t *testing.T) {
	cases := map[string]func(t *testing.T, dir string){
		"a bit of the log is flipped, early":  func(t *testing.T, dir string) { edit(t, newest(t, dir+"/"+logBlock), flip(0.7)) },
		"a bit of the last record is flipped": func(t *testing.T, dir string) { edit(t, newest(t, dir+"/"+logBlock), flip(0.998)) },
		"the log is truncated": func(t *testing.T, dir string) {
			edit(t, newest(t, dir+"/"+logBlock), func(b []byte) []byte { return b[:len(b)*9/10] })
		},
		"the log's last byte is missing": func(t *testing.T, dir string) {
			edit(t, newest(t, dir+"/"+logBlock), func(b []byte) []byte { return b[:len(b)-1] })
		},
		"the log is empty": func(t *testing.T, dir string) {
			edit(t, newest(t, dir+"/"+logBlock), func([]byte) []byte { return nil })
		},
		"a piece is cut out of the log": func(t *testing.T, dir string) {
			edit(t, newest(t, dir+"/"+logBlock), func(b []byte) []byte { return append(b[:len(b)*8/10:len(b)*8/10], b[len(b)*9/10:]...) })
		},
		"the log's file is missing":        func(t *testing.T, dir string) { must(t, os.Remove(newest(t, dir+"/"+logBlock))) },
		"the log's folder is missing":      func(t *testing.T, dir string) { must(t, os.RemoveAll(dir+"/jetstream/$G/streams/LOG")) },
		"the log's description is missing": func(t *testing.T, dir string) { must(t, os.Remove(dir+"/jetstream/$G/streams/LOG/meta.inf")) },
		"the snapshot's folder is missing": func(t *testing.T, dir string) { must(t, os.RemoveAll(dir+"/jetstream/$G/streams/SNAP")) },
		"all of JetStream is missing":      func(t *testing.T, dir string) { must(t, os.RemoveAll(dir+"/jetstream")) },
		"the marker is missing":            func(t *testing.T, dir string) { must(t, os.Remove(dir+"/olive-store")) },
		"the marker is not one": func(t *testing.T, dir string) {
			edit(t, dir+"/olive-store", func([]byte) []byte { return []byte("{") })
		},
		"what was acknowledged is not known":   func(t *testing.T, dir string) { must(t, os.Remove(dir+"/acked")) },
		"what was acknowledged is not legible": func(t *testing.T, dir string) { edit(t, dir+"/acked", flip(0.5)) },
	}
	for name, harm := range cases {
		t.Run(name, func(t *testing.T) {
			dir := full(t)
			harm(t, dir)
			before := digest(t, dir)
			for what, try := range map[string]func() error{
				"Check": func() error { _, err := journal.Check(dir); return err },
				"Open":  func() error { return tryOpen(t, dir) },
			} {
				if what == "Check" && strings.Contains(name, "description") {
					continue // only nats-server needs it; all data are there
				}
				err := try()
				damage := (*journal.DamageError)(nil)
				if strings.Contains(name, "description") {
					if err == nil {
						t.Errorf("%s succeeded", what)
					}
				} else if !errors.As(err, &damage) || !strings.HasPrefix(damage.Path, dir) || !strings.Contains(err.Error(), "backup") {
					t.Errorf("%s = %v, want a DamageError with a path and a way out", what, err)
				} else if digest(t, dir) != before {
					t.Errorf("%s has changed the store", what)
				}
			}
		})
	}
}

// digest is a checksum of all files of the store.
func digest(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		fmt.Fprintf(h, "%s %d %s\n", path, len(b), b)
		return err
	}))
	return hex.EncodeToString(h.Sum(nil))
}

// Nothing is lost with a snapshot that cannot be read: the store is refused, unless the log still
// reaches back to the beginning.
func TestADamagedSnapshotLosesNothing(t *testing.T) {
	for name, harm := range map[string]func(b []byte) []byte{
		"a bit is flipped": flip(0.3),
		"truncated":        func(b []byte) []byte { return b[:len(b)/2] },
		"empty":            func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir := full(t)
			j, f, err := journal.Open(t.Context(), journal.Config{Dir: dir})
			must(t, err)
			want := state(t, f)
			must(t, j.Close(t.Context()))
			edit(t, newest(t, dir+"/"+snapBlock), harm)
			j, f, err = journal.Open(t.Context(), journal.Config{Dir: dir})
			damage := (*journal.DamageError)(nil)
			if errors.As(err, &damage) {
				return
			}
			must(t, err)
			if got := state(t, f); got != want {
				t.Errorf("the farm is\n%s\nwant\n%s", got, want)
			}
			must(t, j.Close(t.Context()))
		})
	}
}

func tryOpen(t *testing.T, dir string) error {
	j, _, err := journal.Open(t.Context(), journal.Config{Dir: dir, Reserve: 1 << 20})
	if err == nil {
		must(t, j.Close(t.Context()))
	}
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnOlderCopyOfTheLogIsRefused(t *testing.T) {
	w := open(t, config(t))
	w.begin()
	w.turns(5)
	w.close()
	old := filepath.Join(t.TempDir(), "old")
	must(t, os.CopyFS(old, os.DirFS(filepath.Join(w.cfg.Dir, "jetstream"))))
	again := open(t, w.cfg)
	again.now = w.now
	again.turns(5)
	again.close()
	must(t, os.RemoveAll(filepath.Join(w.cfg.Dir, "jetstream")))
	must(t, os.CopyFS(filepath.Join(w.cfg.Dir, "jetstream"), os.DirFS(old)))
	damage := (*journal.DamageError)(nil)
	if err := tryOpen(t, w.cfg.Dir); !errors.As(err, &damage) || !strings.Contains(err.Error(), "acknowledged") {
		t.Errorf("Open = %v, want a DamageError about what was acknowledged", err)
	}
}

func TestATornEndThatNobodyWasToldOfIsDropped(t *testing.T) {
	w := open(t, config(t))
	w.begin()
	w.turns(5)
	w.close()
	edit(t, newest(t, filepath.Join(w.cfg.Dir, logBlock)), func(b []byte) []byte { return append(b, b[len(b)-150:len(b)-20]...) })
	r, err := journal.Check(w.cfg.Dir)
	if err != nil || len(r.Torn) != 1 {
		t.Fatalf("Check = %+v, %v, want one torn end", r, err)
	}
	again := open(t, w.cfg)
	if got, want := state(t, again.f), state(t, w.f); got != want {
		t.Errorf("the farm is\n%s\nwant\n%s", got, want)
	}
	again.now = w.now
	again.turns(5)
	again.reopen().close()
}

func TestNewAndNewerStores(t *testing.T) {
	cfg := config(t)
	cfg.MustExist = true
	if _, _, err := journal.Open(t.Context(), cfg); !errors.Is(err, journal.ErrNoStore) {
		t.Errorf("Open of nothing that must exist: %v, want %v", err, journal.ErrNoStore)
	}
	if _, err := journal.Check(cfg.Dir); !errors.Is(err, journal.ErrNoStore) {
		t.Errorf("Check of nothing: %v, want %v", err, journal.ErrNoStore)
	}
	cfg.MustExist = false
	open(t, cfg).close()
	marker := filepath.Join(cfg.Dir, "olive-store")
	edit(t, marker, func(b []byte) []byte { return []byte(strings.Replace(string(b), `"ready":true`, `"ready":false`, 1)) })
	open(t, cfg).close() // was not finished when it was made: it is made anew
	edit(t, marker, func(b []byte) []byte { return []byte(strings.Replace(string(b), `"version":1`, `"version":2`, 1)) })
	version := (*journal.VersionError)(nil)
	if err := tryOpen(t, cfg.Dir); !errors.As(err, &version) || version.Got != 2 {
		t.Errorf("Open of version 2: %v, want a VersionError", err)
	}
}

// tmpfs mounts a small file system.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "none", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s (this test needs root)", err, out)
	}
	t.Cleanup(func() { must(t, exec.Command("umount", dir).Run()) })
	return dir
}

func TestAFullDiskHeals(t *testing.T) {
	for name, reserve := range map[string]int64{
		"the reserve is touched":   4 << 20,
		"the last byte is used up": 1, // nats-server itself runs into it
	} {
		t.Run(name, func(t *testing.T) {
			dir := tmpfs(t, "24m")
			health := make(chan error, 1000)
			cfg := journal.Config{Dir: filepath.Join(dir, "store"), Reserve: reserve, OnHealth: func(err error) { health <- err }}
			w := open(t, cfg.Impatient(2*time.Second, 10*time.Millisecond))
			w.begin()
			w.turns(3)
			ballast := filepath.Join(dir, "ballast")
			fillUp(t, ballast)
			done := make(chan error, 1)
			_, events, err := w.f.Submit(w.now, farm.JobSpec{Name: strings.Repeat("x", 100_000), End: 100, FPS: 25})
			must(t, err)
			w.j.Enqueue(events, func(err error) { done <- err })
			for err := range health {
				if errors.Is(err, journal.ErrFull) {
					break
				}
			}
			if err := w.j.Health(); !errors.Is(err, journal.ErrFull) {
				t.Errorf("Health = %v, want %v", err, journal.ErrFull)
			}
			select {
			case err := <-done:
				t.Fatalf("acknowledged on a full disk: %v", err)
			default:
			}
			must(t, os.Remove(ballast))
			must(t, <-done)
			for err := range health {
				if err == nil {
					break
				}
			}
			w.turns(3)
			w.snapshot()
			w.reopen().close()
		})
	}
}

// fillUp makes a file that takes all the space there is.
func fillUp(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	b := make([]byte, 4096)
	for {
		if _, err := f.Write(b); err != nil {
			return
		}
	}
}

func TestTheLogsLimitIsToldFromDamage(t *testing.T) {
	cfg := config(t)
	cfg.MaxBytes = 200_000
	full := make(chan error, 1)
	cfg.OnHealth = func(err error) { full <- err }
	w := open(t, cfg.Impatient(20*time.Second, 10*time.Millisecond))
	w.begin()
	done := make(chan error, 2000)
	for range 2000 { // far more than the limit
		w.j.Enqueue(turn(t, w.f, &w.now), func(err error) { done <- err })
	}
	if err := <-full; !errors.Is(err, journal.ErrFull) || !errors.Is(w.j.Health(), journal.ErrFull) {
		t.Fatalf("OnHealth(%v), Health = %v, want %v", err, w.j.Health(), journal.ErrFull)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := w.j.Close(short); err == nil {
		t.Error("Close gave events up without a word")
	}
	acknowledged, unknown := 0, 0
	for range 2000 {
		switch err := <-done; {
		case err == nil:
			acknowledged++
		case errors.Is(err, journal.ErrClosed):
			unknown++
		default:
			t.Errorf("an event got %v", err)
		}
	}
	if unknown == 0 {
		t.Error("all events were acknowledged")
	}
	cfg.MaxBytes, cfg.OnHealth = 0, nil
	again := open(t, cfg)
	if v, _ := again.f.Job(1); len(v.Ranges) != acknowledged {
		t.Errorf("%d ranges came back, %d were acknowledged", len(v.Ranges), acknowledged)
	}
	again.now = w.now
	again.append(again.f.Hello(again.now, farm.WorkerSpec{Name: "ada", Boot: "2"}, farm.RangeID{}))
	again.turns(1)
	again.close()
}
