// Package ready decides when something in the hot folder may be taken. These are its rules alone.
//
// It has no clock and no I/O: the caller looks at the folder, passes in what it saw and when, and
// carries the answers out. It never trusts a hint: what it says follows from two looks at the
// folder, and from what the reader of the project said.
//
// The rules:
//
//   - An entry that looks the same in two looks at least [Rules].Settle apart is offered to the
//     reader, once for each state it is seen in. One that came by rename is offered at once.
//   - What the reader does not take stays pending. It is put aside when it has not changed for
//     [Rules].Patience, after the reader has had one more chance.
//   - What can never be a project (a link, a pipe, a device) is put aside as soon as it has settled.
//   - While an answer is out for an entry, there is no second one for it.
package ready

import (
	"cmp"
	"slices"
	"time"
)

// Rules are the times that the decisions rest on. Zero fields take the values named here.
type Rules struct {
	Settle   time.Duration // how long an entry must look the same; 0: 2 s
	Patience time.Duration // how long what is not taken may stay unchanged; 0: 5 min
	Idle     time.Duration // the longest time between two looks; 0: 30 s
}

// A Mark stands for everything about an entry that must keep still: which files it consists of,
// their inodes, sizes and times of writing. It is compared and never taken apart.
type Mark [32]byte

// An Entry is what one look saw of one name in the folder.
type Entry struct {
	Name  string
	Mark  Mark
	Touch int64 // ns, the latest change of permissions, owner or name: a new one earns a new try
	Moved bool  // came by rename or was sealed after its last write, so that it is whole if it reads

	Fault   string // why it cannot be taken as it is, "" when nothing speaks against it
	Lasting bool   // no writer can heal the fault by going on
}

// A Verb says what is to be done.
type Verb int

const (
	Take Verb = iota + 1 // read it; take it if it reads, else call [Folder.Refused]
	Fail                 // read it once more; if it still does not read, put it aside with the reason
)

// An Action is one decision. The caller answers each with exactly one [Folder.Gone], [Folder.Refused] or [Folder.Retry].
type Action struct {
	Verb   Verb
	Entry  Entry
	Reason string // of a Fail
}

type pending struct {
	entry   Entry
	since   time.Time // of the first look that saw this mark
	changed time.Time // of the first look that saw this mark and touch
	refused string    // what the reader said of this mark and touch
	out     bool      // an action is out
	hold    time.Time // no action before
	stuck   string    // why
}

// A Folder remembers what the looks have seen. Make one with [New]. It is for one goroutine.
type Folder struct {
	rules   Rules
	entries map[string]*pending
}

// New returns a folder of which nothing has been seen.
func New(r Rules) *Folder {
	r.Settle = cmp.Or(r.Settle, 2*time.Second)
	r.Patience = cmp.Or(r.Patience, 5*time.Minute)
	r.Idle = cmp.Or(r.Idle, 30*time.Second)
	return &Folder{rules: r, entries: map[string]*pending{}}
}

// Observe takes in a look at the whole folder, and returns what is to be done now, in the
// order of the list. Names that are missing from the list are forgotten.
func (f *Folder) Observe(now time.Time, list []Entry) []Action {
	seen := make(map[string]bool, len(list))
	var actions []Action
	for _, e := range list {
		seen[e.Name] = true
		p := f.note(now, e)
		if a := f.decide(now, p); a.Verb != 0 {
			p.out = true
			actions = append(actions, a)
		}
	}
	for name, p := range f.entries {
		if !seen[name] && !p.out {
			delete(f.entries, name)
		}
	}
	return actions
}

// note brings up to date what is known of an entry.
func (f *Folder) note(now time.Time, e Entry) *pending {
	p := f.entries[e.Name]
	if p == nil {
		p = &pending{entry: e, since: now, changed: now}
		f.entries[e.Name] = p
		return p
	}
	if e.Mark != p.entry.Mark {
		p.since = now
	}
	if e.Mark != p.entry.Mark || e.Touch != p.entry.Touch || e.Fault != p.entry.Fault {
		p.changed, p.refused = now, ""
	}
	p.entry = e
	return p
}

func (f *Folder) decide(now time.Time, p *pending) Action {
	settled := now.Sub(p.since) >= f.rules.Settle
	given := now.Sub(p.changed) >= f.rules.Patience
	reason := cmp.Or(p.entry.Fault, p.refused)
	switch {
	case p.out || now.Before(p.hold):
		return Action{}
	case reason == "" && (settled || p.entry.Moved):
		return Action{Verb: Take, Entry: p.entry}
	case reason != "" && settled && (given || p.entry.Fault != "" && p.entry.Lasting):
		return Action{Verb: Fail, Entry: p.entry, Reason: reason}
	}
	return Action{}
}

// Refused says that the reader did not take the entry of an action, and why. A change of the
// entry since then counts for more.
func (f *Folder) Refused(e Entry, why string) {
	p := f.entries[e.Name]
	if p == nil {
		return
	}
	p.out = false
	if p.entry.Mark == e.Mark && p.entry.Touch == e.Touch {
		p.refused = why
	}
}

// Gone says that the entry of an action is not in the folder any more.
func (f *Folder) Gone(e Entry) { delete(f.entries, e.Name) }

// Retry says that an action could not be carried out for a reason that lies outside of the
// folder, or because the entry changed meanwhile. It is decided again at a look not before until.
func (f *Folder) Retry(e Entry, until time.Time, why string) {
	if p := f.entries[e.Name]; p != nil {
		p.out, p.hold, p.stuck = false, until, why
	}
}

// Next returns when to look again even if nothing is heard: when the first entry can settle or
// its time is up, more and more rarely for what stays as it is (its writer may be one that
// nothing is heard of), and after Idle at the latest.
func (f *Folder) Next(now time.Time) time.Time {
	wait := f.rules.Idle
	for _, p := range f.entries {
		if p.out {
			continue
		}
		age := now.Sub(p.changed)
		w := max(f.rules.Settle, age/4)
		if left := f.rules.Settle - now.Sub(p.since); left > 0 {
			w = left
		} else if left := f.rules.Patience - age; left > 0 {
			w = min(w, left)
		}
		wait = min(wait, w)
	}
	return now.Add(wait)
}

// A Waiting is an entry that is not taken yet.
type Waiting struct {
	Name  string
	Since time.Time // of its last change
	Why   string    // "" while it settles
}

// Pending lists what is not taken, by name.
func (f *Folder) Pending() []Waiting {
	var list []Waiting
	for name, p := range f.entries {
		list = append(list, Waiting{name, p.changed, cmp.Or(p.entry.Fault, p.refused, p.stuck)})
	}
	slices.SortFunc(list, func(a, b Waiting) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
