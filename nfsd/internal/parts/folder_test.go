package parts_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/internal/parts"
)

// A place is a folder, and where it lies.
type place struct {
	*parts.Folder
	t    testing.TB
	path string
}

func newPlace(t testing.TB) *place {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f, err := parts.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return &place{f, t, dir}
}

func (p *place) create(name string) *parts.Part {
	p.t.Helper()
	part, made, err := p.Create(name, parts.How{New: true})
	if err != nil || !made {
		p.t.Fatalf("create %s: made %t, %v", name, made, err)
	}
	return part
}

func (p *place) open(part *parts.Part) int {
	p.t.Helper()
	fd, err := p.OpenPart(part)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// write writes n bytes at an offset, as a server does.
func (p *place) write(part *parts.Part, fd int, offset int64, n int) error {
	if err := p.BeginWrite(part, offset+int64(n)); err != nil {
		return err
	}
	_, err := unix.Pwrite(fd, make([]byte, n), offset)
	p.EndWrite(part, fd, err)
	return err
}

func (p *place) put(name, content string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.path, name), []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) take(name string) {
	p.t.Helper()
	if err := os.Remove(filepath.Join(p.path, name)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) wantUsage(bytes int64, files int) {
	p.t.Helper()
	if b, n := p.Usage(); b != bytes || n != files {
		p.t.Errorf("%d bytes in %d files are used, want %d in %d", b, n, bytes, files)
	}
}

func (p *place) names() (all []string) {
	p.t.Helper()
	list, err := p.List(0, 1000)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, part := range list {
		if name, ok := part.Name(); ok {
			all = append(all, name)
		}
	}
	return all
}

func TestTheQuotaIsThatOfSizes(t *testing.T) {
	p := newPlace(t)
	p.Limit(1000, 10)
	part := p.create("a")
	fd := p.open(part)
	for _, step := range []struct {
		what string
		do   func() error
		want error
		used int64
	}{
		{"as much as there is", func() error { return p.write(part, fd, 0, 1000) }, nil, 1000},
		{"one byte more", func() error { return p.write(part, fd, 1000, 1) }, unix.EDQUOT, 1000},
		{"over what is there", func() error { return p.write(part, fd, 10, 900) }, nil, 1000},
		{"shorter", func() error { return p.Truncate(part, fd, 100) }, nil, 100},
		{"a hole up to the quota", func() error { return p.write(part, fd, 999, 1) }, nil, 1000},
		{"too long", func() error { return p.Truncate(part, fd, 1001) }, unix.EDQUOT, 1000},
		{"nothing", func() error { return p.Truncate(part, fd, 0) }, nil, 0},
		{"up to the end of the world", func() error { return p.BeginWrite(part, 1<<63-1) }, unix.EDQUOT, 0},
	} {
		if err := step.do(); !errors.Is(err, step.want) {
			t.Errorf("%s: %v, want %v", step.what, err, step.want)
		}
		p.wantUsage(step.used, 1)
	}
}

func TestAWriteThatFailsGivesItsPlaceBack(t *testing.T) {
	p := newPlace(t)
	p.Limit(1000, 10)
	part := p.create("a")
	fd := p.open(part)
	if err := p.write(part, fd, 0, 10); err != nil {
		t.Fatal(err)
	}
	if err := p.BeginWrite(part, 1000); err != nil {
		t.Fatal(err)
	}
	p.EndWrite(part, fd, unix.ENOSPC)
	p.wantUsage(10, 1)
}

func TestWritesAtTheSameTimeStayWithinTheQuota(t *testing.T) {
	p := newPlace(t)
	const quota = 100 * 64
	p.Limit(quota, 10)
	var written atomic.Int64
	var group sync.WaitGroup
	for i := range 4 {
		part := p.create(fmt.Sprint("part-", i))
		for j := range 2 {
			fd := p.open(part)
			group.Go(func() {
				for k := range 50 {
					if err := p.write(part, fd, int64(2*k+j)*64, 64); err == nil {
						written.Add(64)
					} else if !errors.Is(err, unix.EDQUOT) {
						t.Error(err)
					}
				}
			})
		}
	}
	group.Wait()
	var sizes int64
	for _, name := range p.names() {
		info, err := os.Stat(filepath.Join(p.path, name))
		if err != nil {
			t.Fatal(err)
		}
		sizes += info.Size()
	}
	if sizes > quota || sizes < quota-4*128 {
		t.Errorf("%d bytes are there, %d of them written; the quota is %d", sizes, written.Load(), quota)
	}
	p.wantUsage(sizes, 4)
}

func TestOthersMakeRoom(t *testing.T) {
	p := newPlace(t)
	p.put("old", string(make([]byte, 900)))
	p.Limit(1000, 2)
	p.names()
	part := p.create("new")
	fd := p.open(part)
	if err := p.write(part, fd, 0, 500); !errors.Is(err, unix.EDQUOT) {
		t.Errorf("with 900 of 1000 bytes used: %v", err)
	}
	if _, _, err := p.Create("third", parts.How{}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("with two of two files: %v", err)
	}
	p.take("old") // the master has taken it
	if err := p.write(part, fd, 0, 500); err != nil {
		t.Error(err)
	}
	p.create("third")
	p.wantUsage(500, 2)
}

func TestARenameKeepsTheFile(t *testing.T) {
	p := newPlace(t)
	a, b := p.create("a"), p.create("b")
	fd := p.open(a)
	if err := p.write(a, fd, 0, 10); err != nil {
		t.Fatal(err)
	}
	if err := p.write(b, p.open(b), 0, 7); err != nil {
		t.Fatal(err)
	}
	displaced, err := p.Rename("a", "b")
	if err != nil || displaced != b {
		t.Fatalf("displaced %v, %v", displaced, err)
	}
	if _, ok := b.Name(); ok {
		t.Error("what was displaced still has a name")
	}
	if err := p.BeginWrite(b, 100); !errors.Is(err, unix.ESTALE) {
		t.Errorf("a write to it: %v", err)
	}
	if found, err := p.Find(a.Inode, a.Generation); err != nil || found != a {
		t.Errorf("Find = %v, %v", found, err)
	}
	if name, _ := a.Name(); name != "b" {
		t.Errorf("it is called %q", name)
	}
	p.wantUsage(10, 1)
	if _, err := p.Rename("a", "c"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("rename what is gone: %v", err)
	}
	if displaced, err := p.Rename("b", "b"); err != nil || displaced != nil {
		t.Errorf("rename to itself: %v, %v", displaced, err)
	}
}

func TestWhatOthersRenameIsFound(t *testing.T) {
	p := newPlace(t)
	a := p.create("a")
	if err := os.Rename(filepath.Join(p.path, "a"), filepath.Join(p.path, "moved")); err != nil {
		t.Fatal(err)
	}
	p.open(a)
	if name, _ := a.Name(); name != "moved" {
		t.Errorf("it is called %q", name)
	}
	p.take("moved")
	if _, err := p.OpenPart(a); !errors.Is(err, unix.ESTALE) {
		t.Errorf("open what was taken: %v", err)
	}
	if _, err := p.Find(a.Inode, a.Generation); !errors.Is(err, unix.ESTALE) {
		t.Errorf("find what was taken: %v", err)
	}
}

func TestAnotherFileWithTheSameInode(t *testing.T) {
	p := newPlace(t)
	reused := false
	for range 100 {
		old := p.create("a")
		if _, err := p.Remove("a"); err != nil {
			t.Fatal(err)
		}
		again := p.create("a")
		reused = reused || again.Inode == old.Inode
		if again.Inode == old.Inode && again.Generation == old.Generation {
			t.Fatal("nothing tells them apart")
		}
		if _, err := p.Find(old.Inode, old.Generation); !errors.Is(err, unix.ESTALE) {
			t.Fatalf("the old file is found: %v", err)
		}
		if _, err := p.Remove("a"); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("an inode was used again: %t", reused)
}

func TestCreate(t *testing.T) {
	mark := &[2]unix.Timespec{{Sec: 11}, {Sec: 22}}
	other := &[2]unix.Timespec{{Sec: 11}, {Sec: 23}}
	for name, c := range map[string]struct {
		before func(p *place)
		how    parts.How
		made   bool
		want   error
	}{
		"a new one":              {func(*place) {}, parts.How{New: true}, true, nil},
		"one that may be there":  {func(p *place) { p.put("a", "kept") }, parts.How{}, false, nil},
		"one that must not be":   {func(p *place) { p.put("a", "kept") }, parts.How{New: true}, false, unix.EEXIST},
		"the same call again":    {func(p *place) { p.mark("a", mark) }, parts.How{New: true, Mark: mark}, false, nil},
		"another one's mark":     {func(p *place) { p.mark("a", other) }, parts.How{New: true, Mark: mark}, false, unix.EEXIST},
		"written to since":       {func(p *place) { p.mark("a", mark); p.put("a", "kept") }, parts.How{New: true, Mark: mark}, false, unix.EEXIST},
		"a folder lies there":    {func(p *place) { must(p.t, os.Mkdir(p.path+"/a", 0o700)) }, parts.How{}, false, unix.EEXIST},
		"a FIFO lies there":      {func(p *place) { must(p.t, unix.Mkfifo(p.path+"/a", 0o600)) }, parts.How{}, false, unix.EEXIST},
		"a link lies there":      {func(p *place) { must(p.t, os.Symlink("elsewhere", p.path+"/a")) }, parts.How{}, false, unix.EEXIST},
		"a link to a real file":  {func(p *place) { p.put("b", "kept"); must(p.t, os.Symlink("b", p.path+"/a")) }, parts.How{}, false, unix.EEXIST},
		"the disk has no folder": {func(p *place) { must(p.t, os.Remove(p.path)) }, parts.How{}, false, unix.ENOENT},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			c.before(p)
			part, made, err := p.Create("a", c.how)
			if made != c.made || !errors.Is(err, c.want) || (err == nil) != (part != nil) {
				t.Fatalf("Create = %v, %t, %v; want %t, %v", part, made, err, c.made, c.want)
			}
			info, err := os.Lstat(p.path + "/a")
			if err != nil || !info.Mode().IsRegular() {
				return
			}
			if b, err := os.ReadFile(p.path + "/a"); err != nil || len(b) != 0 && string(b) != "kept" {
				t.Errorf("the file holds %q, %v", b, err)
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mark makes a file as an exclusive create does.
func (p *place) mark(name string, m *[2]unix.Timespec) {
	p.t.Helper()
	if _, made, err := p.Create(name, parts.How{New: true, Mark: m}); err != nil || !made {
		p.t.Fatal(made, err)
	}
}

func TestOnlyRegularFilesExist(t *testing.T) {
	p := newPlace(t)
	p.put("file", "x")
	must(t, os.Mkdir(p.path+"/folder", 0o700))
	must(t, os.Symlink("file", p.path+"/link"))
	must(t, unix.Mkfifo(p.path+"/fifo", 0o600))
	if got := p.names(); !slices.Equal(got, []string{"file"}) {
		t.Errorf("the listing is %q", got)
	}
	for _, name := range []string{"folder", "link", "fifo", "none"} {
		if _, _, err := p.Lookup(name); !errors.Is(err, unix.ENOENT) {
			t.Errorf("look up %s: %v", name, err)
		}
		if _, err := p.Remove(name); !errors.Is(err, unix.ENOENT) {
			t.Errorf("remove %s: %v", name, err)
		}
		if _, err := p.Rename(name, "other"); !errors.Is(err, unix.ENOENT) {
			t.Errorf("rename %s: %v", name, err)
		}
		if _, err := p.Rename("file", name); name != "none" && !errors.Is(err, unix.EEXIST) {
			t.Errorf("rename onto %s: %v", name, err)
		}
	}
	p.wantUsage(1, 1)
}

func TestAFileThatOthersSwap(t *testing.T) {
	p := newPlace(t)
	part := p.create("a")
	p.put("secret", "secret")
	p.take("a")
	must(t, os.Symlink("secret", p.path+"/a"))
	if _, err := p.OpenPart(part); !errors.Is(err, unix.ESTALE) {
		t.Errorf("through a link: %v", err)
	}
}

func TestAListingGoesOnWhileTheFolderChanges(t *testing.T) {
	p := newPlace(t)
	for i := range 10 {
		p.create(fmt.Sprint("part-", i))
	}
	first, err := p.List(0, 5)
	if err != nil || len(first) != 5 {
		t.Fatalf("%d parts, %v", len(first), err)
	}
	for i := range 4 { // behind the cookie, and before it
		if _, err := p.Remove(fmt.Sprint("part-", i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Remove("part-7"); err != nil {
		t.Fatal(err)
	}
	p.create("part-new")
	rest, err := p.List(first[4].Cookie, 100)
	var names []string
	for _, part := range rest {
		name, _ := part.Name()
		names = append(names, name)
	}
	if want := []string{"part-5", "part-6", "part-8", "part-9", "part-new"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("the rest is %q, %v; want %q", names, err, want)
	}
}

func TestManyThatComeAndGoLeaveNothing(t *testing.T) {
	p := newPlace(t)
	for i := range 300 {
		p.create(fmt.Sprint("part-", i))
		if i >= 3 {
			if _, err := p.Remove(fmt.Sprint("part-", i-3)); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.wantUsage(0, 3)
	if got := p.names(); !slices.Equal(got, []string{"part-297", "part-298", "part-299"}) {
		t.Errorf("the listing is %q", got)
	}
}

func TestASetSharesFolders(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	path := filepath.Join(dir, "parts")
	must(t, os.Mkdir(path, 0o700))
	set := parts.NewSet()
	defer set.Clear()
	a, err := set.Get(path, 1000, 10)
	must(t, err)
	b, err := set.Get(path, 1000, 10)
	if err != nil || a != b {
		t.Fatalf("the second is another one, %v", err)
	}
	must(t, os.Remove(path))
	if _, err := set.Get(path, 1000, 10); !errors.Is(err, unix.ENOENT) {
		t.Errorf("get a folder that was removed: %v", err)
	}
	must(t, os.Mkdir(path, 0o700))
	c, err := set.Get(path, 1000, 10)
	if err != nil || c == a {
		t.Fatalf("the removed folder is given out, %v", err)
	}
	for _, f := range []*parts.Shared{a, b} {
		if _, err := f.Stat(); !errors.Is(err, unix.ESTALE) {
			t.Errorf("the removed folder, still in use: %v", err)
		}
		set.Put(f)
	}
	set.Put(c)
}
