package ove

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Tag is a start tag of a project file, which [Rewrite] lets its caller change.
type Tag struct{ start xml.StartElement }

// Name is the element's.
func (t *Tag) Name() string { return t.start.Name.Local }

// Get returns an attribute, "" when it is not there.
func (t *Tag) Get(name string) string {
	for _, a := range t.start.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// Number reads an attribute as Qt does: what is not a number is 0.
func (t *Tag) Number(name string) int {
	n, _ := strconv.Atoi(t.Get(name))
	return n
}

// Set gives an attribute a value.
func (t *Tag) Set(name, value string) {
	for i := range t.start.Attr {
		if t.start.Attr[i].Name.Local == name {
			t.start.Attr[i].Value = value
			return
		}
	}
	t.start.Attr = append(t.start.Attr, xml.Attr{Name: xml.Name{Local: name}, Value: value})
}

// Drop removes an attribute.
func (t *Tag) Drop(name string) {
	t.start.Attr = slices.DeleteFunc(t.start.Attr, func(a xml.Attr) bool { return a.Name.Local == name })
}

// Rewrite copies a project file, of which it writes the tags anew for which change answers true, and
// nothing else.
func Rewrite(w io.Writer, project []byte, change func(*Tag) bool) error {
	d := xml.NewDecoder(bytes.NewReader(project))
	done := int64(0)
	for {
		begin := d.InputOffset()
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			_, err = w.Write(project[done:])
			return err
		}
		if err != nil {
			return err
		}
		start, ok := token.(xml.StartElement)
		tag := &Tag{start}
		if !ok || !change(tag) {
			continue
		}
		if _, err := w.Write(project[done:begin]); err != nil {
			return err
		}
		done = d.InputOffset()
		if err := tag.write(w, project[done-2] == '/'); err != nil {
			return err
		}
	}
}

// unwritable characters are not part of XML, and bytes that are not UTF-8 not of Qt's paths.
func unwritable(r rune) bool {
	return r == utf8.RuneError || r < ' ' && !strings.ContainsRune("\t\n\r", r) || r == 0xfffe || r == 0xffff
}

func (t *Tag) write(w io.Writer, empty bool) error {
	var b bytes.Buffer
	b.WriteString("<" + t.Name())
	for _, a := range t.start.Attr {
		if strings.ContainsFunc(a.Value, unwritable) {
			return fmt.Errorf("%q cannot be written into a project: rename it", a.Value)
		}
		b.WriteString(" " + a.Name.Local + `="`)
		if err := xml.EscapeText(&b, []byte(a.Value)); err != nil {
			return err
		}
		b.WriteString(`"`)
	}
	if empty {
		b.WriteByte('/')
	}
	b.WriteByte('>')
	_, err := w.Write(b.Bytes())
	return err
}
