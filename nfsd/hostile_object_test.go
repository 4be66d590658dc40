package nfsd_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"olive-distributed/nfsd"
)

// using are calls with a handle as the object of each procedure that takes one.
func (s *site) using(h []byte) []call {
	of := func() xdr { return xdr{}.opaque(h) }
	return []call{
		{proc: procGetattr, args: of()},
		{proc: procSetattr, args: of().sattr(-1, 0).u32(0)},
		{proc: procLookup, args: of().str("clip.mov")},
		{proc: procAccess, args: of().u32(0x3f)},
		{proc: procReadlink, args: of()},
		{proc: procRead, args: readArgs(h, 0, 64)},
		{proc: procWrite, args: writeArgs(h, 0, fileSync, []byte("forged"))},
		{proc: procCreate, args: of().str("forged").u32(unchecked).sattr(0o644, -1)},
		{proc: procMkdir, args: of().str("forged").sattr(0o755, -1)},
		{proc: procRemove, args: of().str("clip.mov")},
		{proc: procRename, args: of().str("kept").opaque(s.parts).str("moved")},
		{proc: procRename, args: xdr{}.opaque(s.parts).str("kept").raw(of().str("moved")...)},
		{proc: procReaddir, args: of().u64(0).u64(0).u32(4096)},
		{proc: procReaddirplus, args: of().u64(0).u64(0).u32(4096).u32(4096)},
		{proc: procFsstat, args: of()},
		{proc: procFsinfo, args: of()},
		{proc: procPathconf, args: of()},
		{proc: procCommit, args: of().u64(0).u32(0)},
	}
}

// refused fails the test if any procedure takes the handle.
func (s *site) refused(t *testing.T, h []byte) {
	t.Helper()
	for _, k := range s.using(h) {
		p, err := s.do(k)
		if err != nil {
			t.Fatalf("procedure %d with handle % x: %v", k.proc, h, err)
		}
		if p.denied || p.accept == acceptGarbage && len(h) > 64 {
			continue
		}
		if p.accept != acceptOK {
			t.Errorf("procedure %d with handle % x: accept_stat %d", k.proc, h, p.accept)
			continue
		}
		switch got := p.body.status(); got {
		case statStale, statBadHnd:
		case statROFS, statNotSupp, statAcces, statInval: // nothing of the kind is done for anybody
			if k.proc != procMkdir && k.proc != procReadlink {
				t.Errorf("procedure %d with handle % x: status %d", k.proc, h, got)
			}
		default:
			t.Errorf("procedure %d with handle % x: status %d", k.proc, h, got)
		}
	}
}

func TestForgedHandles(t *testing.T) {
	w := newWorld(t).start(roomy)
	s := w.site()
	s.newFile("kept", []byte("kept"))
	for name, right := range map[string][]byte{"root": s.root, "file": s.clip, "folder to write to": s.parts} {
		t.Run("of the "+name, func(t *testing.T) {
			for i := range right {
				forged := bytes.Clone(right)
				forged[i] ^= 0x40
				s.refused(t, forged)
			}
			for n := 0; n < len(right); n += 3 {
				s.refused(t, right[:n])
			}
			for n := len(right) + 1; n <= 68; n += 3 {
				s.refused(t, append(bytes.Clone(right), make([]byte, n-len(right))...))
			}
		})
	}
	s.refused(t, bytes.Repeat([]byte{0}, 32))
	s.refused(t, bytes.Repeat([]byte{0xff}, 32))
	s.alive()
	if got := w.content("parts/kept"); string(got) != "kept" {
		t.Errorf("the file that no forged handle may touch holds %q", got)
	}
}

func TestHandlesAreLinuxSized(t *testing.T) { // its client reads no handle whose length is not a multiple of 4
	s := newWorld(t).start(roomy).site()
	for _, h := range [][]byte{s.root, s.media, s.clip, s.parts, s.newFile("a", nil)} {
		if len(h)%4 != 0 || len(h) > 64 || len(h) == 0 {
			t.Errorf("a handle has %d bytes", len(h))
		}
	}
}

