package spool_test

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"olive-distributed/daemon/spool"
)

func FuzzAnyNameCanBeShown(f *testing.F) {
	for _, s := range []string{"a.ove", "a\nb", "\xff", strings.Repeat("é", 200) + ".ove", "\u2028", "a." + strings.Repeat("x", 254)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := spool.Clean(name)
		if !utf8.ValidString(got) || len(got) > 220 || strings.ContainsFunc(got, unicode.IsControl) {
			t.Fatalf("Clean(%q) = %q", name, got)
		}
		if again := spool.Clean(got); again != got {
			t.Fatalf("cleaned again, %q becomes %q", got, again)
		}
	})
}

func FuzzAStateLeadsNowhereElse(f *testing.F) {
	f.Add([]byte(`{"source":"YQ==","name":"a.ove","output":"a.mp4"}`))
	f.Add([]byte(`{"source":"YQ==","name":"../a.ove","output":"a.mp4"}`))
	f.Add([]byte(`{"source":"YQ==","name":"a","folder":true,"project":"b/a.ove","output":"a.mp4","target":"x"}`))
	f.Add([]byte(`{"source":"YQ==","name":"a","folder":true,"project":"../../etc/passwd","output":"a.mp4"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		names, err := spool.ParseState(data)
		if err != nil {
			return
		}
		for i, name := range names {
			if name != "" && !filepath.IsLocal(name) || i < 4 && strings.Contains(name, "/") {
				t.Fatalf("%s gives the name %q", data, name)
			}
		}
	})
}

func TestWrongModesAreExplained(t *testing.T) {
	for name, c := range map[string]struct {
		mode uint32
		gid  uint32
		want string // "": nothing is wrong
	}{
		"as installed":                 {unix.S_IFDIR | 0o3770, 7, ""},
		"without set-group-id":         {unix.S_IFDIR | 0o1770, 7, "set-group-id"},
		"without the sticky bit":       {unix.S_IFDIR | 0o2770, 7, "sticky"},
		"closed for the group":         {unix.S_IFDIR | 0o3700, 7, "the group cannot use it"},
		"open for everybody":           {unix.S_IFDIR | 0o3777, 7, "users outside of the group"},
		"another group":                {unix.S_IFDIR | 0o3770, 8, "chgrp olive"},
		"a symbolic link in its place": {unix.S_IFLNK | 0o777, 7, "a symbolic link"},
	} {
		t.Run(name, func(t *testing.T) {
			st := unix.Stat_t{Mode: c.mode, Gid: c.gid, Uid: uint32(unix.Geteuid())}
			got := strings.Join(spool.ModeFaults("/s/incoming", 0o3770, 7, &st), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestFreshFoldersHaveTheRightModes(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	r := open(t, t.TempDir(), newFarm(), quick)
	defer r.Close()
	if wrong := r.CheckModes(-1); wrong != nil {
		t.Errorf("%q", wrong)
	}
	if wrong := r.CheckModes(unix.Getegid() + 1); len(wrong) != 5 {
		t.Errorf("of another group: %q", wrong)
	}
}
