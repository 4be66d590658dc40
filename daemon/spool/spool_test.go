package spool_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"olive-distributed/daemon/spool"
)

func TestAProjectThatIsMovedInBecomesAFilm(t *testing.T) {
	r := start(t, spool.Options{})
	r.moveIn("first.ove", whole)
	r.film(r.next()) // it is served now
	began := time.Now()
	r.moveIn("sample.ove", whole)
	d := r.next()
	t.Logf("rename to accepted: %v", time.Since(began).Round(time.Millisecond))
	if want := r.in("processing", d.Key, "sample.ove"); d.Project != want || d.Name != "sample.ove" || int(d.UID) != os.Getuid() {
		t.Errorf("drop %+v, want the project %s of user %d", d, want, os.Getuid())
	}
	if want := r.in("outgoing", "sample.mp4"); d.Output != want {
		t.Errorf("output %s, want %s", d.Output, want)
	}
	r.wantNames("incoming", "")
	r.film(d)
	r.wantNames("processing", "")
	r.wantNames("done", "first.ove first.ove.log sample.ove sample.ove.log")
	r.wantLog("done/sample.ove.log", "Result:  exported", d.Output)
	if info, err := os.Stat(d.Output); err != nil || info.Mode().Perm()&0o440 != 0o440 {
		t.Errorf("film: %v %v, want one that the group can read", info.Mode(), err)
	}
}

func TestAPlainCopyIsTakenSoonAfterItsLastWrite(t *testing.T) {
	r := start(t, spool.Options{})
	f, err := os.Create(r.in("incoming", "a.ove"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []byte(whole) {
		if _, err := f.Write([]byte{c}); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	f.Close()
	d := r.next()
	t.Logf("last write to accepted: %v", time.Since(began).Round(time.Millisecond))
	if data, err := os.ReadFile(d.Project); string(data) != whole {
		t.Errorf("taken: %q, %v", data, err)
	}
}

func TestNamesAreNeverOverwritten(t *testing.T) {
	r := start(t, quick)
	r.write("old film", "outgoing", "a.mp4")
	r.write("old project", "done", "a.ove")
	r.moveIn("a.ove", whole)
	first := r.next()
	r.moveIn("a.ove", whole) // the same again, while the first is on its way
	second := r.next()
	if first.Output != r.in("outgoing", "a-2.mp4") || second.Output != r.in("outgoing", "a-3.mp4") {
		t.Errorf("films %s and %s", first.Output, second.Output)
	}
	r.film(second)
	r.film(first)
	r.film(first) // told twice
	r.wantNames("done", "a-2.ove a-2.ove.log a-3.ove a-3.ove.log a.ove")
	r.wantNames("outgoing", "a-2.mp4 a-3.mp4 a.mp4")
	r.moveIn("a.ove", whole)
	third := r.next()
	if err := r.Finish(third.Key, spool.Outcome{Result: spool.Cancelled, Reason: "cancelled by anna"}); err != nil {
		t.Fatal(err)
	}
	r.wantLog("failed/a.ove.log", "cancelled by anna", "What to do:")
}

func TestWhatIsNoProjectIsExplained(t *testing.T) {
	for name, c := range map[string]struct {
		make func(r *rig, path string) error
		name string
		want string
	}{
		"a symbolic link":  {func(_ *rig, p string) error { return os.Symlink("/etc/passwd", p) }, "l.ove", "a symbolic link"},
		"a named pipe":     {func(_ *rig, p string) error { return syscall.Mkfifo(p, 0o666) }, "p.ove", "a named pipe"},
		"a socket":         {func(_ *rig, p string) error { return syscall.Mknod(p, syscall.S_IFSOCK|0o666, 0) }, "s.ove", "a socket"},
		"another file":     {func(_ *rig, p string) error { return os.WriteFile(p, []byte(whole), 0o666) }, "clip.mov", "only .ove files"},
		"a second name":    {func(r *rig, p string) error { return os.Link(r.write(whole, ".o", "x"), p) }, "h.ove", "2 names"},
		"a broken project": {func(_ *rig, p string) error { return os.WriteFile(p, []byte("<project>"), 0o666) }, "b.ove", "line 1, column 9"},
		"an empty project": {func(_ *rig, p string) error { return os.WriteFile(p, nil, 0o666) }, "e.ove", "line 1"},
		"a folder without": {func(r *rig, p string) error { r.write("m", "incoming", "d", "clip.mov"); return nil }, "d", "holds no project"},
		"an empty folder":  {func(_ *rig, p string) error { return os.Mkdir(p, 0o777) }, "d", "holds no project"},
		"a folder of several": {func(r *rig, p string) error {
			r.write(whole, "incoming", "d", "a.ove")
			r.write(whole, "incoming", "d", "b.ove")
			return nil
		}, "d", "2 projects (a.ove, b.ove)"},
		"a folder with a link": {func(r *rig, p string) error {
			r.write(whole, "incoming", "d", "a.ove")
			return os.Symlink("/etc/shadow", p+"/clip.mov")
		}, "d", `"clip.mov" in the folder is a symbolic link`},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, quick)
			if err := c.make(r, r.in("incoming", c.name)); err != nil {
				t.Fatal(err)
			}
			r.waitNames("failed", c.name+" "+c.name+".log")
			r.wantNames("incoming", "")
			r.wantLog("failed/"+c.name+".log", c.want, "What to do:\n  ", "Result:  not exported")
			r.none()
			r.moveIn("good.ove", whole)
			if d := r.next(); d.Name != "good.ove" {
				t.Errorf("after it: %+v", d)
			}
		})
	}
}

