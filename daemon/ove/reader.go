package ove

import (
	"errors"
	"io"
	"strings"
)

const maxName = 4096 // bytes of a name or path

// A reader walks through the elements of one file.
type reader struct {
	*lexer
	rooted    bool // <project> has come
	project   *Project
	footage   map[int]*Footage
	sequences map[int]*Sequence
	counts    counts
	refs      []reference
	fields    []Field // of the row that is being read
	interned  map[string]string
}

func newReader(src io.Reader) *reader {
	return &reader{
		lexer:     newLexer(src),
		project:   &Project{},
		footage:   make(map[int]*Footage),
		sequences: make(map[int]*Sequence),
		interned:  make(map[string]string),
	}
}

// next is the lexer's. What breaks before <project> is no project.
func (r *reader) next() (token, error) {
	t, err := r.lexer.next()
	if err != nil && !r.rooted && errors.Is(err, errSyntax) {
		return t, r.fail(ErrNotProject, "%v", ErrNotProject)
	}
	return t, err
}

// children calls read for every child of the element that was opened last, and returns behind
// its end. read has to leave the reader behind the child's end. The element it gets changes with
// the next token.
func (r *reader) children(read func(e *element) error) error {
	for {
		t, err := r.next()
		if err != nil {
			return err
		}
		switch t {
		case startTag:
			if err := read(&r.tag); err != nil {
				return err
			}
		case endTag:
			return nil
		}
	}
}

// skip reads to the end of the element that was opened last.
func (r *reader) skip() error {
	return r.children(func(*element) error { return r.skip() })
}

// characters reads to the end of the element that was opened last and returns its text.
func (r *reader) characters() (string, error) {
	var text strings.Builder
	for {
		t, err := r.next()
		if err != nil {
			return "", err
		}
		switch t {
		case startTag:
			if err := r.skip(); err != nil {
				return "", err
			}
		case endTag:
			return strings.TrimSpace(text.String()), nil
		case charData:
			if text.Len()+len(r.text) > maxName {
				return "", r.fail(errLimit, "a text is longer than %d bytes", maxName)
			}
			text.Write(r.text)
		}
	}
}

// intern returns one copy of strings that come again and again: names and values of fields.
func (r *reader) intern(b []byte) string {
	const longest, most = 64, 1 << 16
	if len(b) > longest {
		return string(b)
	}
	if one, ok := r.interned[string(b)]; ok {
		return one
	}
	s := string(b)
	if len(r.interned) < most {
		r.interned[s] = s
	}
	return s
}

// brief shortens foreign text for a message.
func brief(s string) string {
	const longest = 80
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}
