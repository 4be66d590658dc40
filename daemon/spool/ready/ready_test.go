package ready_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"olive-distributed/daemon/spool/ready"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A look is one row of a story: what is seen of the one file at a time, and the answer.
type look struct {
	at      time.Duration
	mark    byte // 0: the file is not there
	touch   int64
	moved   bool
	fault   string
	lasting bool
	want    string // "", "take", "fail: REASON"
	refuse  string // the reader's answer to a take
}

func TestAnEntryIsTakenWhenItKeepsStill(t *testing.T) {
	for name, looks := range map[string][]look{
		"two looks 2 s apart": {{at: 0, mark: 1}, {at: 2 * time.Second, mark: 1, want: "take"}},
		"two looks that are closer do not count": {
			{at: 0, mark: 1}, {at: 1999 * time.Millisecond, mark: 1}, {at: 2 * time.Second, mark: 1, want: "take"},
		},
		"a change starts the time anew": {
			{at: 0, mark: 1}, {at: 2 * time.Second, mark: 2}, {at: 3 * time.Second, mark: 2}, {at: 4 * time.Second, mark: 2, want: "take"},
		},
		"a rename is taken at once": {{at: 0, mark: 1, moved: true, want: "take"}},
		"one action at a time": {
			{at: 0, mark: 1, moved: true, want: "take"}, {at: 9 * time.Second, mark: 1}, {at: time.Hour, mark: 1},
		},
		"removed and made again is new": {{at: 0, mark: 1}, {at: time.Second}, {at: 2 * time.Second, mark: 1}, {at: 4 * time.Second, mark: 1, want: "take"}},
		"what does not read is read once, and put aside after 5 minutes": {
			{at: 0, mark: 1},
			{at: 2 * time.Second, mark: 1, want: "take", refuse: "broken"},
			{at: 30 * time.Second, mark: 1},
			{at: 299 * time.Second, mark: 1},
			{at: 300 * time.Second, mark: 1, want: "fail: broken"},
		},
		"a moved file that does not read waits as well": {
			{at: 0, mark: 1, moved: true, want: "take", refuse: "broken"},
			{at: 2 * time.Second, mark: 1, moved: true},
			{at: 300 * time.Second, mark: 1, moved: true, want: "fail: broken"},
		},
		"writing goes on after the reader's no": {
			{at: 0, mark: 1},
			{at: 2 * time.Second, mark: 1, want: "take", refuse: "broken"},
			{at: 250 * time.Second, mark: 2},
			{at: 252 * time.Second, mark: 2, want: "take", refuse: "still broken"},
			{at: 300 * time.Second, mark: 2},
			{at: 550 * time.Second, mark: 2, want: "fail: still broken"},
		},
		"new permissions earn a new try": {
			{at: 0, mark: 1},
			{at: 2 * time.Second, mark: 1, want: "take", refuse: "unreadable"},
			{at: 9 * time.Second, mark: 1, touch: 1, want: "take"},
		},
		"a pipe goes when it has settled": {
			{at: 0, mark: 1, fault: "pipe", lasting: true}, {at: 2 * time.Second, mark: 1, fault: "pipe", lasting: true, want: "fail: pipe"},
		},
		"a fault that can be healed has 5 minutes": {
			{at: 0, mark: 1, fault: "two names"}, {at: 299 * time.Second, mark: 1, fault: "two names"}, {at: 300 * time.Second, mark: 1, fault: "two names", want: "fail: two names"},
		},
		"a healed fault is taken": {{at: 0, mark: 1, fault: "two names"}, {at: 3 * time.Second, mark: 1, want: "take"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := ready.New(ready.Rules{})
			for _, l := range looks {
				got := ""
				var list []ready.Entry
				if l.mark != 0 {
					list = []ready.Entry{{Name: "a.ove", Mark: ready.Mark{l.mark}, Touch: l.touch, Moved: l.moved, Fault: l.fault, Lasting: l.lasting}}
				}
				for _, a := range f.Observe(start.Add(l.at), list) {
					got = "take"
					if a.Verb == ready.Fail {
						got = "fail: " + a.Reason
					}
					if l.refuse != "" {
						f.Refused(a.Entry, l.refuse)
					}
				}
				if got != l.want {
					t.Fatalf("after %v: %q, want %q", l.at, got, l.want)
				}
			}
		})
	}
}

