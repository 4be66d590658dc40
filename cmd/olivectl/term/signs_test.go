package term

import (
	"testing"

	"github.com/mattn/go-runewidth"
)

func TestShorten(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		columns int
		want    string
	}{
		"what fits stays":              {"film.ove", 8, "film.ove"},
		"both ends stay":               {"a long film number 12.ove", 11, "a lon…2.ove"},
		"no room for a sign":           {"film.ove", 2, "fi"},
		"no room at all":               {"film.ove", 0, ""},
		"wide letters take two":        {"映画映画映画.ove", 9, "映画….ove"},
		"a name that is all one piece": {"aaaaaaaaaaaaaaaaaaaa", 5, "aa…aa"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Signs{Gone: "…"}.Shorten(c.text, c.columns)
			if got != c.want || runewidth.StringWidth(got) > c.columns {
				t.Errorf("shorten(%q, %d) = %q, want %q", c.text, c.columns, got, c.want)
			}
		})
	}
}

func TestSignsFollowTheLocale(t *testing.T) {
	for name, c := range map[string]struct {
		env   map[string]string
		ascii bool
	}{
		"nothing is set":        {nil, true},
		"C":                     {map[string]string{"LANG": "C"}, true},
		"UTF-8":                 {map[string]string{"LANG": "de_DE.UTF-8"}, false},
		"utf8":                  {map[string]string{"LC_CTYPE": "C.utf8", "LANG": "C"}, false},
		"LC_ALL has the say":    {map[string]string{"LC_ALL": "POSIX", "LANG": "en_GB.UTF-8"}, true},
		"the old Latin":         {map[string]string{"LANG": "fr_FR.ISO-8859-1"}, true},
		"an empty LC_ALL is no": {map[string]string{"LC_ALL": "", "LANG": "en_GB.UTF-8"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := SignsOf(func(k string) string { return c.env[k] }).ASCII; got != c.ascii {
				t.Errorf("ascii = %v, want %v", got, c.ascii)
			}
		})
	}
}