func TestObjectsAreWhatTheySay(t *testing.T) {
	w := newWorld(t).start(roomy)
	s := w.site()
	ids := map[uint64]string{}
	for name, test := range map[string]struct {
		handle []byte
		kind   uint32
		size   uint64 // of a file
	}{
		"root": {s.root, typeDir, 0}, "media": {s.media, typeDir, 0}, "parts": {s.parts, typeDir, 0},
		"clip": {s.clip, typeRegular, uint64(len(w.clip))}, "part": {s.newFile("part", []byte("part")), typeRegular, 4},
		"project": {must(s.lookup(s.root, "project.ove"))(t), typeRegular, 10},
	} {
		a := must(s.getattr(test.handle))(t)
		if a.kind != test.kind || a.kind == typeRegular && a.size != test.size {
			t.Errorf("%s: %+v", name, a)
		}
		if other := ids[a.fileid]; other != "" {
			t.Errorf("%s and %s have one file number", name, other)
		}
		ids[a.fileid] = name
	}
}

func TestHandlesThatWentStale(t *testing.T) {
	other := func(w *world) *nfsd.Export {
		return w.newExport(2, "job-2", &nfsd.Folder{Name: "parts", Path: w.path("outside")})
	}
	clip := func(s *site) []byte { return s.clip }
	replace := func(w *world) { // by a file of the same length
		w.put("media/new", bytes.Repeat([]byte("x"), len(w.clip)))
		if err := os.Rename(w.path("media/new"), w.path("media/clip.mov")); err != nil {
			w.t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		before func(w *world)
		handle func(s *site) []byte
		then   func(w *world)
	}{
		"the export is taken from the view": {
			handle: clip, then: func(w *world) { w.views["worker"].exports.Store(&[]*nfsd.Export{}) },
		},
		"another export has taken its place under the same name": {
			handle: clip, then: func(w *world) {
				w.views["worker"].exports.Store(&[]*nfsd.Export{w.newExport(7, "job-1", w.folder())})
			},
		},
		"the export holds this file no more": {
			handle: clip, then: func(w *world) {
				e, err := nfsd.NewExport(1, "job-1", w.files()[1:], w.folder())
				if err != nil {
					w.t.Fatal(err)
				}
				w.views["worker"].exports.Store(&[]*nfsd.Export{e})
			},
		},
		"the file is not what it was when the view was made": {
			before: func(w *world) { w.views["worker"].exports.Store(&[]*nfsd.Export{w.stamped()}) },
			handle: clip, then: replace,
		},
		"the file is written to in its place": {
			before: func(w *world) { w.views["worker"].exports.Store(&[]*nfsd.Export{w.stamped()}) },
			handle: clip, then: func(w *world) { w.put("media/clip.mov", []byte("short")) },
		},
		"the file is deleted": {
			before: func(w *world) { w.views["worker"].exports.Store(&[]*nfsd.Export{w.stamped()}) },
			handle: clip, then: func(w *world) { w.remove("media/clip.mov") },
		},
		"generated content is another": {
			handle: func(s *site) []byte { return must(s.walk(s.root, "project.ove"))(s.t) },
			then: func(w *world) {
				files := w.files()
				files[2].Data = []byte("<another/>")
				e, err := nfsd.NewExport(1, "job-1", files, w.folder())
				if err != nil {
					w.t.Fatal(err)
				}
				w.views["worker"].exports.Store(&[]*nfsd.Export{e})
			},
		},
		"a part is removed": {
			handle: func(s *site) []byte { return s.newFile("gone", []byte("gone")) },
			then:   func(w *world) { w.remove("parts/gone") },
		},
		"another part has the inode of one that is removed": {
			handle: func(s *site) []byte { return s.newFile("first", []byte("first")) },
			then: func(w *world) {
				ino := w.inode("parts/first")
				w.remove("parts/first")
				for i := 0; ; i++ { // file systems that number on and on give other ones: then it is just gone
					w.put("parts/second", []byte("second"))
					if w.inode("parts/second") == ino || i == 50 {
						break
					}
					w.remove("parts/second")
				}
			},
		},
		"the folder of parts is another one": {
			handle: func(s *site) []byte { return s.newFile("part", []byte("part")) },
			then: func(w *world) {
				w.views["worker"].exports.Store(&[]*nfsd.Export{w.newExport(1, "job-1", &nfsd.Folder{Name: "parts", Path: w.path("outside")})})
			},
		},
		"the handle is of an export of somebody else": {
			before: func(w *world) { w.views["worker"].exports.Store(&[]*nfsd.Export{w.export, other(w)}) },
			handle: func(s *site) []byte {
				root := must(s.mount("/job-2"))(s.t)
				return must(s.walk(root, "media", "clip.mov"))(s.t)
			},
			then: func(w *world) { w.views["worker"].exports.Store(&[]*nfsd.Export{w.export}) },
		},
		"a part has the inode of one that a client has removed": {
			handle: func(s *site) []byte { return s.newFile("first", []byte("first")) },
			then: func(w *world) {
				ino, s := w.inode("parts/first"), w.site()
				_, err := s.nfs(procRemove, xdr{}.opaque(s.parts).str("first"))
				wantStatus(w.t, "REMOVE", err, statOK)
				for i := 0; ; i++ {
					name := fmt.Sprint("second-", i)
					s.newFile(name, []byte("second"))
					if w.inode("parts/"+name) == ino || i == 50 {
						break
					}
				}
			},
		},
		"the name of the part is no more allowed": {
			handle: func(s *site) []byte { return s.newFile("mine", []byte("mine")) },
			then: func(w *world) {
				folder := w.folder()
				folder.Allow = func(name string) bool { return name != "mine" }
				w.views["worker"].exports.Store(&[]*nfsd.Export{w.newExport(1, "job-1", folder)})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).start(nfsd.Limits{})
			if test.before != nil {
				test.before(w)
			}
			s := w.site()
			h := test.handle(s)
			if _, _, err := s.read(h, 0, 10); err != nil {
				t.Fatalf("the handle is not good to begin with: %v", err)
			}
			test.then(w)
			_, _, err := s.read(h, 0, 10)
			wantStatus(t, "READ", err, statStale)
			_, err = s.getattr(h)
			wantStatus(t, "GETATTR", err, statStale)
			_, err = s.writeFile(h, 0, fileSync, []byte("late"))
			wantStatus(t, "WRITE", err, statStale, statROFS)
			for _, outside := range []string{"outside/secret"} {
				if got := w.content(outside); string(got) != secret {
					t.Errorf("%s holds %q now", outside, got)
				}
			}
		})
	}
}

