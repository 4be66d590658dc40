package term

import (
	"cmp"
	"strings"

	"github.com/mattn/go-runewidth"
)

// Signs are the characters that are drawn with.
type Signs struct {
	ASCII      bool
	Dash, Gone string // between two numbers; in place of what was cut out
	Arrow      string // from what to what
}

// SignsOf picks signs that the terminal's locale can show (locale(7): the first variable that is
// set decides).
func SignsOf(env func(string) string) Signs {
	locale := strings.ToLower(cmp.Or(env("LC_ALL"), env("LC_CTYPE"), env("LANG")))
	if strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8") {
		return Signs{Dash: "–", Gone: "…", Arrow: "→"}
	}
	return Signs{ASCII: true, Dash: "-", Gone: "..", Arrow: "->"}
}

// Shorten fits a text into so many columns by cutting out its middle: names differ at either end.
func (s Signs) Shorten(text string, columns int) string {
	if runewidth.StringWidth(text) <= columns {
		return text
	}
	rest := columns - runewidth.StringWidth(s.Gone)
	if rest < 2 {
		return runewidth.Truncate(text, columns, "")
	}
	head := runewidth.Truncate(text, (rest+1)/2, "")
	tail := runewidth.TruncateLeft(text, runewidth.StringWidth(text)-rest/2, "")
	return head + s.Gone + tail
}
