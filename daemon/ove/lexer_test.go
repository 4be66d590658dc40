package ove

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// FuzzLexer: what the lexer accepts, encoding/xml reads as the same tokens.
func FuzzLexer(f *testing.F) {
	for _, file := range []string{
		`<?xml version="1.0" encoding="UTF-8"?><a b="c" d='e'>f<g/>h</a>`,
		"<a>\r\n<!-- x --> &amp;&#65;&#x4f;<![CDATA[<&]]> </a >",
		`<a b="&lt;&gt;&quot;&apos;'" c = ">"/>`, `<a><b></a></b>`, `<a b="1" b="2"/>`, `<a b=c/>`, `<a`, `<!-- a--b --><a/>`,
		"<a>\xff</a>", "<a>]]></a>", `<?pi x?><a/>`, "<?A\xa8?><a/>", `<a b="1"c="2"/>`, `<!DOCTYPE a><a/>`, `<a/>x`, `</a>`, "<é/>", "<a:b c:d=''/>", "<a b::=''/>", "<a: b:=''/>",
	} {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file string) {
		ours, err := tokens(file)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("lexer: %v, want an *Error", err)
			}
			return
		}
		theirs, err := standard(file)
		if err != nil || ours != theirs {
			t.Fatalf("%q: got\n%s\nencoding/xml reads\n%s\n%v", file, ours, theirs, err)
		}
	})
}

// tokens prints what the lexer reads. Neighbouring texts become one.
func tokens(file string) (string, error) {
	var b printer
	l := newLexer(strings.NewReader(file))
	for {
		switch t, err := l.next(); {
		case err == io.EOF:
			return b.String(), nil
		case err != nil:
			return "", err
		case t == startTag:
			b.tag("start %s", l.tag.name)
			for _, a := range l.tag.attrs {
				b.tag("attribute %s=%q", a.name, a.value)
			}
		case t == endTag:
			b.tag("end")
		case t == charData:
			b.text = append(b.text, l.text...)
		}
	}
}

// standard prints the same from encoding/xml.
func standard(file string) (string, error) {
	var b printer
	d := xml.NewDecoder(strings.NewReader(file))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	for {
		t, err := d.RawToken()
		if err == io.EOF {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
		switch t := t.(type) {
		case xml.StartElement:
			b.tag("start %s", qualified(t.Name))
			for _, a := range t.Attr {
				b.tag("attribute %s=%q", qualified(a.Name), a.Value)
			}
		case xml.EndElement:
			b.tag("end")
		case xml.CharData:
			b.text = append(b.text, t...)
		}
	}
}

func qualified(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

type printer struct {
	strings.Builder
	text []byte
}

func (p *printer) tag(format string, args ...any) {
	if text := bytes.ReplaceAll(p.text, []byte("\r\n"), []byte("\n")); len(text) > 0 {
		fmt.Fprintf(p, "text %q\n", text)
		p.text = nil
	}
	fmt.Fprintf(p, format+"\n", args...)
}
