package hours

import (
	"fmt"
	"slices"
	"strings"
)

// A SyntaxError says which entry of a schedule is wrong, and where.
type SyntaxError struct {
	Entry   int    // index in the list
	Column  int    // of the fault in the entry, in bytes, from 1
	Problem string // what is wrong and what to write instead
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("entry %d, column %d: %s", e.Entry+1, e.Column, e.Problem)
}

const maxEntries = 100

// Parse reads a schedule whose entries each open some hours: days, a space, times. Days are mon to
// sun, spans of them (fri-mon goes over the week's end) or daily, separated by commas; times are
// HH:MM-HH:MM, separated by commas. A time that ends before it starts ends on the next day:
//
//	mon-fri 19:00-07:00
//	sat,sun 00:00-24:00
//
// No entry means always open. The error is a [*SyntaxError].
func Parse(entries []string) (Schedule, error) {
	if len(entries) > maxEntries {
		return Schedule{}, &SyntaxError{maxEntries, 1, fmt.Sprintf("there are more than %d entries", maxEntries)}
	}
	var spans []span
	for i, text := range entries {
		p := parser{text: text}
		if p.entry(); p.problem != "" {
			return Schedule{}, &SyntaxError{i, p.at + 1, p.problem}
		}
		spans = append(spans, p.spans...)
	}
	return newSchedule(spans), nil
}

// A parser reads one entry. After the first problem it does nothing more.
type parser struct {
	text    string
	at      int // bytes read, or the place of the problem
	problem string
	spans   []span
}

func (p *parser) entry() {
	days := p.days()
	if p.problem == "" && !p.take(" ") {
		p.fail("a space and times such as 19:00-07:00 must follow the days")
	}
	for p.take(" ") {
	}
	p.times(days)
	if p.problem == "" && p.at < len(p.text) {
		p.fail("unexpected " + p.word() + " behind the times")
	}
}

func (p *parser) fail(problem string) {
	if p.problem == "" {
		p.problem = problem
	}
}

// take passes over a separator if it comes next.
func (p *parser) take(s string) bool {
	if p.problem != "" || !strings.HasPrefix(p.text[p.at:], s) {
		return false
	}
	p.at += len(s)
	return true
}

// word is what stands here, up to the next separator, for an error.
func (p *parser) word() string {
	rest := p.text[p.at:]
	if rest == "" {
		return "the end"
	}
	end := strings.IndexAny(rest[1:], " ,-") + 1
	if end == 0 {
		end = len(rest)
	}
	return fmt.Sprintf("%q", rest[:min(end, 20)])
}

var names = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// days reads days up to the space.
func (p *parser) days() (open [7]bool) {
	if len(p.text) >= 5 && strings.EqualFold(p.text[:5], "daily") {
		p.at = 5
		return [7]bool{true, true, true, true, true, true, true}
	}
	for {
		first := p.day()
		last := first
		if p.take("-") {
			last = p.day()
		}
		if p.problem != "" {
			return open
		}
		for d := first; ; d = (d + 1) % 7 {
			open[d] = true
			if d == last {
				break
			}
		}
		if !p.take(",") {
			return open
		}
	}
}

// day reads one day, 0 for Monday.
func (p *parser) day() int {
	if rest := p.text[p.at:]; p.problem == "" && len(rest) >= 3 {
		if d := slices.Index(names, strings.ToLower(rest[:3])); d >= 0 && (len(rest) == 3 || strings.ContainsRune(" ,-", rune(rest[3]))) {
			p.at += 3
			return d
		}
	}
	p.fail(p.word() + " is no day: use " + strings.Join(names, " ") + " or daily")
	return 0
}

// times reads times to their end and opens them on those days.
func (p *parser) times(days [7]bool) {
	for {
		start := p.at
		from := p.clock(23*hour + 59*minute)
		if p.problem == "" && !p.take("-") {
			p.fail("a dash and the end must follow the start, as in 19:00-07:00")
		}
		to := p.clock(day)
		if p.problem == "" && from == to {
			p.at = start
			p.fail("start and end are the same: write 00:00-24:00 for a whole day")
		}
		if p.problem != "" {
			return
		}
		for d, open := range days {
			if open {
				p.open(d*day+from, d*day+to)
			}
		}
		if !p.take(",") {
			return
		}
	}
}

// open adds a span; one that goes over the week's end becomes two.
func (p *parser) open(from, to int) {
	if to < from {
		to += day
	}
	if to > week {
		p.spans = append(p.spans, span{0, to - week})
		to = week
	}
	p.spans = append(p.spans, span{from, to})
}

// clock reads HH:MM up to latest, in seconds since midnight.
func (p *parser) clock(latest int) int {
	digit := func(i int) int { return int(p.text[p.at+i] - '0') }
	ok := p.problem == "" && len(p.text) >= p.at+5 && p.text[p.at+2] == ':'
	for _, i := range [...]int{0, 1, 3, 4} {
		ok = ok && digit(i) >= 0 && digit(i) <= 9
	}
	if !ok {
		p.fail(p.word() + " is no time: use HH:MM")
		return 0
	}
	h, m := digit(0)*10+digit(1), digit(3)*10+digit(4)
	t := h*hour + m*minute
	if m > 59 || t > latest {
		p.fail(fmt.Sprintf("there is no %s here: times are 00:00 to %02d:%02d", p.text[p.at:p.at+5], latest/hour, latest%hour/minute))
		return 0
	}
	p.at += 5
	return t
}