func TestHandlesOfOneIdentityAreNothingToAnother(t *testing.T) {
	w := newWorld(t)
	w.views["other"] = show(w.newExport(2, "job-2", &nfsd.Folder{Name: "parts", Path: w.path("outside")}))
	w.start(roomy)
	s := w.site()
	s.newFile("kept", []byte("kept"))
	o := dialTo(t, w.as("other"))
	foreign := must(o.mount("/job-2"))(t)
	s.refused(t, foreign)
	s.refused(t, must(o.walk(foreign, "parts"))(t))
	s.refused(t, must(o.walk(foreign, "media", "clip.mov"))(t))
	_, err := o.mount("/job-1")
	wantStatus(t, "the other mounts job 1", err, statNoEnt, statAcces)
	if got := w.content("outside/secret"); string(got) != secret {
		t.Errorf("the other's file holds %q", got)
	}
}

// stamped is the export with what its files are now.
func (w *world) stamped() *nfsd.Export {
	w.t.Helper()
	files := w.files()
	for i := range files {
		if files[i].Path == "" {
			continue
		}
		info, err := os.Stat(files[i].Path)
		if err != nil {
			w.t.Fatal(err)
		}
		was, err := nfsd.StampOf(info)
		if err != nil {
			w.t.Fatal(err)
		}
		files[i].Was = &was
	}
	e, err := nfsd.NewExport(1, "job-1", files, w.folder())
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

func (w *world) remove(name string) {
	w.t.Helper()
	if err := os.Remove(w.path(name)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) inode(name string) uint64 {
	w.t.Helper()
	var st syscall.Stat_t
	if err := syscall.Lstat(w.path(name), &st); err != nil {
		w.t.Fatal(err)
	}
	return st.Ino
}

// tree lists everything of the world with its content, as "path: content".
func (w *world) tree() string {
	w.t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		all.WriteString(strings.TrimPrefix(path, w.dir) + ": " + d.Type().String())
		if d.Type().IsRegular() && !strings.HasSuffix(path, "clip.mov") {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			all.Write(b)
		}
		all.WriteString("\n")
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all.String()
}

func TestNames(t *testing.T) {
	w := newWorld(t).start(roomy)
	s := w.site()
	s.newFile("kept", []byte("kept"))
	before := w.tree()
	names := map[string]string{
		"empty": "", "one dot": ".", "two dots": "..", "the parent's": "../", "up and away": "x/../..", "outside": "../outside/secret",
		"absolute": "/etc/passwd", "with a slash": "kept/", "a slash": "/", "below the folder": "./kept", "with NUL": "kept\x00", "NUL": "\x00",
		"cut by NUL": "kept\x00.mov", "256 bytes": strings.Repeat("n", 256), "4096 bytes": strings.Repeat("n", 4096),
		"not UTF-8": "\xff\xfe", "overlong slash": "..\xc0\xaf..", "half a rune": "k\xe2\x82", "a surrogate": "\xed\xa0\x80",
	}
	for what, name := range names {
		t.Run(what, func(t *testing.T) {
			for _, dir := range [][]byte{s.root, s.media, s.parts} {
				of := slices.Clip(xdr{}.opaque(dir).str(name))
				for _, k := range []call{
					{proc: procLookup, args: of},
					{proc: procCreate, args: of.u32(unchecked).sattr(0o644, 0)},
					{proc: procCreate, args: of.u32(exclusive).u64(1)},
					{proc: procMkdir, args: of.sattr(0o755, -1)},
					{proc: procSymlink, args: of.sattr(-1, -1).str("/etc/passwd")},
					{proc: procMknod, args: of.u32(7).sattr(0o644, -1)},
					{proc: procRemove, args: of},
					{proc: procRmdir, args: of},
					{proc: procRename, args: of.opaque(s.parts).str("moved")},
					{proc: procRename, args: xdr{}.opaque(s.parts).str("kept").raw(of...)},
					{proc: procLink, args: xdr{}.opaque(s.small).raw(of...)},
				} {
					p, err := s.do(k)
					if err != nil {
						t.Fatalf("procedure %d: %v", k.proc, err)
					}
					if p.denied || p.accept == acceptGarbage {
						continue
					}
					switch got := p.body.status(); got {
					case statInval, statNameLong, statAcces, statNoEnt, statROFS, statNotSupp, statPerm, statNotDir:
					default:
						t.Errorf("procedure %d: status %d", k.proc, got)
					}
				}
			}
			if after := w.tree(); after != before {
				t.Fatalf("the files changed from\n%s\nto\n%s", before, after)
			}
		})
	}
	s.alive()
}

// TestFilesStayInTheirFolder: two jobs of one worker, each with a folder to write to, and what else lies there.
func TestFilesStayInTheirFolder(t *testing.T) {
	w := newWorld(t)
	if err := errors.Join(os.Mkdir(w.path("parts2"), 0o755), os.Mkdir(w.path("parts/folder"), 0o755), os.Symlink("../outside", w.path("parts/link"))); err != nil {
		t.Fatal(err)
	}
	two := w.newExport(2, "job-2", &nfsd.Folder{Name: "parts", Path: w.path("parts2")})
	w.views["worker"] = show(w.newExport(1, "job-1", w.folder()), two)
	w.start(roomy)
	s := w.site()
	kept := s.newFile("kept", []byte("kept"))
	parts2 := must(s.walk(must(s.mount("/job-2"))(t), "parts"))(t)
	before := w.tree()
	from := xdr{}.opaque(s.parts).str("kept")
	const statXDev status = 18
	for name, c := range map[string]struct {
		call call
		want []status
	}{
		"RENAME to another job":              {call{proc: procRename, args: from.opaque(parts2).str("kept")}, []status{statXDev}},
		"RENAME among the media":             {call{proc: procRename, args: from.opaque(s.media).str("kept")}, []status{statROFS}},
		"RENAME over a medium":               {call{proc: procRename, args: from.opaque(s.media).str("clip.mov")}, []status{statROFS}},
		"RENAME of a medium":                 {call{proc: procRename, args: xdr{}.opaque(s.media).str("clip.mov").opaque(s.parts).str("clip.mov")}, []status{statROFS}},
		"RENAME into the root":               {call{proc: procRename, args: from.opaque(s.root).str("kept")}, []status{statROFS}},
		"RENAME over the folder itself":      {call{proc: procRename, args: from.opaque(s.root).str("parts")}, []status{statROFS}},
		"RENAME below a file":                {call{proc: procRename, args: from.opaque(kept).str("x")}, []status{statNotDir}},
		"RENAME over a folder":               {call{proc: procRename, args: from.opaque(s.parts).str("folder")}, []status{statExist, statIsDir, statNoEnt, statAcces}},
		"RENAME over a link":                 {call{proc: procRename, args: from.opaque(s.parts).str("link")}, []status{statExist, statIsDir, statNoEnt, statAcces}},
		"RENAME of a folder":                 {call{proc: procRename, args: xdr{}.opaque(s.parts).str("folder").opaque(s.parts).str("x")}, []status{statNoEnt}},
		"RENAME of a link":                   {call{proc: procRename, args: xdr{}.opaque(s.parts).str("link").opaque(s.parts).str("x")}, []status{statNoEnt}},
		"REMOVE of a folder":                 {call{proc: procRemove, args: xdr{}.opaque(s.parts).str("folder")}, []status{statNoEnt, statIsDir}},
		"REMOVE of a link":                   {call{proc: procRemove, args: xdr{}.opaque(s.parts).str("link")}, []status{statNoEnt}},
		"REMOVE of the folder of parts":      {call{proc: procRemove, args: xdr{}.opaque(s.root).str("parts")}, []status{statROFS}},
		"CREATE over a folder":               {call{proc: procCreate, args: xdr{}.opaque(s.parts).str("folder").u32(unchecked).sattr(0o644, 0)}, []status{statExist, statIsDir}},
		"CREATE through a link":              {call{proc: procCreate, args: xdr{}.opaque(s.parts).str("link").u32(unchecked).sattr(0o644, 0)}, []status{statExist}},
		"LOOKUP of a folder":                 {call{proc: procLookup, args: xdr{}.opaque(s.parts).str("folder")}, []status{statNoEnt}},
		"LOOKUP through a link":              {call{proc: procLookup, args: xdr{}.opaque(s.parts).str("link")}, []status{statNoEnt}},
		"LINK of a medium into the folder":   {call{proc: procLink, args: xdr{}.opaque(s.clip).opaque(s.parts).str("clip.mov")}, []status{statNotSupp}},
		"LINK of a part":                     {call{proc: procLink, args: xdr{}.opaque(kept).opaque(s.parts).str("twin")}, []status{statNotSupp}},
		"MKNOD of a device":                  {call{proc: procMknod, args: xdr{}.opaque(s.parts).str("null").u32(4).sattr(0o666, -1).u32(1).u32(3)}, []status{statNotSupp}},
		"SYMLINK":                            {call{proc: procSymlink, args: xdr{}.opaque(s.parts).str("s").sattr(-1, -1).str("/etc/passwd")}, []status{statNotSupp}},
		"MKDIR":                              {call{proc: procMkdir, args: xdr{}.opaque(s.parts).str("d").sattr(0o777, -1)}, []status{statNotSupp}},
		"RMDIR of a folder":                  {call{proc: procRmdir, args: xdr{}.opaque(s.parts).str("folder")}, []status{statNotSupp}},
		"SETATTR of a folder's size":         {call{proc: procSetattr, args: xdr{}.opaque(s.parts).sized(0).u32(0)}, []status{statIsDir}},
		"SETATTR of a medium's size":         {call{proc: procSetattr, args: xdr{}.opaque(s.clip).sized(0).u32(0)}, []status{statROFS}},
		"WRITE to a medium":                  {call{proc: procWrite, args: writeArgs(s.clip, 0, unstable, []byte("x"))}, []status{statROFS}},
		"WRITE to a folder":                  {call{proc: procWrite, args: writeArgs(s.parts, 0, unstable, []byte("x"))}, []status{statIsDir, statInval}},
		"SETATTR with a guard of yesterday":  {call{proc: procSetattr, args: xdr{}.opaque(kept).sized(0).u32(1).u32(1).u32(1)}, []status{10002}},
		"COMMIT up to 2^64":                  {call{proc: procCommit, args: xdr{}.opaque(kept).u64(1<<64 - 1).u32(1<<32 - 1)}, []status{statInval}},
		"READ of the folder":                 {call{proc: procRead, args: readArgs(s.parts, 0, 100)}, []status{statIsDir}},
		"READLINK of a part":                 {call{proc: procReadlink, args: xdr{}.opaque(kept)}, []status{statInval}},
		"times that no clock shows":          {call{proc: procSetattr, args: xdr{}.opaque(kept).u32(0).u32(0).u32(0).u32(0).u32(0).u32(2).u32(0).u32(1<<32 - 1).u32(0)}, []status{statusless}},
		"the kernel's word for leave it (2)": {call{proc: procSetattr, args: xdr{}.opaque(kept).u32(0).u32(0).u32(0).u32(0).u32(2).u32(0).u32(1<<30 - 2).u32(2).u32(0).u32(1<<30 - 1).u32(0)}, []status{statusless}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := w.in(t).statusOf(c.call); !slices.Contains(c.want, got) {
				t.Errorf("got status %d, want one of %d", got, c.want)
			}
			if now := w.tree(); now != before {
				t.Errorf("the disk holds\n%s\nand did hold\n%s", now, before)
			}
			w.in(t).alive()
		})
	}
}

// TestModesAndOwnersAreTheServersOwn: a part cannot be made a program, whoever the caller claims to be.
func TestModesAndOwnersAreTheServersOwn(t *testing.T) {
	w := newWorld(t).start(roomy)
	s := w.site()
	h := s.newFile("part", []byte("part"))
	must(s.nfs(procCreate, xdr{}.opaque(s.parts).str("other").u32(unchecked).sattr(0o6777, -1)))(t)
	_, err := s.nfs(procSetattr, xdr{}.opaque(h).u32(1).u32(0o6777).u32(1).u32(0).u32(1).u32(0).u32(0).u32(0).u32(0).u32(0))
	wantStatus(t, "SETATTR of a mode and an owner", err, statOK)
	for _, name := range []string{"parts/part", "parts/other"} {
		info, err := os.Stat(w.path(name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o640 {
			t.Errorf("%s has the mode %v", name, info.Mode())
		}
	}
}

func TestRightNamesAreLeftAlone(t *testing.T) { // refusing everything would pass the tests above
	w := newWorld(t).start(roomy)
	s := w.site()
	for _, name := range []string{"a", "...", "..a", ".hidden", "täst ☃.mov", strings.Repeat("n", 255), "a\\b", "a:b", "-rf", "a\nb", "%2e%2e"} {
		if _, err := s.create(s.parts, name, guarded); err != nil {
			t.Errorf("CREATE of %q: %v", name, err)
			continue
		}
		if _, err := os.Lstat(w.path("parts/" + name)); err != nil {
			t.Error(err)
		}
		if _, err := s.nfs(procRename, xdr{}.opaque(s.parts).str(name).opaque(s.parts).str("renamed")); err != nil {
			t.Errorf("RENAME of %q: %v", name, err)
		}
		if _, err := s.nfs(procRemove, xdr{}.opaque(s.parts).str("renamed")); err != nil {
			t.Errorf("REMOVE: %v", err)
		}
	}
}

func TestOnlyAllowedNamesExist(t *testing.T) {
	w := newWorld(t)
	folder := w.folder()
	folder.Allow = func(name string) bool { return strings.HasPrefix(name, "mine-") }
	w.views["worker"] = show(w.newExport(1, "job-1", folder))
	w.start(roomy)
	w.put("parts/theirs-1", []byte("theirs"))
	s := w.site()
	s.newFile("mine-1", []byte("mine"))
	of := func(n string) xdr { return xdr{}.opaque(s.parts).str(n) }
	for what, k := range map[string]call{
		"LOOKUP": {proc: procLookup, args: of("theirs-1")},
		"REMOVE": {proc: procRemove, args: of("theirs-1")},
		"RENAME": {proc: procRename, args: of("theirs-1").raw(of("mine-2")...)},
	} {
		t.Run(what+" of another's part", func(t *testing.T) {
			if got := w.in(t).statusOf(k); got != statNoEnt && got != statAcces {
				t.Errorf("status %d", got)
			}
		})
	}
	for what, k := range map[string]call{
		"CREATE":           {proc: procCreate, args: of("theirs-2").u32(unchecked).sattr(0o644, -1)},
		"CREATE over":      {proc: procCreate, args: of("theirs-1").u32(unchecked).sattr(0o644, 0)},
		"CREATE EXCLUSIVE": {proc: procCreate, args: of("theirs-2").u32(exclusive).u64(3)},
		"RENAME to":        {proc: procRename, args: of("mine-1").raw(of("theirs-2")...)},
		"RENAME over":      {proc: procRename, args: of("mine-1").raw(of("theirs-1")...)},
	} {
		t.Run(what+" another's part", func(t *testing.T) {
			if got := w.in(t).statusOf(k); got != statAcces && got != statPerm && got != statROFS {
				t.Errorf("status %d", got)
			}
		})
	}
	entries, _, err := s.list(s.parts, 8192, 8192)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.name == "theirs-1" {
			t.Error("another's part is listed")
		}
	}
	if got := w.content("parts/theirs-1"); string(got) != "theirs" {
		t.Errorf("another's part holds %q", got)
	}
}

// TestWhatIsNoRegularFile puts into the place of files what must never be opened, read or waited for.
func TestWhatIsNoRegularFile(t *testing.T) {
	for what, make := range map[string]func(w *world, at string) error{
		"an absolute link":   func(w *world, at string) error { return os.Symlink(w.path("outside/secret"), at) },
		"a relative link":    func(_ *world, at string) error { return os.Symlink("../outside/secret", at) },
		"a link to nothing":  func(_ *world, at string) error { return os.Symlink("nothing", at) },
		"a link to itself":   func(_ *world, at string) error { return os.Symlink(at, at) },
		"a link to a folder": func(w *world, at string) error { return os.Symlink(w.path("outside"), at) },
		"a FIFO":             func(_ *world, at string) error { return syscall.Mkfifo(at, 0o644) },
		"a folder":           func(_ *world, at string) error { return os.Mkdir(at, 0o755) },
		"a socket": func(w *world, at string) error {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			w.t.Cleanup(func() { syscall.Close(fd) })
			return bindIn(fd, at)
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.start(roomy)
			s := w.site()
			part := s.newFile("part", []byte("part"))
			w.remove("media/clip.mov")
			w.remove("parts/part")
			for _, at := range []string{"media/clip.mov", "parts/part"} {
				if err := make(w, w.path(at)); err != nil {
					t.Fatal(err)
				}
			}
			before := w.tree()
			for _, h := range [][]byte{s.clip, part} {
				_, _, err := s.read(h, 0, 100)
				wantStatus(t, "READ", err, statStale, statIO, statNoEnt, statInval)
				_, err = s.writeFile(h, 0, fileSync, []byte("through"))
				wantStatus(t, "WRITE", err, statStale, statROFS, statNoEnt)
				_, err = s.nfs(procSetattr, xdr{}.opaque(h).sattr(-1, 0).u32(0))
				wantStatus(t, "SETATTR", err, statStale, statROFS, statNoEnt)
			}
			_, err := s.lookup(s.parts, "part")
			wantStatus(t, "LOOKUP", err, statNoEnt)
			_, err = s.create(s.parts, "part", unchecked)
			wantStatus(t, "CREATE", err, statExist, statAcces, statInval, statIO)
			_, err = s.nfs(procReadlink, xdr{}.opaque(s.clip))
			wantStatus(t, "READLINK", err, statInval, statNotSupp, statStale, statNoEnt)
			entries, _, err := s.list(s.parts, 8192, 8192)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.name == "part" {
					t.Error("it is listed")
				}
			}
			if after := w.tree(); after != before {
				t.Errorf("the files changed from\n%s\nto\n%s", before, after)
			}
			s.alive()
		})
	}
}

