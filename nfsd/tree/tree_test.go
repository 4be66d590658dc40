package tree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAnExportThatCannotBe(t *testing.T) {
	note := func(name string) []File { return []File{{Name: name, Data: []byte("x")}} }
	for name, c := range map[string]struct {
		export string
		files  []File
		parts  *Folder
		want   string // in the error
	}{
		"without a name":              {"", nil, nil, "not a name"},
		"with a slash in its name":    {"a/b", nil, nil, "not a name"},
		"a file without a name":       {"job", note(""), nil, `file ""`},
		"a file called dot dot":       {"job", note(".."), nil, `file ".."`},
		"a file up and away":          {"job", note("../x"), nil, `file "../x"`},
		"a file in a folder's folder": {"job", note("a/b/c"), nil, `"b/c" is not a name`},
		"a file with a NUL":           {"job", note("a\x00b"), nil, "not a name"},
		"a file that is no text":      {"job", note("a\xff"), nil, "not a name"},
		"a name that is too long":     {"job", note(strings.Repeat("n", 256)), nil, "not a name"},
		"a name twice":                {"job", append(note("a/b"), note("a/b")...), nil, "twice"},
		"a file that is a folder too": {"job", append(note("a"), note("a/b")...), nil, "is a file as well"},
		"a folder that is a file too": {"job", append(note("a/b"), note("a")...), nil, "twice"},
		"nothing behind a name":       {"job", []File{{Name: "a"}}, nil, "needs a path or data"},
		"two things behind a name":    {"job", []File{{Name: "a", Path: "/a", Data: []byte("a")}}, nil, "not both"},
		"a path from nowhere":         {"job", []File{{Name: "a", Path: "media/a"}}, nil, "not absolute"},
		"parts called like a file":    {"job", note("parts"), &Folder{Name: "parts", Path: "/p"}, "twice"},
		"parts called like a folder":  {"job", note("parts/a"), &Folder{Name: "parts", Path: "/p"}, "twice"},
		"parts below a folder":        {"job", nil, &Folder{Name: "a/parts", Path: "/p"}, "not a name"},
		"parts from nowhere":          {"job", nil, &Folder{Name: "parts", Path: "p"}, "not absolute"},
		"parts with a debt":           {"job", nil, &Folder{Name: "parts", Path: "/p", Quota: -1}, "below zero"},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := NewExport(1, c.export, c.files, c.parts)
			if err == nil || e != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("NewExport = %v, %v, want an error with %q", e, err, c.want)
			}
		})
	}
}

func TestAStampTellsContentsApart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clip.mov")
	stamp := func(content string) Stamp {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := StampOf(info)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := stamp("one")
	if first.Size != 3 || first.Inode == 0 || first.Device == 0 || first.Modified.IsZero() {
		t.Errorf("the stamp is %+v", first)
	}
	if second := stamp("four"); second == first || second.Inode != first.Inode {
		t.Errorf("after a change in place the stamp is %+v, it was %+v", second, first)
	}
}

func TestSillyNames(t *testing.T) {
	for name, want := range map[string]bool{
		".nfs00000000012a000300000001":   true,
		".nfs1":                          true,
		".nfs":                           false,
		".nfsX":                          false,
		".nfs1/../x":                     false,
		"nfs1":                           false,
		".nfs" + strings.Repeat("1", 33): false,
	} {
		if got := silly(name); got != want {
			t.Errorf("silly(%q) = %t, want %t", name, got, want)
		}
	}
}

func TestAFileIsWhatItWas(t *testing.T) {
	is := unix.Stat_t{Dev: 1, Ino: 2, Size: 3, Mtim: unix.Timespec{Sec: 4, Nsec: 5}}
	was := Stamp{Device: 1, Inode: 2, Size: 3, Modified: time.Unix(4, 5)}
	for name, c := range map[string]struct {
		change func(s *Stamp)
		want   bool
	}{
		"nothing differs":            {func(*Stamp) {}, true},
		"the device is not known":    {func(s *Stamp) { s.Device = 0 }, true},
		"the inode is not known":     {func(s *Stamp) { s.Inode = 0 }, true},
		"another device":             {func(s *Stamp) { s.Device = 9 }, false},
		"another file":               {func(s *Stamp) { s.Inode = 9 }, false},
		"another size":               {func(s *Stamp) { s.Size = 9 }, false},
		"another second":             {func(s *Stamp) { s.Modified = time.Unix(9, 5) }, false},
		"another part of the second": {func(s *Stamp) { s.Modified = time.Unix(4, 9) }, false},
	} {
		s := was
		c.change(&s)
		if got := (&Item{File: File{Was: &s}}).Is(&is); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
	if !(&Item{}).Is(&is) {
		t.Error("without a stamp it is another file")
	}
}
