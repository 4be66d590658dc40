package term

import (
	"os"
	"strings"
	"testing"
)

func TestCleanLeavesNoCommands(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"letters of all kinds stay":  {"Übung 映画 🎬.ove", "Übung 映画 🎬.ove"},
		"an escape sequence":         {"a\x1b[2Jb", "a�[2Jb"},
		"one in a single character":  {"a\u009b2Jb", "a�2Jb"},
		"a line's end":               {"a\nb\rc", "a�b�c"},
		"a line's end of Unicode":    {"a\u2028b", "a�b"},
		"text that runs backwards":   {"a\u202eb", "a�b"},
		"bytes that are no text":     {"a\xffb", "a�b"},
		"a tab, which moves columns": {"a\tb", "a�b"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Clean(c.text); got != c.want {
				t.Errorf("Clean(%q) = %q, want %q", c.text, got, c.want)
			}
		})
	}
}

func TestColumnsAreEven(t *testing.T) {
	var b strings.Builder
	table := NewTable(&b)
	table.Head("JOB", "NAME", "STATE", "LEFT")
	table.Row(1, "映画.ove", Cell{"running", Good}, "2s")
	table.Row(12, "a\nb", "", "")
	if err := table.Write(&b); err != nil {
		t.Fatal(err)
	}
	const want = "JOB  NAME      STATE    LEFT\n" +
		"1    映画.ove  running  2s\n" +
		"12   a�b\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestColoursTakeNoRoom(t *testing.T) {
	var b strings.Builder
	table := &Table{coloured: true}
	table.Row(Cell{"failed", Bad}, Cell{"", Bad}, Cell{"x", ""})
	table.Row("a failed one", "yy", "z")
	if err := table.Write(&b); err != nil {
		t.Fatal(err)
	}
	const want = "\x1b[31mfailed\x1b[0m            x\na failed one  yy  z\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

// On a terminal that would have them, the environment decides; one is needed first.
func TestColoursAreForTerminals(t *testing.T) {
	usual := func(string) string { return "xterm" }
	if Coloured(&strings.Builder{}, usual) {
		t.Error("colours for a writer that is no file")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if Coloured(w, usual) {
		t.Error("colours for a pipe")
	}
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer ptmx.Close()
	for name, c := range map[string]struct {
		env  map[string]string
		want bool
	}{
		"usual":            {map[string]string{"TERM": "xterm"}, true},
		"dumb":             {map[string]string{"TERM": "dumb"}, false},
		"nothing is known": {nil, false},
		"nobody wants any": {map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, false},
		"an empty wish":    {map[string]string{"TERM": "xterm", "NO_COLOR": ""}, true},
	} {
		if got := Coloured(ptmx, func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