func TestUnderwayNamesAreNeverLookedAt(t *testing.T) {
	r := start(t, quick)
	for _, name := range []string{".a.ove", "b.ove.part", "c.tmp", "d.ove~"} {
		r.write(whole, "incoming", name)
	}
	r.write("<project>", "incoming", "last.ove")
	r.waitNames("failed", "last.ove last.ove.log") // they had the same time
	r.wantNames("incoming", ".a.ove b.ove.part c.tmp d.ove~")
	r.none()
}

func TestOddNamesAreTaken(t *testing.T) {
	long := strings.Repeat("ä", 125) + "x.ove"
	for name, want := range map[string]string{
		"two\nlines.ove": "two_lines.ove", "bad\xff\xfe.ove": "bad__.ove", "-rf .ove": "-rf .ove", "UPPER.OVE": "UPPER.OVE",
		"%s;$(id).ove": "%s;$(id).ove", "\x1b[31m.ove": "_[31m.ove", long: strings.Repeat("ä", 108) + ".ove",
	} {
		t.Run(want, func(t *testing.T) {
			r := start(t, quick)
			r.moveIn(name, whole)
			d := r.next()
			if d.Name != want {
				t.Errorf("name %q, want %q", d.Name, want)
			}
			r.film(d)
			r.wantNames("done", want+" "+want+".log")
		})
	}
}

func TestADroppedFolderIsOneProject(t *testing.T) {
	for name, c := range map[string]struct {
		files []string
		want  string
	}{
		"media beside the project":              {[]string{"a.ove", "clip.mov"}, "a.ove"},
		"nested media":                          {[]string{"a.ove", "media/day1/clip.mov"}, "a.ove"},
		"the one named like the folder":         {[]string{"a.ove", "film.ove"}, "film.ove"},
		"the only one at the top":               {[]string{"a.ove", "old/b.ove"}, "a.ove"},
		"the only one below":                    {[]string{"sub/a.ove", "clip.mov"}, "sub/a.ove"},
		"leftovers of editors are not projects": {[]string{"a.ove", ".b.ove", "c.ove~"}, "a.ove"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, quick)
			for _, f := range c.files {
				r.write(whole, ".outside", "film", f)
			}
			if err := os.Rename(r.in(".outside", "film"), r.in("incoming", "film")); err != nil {
				t.Fatal(err)
			}
			d := r.next()
			if want := r.in("processing", d.Key, "film", c.want); d.Project != want || !d.Folder {
				t.Errorf("project %s, want %s", d.Project, want)
			}
			for _, f := range c.files {
				if _, err := os.Stat(r.in("processing", d.Key, "film", f)); err != nil {
					t.Error(err)
				}
			}
			r.film(d)
			r.wantNames("done", "film film.log")
			r.wantNames("outgoing", "film.mp4")
		})
	}
}

func TestRefusalsAndForgottenJobsEndInFailed(t *testing.T) {
	r := open(t, t.TempDir(), newFarm(), quick)
	r.fault = func(d spool.Drop, call int) error {
		switch {
		case d.Name == "refused.ove":
			return fmt.Errorf("submit: %w", &spool.RefusalError{Err: errors.New("medium \"x\" is missing"), Advice: "Put x back."})
		case d.Name == "forgotten.ove":
			return spool.ErrForgotten
		case call < 3:
			return errors.New("the farm is busy")
		}
		return nil
	}
	r.run()
	r.moveIn("refused.ove", whole)
	r.waitNames("failed", "refused.ove refused.ove.log")
	r.wantLog("failed/refused.ove.log", `medium "x" is missing`, "Put x back.")
	r.moveIn("forgotten.ove", whole)
	r.waitNames("failed", "forgotten.ove forgotten.ove.log refused.ove refused.ove.log")
	r.moveIn("later.ove", whole)
	if d := r.next(); d.Name != "later.ove" {
		t.Errorf("submitted %+v", d)
	}
}

func TestAFolderThatIsRemovedAndMadeAgainIsServed(t *testing.T) {
	r := start(t, quick)
	for range 3 {
		if err := os.Remove(r.in("incoming")); err != nil {
			t.Fatal(err)
		}
		r.waitNames("incoming", "") // the spool makes it again
		r.moveIn("a.ove", whole)
		r.next()
	}
}

func TestOnlyOneServesAFolder(t *testing.T) {
	r := start(t, quick)
	if _, err := spool.Open(r.root, check, r.farm, quick); !errors.Is(err, spool.ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
}

func TestTenThousandProjectsAtOnce(t *testing.T) {
	const many = 10_000
	r := open(t, t.TempDir(), newFarm(), spool.Options{})
	r.run()
	if err := os.Mkdir(r.in(".outside"), 0o700); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range many {
		r.moveIn(fmt.Sprintf("p%05d.ove", i), whole)
	}
	seen := map[string]bool{}
	for range many {
		seen[r.next().Name] = true
	}
	took := time.Since(began)
	if len(seen) != many {
		t.Errorf("%d different projects", len(seen))
	}
	r.wantNames("incoming", "")
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("10,000 moved in one after the other and accepted: %v, memory from the system %d MB", took.Round(time.Millisecond), m.Sys>>20)
}
