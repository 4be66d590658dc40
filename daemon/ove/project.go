package ove

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const version = 190219

// counts are the things of one file that cost memory.
type counts struct {
	folders, footage, streams, sequences, clips, links, markers, effects, rows, fields, keys int
}

// Parse reads a project from src up to its end and checks it. It fails with an [*Error] for
// everything that is wrong in the file, and with the wrapped error of src when that cannot be
// read. It needs memory for what the file holds; 100,000 clips are fine.
func Parse(src io.Reader) (*Project, error) {
	r := newReader(src)
	if err := r.prolog(); err != nil {
		return nil, err
	}
	if err := r.root(); err != nil {
		return nil, err
	}
	if err := r.epilog(); err != nil {
		return nil, err
	}
	if err := r.resolve(); err != nil {
		return nil, err
	}
	return r.project, nil
}

// prolog recognises foreign files by their first bytes.
func (r *reader) prolog() error {
	head, err := r.buf.Peek(4)
	if err != nil && err != io.EOF {
		return fmt.Errorf("read the project: %w", err)
	}
	switch start := string(head); {
	case start == "":
		return r.fail(ErrNotProject, "the file is empty: %v", ErrNotProject)
	case start == "OVEC":
		return r.fail(ErrOlive02, "%v", ErrOlive02)
	case strings.HasPrefix(start, "\xfe\xff"), strings.HasPrefix(start, "\xff\xfe"):
		return r.fail(errEncoding, "the file is in UTF-16: Olive writes UTF-8, so save the project with Olive 0.1 again")
	case strings.HasPrefix(start, "\xef\xbb\xbf"):
		r.take(3)
	}
	return nil
}

// root reads the one element of the file.
func (r *reader) root() error {
	for {
		t, err := r.next()
		if err == io.EOF {
			return r.fail(ErrNotProject, "%v", ErrNotProject)
		}
		if err != nil {
			return err
		}
		switch {
		case t == charData && len(bytes.TrimSpace(r.text)) > 0:
			return r.fail(ErrNotProject, "%v", ErrNotProject)
		case t == startTag && r.tag.is("project"):
			r.rooted = true
			return r.readProject()
		case t == startTag && r.tag.is("olive"):
			return r.fail(ErrOlive02, "%v", ErrOlive02)
		case t == startTag:
			return r.fail(ErrNotProject, "<%s> is not <project>: %v", brief(string(r.tag.name)), ErrNotProject)
		}
	}
}

// epilog makes sure that nothing follows </project>.
func (r *reader) epilog() error {
	for {
		t, err := r.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if t == startTag || t == charData && len(bytes.TrimSpace(r.text)) > 0 {
			return r.fail(nil, "something follows </project>: the file is damaged or two files were joined")
		}
	}
}

func (r *reader) readProject() error {
	seen := false
	err := r.children(func(e *element) error {
		switch string(e.name) {
		case "version":
			seen = true
			return r.readVersion()
		case "url":
			url, err := r.characters()
			r.project.URL = url
			return err
		case "folders":
			return r.children(r.readFolder)
		case "media":
			return r.children(r.readFootage)
		case "sequences":
			return r.children(r.readSequence)
		}
		return r.skip()
	})
	if err == nil && !seen {
		return r.fail(nil, "<project> has no <version>: only version %d of Olive 0.1 works", version)
	}
	return err
}

// readVersion refuses at once: another version may mean other elements.
func (r *reader) readVersion() error {
	at := element{name: []byte("version"), line: r.line, column: r.column}
	s, err := r.characters()
	if err != nil {
		return err
	}
	if s != strconv.Itoa(version) {
		return at.fail("format version %q: only %d works; open the project in the last Olive 0.1 and save it again",
			brief(s), version)
	}
	r.project.Version = version
	return nil
}

func (r *reader) readFolder(e *element) error {
	if !e.is("folder") {
		return r.skip()
	}
	if err := r.count(&r.counts.folders, 100_000, "folders"); err != nil {
		return err
	}
	r.project.Folders = append(r.project.Folders, &Folder{
		ID:     int(e.hint("id")),
		Parent: int(e.hint("parent")),
		Name:   string(e.label("name")),
	})
	if e.err != nil {
		return e.err
	}
	return r.skip()
}

// count adds one to n and refuses more than most.
func (r *reader) count(n *int, most int, what string) error {
	*n++
	if *n > most {
		return r.fail(nil, "the project has more than %d %s", most, what)
	}
	return nil
}

func (r *reader) readMarker(e *element, to *[]Marker) error {
	if err := r.count(&r.counts.markers, 1_000_000, "markers"); err != nil {
		return err
	}
	*to = append(*to, Marker{Frame: e.hint("frame"), Name: r.intern(e.label("name"))})
	if e.err != nil {
		return e.err
	}
	return r.skip()
}

// Main returns the sequence to export: the one the editor showed, else the only one.
func (p *Project) Main() (*Sequence, error) {
	for i := len(p.Sequences) - 1; i >= 0; i-- {
		if p.Sequences[i].Open {
			return p.Sequences[i], nil
		}
	}
	switch len(p.Sequences) {
	case 0:
		return nil, errors.New("the project has no sequence: there is nothing to export")
	case 1:
		return p.Sequences[0], nil
	}
	return nil, fmt.Errorf("no sequence was open when the project was saved: choose one of %s", p.names())
}

// Sequence returns the sequence called name.
func (p *Project) Sequence(name string) (*Sequence, error) {
	var found *Sequence
	for _, s := range p.Sequences {
		if s.Name != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("several sequences are called %q: rename them in Olive", name)
		}
		found = s
	}
	if found == nil {
		return nil, fmt.Errorf("no sequence is called %q: choose one of %s", name, p.names())
	}
	return found, nil
}

// names lists the sequences for a message.
func (p *Project) names() string {
	const most = 20
	var names []string
	for i, s := range p.Sequences {
		if i == most {
			return strings.Join(names, ", ") + fmt.Sprintf(" and %d more", len(p.Sequences)-most)
		}
		names = append(names, fmt.Sprintf("%q", s.Name))
	}
	if len(names) == 0 {
		return "(the project has no sequence)"
	}
	return strings.Join(names, ", ")
}
