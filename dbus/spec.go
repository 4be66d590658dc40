package dbus

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5/introspect"
)

// A spec is what the XML says.
type spec struct {
	interfaces map[string]*introspect.Interface
	text       map[string]string // of each interface, as it stands in the file
}

// parseSpec reads interface files, which are part of the program.
func parseSpec(files ...string) (*spec, error) {
	s := &spec{map[string]*introspect.Interface{}, map[string]string{}}
	for _, f := range files {
		for rest := f; ; {
			begin := strings.Index(rest, "  <interface ")
			if begin < 0 {
				break
			}
			const last = "</interface>\n"
			end := strings.Index(rest, last)
			if end < begin {
				return nil, fmt.Errorf("interface without an end: %.60q", rest[begin:])
			}
			text := rest[begin : end+len(last)]
			rest = rest[end+len(last):]
			var i introspect.Interface
			if err := xml.Unmarshal([]byte(text), &i); err != nil {
				return nil, fmt.Errorf("interface %.60q: %w", text, err)
			}
			s.interfaces[i.Name], s.text[i.Name] = &i, text
		}
	}
	return s, nil
}

// method finds a method.
func (s *spec) method(iface, name string) (introspect.Method, bool) {
	if i := s.interfaces[iface]; i != nil {
		if n := slices.IndexFunc(i.Methods, func(m introspect.Method) bool { return m.Name == name }); n >= 0 {
			return i.Methods[n], true
		}
	}
	return introspect.Method{}, false
}

// signature is that of the arguments of one direction.
func signature(m introspect.Method, direction string) string {
	var b strings.Builder
	for _, a := range m.Args {
		if a.Direction == direction {
			b.WriteString(a.Type)
		}
	}
	return b.String()
}

// How a change of a property is told.
const (
	emitTrue        = "true"
	emitInvalidates = "invalidates"
)

// emits tells how a change of a property is told, by its annotation.
func emits(p introspect.Property) string {
	for _, a := range p.Annotations {
		if a.Name == "org.freedesktop.DBus.Property.EmitsChangedSignal" {
			return a.Value
		}
	}
	return emitTrue
}

// document is the introspection of an object.
func (s *spec) document(interfaces, children []string) string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
`)
	for _, i := range interfaces {
		b.WriteString(s.text[i])
	}
	for _, c := range children {
		fmt.Fprintf(&b, "  <node name=%q/>\n", c)
	}
	b.WriteString("</node>\n")
	return b.String()
}
