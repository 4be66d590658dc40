package config

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A value is where a setting goes and what it may be.
type value interface {
	// set takes a value as the TOML decoder gives it. The error goes on after the key's name.
	set(v any) error
	// get is the value as set takes it.
	get() any
}

// text asks for a string.
func text(v any, example string) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("must be a text in quotes such as %q, not %s", example, kind(v))
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
		return "", errors.New("must not have control characters in it")
	}
	return s, nil
}

// kind names what stands in the file, for an error.
func kind(v any) string {
	switch v := v.(type) {
	case string:
		return "a text"
	case int64:
		return fmt.Sprintf("the number %d", v)
	case float64:
		return fmt.Sprintf("the number %v", v)
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return "a list"
	case map[string]any, []map[string]any:
		return "a table"
	case time.Time:
		return "a date"
	}
	return fmt.Sprintf("%T", v)
}

type integer struct {
	to       *int
	min, max int
}

func (i integer) get() any { return int64(*i.to) }

func (i integer) set(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("must be a whole number from %d to %d, not %s", i.min, i.max, kind(v))
	}
	if n < int64(i.min) || n > int64(i.max) {
		return fmt.Errorf("is %d: must be from %d to %d", n, i.min, i.max)
	}
	*i.to = int(n)
	return nil
}

type duration struct {
	to       *time.Duration
	min, max time.Duration
}

func (d duration) get() any { return span(*d.to) }

// span prints a duration without the zeros behind it: "15m", not "15m0s".
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func (d duration) set(v any) error {
	s, err := text(v, span(*d.to))
	if err != nil {
		return err
	}
	t, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf(`is %q: must be a time such as %q (units are ms, s, m, h)`, s, span(*d.to))
	}
	if t < d.min || t > d.max {
		return fmt.Errorf("is %q: must be from %s to %s", s, span(d.min), span(d.max))
	}
	*d.to = t
	return nil
}

// A size is a number of bytes.
type size struct {
	to       *int64
	min, max int64
	zero     bool // 0 is allowed as well, as "no limit"
}

var units = []string{"B", "KiB", "MiB", "GiB", "TiB"}

func (s size) get() any { return bytes(*s.to) }

// bytes prints a size in the largest unit that makes it a whole number.
func bytes(n int64) string {
	unit := 0
	for n != 0 && n%1024 == 0 && unit < len(units)-1 {
		n, unit = n/1024, unit+1
	}
	return strconv.FormatInt(n, 10) + units[unit]
}

func (s size) set(v any) error {
	t, err := text(v, "4GiB")
	if err != nil {
		return err
	}
	n, ok := parseSize(t)
	if !ok {
		return fmt.Errorf(`is %q: must be a whole number with a unit such as "4GiB" (units are %s)`, t, strings.Join(units, ", "))
	}
	if (n < s.min || n > s.max) && (n != 0 || !s.zero) {
		also := ""
		if s.zero {
			also = `, or "0B"`
		}
		return fmt.Errorf("is %q: must be from %s to %s%s", t, bytes(s.min), bytes(s.max), also)
	}
	*s.to = n
	return nil
}

var sizeForm = regexp.MustCompile(`^([0-9]{1,18}) ?([KMGT]i)?B$`)

func parseSize(t string) (int64, bool) {
	m := sizeForm.FindStringSubmatch(t)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	shift := 10 * slices.Index(units, m[2]+"B")
	if err != nil || n > (1<<62)>>shift {
		return 0, false
	}
	return n << shift, true
}

// A choice is one of a few words.
type choice struct {
	to    *string
	words []string
}

func (c choice) get() any { return *c.to }

func (c choice) set(v any) error {
	s, err := text(v, c.words[0])
	if err != nil {
		return err
	}
	if !slices.Contains(c.words, s) {
		return fmt.Errorf("is %q: must be %s", s, quoted(c.words))
	}
	*c.to = s
	return nil
}

// quoted lists words for a sentence: "a", "b" or "c".
func quoted(words []string) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i > 0 && i == len(words)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(w))
	}
	return b.String()
}

// A path is absolute: a daemon's working directory is nobody's business.
type path struct {
	to   *string
	none bool // "" is one
}

func (p path) get() any { return *p.to }

func (p path) set(v any) error {
	s, err := text(v, *p.to)
	switch {
	case err != nil:
		return err
	case s == "" && p.none:
		*p.to = ""
		return nil
	case !filepath.IsAbs(s):
		return fmt.Errorf("is %q: must be a path that begins with /", s)
	case len(s) > maxPath:
		return fmt.Errorf("has %d bytes: must be a path of at most %d", len(s), maxPath)
	}
	*p.to = filepath.Clean(s)
	return nil
}

// A program is looked for in the PATH, or is a path.
type program struct{ to *string }

func (p program) get() any { return *p.to }

func (p program) set(v any) error {
	s, err := text(v, *p.to)
	switch {
	case err != nil:
		return err
	case s == "" || strings.Contains(s, "/") && !filepath.IsAbs(s) || len(s) > maxPath:
		return fmt.Errorf("is %q: must be a program's name, or a path that begins with /", s)
	}
	*p.to = s
	return nil
}

// Values of a bus that are no address.
const (
	SystemBus = "system"
	NoBus     = "none"
)

type busAddress struct{ to *string }

func (b busAddress) get() any { return *b.to }

func (b busAddress) set(v any) error {
	s, err := text(v, SystemBus)
	if err != nil {
		return err
	}
	if s != SystemBus && s != NoBus && !strings.HasPrefix(s, "unix:") {
		return fmt.Errorf("is %q: must be %q, %q or an address such as %q", s, SystemBus, NoBus, "unix:path=/run/bus")
	}
	*b.to = s
	return nil
}

const (
	maxPath = 4095
	maxName = 63
)

var (
	nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	hostForm = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})$`)
)

// A name is a worker's, or "" for the host's.
type name struct{ to *string }

func (n name) get() any { return *n.to }

func (n name) set(v any) error {
	s, err := text(v, "render-3")
	if err != nil {
		return err
	}
	if s != "" && !nameForm.MatchString(s) {
		return fmt.Errorf("is %q: must be 1 to %d of a-z, 0-9 and - (not at the ends), or \"\" for the host's name", s, maxName)
	}
	*n.to = s
	return nil
}

// An address is HOST:PORT.
type address struct {
	to     *string
	listen bool // an empty host means all interfaces; else an empty address is allowed
}

func (a address) get() any { return *a.to }

func (a address) set(v any) error {
	s, err := text(v, "master.example:7480")
	if err != nil {
		return err
	}
	if s == "" && !a.listen {
		*a.to = ""
		return nil
	}
	host, port, ok := cutPort(s)
	if !ok || host == "" && !a.listen || host != "" && !isHost(host) {
		return fmt.Errorf(`is %q: must be HOST:PORT such as "master.example:7480" or "[2001:db8::1]:7480"`, s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n < 1 || strings.HasPrefix(port, "0") {
		return fmt.Errorf("has the port %q: must be from 1 to 65535", port)
	}
	*a.to = s
	return nil
}

// cutPort splits at the last colon; the host of an IPv6 address is in brackets.
func cutPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

func isHost(s string) bool {
	if inside, ok := strings.CutPrefix(s, "["); ok {
		ip, err := netip.ParseAddr(strings.TrimSuffix(inside, "]"))
		return err == nil && ip.Is6() && strings.HasSuffix(s, "]")
	}
	return hostForm.MatchString(s)
}
