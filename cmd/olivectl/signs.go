package main

import (
	"cmp"
	"strings"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/mpb/v8"
)

// signs are the characters that the display draws with.
type signs struct {
	ascii      bool
	dash, gone string // between two numbers; in place of what was cut out
}

// signsOf picks signs that the terminal's locale can show (locale(7): the first variable that is
// set decides).
func signsOf(env func(string) string) signs {
	locale := strings.ToLower(cmp.Or(env("LC_ALL"), env("LC_CTYPE"), env("LANG")))
	if strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8") {
		return signs{dash: "–", gone: "…"}
	}
	return signs{ascii: true, dash: "-", gone: ".."}
}

func (s signs) job() mpb.BarStyleComposer {
	if s.ascii {
		return mpb.BarStyle().Lbound("[").Rbound("]").Filler("#").Tip("#").Padding(" ")
	}
	return mpb.BarStyle().Lbound("▕").Rbound("▏").Filler("█").Tip("█").Padding(" ")
}

func (s signs) worker() mpb.BarStyleComposer {
	dot := "·"
	if s.ascii {
		dot = "."
	}
	return mpb.BarStyle().Lbound(" ").Rbound(" ").Filler(dot).Tip(dot).Padding(" ")
}

// shorten fits a text into so many columns by cutting out its middle: names differ at either end.
func (s signs) shorten(text string, columns int) string {
	if runewidth.StringWidth(text) <= columns {
		return text
	}
	rest := columns - runewidth.StringWidth(s.gone)
	if rest < 2 {
		return runewidth.Truncate(text, columns, "")
	}
	head := runewidth.Truncate(text, (rest+1)/2, "")
	tail := runewidth.TruncateLeft(text, runewidth.StringWidth(text)-rest/2, "")
	return head + s.gone + tail
}
