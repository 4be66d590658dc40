package hours_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests' zones, whatever is installed

	"pgregory.net/rapid"

	"olive-distributed/daemon/worker/hours"
)

func parse(t testing.TB, entries ...string) hours.Schedule {
	t.Helper()
	s, err := hours.Parse(entries)
	if err != nil {
		t.Fatalf("%q: %v", entries, err)
	}
	return s
}

// at reads a wall-clock time; 2026-11-23 is a Monday.
func at(t testing.TB, zone, s string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	v, err := time.ParseInLocation("2006-01-02 15:04:05", s, loc)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOpen(t *testing.T) {
	nights := []string{"mon-fri 19:00-07:00", "sat,sun 00:00-24:00"}
	for name, c := range map[string]struct {
		schedule []string
		at       string
		want     bool
	}{
		"no entry is always open":                  {nil, "2026-11-25 03:00:00", true},
		"the start is inside":                      {nights, "2026-11-23 19:00:00", true},
		"the second before it is not":              {nights, "2026-11-23 18:59:59", false},
		"the end is outside":                       {nights, "2026-11-24 07:00:00", false},
		"the second before it is inside":           {nights, "2026-11-24 06:59:59", true},
		"Friday's night goes on on Saturday":       {nights, "2026-11-28 06:00:00", true},
		"Monday's morning is not Sunday's night":   {nights, "2026-11-23 06:00:00", false},
		"Sunday's night goes on on Monday":         {[]string{"sun 22:00-02:00"}, "2026-11-23 01:59:59", true},
		"and no longer":                            {[]string{"sun 22:00-02:00"}, "2026-11-23 02:00:00", false},
		"days over the week's end: Sunday":         {[]string{"sat-mon 08:00-09:00"}, "2026-11-29 08:30:00", true},
		"days over the week's end: Monday":         {[]string{"sat-mon 08:00-09:00"}, "2026-11-23 08:30:00", true},
		"days over the week's end: not Tuesday":    {[]string{"sat-mon 08:00-09:00"}, "2026-11-24 08:30:00", false},
		"daily is each day":                        {[]string{"daily 22:00-23:00"}, "2026-11-26 22:30:00", true},
		"the second of two times":                  {[]string{"wed 01:00-02:00,20:00-21:00"}, "2026-11-25 20:30:00", true},
		"between two times":                        {[]string{"wed 01:00-02:00,20:00-21:00"}, "2026-11-25 10:00:00", false},
		"capital letters, two spaces":              {[]string{"WED  01:00-02:00"}, "2026-11-25 01:30:00", true},
		"a day on its own in a list with a span":   {[]string{"mon,wed-thu 01:00-02:00"}, "2026-11-26 01:30:00", true},
		"the day between is closed":                {[]string{"mon,wed-thu 01:00-02:00"}, "2026-11-24 01:30:00", false},
		"until midnight":                           {[]string{"wed 23:00-24:00"}, "2026-11-25 23:59:59", true},
		"an end of 0:00 is the same":               {[]string{"wed 23:00-00:00"}, "2026-11-25 23:59:59", true},
		"and both close then":                      {[]string{"wed 23:00-00:00"}, "2026-11-26 00:00:00", false},
		"entries that overlap are open throughout": {[]string{"wed 01:00-03:00", "wed 02:00-04:00"}, "2026-11-25 03:30:00", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := parse(t, c.schedule...).Open(at(t, "Europe/Berlin", c.at)); got != c.want {
				t.Errorf("%q at %s: open %v, want %v", c.schedule, c.at, got, c.want)
			}
		})
	}
}

