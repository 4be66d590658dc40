package font

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	otf "github.com/go-text/typesetting/font"
)

// A candidate is one line of fc-match's answer.
type candidate struct {
	file       string
	index      int // of the font in its file
	bold       bool
	italic     bool
	families   []string
	chars      charset
	variations []otf.Variation
}

// format makes fc-match print what parseCandidate reads.
const format = `%{file}\t%{index}\t%{weight}\t%{slant}\t%{fontformat}\t%{fontvariations}\t%{embolden}\t%{matrix}\t%{family}\t%{charset}\n`

// maxCandidates bounds the list of an installation with very many fonts.
const maxCandidates = 4096

// parseCandidates reads fc-match's answer. Fonts that have no outlines of a kind that can be
// read (bitmaps, Type 1) are left out.
func parseCandidates(out string) ([]candidate, error) {
	var list []candidate
	for line := range strings.Lines(out) {
		c, err := parseCandidate(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, err
		}
		if c.file != "" && len(list) < maxCandidates {
			list = append(list, c)
		}
	}
	return list, nil
}

func parseCandidate(line string) (candidate, error) {
	f := strings.Split(line, "\t")
	if len(f) != 10 {
		return candidate{}, fmt.Errorf("fc-match printed a line of %d fields, want 10", len(f))
	}
	if f[4] != "TrueType" && f[4] != "CFF" {
		return candidate{}, nil
	}
	index, err := strconv.Atoi(f[1])
	if err != nil || index < 0 {
		return candidate{}, fmt.Errorf("fc-match printed the font index %q", f[1])
	}
	chars, err := parseCharset(f[9])
	if err != nil {
		return candidate{}, err
	}
	c := candidate{
		file: f[0], index: index & 0xffff, families: strings.Split(f[8], ","), chars: chars,
		// Demibold is 180. What fontconfig would have made bold or slanted is not.
		bold:   largest(f[2]) >= 180 && f[6] != "True",
		italic: largest(f[3]) > 0 && f[7] == "",
	}
	for v := range strings.SplitSeq(f[5], ",") {
		name, text, ok := strings.Cut(v, "=")
		value, err := strconv.ParseFloat(text, 32)
		if tag := strings.TrimSpace(name); ok && err == nil && len(tag) == 4 {
			c.variations = append(c.variations, otf.Variation{Tag: tagOf(tag), Value: float32(value)})
		}
	}
	return c, nil
}

func tagOf(s string) otf.Tag {
	return otf.Tag(uint32(s[0])<<24 | uint32(s[1])<<16 | uint32(s[2])<<8 | uint32(s[3]))
}

// largest reads a number, or the end of a range "[40 200]" that a variable font can reach.
func largest(s string) float64 {
	best := 0.0
	for f := range strings.FieldsSeq(strings.Trim(s, "[]")) {
		if v, err := strconv.ParseFloat(f, 64); err == nil {
			best = max(best, v)
		}
	}
	return best
}

// A charset is the characters that a font has: sorted runs, both ends included.
type charset [][2]rune

// maxRuns is more than any font needs.
const maxRuns = 1 << 16

func parseCharset(s string) (charset, error) {
	var set charset
	for f := range strings.FieldsSeq(s) {
		from, to, ok := strings.Cut(f, "-")
		if !ok {
			to = from
		}
		lo, err := strconv.ParseUint(from, 16, 32)
		hi, err2 := strconv.ParseUint(to, 16, 32)
		if err != nil || err2 != nil || lo > hi || hi > 0x7fffffff || len(set) == maxRuns {
			return nil, fmt.Errorf("fc-match printed the characters %q", f)
		}
		set = append(set, [2]rune{rune(lo), rune(hi)})
	}
	slices.SortFunc(set, func(a, b [2]rune) int { return int(a[0]) - int(b[0]) })
	return set, nil
}

func (s charset) has(r rune) bool {
	_, ok := slices.BinarySearchFunc(s, r, func(run [2]rune, r rune) int {
		switch {
		case run[1] < r:
			return -1
		case run[0] > r:
			return 1
		}
		return 0
	})
	return ok
}
