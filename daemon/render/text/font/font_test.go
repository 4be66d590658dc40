package font

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPatternsAreOneWord(t *testing.T) {
	for name, c := range map[string]struct {
		q    Query
		want string
	}{
		"a plain name":              {Query{Family: "DejaVu Sans"}, `DejaVu Sans:weight=80:slant=0`},
		"bold italic":               {Query{"A", true, true}, `A:weight=200:slant=100`},
		"no name":                   {Query{}, `sans\-serif:weight=80:slant=0`},
		"a list with quotes":        {Query{Family: `'A B', "C"`}, `A B,C:weight=80:slant=0`},
		"a pattern is a name":       {Query{Family: `x:file=/etc/passwd`}, `x\:file\=/etc/passwd:weight=80:slant=0`},
		"an option is a name":       {Query{Family: `--format=%{file}`}, `\-\-format\=\%{file}:weight=80:slant=0`},
		"a backslash":               {Query{Family: `a\`}, `a\\:weight=80:slant=0`},
		"control characters vanish": {Query{Family: "a\nb\x00c\x1b"}, `abc:weight=80:slant=0`},
		"nothing but commas":        {Query{Family: " , ,"}, `sans\-serif:weight=80:slant=0`},
		"a name that is too long":   {Query{Family: strings.Repeat("x", 201) + ",y"}, `y:weight=80:slant=0`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := pattern(c.q); got != c.want {
				t.Errorf("pattern(%q) = %s, want %s", c.q.Family, got, c.want)
			}
		})
	}
}

func TestSubstitution(t *testing.T) {
	found := []string{"DejaVu Sans", "DejaVu Sans Condensed"}
	for asked, want := range map[string]bool{
		"DejaVu Sans": false, "dejavusans": false, "'DejaVu Sans Condensed'": false, "": false, "Sans Serif": false,
		"DejaVu Serif": true, "Helvetica": true, "Helvetica, DejaVu Sans": true, "DejaVu Sans, Helvetica": false,
	} {
		if got := substituted(asked, found); got != want {
			t.Errorf("%q set in %v: substituted %v, want %v", asked, found, got, want)
		}
	}
}

func TestCandidates(t *testing.T) {
	const good = "/f/a.ttf\t65538\t200\t100\tTrueType\twght=700,wdth=75\t\t\tA,A Bold\t20-7e a0 5d0-5ea\n"
	list, err := parseCandidates(good + "/f/b.pcf\t0\t80\t0\tPCF\t\t\t\tB\t20\n/f/c.otf\t0\t[40 200]\t0\tCFF\t\t\t\tC\t\n")
	if err != nil || len(list) != 2 {
		t.Fatalf("%d candidates, %v; want the two with outlines", len(list), err)
	}
	c := list[0]
	if c.file != "/f/a.ttf" || c.index != 2 || !c.bold || !c.italic || len(c.variations) != 2 || c.families[1] != "A Bold" {
		t.Errorf("read %+v", c)
	}
	for r, want := range map[rune]bool{' ': true, '~': true, 0x7f: false, 0xa0: true, 0xa1: false, 0x5d0: true, 0x10ffff: false} {
		if c.chars.has(r) != want {
			t.Errorf("has %U: %v, want %v", r, !want, want)
		}
	}
	if !list[1].bold {
		t.Error("a variable font that reaches bold is not bold")
	}
	synthetic := strings.Replace(good, "wdth=75\t\t\t", "wdth=75\tTrue\t[1 0.2; 0 1]\t", 1)
	if list, err := parseCandidates(synthetic); err != nil || list[0].bold || list[0].italic {
		t.Errorf("a font that fontconfig would embolden and slant is bold or italic itself (%v)", err)
	}
	for name, bad := range map[string]string{
		"too few fields":  "a\tb\n",
		"no index":        strings.Replace(good, "65538", "x", 1),
		"no characters":   strings.Replace(good, "20-7e", "zz", 1),
		"a run backwards": strings.Replace(good, "20-7e", "7e-20", 1),
	} {
		if _, err := parseCandidates(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzCandidates(f *testing.F) {
	f.Add("/f/a.ttf\t65538\t200\t100\tTrueType\twght=700\tTrue\t[1 0.2; 0 1]\tA,A Bold\t20-7e a0\n")
	f.Fuzz(func(_ *testing.T, out string) {
		list, _ := parseCandidates(out)
		for i := range list {
			list[i].chars.has('x')
		}
	})
}

func runesOf(text string) Runes {
	r := Runes{}
	r.Add(text)
	return r
}

func TestOpenFindsTheFamilyAndItsStyles(t *testing.T) {
	f := NewFinder()
	files := map[string]bool{}
	for _, q := range []Query{{Family: "DejaVu Sans"}, {"DejaVu Sans", true, false}, {Family: "DejaVu Sans Mono"}} {
		s, err := f.Open(t.Context(), q, runesOf("abc"))
		if err != nil {
			t.Fatal(err)
		}
		if s.Match.Substituted || s.Main().Embolden || !same(s.Match.Family, q.Family) {
			t.Errorf("%+v is set in %+v", q, s.Match)
		}
		files[s.Match.File] = true
	}
	if len(files) != 3 {
		t.Errorf("three styles come from %d files", len(files))
	}
}

func TestAFamilyThatIsNotThereIsSubstituted(t *testing.T) {
	f := NewFinder()
	for name, family := range map[string]string{
		"unknown":   "No Such Family 31",
		"an option": "--help",
		"a format":  "-f%{file}",
		"a pattern": ":file=/etc/passwd:family=DejaVu Serif",
		"a list":    "Nope, Neither",
		"binary":    "\x00\xff\n\t%s%n",
		"long":      strings.Repeat("long ", 1<<18),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := f.Open(t.Context(), Query{Family: family}, runesOf("a"))
			if err != nil {
				t.Fatal(err)
			}
			wanted := len(family) < 1000 // what is no name at all asks for the default
			if s.Match.Substituted != wanted || s.Main() == nil || s.Main().Units() < 16 {
				t.Errorf("set in %+v, substituted %v, want %v", s.Match.File, s.Match.Substituted, wanted)
			}
			m, err := f.Match(t.Context(), Query{Family: family})
			if err != nil || m != s.Match {
				t.Errorf("Match = %+v, %v, want %+v", m, err, s.Match)
			}
		})
	}
}

func TestCharactersThatTheFamilyLacksComeFromAnother(t *testing.T) {
	s, err := NewFinder().Open(t.Context(), Query{Family: "DejaVu Sans Mono"}, runesOf("aש\U000e0fff"))
	if err != nil {
		t.Fatal(err)
	}
	if f := s.Face('ש'); f == s.Main() || !strings.Contains(f.File, "DejaVuSans") {
		t.Errorf("Hebrew is set in %s; DejaVu Sans Mono has none", f.File)
	}
	for _, r := range "a\U000e0fff" {
		if s.Face(r) != s.Main() {
			t.Errorf("%U is set in %s, want the family itself", r, s.Face(r).File)
		}
	}
}

func TestStylesThatAFamilyLacksAreMadeUp(t *testing.T) {
	s, err := NewFinder().Open(t.Context(), Query{"DejaVu Math TeX Gyre", true, true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if f := s.Main(); !f.Embolden || !f.Slant {
		t.Errorf("%s: embolden %v, slant %v; want both", f.File, f.Embolden, f.Slant)
	}
}

func TestFacesAreLoadedOnce(t *testing.T) {
	f := NewFinder()
	a, err := f.Open(t.Context(), Query{Family: "DejaVu Sans"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Open(t.Context(), Query{Family: "dejavu sans"}, nil)
	if err != nil || a.Main() != b.Main() {
		t.Errorf("one file gave two faces (%v)", err)
	}
}

func TestFailures(t *testing.T) {
	t.Run("no fontconfig", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		_, err := NewFinder().Open(t.Context(), Query{Family: "x"}, nil)
		if err == nil || !strings.Contains(err.Error(), "apt install fontconfig") {
			t.Errorf("error %v does not say what to install", err)
		}
	})
	t.Run("an ended context", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("job cancelled"))
		if _, err := NewFinder().Open(ctx, Query{Family: "x"}, nil); err == nil || !strings.Contains(err.Error(), "job cancelled") {
			t.Errorf("error %v, want the context's cause", err)
		}
	})
	tool := func(t *testing.T, script string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "fc-match"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir+":/bin:/usr/bin")
	}
	t.Run("fontconfig fails", func(t *testing.T) {
		tool(t, "echo broken config >&2; exit 3")
		f := NewFinder()
		if _, err := f.Open(t.Context(), Query{Family: "x"}, nil); err == nil || !strings.Contains(err.Error(), "broken config") {
			t.Errorf("error %v does not say what fc-match said", err)
		}
		if len(f.lists) != 0 {
			t.Error("the failure is remembered")
		}
	})
	t.Run("no font at all", func(t *testing.T) {
		tool(t, "exit 0")
		if _, err := NewFinder().Open(t.Context(), Query{Family: "x"}, nil); err == nil || !strings.Contains(err.Error(), "apt install fonts-dejavu-core") {
			t.Errorf("error %v does not say what to install", err)
		}
	})
	t.Run("a font that is none is passed over, one that cannot be read is not", func(t *testing.T) {
		bad := filepath.Join(t.TempDir(), "bad.ttf")
		if err := os.WriteFile(bad, []byte("no font"), 0o600); err != nil {
			t.Fatal(err)
		}
		good, err := NewFinder().Match(t.Context(), Query{Family: "DejaVu Sans"})
		if err != nil {
			t.Fatal(err)
		}
		line := func(file string) string { return `printf '` + file + `\t0\t80\t0\tTrueType\t\t\t\tX\t20-7e\n'` + "\n" }
		tool(t, line(bad)+line(good.File))
		s, err := NewFinder().Open(t.Context(), Query{Family: "X"}, nil)
		if err != nil || s.Match.File != good.File {
			t.Errorf("a damaged font: %+v, %v", s, err)
		}
		tool(t, line(bad+".gone")+line(good.File))
		if _, err := NewFinder().Open(t.Context(), Query{Family: "X"}, nil); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a font that is gone: %v", err)
		}
	})
}
