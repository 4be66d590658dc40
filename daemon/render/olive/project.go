package olive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"olive-distributed/daemon/render"
)

// readProject reads the plan's project, once more.
func readProject(p *render.Plan) ([]byte, error) {
	f, err := os.Open(p.Project)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, render.MaxProject))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != p.Digest {
		return nil, fmt.Errorf("project %s has changed since its export began: start the export again", p.Project)
	}
	return data, nil
}

// changes are what the editor's copy of a project differs in: the media are where the plan has
// found them, the plan's sequence is the open one, and nothing sounds, since nobody would hear it.
type changes struct {
	media    map[int]string // by footage
	proxies  map[int]string
	sequence int
	nowhere  string // path for footage that the plan leaves out
}

func newChanges(s *render.Scene, nowhere string) *changes {
	c := &changes{media: map[int]string{}, proxies: map[int]string{}, sequence: s.Plan.Sequence, nowhere: nowhere}
	for _, m := range s.Plan.Media {
		if m.Proxy {
			c.proxies[m.Footage] = m.Path
		} else {
			c.media[m.Footage] = m.Path
		}
	}
	return c
}

// rewrite copies a project, of which it writes the tags anew that change, and nothing else.
func (c *changes) rewrite(w io.Writer, project []byte) error {
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
		if !ok || !c.change(&start) {
			continue
		}
		if _, err := w.Write(project[done:begin]); err != nil {
			return err
		}
		done = d.InputOffset()
		if err := writeTag(w, start, project[done-2] == '/'); err != nil {
			return err
		}
	}
}

// change changes a tag, or answers that it stays.
func (c *changes) change(e *xml.StartElement) bool {
	switch e.Name.Local {
	case "footage":
		id := number(e, "id")
		path, ok := c.media[id]
		if !ok {
			path = c.nowhere
		}
		set(e, "url", path)
		proxy, ok := c.proxies[id]
		if !ok {
			set(e, "proxy", "0")
		}
		set(e, "proxypath", proxy)
	case "sequence":
		e.Attr = slices.DeleteFunc(e.Attr, func(a xml.Attr) bool { return a.Name.Local == "open" })
		if number(e, "id") == c.sequence {
			set(e, "open", "1")
		}
	case "clip":
		if number(e, "track") < 0 { // below 0 are the pictures
			return false
		}
		set(e, "enabled", "0")
	case "effect":
		if attribute(e, "name") != plugin {
			return false
		}
		set(e, "name", "Left out/VST") // which no editor knows: nobody's program is loaded
	default:
		return false
	}
	return true
}

func attribute(e *xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// number reads an attribute as Qt does: what is not a number is 0.
func number(e *xml.StartElement, name string) int {
	n, _ := strconv.Atoi(attribute(e, name))
	return n
}

func set(e *xml.StartElement, name, value string) {
	for i := range e.Attr {
		if e.Attr[i].Name.Local == name {
			e.Attr[i].Value = value
			return
		}
	}
	e.Attr = append(e.Attr, xml.Attr{Name: xml.Name{Local: name}, Value: value})
}

// unwritable characters are not part of XML, and bytes that are not UTF-8 not of Qt's paths.
func unwritable(r rune) bool {
	return r == utf8.RuneError || r < ' ' && !strings.ContainsRune("\t\n\r", r) || r == 0xfffe || r == 0xffff
}

// writeTag writes a start tag.
func writeTag(w io.Writer, e xml.StartElement, empty bool) error {
	var b bytes.Buffer
	b.WriteString("<" + e.Name.Local)
	for _, a := range e.Attr {
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
