package ove

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// An attribute is a name and its value with entities resolved.
type attribute struct{ name, value []byte }

// readAttrs reads what follows the name of a tag, up to its ">", into e.
func (l *lexer) readAttrs(e *element, raw []byte) error {
	for {
		rest := trimLeft(raw)
		if string(rest) == ">" || string(rest) == "/>" {
			return nil
		}
		n := nameLength(rest)
		if n == 0 || len(rest) == len(raw) {
			return l.broken("a tag holds something else than attributes")
		}
		name := rest[:n]
		rest, ok := bytes.CutPrefix(trimLeft(rest[n:]), []byte("="))
		rest = trimLeft(rest)
		if !ok || rest[0] != '"' && rest[0] != '\'' {
			return l.broken("the attribute %s has no value in quotes", brief(string(name)))
		}
		end := 1 + bytes.IndexByte(rest[1:], rest[0])
		if end == 0 {
			return l.broken("the value of %s has no end", brief(string(name)))
		}
		value, err := l.resolve(rest[1:end])
		if err != nil {
			return err
		}
		if _, twice := e.attr(string(name)); twice {
			return l.broken("the attribute %s comes twice", brief(string(name)))
		}
		if len(e.attrs) == maxAttrs {
			return l.fail(errLimit, "an element has more than %d attributes", maxAttrs)
		}
		e.attrs = append(e.attrs, attribute{name, value})
		raw = rest[end+1:]
	}
}

// resolve replaces entities and makes every line break a newline. The result is raw itself, or lies
// in l.plain.
func (l *lexer) resolve(raw []byte) ([]byte, error) {
	plain, err := l.inspect(raw)
	if plain || err != nil {
		return raw, err
	}
	start := len(l.plain)
	for {
		i := bytes.IndexAny(raw, "&\r")
		if i < 0 {
			l.plain = append(l.plain, raw...)
			return l.plain[start:], nil
		}
		l.plain = append(l.plain, raw[:i]...)
		if raw[i] == '\r' {
			l.plain = append(l.plain, '\n')
			raw = bytes.TrimPrefix(raw[i+1:], []byte("\n"))
			continue
		}
		end := bytes.IndexByte(raw[i:], ';')
		char, ok := entity(raw[i+1 : max(i+1, i+end)])
		if !ok {
			return nil, l.broken("& is not followed by one of amp; lt; gt; quot; apos; or a character's number")
		}
		l.plain = utf8.AppendRune(l.plain, char)
		raw = raw[i+end+1:]
	}
}

// entity is the character of what stands between & and ;.
func entity(name []byte) (char rune, ok bool) {
	switch string(name) {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, ok := bytes.CutPrefix(name, []byte("#"))
	if !ok {
		return 0, false
	}
	base := 10
	if hex, ok := bytes.CutPrefix(digits, []byte("x")); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(string(digits), base, 31)
	char = rune(n)
	return char, err == nil && utf8.ValidRune(char) && isChar(char)
}

// inspect refuses what is not UTF-8, and the characters that XML excludes. plain means that there
// is nothing to resolve either.
func (l *lexer) inspect(b []byte) (plain bool, err error) {
	plain = true
	for i := 0; i < len(b); {
		char, size := rune(b[i]), 1
		if char >= utf8.RuneSelf {
			char, size = utf8.DecodeRune(b[i:])
			if char == utf8.RuneError && size == 1 {
				return false, l.broken("it is not UTF-8")
			}
		}
		if !isChar(char) {
			return false, l.broken("the character U+%04X is not allowed", char)
		}
		plain = plain && char != '&' && char != '\r'
		i += size
	}
	return plain, nil
}

func isChar(c rune) bool {
	return c >= ' ' && c != 0xfffe && c != 0xffff || c == '\t' || c == '\n' || c == '\r'
}

// trimLeft removes the white space at the start of b.
func trimLeft(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\t' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// nameLength is the number of bytes at the start of b that form a name: in ASCII, with at most one
// colon.
func nameLength(b []byte) int {
	colons := 0
	for i, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '.'):
		case i > 0 && c == ':' && colons == 0:
			colons++
		default:
			return i
		}
	}
	return len(b)
}