// bindIn binds a socket to a path of any length: sockaddr_un has no room for long ones.
func bindIn(fd int, at string) error {
	dir, err := os.Open(filepath.Dir(at))
	if err != nil {
		return err
	}
	defer dir.Close()
	return syscall.Bind(fd, &syscall.SockaddrUnix{Name: filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), filepath.Base(at))})
}

func TestDevicesAreNotRead(t *testing.T) {
	w := newWorld(t)
	w.views["worker"] = show(w.newExport(1, "job-1", w.folder(), nfsd.File{Name: "zero", Path: "/dev/zero"}, nfsd.File{Name: "proc", Path: "/proc"}))
	w.start(roomy)
	s := w.site()
	for _, name := range []string{"zero", "proc"} {
		h, err := s.lookup(s.root, name)
		if err != nil {
			wantStatus(t, "LOOKUP", err, statStale, statNoEnt, statIO, statInval)
			continue
		}
		data, _, err := s.read(h, 0, 100)
		wantStatus(t, "READ", err, statStale, statIO, statInval)
		if len(data) > 0 {
			t.Errorf("READ of /%s gives % x", name, data)
		}
	}
	s.alive()
}

// TestLinksSwappedDuringTheCall exchanges a file and a link to the secret as fast as it can, while clients read, write
// and cut it.
func TestLinksSwappedDuringTheCall(t *testing.T) {
	w := newWorld(t).start(roomy)
	s := w.site()
	var stop atomic.Bool
	swapping := make(chan error, 1)
	go func() {
		swapping <- func() error {
			for i := 0; !stop.Load(); i++ {
				for _, at := range []string{w.path("media/small.wav"), w.path("parts/part")} {
					if i%2 == 0 {
						if err := os.Symlink(w.path("outside/secret"), at+".tmp"); err != nil {
							return err
						}
					} else if err := os.WriteFile(at+".tmp", []byte("hello"), 0o644); err != nil {
						return err
					}
					if err := os.Rename(at+".tmp", at); err != nil {
						return err
					}
				}
			}
			return nil
		}()
	}()
	for range 300 {
		for name, dir := range map[string][]byte{"small.wav": s.media, "part": s.parts} {
			h, err := s.lookup(dir, name)
			if err != nil {
				continue
			}
			if data, _, err := s.read(h, 0, 100); err == nil && bytes.Contains(data, []byte("SECRET")) {
				t.Errorf("READ gives %q", data)
			}
			_, _ = s.writeFile(h, 0, fileSync, []byte("WRITTEN"))
			_, _ = s.nfs(procSetattr, xdr{}.opaque(h).sattr(0o777, 1).u32(0))
			_, _ = s.create(dir, name, unchecked)
		}
	}
	stop.Store(true)
	if err := <-swapping; err != nil {
		t.Fatal(err)
	}
	if got := w.content("outside/secret"); string(got) != secret {
		t.Errorf("the secret is %q now", got)
	}
	if info, err := os.Stat(w.path("outside/secret")); err != nil || info.Mode() != 0o644 {
		t.Errorf("the secret's mode: %v, %v", info.Mode(), err)
	}
	if _, err := s.mount("/job-1"); err != nil {
		t.Error(err)
	}
}