func TestNext(t *testing.T) {
	const berlin = "Europe/Berlin"
	for name, c := range map[string]struct {
		schedule       []string
		zone, at, want string // want in UTC
	}{
		"it opens tonight":                      {[]string{"mon-fri 19:00-07:00"}, berlin, "2026-11-25 12:00:00", "2026-11-25 18:00:00"},
		"it closes tomorrow":                    {[]string{"mon-fri 19:00-07:00"}, berlin, "2026-11-25 19:00:00", "2026-11-26 06:00:00"},
		"nights that meet days are one":         {[]string{"mon-fri 19:00-24:00", "tue-sat 00:00-07:00", "sat,sun 07:00-24:00"}, berlin, "2026-11-27 20:00:00", "2026-11-28 23:00:00"},
		"over the week's end":                   {[]string{"sun 22:00-02:00"}, berlin, "2026-11-29 23:00:00", "2026-11-30 01:00:00"},
		"once a week":                           {[]string{"wed 10:00-11:00"}, berlin, "2026-11-25 11:00:00", "2026-12-02 09:00:00"},
		"summer time begins in the night":       {[]string{"sat 19:00-07:00"}, berlin, "2026-03-28 20:00:00", "2026-03-29 05:00:00"},
		"summer time ends in the night":         {[]string{"sat 19:00-07:00"}, berlin, "2026-10-24 20:00:00", "2026-10-25 06:00:00"},
		"an hour that there is not":             {[]string{"sun 02:00-03:00"}, berlin, "2026-03-28 20:00:00", "2026-04-05 00:00:00"},
		"it would open within that hour":        {[]string{"sun 02:30-05:00"}, berlin, "2026-03-28 20:00:00", "2026-03-29 01:00:00"},
		"it would close within that hour":       {[]string{"sun 01:00-02:30"}, berlin, "2026-03-29 01:30:00", "2026-03-29 01:00:00"},
		"an hour that there is twice":           {[]string{"sun 02:00-02:30"}, berlin, "2026-10-25 01:00:00", "2026-10-25 00:00:00"},
		"half an hour of summer time":           {[]string{"sun 01:45-05:00"}, "Australia/Lord_Howe", "2026-04-05 01:00:00", "2026-04-04 14:45:00"},
		"a day that there is not (Friday)":      {[]string{"fri 00:00-24:00"}, "Pacific/Apia", "2011-12-29 12:00:00", "2012-01-05 10:00:00"},
		"fractions of a second are passed over": {[]string{"wed 10:00-11:00"}, berlin, "2026-11-25 09:59:59.999999999", "2026-11-25 09:00:00"},
	} {
		t.Run(name, func(t *testing.T) {
			got := parse(t, c.schedule...).Next(at(t, c.zone, c.at))
			if want := at(t, "UTC", c.want); !got.Equal(want) {
				t.Errorf("%q at %s: next change %v, want %v", c.schedule, c.at, got, want.In(got.Location()))
			}
		})
	}
}

func TestARepeatedHourOpensTwice(t *testing.T) {
	s := parse(t, "sun 02:00-02:30")
	when := at(t, "Europe/Berlin", "2026-10-25 01:00:00")
	for _, want := range []string{"00:00", "00:30", "01:00", "01:30"} { // in UTC
		when = s.Next(when)
		if got := when.UTC().Format("15:04"); got != want {
			t.Errorf("change at %s, want %s", got, want)
		}
	}
}

func TestAllOfTheWeekNeverChanges(t *testing.T) {
	for _, entries := range [][]string{nil, {"daily 00:00-24:00"}, {"mon-sun 06:00-18:00", "daily 18:00-06:00"}} {
		s := parse(t, entries...)
		now := at(t, "Europe/Berlin", "2026-11-25 12:00:00")
		if !s.Always() || !s.Open(now) || !s.Next(now).IsZero() {
			t.Errorf("%q: always %v, open %v, next change %v", entries, s.Always(), s.Open(now), s.Next(now))
		}
	}
	if parse(t, "mon-sun 00:00-23:59").Always() {
		t.Error("a schedule that closes for a minute is not always open")
	}
}

func TestErrorsPointAtTheFault(t *testing.T) {
	for name, c := range map[string]struct {
		entry  string
		column int
		says   string
	}{
		"nothing":                  {"", 1, "the end is no day"},
		"unknown day":              {"mon-frx 19:00-07:00", 5, `"frx" is no day: use mon tue`},
		"day written out":          {"monday 19:00-07:00", 1, `"monday" is no day`},
		"a day is missing":         {"mon, 19:00-07:00", 5, "is no day"},
		"no times":                 {"mon", 4, "times such as 19:00-07:00"},
		"nothing after the space":  {"mon ", 5, "the end is no time"},
		"no end":                   {"mon 19:00", 10, "a dash and the end"},
		"one digit":                {"mon 7:00-19:00", 5, `"7:00" is no time: use HH:MM`},
		"hour too large":           {"mon 19:00-24:01", 11, "no 24:01 here: times are 00:00 to 24:00"},
		"start at the day's end":   {"mon 24:00-07:00", 5, "times are 00:00 to 23:59"},
		"minute too large":         {"mon 19:60-07:00", 5, "no 19:60"},
		"signs are no digits":      {"mon +1:00-07:00", 5, "is no time"},
		"same start and end":       {"mon 01:00-02:00,07:00-07:00", 17, "write 00:00-24:00"},
		"more behind":              {"mon 19:00-07:00 20:00", 16, "unexpected"},
		"a comma, and nothing":     {"mon 19:00-07:00,", 17, "the end is no time"},
		"letters of other scripts": {"mön 19:00-07:00", 1, "is no day"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := hours.Parse([]string{"sat 00:00-24:00", c.entry})
			var bad *hours.SyntaxError
			if !errors.As(err, &bad) || bad.Entry != 1 || bad.Column != c.column || !strings.Contains(bad.Problem, c.says) {
				t.Errorf("%q: %v, want column %d and %q", c.entry, err, c.column, c.says)
			}
		})
	}
	if _, err := hours.Parse(make([]string, 101)); err == nil || !strings.Contains(err.Error(), "more than 100") {
		t.Errorf("101 entries: %v", err)
	}
}

