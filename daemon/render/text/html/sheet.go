package html

import "strings"

// maxRule is how long the rules for one tag may be.
const maxRule = 4 << 10

// readSheet keeps the rules of a style sheet for plain tag names.
func (r *reader) readSheet(css string) {
	for range maxRules {
		selectors, rest, ok := strings.Cut(css, "{")
		if !ok {
			return
		}
		body, after, _ := strings.Cut(rest, "}")
		for name := range strings.SplitSeq(selectors[:min(len(selectors), maxRule)], ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if len(r.rules) < maxRules && len(r.rules[name])+len(body) < maxRule {
				r.rules[name] += ";" + body
			}
		}
		css = after
	}
}