func TestMounts(t *testing.T) {
	for what, test := range map[string]struct {
		exports func(w *world) []*nfsd.Export
		path    string
		want    []status
	}{
		"an export's":                {path: "/job-1", want: []status{statOK}},
		"nothing":                    {path: "", want: []status{statNoEnt, statAcces}},
		"the parent":                 {path: "/job-1/..", want: []status{statNoEnt, statAcces, statInval}},
		"a folder of an export's":    {path: "/job-1/media", want: []status{statOK}},
		"a slash at the end":         {path: "/job-1/", want: []status{statOK}},
		"another's":                  {path: "/job-2", want: []status{statNoEnt, statAcces}},
		"a path of the server":       {path: "/etc", want: []status{statNoEnt, statAcces}},
		"with NUL":                   {path: "/job-1\x00", want: []status{statNoEnt, statAcces, statInval}},
		"not UTF-8":                  {path: "/\xff", want: []status{statNoEnt, statAcces, statInval}},
		"1024 bytes":                 {path: "/" + strings.Repeat("n", 1023), want: []status{statNoEnt, statAcces, statNameLong}},
		"1025 bytes":                 {path: "/" + strings.Repeat("n", 1024), want: []status{statNoEnt, statAcces, statNameLong, statusless}},
		"a file":                     {path: "/job-1/project.ove", want: []status{statNoEnt, statAcces, statNotDir}},
		"a file of nothing visible":  {exports: none, path: "/job-1/project.ove", want: []status{statNoEnt, statAcces}},
		"an export no longer there":  {exports: none, path: "/job-1", want: []status{statNoEnt, statAcces}},
		"the root, nothing visible":  {exports: none, path: "/", want: []status{statNoEnt, statAcces}},
		"nothing of nothing visible": {exports: none, path: "", want: []status{statNoEnt, statAcces}},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t).start(roomy)
			c := w.dial()
			if test.exports != nil {
				e := test.exports(w)
				w.views["worker"].exports.Store(&e)
			}
			p, err := c.do(call{prog: progMount, proc: mountMnt, args: xdr{}.str(test.path)})
			if err != nil {
				t.Fatal(err)
			}
			got := statusless
			if p.accept == acceptOK {
				got = p.body.status()
			}
			wantStatus(t, "MNT "+test.path, got, test.want...)
			for _, proc := range []uint32{procNull, mountDump, mountUmnt, mountExport, 4} {
				p, err := c.do(call{prog: progMount, proc: proc, args: xdr{}.str(test.path)})
				if err != nil || p.denied || p.accept != acceptOK && p.accept != acceptGarbage {
					t.Errorf("procedure %d of MOUNT: %+v, %v", proc, p, err)
				}
			}
		})
	}
}

func none(*world) []*nfsd.Export { return nil }

func TestStrangersAreNotServed(t *testing.T) {
	w := newWorld(t).start(roomy)
	for _, identity := range []string{"nobody", ""} {
		c := dialTo(t, w.as(identity))
		if got := c.outcome(t, record(call{}.message())); got != "closed" {
			t.Errorf("%q: got %q", identity, got)
		}
	}
	a, b := net.Pipe()
	defer b.Close()
	if err := w.server.ServeConn(t.Context(), a, "nobody"); err == nil {
		t.Error("ServeConn of a stranger gives no error")
	}
	w.alive()
}
