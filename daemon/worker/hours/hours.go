// Package hours says when a computer may work: a weekly schedule of wall-clock times.
//
// It has no clock: callers pass the time, and its location decides what the clock on the wall
// shows. An hour that a change to summer time leaves out is never open, one that is repeated is
// open twice. A schedule that does not parse is refused with the place of the fault.
package hours

import (
	"cmp"
	"slices"
	"time"
)

const (
	minute = 60 // all in seconds
	hour   = 60 * minute
	day    = 24 * hour
	week   = 7 * day
)

// A Schedule is the part of the week in which work is allowed. The zero Schedule is always open.
type Schedule struct {
	spans []span // sorted, apart from each other, at least one week second open and one closed
}

// A span is the half-open run [from, to) of seconds since Monday 0:00 on the wall clock.
type span struct{ from, to int }

// newSchedule sorts and merges spans within the week. All of the week is the zero Schedule.
func newSchedule(spans []span) Schedule {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var merged []span
	for _, s := range spans {
		if last := len(merged) - 1; last >= 0 && s.from <= merged[last].to {
			merged[last].to = max(merged[last].to, s.to)
			continue
		}
		merged = append(merged, s)
	}
	if len(merged) == 1 && merged[0] == (span{0, week}) {
		return Schedule{}
	}
	return Schedule{merged}
}

// Always reports whether there is no closed time.
func (s Schedule) Always() bool { return len(s.spans) == 0 }

// Open reports whether work is allowed at t, by the clock of t's location.
func (s Schedule) Open(t time.Time) bool {
	return s.Always() || s.openAt(weekSecond(t))
}

func (s Schedule) openAt(second int) bool {
	return slices.ContainsFunc(s.spans, func(p span) bool { return p.from <= second && second < p.to })
}

// Next returns the first time after t at which Open changes, in t's location, or the zero time
// when it never does.
func (s Schedule) Next(t time.Time) time.Time {
	if s.Always() {
		return time.Time{}
	}
	open := s.Open(t)
	t = t.Round(0) // the wall clock counts, not the computer's uptime
	// Within the time between two changes of the zone the wall clock runs evenly. Periods shorter
	// than a week are rare, so the bound is never met.
	for range 1000 {
		next := t.Add(s.until(t, open))
		_, zoneEnd := t.ZoneBounds()
		if zoneEnd.IsZero() || next.Before(zoneEnd) {
			return next
		}
		if s.Open(zoneEnd) != open {
			return zoneEnd
		}
		t = zoneEnd
	}
	return time.Time{}
}

// until is the time from t to the first border behind which the schedule is not as open says, if
// the wall clock ran evenly. There is one: a schedule has an open and a closed second.
func (s Schedule) until(t time.Time, open bool) time.Duration {
	now, ahead := weekSecond(t), week
	for _, p := range s.spans {
		for _, border := range [...]int{p.from, p.to % week} { // a span may go on on Monday
			if s.openAt(border) != open {
				ahead = min(ahead, (border-now+week)%week)
			}
		}
	}
	return time.Duration(ahead)*time.Second - time.Duration(t.Nanosecond())
}

// weekSecond is the second since Monday 0:00 that the clock on the wall shows.
func weekSecond(t time.Time) int {
	weekday := (int(t.Weekday()) + 6) % 7
	return weekday*day + t.Hour()*hour + t.Minute()*minute + t.Second()
}
