package html

import (
	"strings"
	"unicode"
)

// A part is a piece of a text in which all capitals have one size.
type part struct {
	text  string
	small bool
}

// apply writes text in the capitals that the style wants.
func (c caps) apply(text string) []part {
	switch c {
	case asWritten:
	case uppercase:
		text = strings.ToUpper(text)
	case lowercase:
		text = strings.ToLower(text)
	case capitalize:
		start := true
		text = strings.Map(func(r rune) rune {
			defer func() { start = !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' }()
			if start {
				return unicode.ToTitle(r)
			}
			return r
		}, text)
	case smallCaps:
		return smallCapitals(text)
	}
	return []part{{text: text}}
}

func smallCapitals(text string) []part {
	var parts []part
	for _, r := range text {
		small := unicode.IsLower(r)
		s := string(r)
		if small {
			s = strings.ToUpper(s)
		}
		if n := len(parts); n > 0 && parts[n-1].small == small {
			parts[n-1].text += s
			continue
		}
		parts = append(parts, part{s, small})
	}
	return parts
}

// plain drops characters that no font shows and that would confuse the layout.
func plain(c rune) rune {
	switch {
	case c == '\t' || c == '\n':
		return c
	case c == '\r' || c == 0xfeff || c == 0xfffc:
		return 0
	case c == '\v' || c == '\f' || c == 0x85 || c == 0x2029:
		return '\n'
	case c == LineBreak:
		return LineBreak
	case unicode.IsControl(c):
		return 0
	}
	return c
}
