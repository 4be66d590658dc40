package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// A key is one setting: its name with the tables around it, "farm.range", and where it goes.
type key struct {
	name  string
	value value
}

// A file is a document whose syntax is right.
type file struct {
	text string
	keys []key
	meta toml.MetaData
	top  map[string]toml.Primitive
}

const maxFaults = 20 // more would only hide the first

// parse sets keys from text and returns the first faults in the order of the text. With any fault
// the values are worth nothing.
func parse(text string, keys []key) []*Error {
	f := file{text: text, keys: keys}
	var err error
	if f.meta, err = toml.Decode(text, &f.top); err != nil {
		var bad toml.ParseError
		if !errors.As(err, &bad) {
			return []*Error{{Line: 1, Column: 1, Problem: err.Error()}}
		}
		return []*Error{f.errorAt(bad.Position.Start, bad.Message)}
	}
	var faults []*Error
	for _, k := range f.meta.Keys() {
		if e := f.set(k); e != nil {
			faults = append(faults, e)
		}
		if len(faults) == maxFaults {
			break
		}
	}
	slices.SortStableFunc(faults, byPlace)
	return faults
}

// set sets one key of the document, which may be a table.
func (f *file) set(name toml.Key) *Error {
	i := slices.IndexFunc(f.keys, func(k key) bool { return k.name == name.String() })
	table := slices.ContainsFunc(f.keys, func(k key) bool { return strings.HasPrefix(k.name, name.String()+".") })
	at, got, ok := f.find(name)
	switch {
	case !ok: // an outer key is wrong, which is said there
		return nil
	case table && f.meta.Type(name...) != "Hash":
		return f.errorAt(at, fmt.Sprintf("%s is a table: write [%s] on a line of its own, and its settings below", name, name))
	case table:
		return nil
	case i < 0 && len(name) > 1 && slices.ContainsFunc(f.keys, func(k key) bool { return k.name == name[:len(name)-1].String() }):
		return nil // the outer key is wrong
	case i < 0:
		return f.unknown(name, at)
	}
	err := f.keys[i].value.set(got)
	if err == nil {
		return nil
	}
	var inside *elementError
	if errors.As(err, &inside) {
		at = f.element(at, inside)
	}
	return f.errorAt(at, fmt.Sprintf("%s %v", name, err))
}

// A catcher takes any value and fails, whereupon the decoder says where it stands.
type catcher struct{ value any }

var errCaught = errors.New("caught")

// UnmarshalTOML implements [toml.Unmarshaler].
func (c *catcher) UnmarshalTOML(v any) error {
	c.value = v
	return errCaught
}

// find returns the value of a key and the byte at which it stands. There is none below a key that
// is no table.
func (f *file) find(name toml.Key) (at int, v any, ok bool) {
	in := f.top
	for _, outer := range name[:len(name)-1] {
		var below map[string]toml.Primitive
		p, ok := in[outer]
		if !ok || f.meta.PrimitiveDecode(p, &below) != nil {
			return 0, nil, false
		}
		in = below
	}
	p, ok := in[name[len(name)-1]]
	if !ok {
		return 0, nil, false
	}
	var c catcher
	var where toml.ParseError
	if !errors.As(f.meta.PrimitiveDecode(p, &c), &where) {
		return 0, nil, false
	}
	at = min(where.Position.Start, len(f.text))
	switch c.value.(type) { // the decoder points behind quotes and brackets
	case string:
		at = len(strings.TrimRight(f.text[:at], `"'`))
	case []any:
		at = len(strings.TrimSuffix(f.text[:at], "["))
	}
	return at, c.value, true
}

// unknown points at the name of a key rather than at its value, and guesses what was meant.
func (f *file) unknown(name toml.Key, at int) *Error {
	line := strings.LastIndexByte(f.text[:at], '\n') + 1
	if i := strings.LastIndex(f.text[line:at], name[len(name)-1]); i >= 0 {
		at = line + i
	}
	problem := fmt.Sprintf("there is no setting %s", name)
	if meant := f.nearest(name.String()); meant != "" {
		problem += fmt.Sprintf(", did you mean %s?", meant)
	}
	return f.errorAt(at, problem)
}

// nearest is the setting, or the table, whose name is most like name; "" when none is like it.
func (f *file) nearest(name string) string {
	best, least := "", 3 // typing errors at most
	try := func(candidate string) {
		if d := distance(name, candidate); d <= least && d < len(candidate) {
			best, least = candidate, d-1
		}
	}
	for _, k := range f.keys {
		try(k.name)
		if table, last, ok := strings.Cut(k.name, "."); ok {
			try(table)
			if name == last || strings.HasSuffix(name, "."+last) { // in the wrong table
				return k.name
			}
		}
	}
	for _, k := range f.keys {
		if strings.HasSuffix(name, "."+k.name) { // below a table, but it belongs above all
			return k.name + ", above the first table"
		}
	}
	return best
}

// distance is Levenshtein's: the fewest bytes to add, drop or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// errorAt makes an Error of a byte's place in the text.
func (f *file) errorAt(at int, problem string) *Error {
	before := f.text[:min(max(0, at), len(f.text))]
	line := strings.LastIndexByte(before, '\n') + 1
	return &Error{
		Line:    1 + strings.Count(before, "\n"),
		Column:  1 + utf8.RuneCountInString(before[line:]),
		Problem: strings.TrimPrefix(problem, "toml: "),
	}
}

// element finds an element of the list that starts at byte at, and the place in it if it is a
// plain string. The syntax is known to be right.
func (f *file) element(at int, e *elementError) int {
	depth := 0
	for seen := 0; at < len(f.text); at++ {
		switch c := f.text[at]; c {
		case '[':
			if depth++; depth == 1 || seen != e.index {
				continue
			}
		case ']':
			depth--
		case '#':
			at += max(0, strings.IndexByte(f.text[at:], '\n'))
			continue
		case ' ', '\t', '\r', '\n':
			continue
		case ',':
			if depth == 1 {
				seen++
			}
			continue
		case '"', '\'':
			end := stringEnd(f.text, at)
			if seen == e.index {
				return f.inString(at, end, e)
			}
			at = end - 1
			continue
		}
		if seen == e.index || depth == 0 {
			return at
		}
	}
	return at
}

// inString is the place of the fault in the string [at, end), as far as it can be told.
func (f *file) inString(at, end int, e *elementError) int {
	quoted := f.text[at:end]
	if e.column == 0 || strings.HasPrefix(quoted, `"""`) || strings.HasPrefix(quoted, "'''") ||
		quoted[0] == '"' && strings.Contains(quoted, `\`) {
		return at
	}
	return min(at+e.column, end-1)
}

// stringEnd is the byte behind the string that starts at byte at.
func stringEnd(text string, at int) int {
	quote := text[at : at+1]
	if long := strings.Repeat(quote, 3); strings.HasPrefix(text[at:], long) {
		quote = long
	}
	for i := at + len(quote); i < len(text); i++ {
		if text[i] == '\\' && quote[0] == '"' {
			i++
		} else if strings.HasPrefix(text[i:], quote) {
			i += len(quote)
			for len(quote) == 3 && i < len(text) && text[i] == quote[0] { // quotes before the end
				i++
			}
			return i
		}
	}
	return len(text)
}