func TestALookIsDueWhenSomethingCanHappen(t *testing.T) {
	f := ready.New(ready.Rules{})
	due := func(at time.Duration) time.Duration { return f.Next(start.Add(at)).Sub(start) - at }
	if got := due(0); got != 30*time.Second {
		t.Errorf("an empty folder is looked at after %v", got)
	}
	e := ready.Entry{Name: "a.ove"}
	f.Observe(start, []ready.Entry{e})
	if got := due(500 * time.Millisecond); got != 1500*time.Millisecond {
		t.Errorf("a new file is looked at after %v", got)
	}
	a := f.Observe(start.Add(2*time.Second), []ready.Entry{e})
	if got := due(2 * time.Second); got != 30*time.Second {
		t.Errorf("a file that is being read is looked at after %v", got)
	}
	f.Refused(a[0].Entry, "broken")
	if got := due(2 * time.Second); got != 2*time.Second {
		t.Errorf("a file that just failed to read is looked at after %v", got)
	}
	if got := due(290 * time.Second); got != 10*time.Second {
		t.Errorf("a file whose time is nearly up is looked at after %v", got)
	}
	if got := f.Pending(); len(got) != 1 || got[0].Why != "broken" {
		t.Errorf("pending: %v", got)
	}
}

// TestNothingIsTakenHalf lets writers write whenever they like and looks come whenever they like.
func TestNothingIsTakenHalf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const files = 3
		f := ready.New(ready.Rules{})
		now := start
		var mark [files]byte // 0: not there
		var written, firstSeen [files]time.Time
		var seen [files]byte
		out := map[string]ready.Action{}
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40_000).Draw(t, "ms")) * time.Millisecond / 10)
			i := rapid.IntRange(0, files-1).Draw(t, "file")
			name := fmt.Sprint(i)
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				mark[i]++
				written[i] = now
			case 1:
				if a, ok := out[name]; ok {
					delete(out, name)
					if rapid.Bool().Draw(t, "reads") {
						f.Gone(a.Entry)
						mark[i], seen[i] = 0, 0
					} else {
						f.Refused(a.Entry, "no")
					}
				}
			default:
				var list []ready.Entry
				for j := range mark {
					if mark[j] == 0 {
						continue
					}
					if seen[j] != mark[j] {
						seen[j], firstSeen[j] = mark[j], now
					}
					list = append(list, ready.Entry{Name: fmt.Sprint(j), Mark: ready.Mark{mark[j]}})
				}
				for _, a := range f.Observe(now, list) {
					j := strings.Index("012", a.Entry.Name)
					if _, twice := out[a.Entry.Name]; twice {
						t.Fatalf("a second action for %s", a.Entry.Name)
					}
					out[a.Entry.Name] = a
					quiet := now.Sub(firstSeen[j])
					if quiet < 2*time.Second || written[j].After(firstSeen[j]) {
						t.Fatalf("action for %s after %v of quiet", a.Entry.Name, quiet)
					}
					if a.Verb == ready.Fail && quiet < 5*time.Minute {
						t.Fatalf("%s is put aside after %v", a.Entry.Name, quiet)
					}
				}
			}
		}
	})
}

// TestEveryWholeFileIsTakenInTime follows Next only, after bursts of writing with pauses.
func TestEveryWholeFileIsTakenInTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pauses := rapid.SliceOfN(rapid.IntRange(1, 60_000), 1, 20).Draw(t, "pauses")
		var writes []time.Time
		at := start
		for _, ms := range pauses {
			at = at.Add(time.Duration(ms) * time.Millisecond)
			writes = append(writes, at)
		}
		f := ready.New(ready.Rules{})
		for now := start; ; now = f.Next(now) {
			var list []ready.Entry
			n := byte(0)
			for _, w := range writes {
				if !w.After(now) {
					n++
				}
			}
			if n > 0 {
				list = []ready.Entry{{Name: "a", Mark: ready.Mark{n}}}
			}
			for _, a := range f.Observe(now, list) {
				if int(n) < len(writes) {
					f.Refused(a.Entry, "does not end") // so it never is taken half
					continue
				}
				if late := now.Sub(at); late > 34*time.Second {
					t.Fatalf("taken %v after the last write", late)
				}
				return
			}
			if now.Sub(at) > time.Hour {
				t.Fatal("never taken")
			}
		}
	})
}
