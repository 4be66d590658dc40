package html

import (
	"image/color"
	"math"
	"strconv"
	"strings"

	"golang.org/x/image/colornames"
)

// declarations calls f for every "property: value" of a style, both trimmed, the property in
// lower case.
func declarations(css string, f func(property, value string)) {
	for css != "" {
		var d string
		d, css = cutDeclaration(css)
		if name, value, ok := strings.Cut(d, ":"); ok {
			value, _, _ = strings.Cut(value, "!important")
			f(strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value))
		}
	}
}

// cutDeclaration cuts at the first semicolon outside quotes.
func cutDeclaration(css string) (first, rest string) {
	var quote byte
	for i := range len(css) {
		switch c := css[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == ';':
			return css[:i], css[i+1:]
		}
	}
	return css, ""
}

// number reads a length with one of the units, "" for none. What is no finite number is not ok.
func number(s string, units ...string) (float64, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	for _, unit := range units {
		digits, ok := strings.CutSuffix(s, unit)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || strings.ContainsAny(digits, "xpin_") {
			return 0, false
		}
		const limit = 1e5
		return min(max(v, -limit), limit), true
	}
	return 0, false
}

// pixels reads a length in px, or without unit.
func pixels(s string) (float64, bool) { return number(s, "px", "") }

// css applies a declaration about letters.
func (s *Style) css(property, value string) {
	lower := strings.ToLower(value)
	switch property {
	case "font-family":
		s.Family = value
	case "font-size":
		s.fontSize(lower)
	case "font-weight":
		s.Bold = isBold(lower, s.Bold)
	case "font-style":
		s.Italic = lower == "italic" || lower == "oblique"
	case "font":
		s.font(value)
	case "text-decoration":
		s.Underline, s.Strike, s.Overline = strings.Contains(lower, "underline"), strings.Contains(lower, "line-through"), strings.Contains(lower, "overline")
	case "color":
		if c, ok := parseColor(lower); ok {
			s.Color = c
		}
	case "background-color", "background":
		if c, ok := parseColor(lower); ok {
			s.Background = c
		}
	case "vertical-align":
		s.Script = map[string]Script{"sub": Sub, "super": Super}[lower]
	case "letter-spacing":
		if v, ok := pixels(value); ok {
			s.Spacing = v
		}
	case "text-transform":
		s.caps = map[string]caps{"uppercase": uppercase, "lowercase": lowercase, "capitalize": capitalize}[lower]
	case "font-variant":
		if lower == "small-caps" {
			s.caps = smallCaps
		}
	}
}

// sizeWords are the sizes with names, as steps; the two smallest are one.
var sizeWords = map[string]int{"xx-small": -2, "x-small": -2, "small": -1, "medium": 0, "large": 1, "x-large": 2, "xx-large": 3}

func (s *Style) fontSize(value string) {
	if step, ok := sizeWords[value]; ok {
		s.Step = step
		return
	}
	if v, ok := number(value, "pt"); ok && v > 0 {
		s.Points, s.Pixels, s.Step = v, 0, 0
	}
	if v, ok := number(value, "px"); ok && v > 0 {
		s.Points, s.Pixels, s.Step = 0, v, 0
	}
}

// font reads the shorthand: words, a size, and the family behind it.
func (s *Style) font(value string) {
	for value != "" {
		word, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
		lower := strings.ToLower(word)
		size, _, _ := strings.Cut(lower, "/") // the line height is not a letter's
		_, pt := number(size, "pt")
		_, px := number(size, "px")
		_, named := sizeWords[size]
		switch {
		case pt || px || named:
			s.fontSize(size)
			s.Family = strings.TrimSpace(rest)
			return
		case lower == "italic" || lower == "oblique":
			s.Italic = true
		default:
			s.Bold = isBold(lower, s.Bold)
		}
		value = rest
	}
}

// isBold knows names and numbers; Qt 5 writes its own weights times eight, of which 600 is bold.
func isBold(value string, was bool) bool {
	switch value {
	case "bold", "bolder":
		return true
	case "normal", "lighter":
		return false
	}
	if v, ok := number(value, ""); ok {
		return v >= 600
	}
	return was
}

// parseColor reads a colour as Qt's style sheets do.
func parseColor(s string) (color.NRGBA, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if digits, ok := strings.CutPrefix(s, "#"); ok {
		return hexColor(digits)
	}
	for _, f := range []string{"rgba(", "rgb("} {
		if args, ok := strings.CutPrefix(s, f); ok {
			return rgbColor(strings.TrimSuffix(args, ")"))
		}
	}
	if s == "transparent" {
		return color.NRGBA{}, true
	}
	c, ok := colornames.Map[s]
	return color.NRGBA(c), ok
}

func hexColor(digits string) (color.NRGBA, bool) {
	v, err := strconv.ParseUint(digits, 16, 32)
	if err != nil {
		return color.NRGBA{}, false
	}
	switch len(digits) {
	case 3:
		return color.NRGBA{uint8(v>>8&15) * 17, uint8(v>>4&15) * 17, uint8(v&15) * 17, 255}, true
	case 6:
		return color.NRGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 255}, true
	case 8:
		return color.NRGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), uint8(v >> 24)}, true
	}
	return color.NRGBA{}, false
}

func rgbColor(args string) (color.NRGBA, bool) {
	v := [4]float64{3: 255}
	parts := strings.Split(args, ",")
	if len(parts) < 3 || len(parts) > 4 {
		return color.NRGBA{}, false
	}
	for i, p := range parts {
		n, ok := number(p, "")
		if percent, isPercent := number(p, "%"); isPercent {
			n, ok = percent*2.55, true
		} else if i == 3 && n <= 1 { // Qt reads both 0..255 and 0..1
			n *= 255
		}
		if !ok {
			return color.NRGBA{}, false
		}
		v[i] = math.Round(min(max(n, 0), 255))
	}
	return color.NRGBA{uint8(v[0]), uint8(v[1]), uint8(v[2]), uint8(v[3])}, true
}