var zones = []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Asia/Kathmandu"}

// schedule draws an entry and whether the day and minute are open by it, worked out otherwise
// than the room does.
func schedule(t *rapid.T) (entries []string, open func(weekday time.Weekday, minute int) bool) {
	days := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} // as time.Weekday counts
	var table [7][24 * 60]bool
	for range rapid.IntRange(1, 4).Draw(t, "entries") {
		first, count := rapid.IntRange(0, 6).Draw(t, "day"), rapid.IntRange(1, 7).Draw(t, "days")
		from, length := rapid.IntRange(0, 24*60-1).Draw(t, "from"), rapid.IntRange(1, 24*60-1).Draw(t, "length")
		to := (from + length) % (24 * 60)
		entries = append(entries, fmt.Sprintf("%s-%s %02d:%02d-%02d:%02d",
			days[first], days[(first+count-1)%7], from/60, from%60, to/60, to%60))
		for d := range count {
			for m := range length {
				table[(first+d+(from+m)/(24*60))%7][(from+m)%(24*60)] = true
			}
		}
	}
	return entries, func(w time.Weekday, minute int) bool { return table[w][minute] }
}

func TestOpenIsWhatTheEntriesSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries, open := schedule(t)
		s, err := hours.Parse(entries)
		if err != nil {
			t.Fatalf("%q: %v", entries, err)
		}
		start := time.Date(2026, 11, 23, 0, 0, rapid.IntRange(0, 59).Draw(t, "second"), 0, time.UTC)
		for m := range 7 * 24 * 60 {
			now := start.Add(time.Duration(m) * time.Minute)
			if got, want := s.Open(now), open(now.Weekday(), now.Hour()*60+now.Minute()); got != want {
				t.Fatalf("%q at %v: open %v, want %v", entries, now, got, want)
			}
		}
	})
}

func TestNextIsTheFirstChange(t *testing.T) {
	locations := map[string]*time.Location{}
	for _, z := range zones {
		locations[z] = at(t, z, "2026-01-01 00:00:00").Location()
	}
	rapid.Check(t, func(t *rapid.T) {
		entries, _ := schedule(t)
		s, err := hours.Parse(entries)
		if err != nil {
			t.Fatalf("%q: %v", entries, err)
		}
		loc := locations[rapid.SampledFrom(zones).Draw(t, "zone")]
		now := time.Date(2011, 1, 1, 0, 0, 0, 0, loc).Add(time.Duration(rapid.Int64Range(0, 1e18).Draw(t, "now")))
		next := s.Next(now)
		if s.Always() {
			if !next.IsZero() {
				t.Fatalf("%q: always open, but changes at %v", entries, next)
			}
			return
		}
		open := s.Open(now)
		if !next.After(now) || s.Open(next) == open || s.Open(next.Add(-1)) != open {
			t.Fatalf("%q: open %v at %v, %v at %v, %v just before", entries, open, now, s.Open(next), next, s.Open(next.Add(-1)))
		}
		if next.Sub(now) > 15*24*time.Hour {
			t.Fatalf("%q at %v: next change only at %v", entries, now, next)
		}
		for u := now; u.Before(next); u = u.Add(time.Minute) {
			if s.Open(u) != open {
				t.Fatalf("%q: open %v at %v, changed at %v, Next says %v", entries, open, now, u, next)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"mon-fri 19:00-07:00", "sat,sun 00:00-24:00", "daily 22:00-06:00", "fri-mon 01:00-02:00,03:00-04:00", "mon 24:00-", "xyz",
	} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := hours.Parse([]string{text})
		var bad *hours.SyntaxError
		switch {
		case errors.As(err, &bad):
			if bad.Column < 1 || bad.Column > len(text)+1 || bad.Problem == "" || !s.Always() {
				t.Errorf("%q: %v leaves %v", text, err, s)
			}
		case err != nil:
			t.Errorf("%q: %v is no SyntaxError", text, err)
		case !s.Always() && s.Open(s.Next(now)) == s.Open(now):
			t.Errorf("%q: nothing changes at %v", text, s.Next(now))
		}
	})
}
