// Package term writes for people: signs that their terminal can show, colours where it is one, even
// columns, and nothing that a name could bring along to command it. It reads no terminal and fails only
// when its writer does.
package term

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// Is says whether a file or writer is a terminal.
func Is(f any) bool {
	file, ok := f.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Clean replaces what would command a terminal, or turn a line around, in a text of somebody else's.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
}

// A Colour is how a text is shown on a terminal that has colours.
type Colour string

// Colours, by what they tell. The zero value is plain.
const (
	Good   Colour = "32" // ECMA-48, select graphic rendition
	Bad    Colour = "31"
	Held   Colour = "33"
	Strong Colour = "1"
	Faint  Colour = "2"
)

// Coloured says whether colours are wanted: on a terminal that has them, unless NO_COLOR is set
// (https://no-color.org).
func Coloured(w io.Writer, env func(string) string) bool {
	return Is(w) && env("NO_COLOR") == "" && env("TERM") != "dumb" && env("TERM") != ""
}

// A Cell is a text in a colour.
type Cell struct {
	Text string
	Colour
}

// A Table has rows of cells, and columns as wide as their widest one.
type Table struct {
	coloured bool
	rows     [][]Cell
}

// NewTable returns an empty table for the writer.
func NewTable(w io.Writer) *Table { return &Table{coloured: Coloured(w, os.Getenv)} }

// Head adds a row of titles.
func (t *Table) Head(titles ...string) {
	row := make([]Cell, len(titles))
	for i, text := range titles {
		row[i] = Cell{text, Strong}
	}
	t.rows = append(t.rows, row)
}

// Row adds a row of texts, and of cells where a colour is wanted. Others are written as fmt does.
func (t *Table) Row(values ...any) {
	row := make([]Cell, len(values))
	for i, v := range values {
		c, ok := v.(Cell)
		if !ok {
			c.Text = fmt.Sprint(v)
		}
		row[i] = Cell{Clean(c.Text), c.Colour}
	}
	t.rows = append(t.rows, row)
}

// gap is between two columns.
const gap = 2

// Write writes the table.
func (t *Table) Write(w io.Writer) error {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], runewidth.StringWidth(c.Text))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		end := len(row) // empty cells at the end leave no spaces
		for end > 0 && row[end-1].Text == "" {
			end--
		}
		for i, c := range row[:end] {
			b.WriteString(paint(c, t.coloured))
			if i < end-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-runewidth.StringWidth(c.Text)+gap))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func paint(c Cell, coloured bool) string {
	if !coloured || c.Colour == "" || c.Text == "" {
		return c.Text
	}
	return "\x1b[" + string(c.Colour) + "m" + c.Text + "\x1b[0m"
}
