package farm

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Beat is a sign of life of a worker, with the number of frames that it has rendered of the range
// it holds (for sound: how far it is on the timeline), or the zero RangeID when it has none. Beats are not
// events. Errors: [ErrNoWorker]; [StaleError]: stop rendering that range.
func (f *Farm) Beat(now time.Time, name string, id RangeID, frames int64) error {
	w, err := f.live(now, name)
	switch {
	case err != nil:
		return err
	case id == (RangeID{}):
		return nil
	case id != w.holds:
		return &StaleError{Range: id, Worker: name}
	}
	l, p := f.leaseOf(w), f.jobs[id.Job].piece(id.Range)
	if frames = min(frames, p.length()); frames > l.frames || l.moved.IsZero() {
		l.frames, l.moved = max(frames, l.frames), now
	}
	return nil
}

// MayComplete says whether a report of the worker can count: the range is open, and was given to it.
// Errors: [StaleError].
func (f *Farm) MayComplete(name string, id RangeID) error {
	if p := f.jobs[id.Job].piece(id.Range); p == nil || !p.givenTo(name) {
		return &StaleError{Range: id, Worker: name}
	}
	return nil
}

// Complete reports a range as rendered, its part verified. The first report wins, whichever worker it
// comes from that was given the range: one that was lost in the meantime too. The event names the workers which are still
// at it, to be stopped. The winner may repeat its report: that is no error and no event. Errors:
// [ErrNoWorker] when the worker was never here; [StaleError]: too late, delete the part.
func (f *Farm) Complete(now time.Time, name string, id RangeID, r Result) ([]Event, error) {
	if w := f.workers[name]; w != nil && w.Live {
		w.seen = now
	}
	if j := f.jobs[id.Job]; j != nil && j.State != Cancelled && int64(id.Range) < int64(len(j.Pieces)) {
		if p := &j.Pieces[id.Range]; p.Winner == name && p.Result == r {
			return nil, nil
		}
	}
	if f.workers[name] != nil {
		if err := f.MayComplete(name, id); err != nil {
			return nil, err
		}
	}
	return f.one(now, Event{Kind: RangeCompleted, Job: id.Job, Range: id.Range, Worker: name, Result: &r})
}

// Fail reports that the worker could not render a range which it holds, or held when it was lost.
// The range goes to the next worker. Fatal says that trying again would be no use, since the fault
// is the project's; then the job need not fail MaxFailures times. But each live worker that
// can do the job still is heard: "no such medium" is as often the fault of one worker's mount.
// Errors: [ErrNoWorker], [StaleError].
func (f *Farm) Fail(now time.Time, name string, id RangeID, reason string, fatal bool) ([]Event, error) {
	if w := f.workers[name]; w != nil && w.Live {
		w.seen = now
	}
	events, err := f.one(now, Event{
		Kind: RangeFailed, Job: id.Job, Range: id.Range, Worker: name, Reason: clip(reason, 2000), Fatal: fatal,
	})
	if err != nil {
		return nil, err
	}
	return append(events, f.judge(now, id.Job)...), nil
}

// judge fails the job if everybody has failed it, and returns the event of that.
func (f *Farm) judge(now time.Time, id uint32) []Event {
	j := f.jobs[id]
	if j == nil || j.State != Running || len(j.Struck) == 0 {
		return nil
	}
	enough := j.Strikes >= f.policy.MaxFailures
	names := make([]string, 0, len(j.Struck))
	for name, s := range j.Struck {
		enough = enough || s.Fatal
		names = append(names, name)
	}
	if n := f.crewAmong(j, names); !enough || n == 0 || n < f.crew(j) {
		return nil
	}
	events, err := f.JobFailed(now, id, j.reasons())
	if err != nil {
		return nil
	}
	return events
}

// reasons tells why the job failed, a line for each different reason with the workers that gave it.
func (j *job) reasons() string {
	const mostNames = 5
	by := map[string][]string{}
	for name, s := range j.Struck {
		by[s.Reason] = append(by[s.Reason], fmt.Sprintf("%s (range %d)", name, s.Range))
	}
	var lines []string
	for reason, names := range by {
		slices.Sort(names)
		more := ""
		if n := len(names) - mostNames; n > 0 {
			names, more = names[:mostNames], fmt.Sprintf(" and %d more", n)
		}
		lines = append(lines, fmt.Sprintf("%s%s: %s", strings.Join(names, ", "), more, reason))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
