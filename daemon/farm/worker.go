package farm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A WorkerSpec is how a worker introduces itself.
type WorkerSpec struct {
	Name string `json:"name"`
	// Boot differs each time the worker's process starts: a new one tells that the range which
	// the old one held is not being rendered any more.
	Boot    string   `json:"boot,omitempty"`
	Engines []string `json:"engines,omitempty"`
	Presets []string `json:"presets,omitempty"`
	Threads int      `json:"threads,omitempty"`
	Speed   float64  `json:"speed,omitempty"` // frames/s of its own benchmark; 0: unknown
}

// What a worker may say of itself: it stands in the log, and in every snapshot.
const (
	maxWord    = 256 // bytes
	maxWords   = 64
	maxThreads = 1 << 16
)

func (s *WorkerSpec) check() error {
	long := func(word string) bool { return len(word) > maxWord }
	switch {
	case long(s.Name) || long(s.Boot) || slices.ContainsFunc(s.Engines, long) || slices.ContainsFunc(s.Presets, long):
		return fmt.Errorf("a name of more than %d bytes", maxWord)
	case len(s.Engines) > maxWords || len(s.Presets) > maxWords:
		return fmt.Errorf("%d engines and %d presets, %d are enough", len(s.Engines), len(s.Presets), maxWords)
	case s.Threads < 0 || s.Threads > maxThreads:
		return fmt.Errorf("%d threads", s.Threads)
	case !utf8.ValidString(s.Name + s.Boot + strings.Join(s.Engines, "") + strings.Join(s.Presets, "")):
		return errors.New("text is not UTF-8")
	case s.Name == "":
		return errors.New("no name")
	case !(s.Speed >= 0 && s.Speed <= maxFPS):
		return fmt.Errorf("%v frames per second", s.Speed)
	}
	return nil
}

func (s *WorkerSpec) clone() WorkerSpec {
	c := *s
	c.Engines, c.Presets = slices.Clone(s.Engines), slices.Clone(s.Presets)
	return c
}

func (s *WorkerSpec) equal(t *WorkerSpec) bool {
	return s.Name == t.Name && s.Boot == t.Boot && s.Threads == t.Threads && s.Speed == t.Speed &&
		slices.Equal(s.Engines, t.Engines) && slices.Equal(s.Presets, t.Presets)
}

// can says whether the worker has what the job needs.
func (s *WorkerSpec) can(job *JobSpec) bool {
	if job.Engine != "" && !slices.Contains(s.Engines, job.Engine) {
		return false
	}
	for _, preset := range job.Presets {
		if !slices.Contains(s.Presets, preset) {
			return false
		}
	}
	return true
}

// A worker is a worker with what is known about it. It holds at most one range.
type worker struct {
	Spec     WorkerSpec `json:"spec"`
	Live     bool       `json:"live,omitempty"`
	Paused   bool       `json:"paused,omitempty"`
	Drained  bool       `json:"drained,omitempty"`   // gets nothing more, and knows
	Streak   int        `json:"streak,omitempty"`    // failures in a row
	FailedAt int64      `json:"failed_at,omitempty"` // the last of them, Unix milliseconds
	Speed    rate       `json:"speed,omitempty"`     // over all jobs
	Lost     RangeID    `json:"lost,omitzero"`       // what it held when it was lost

	holds RangeID   // derived from the leases
	seen  time.Time // when it was last heard; zero: not since the farm was restored
}

// available workers are those that a job can count on.
func (w *worker) available() bool { return w.Live && !w.Paused && !w.Drained }

// benched says whether the worker still has to wait after its last failure. A failure in the
// future means that the clock was set back: no wait then.
func (w *worker) benched(now time.Time, p *Policy) bool {
	since := now.Sub(time.UnixMilli(w.FailedAt))
	return since >= 0 && since < p.bench(w.Streak)
}

// crews counts the available workers that can do the same things.
type crews struct {
	spec WorkerSpec // of one of them
	n    int
}

// count adds n to the number of available workers like w, if w is one.
func (f *Farm) count(w *worker, n int) {
	if !w.available() {
		return
	}
	key := strings.Join(w.Spec.Engines, "\x00") + "\x01" + strings.Join(w.Spec.Presets, "\x00")
	c := f.crews[key]
	if c == nil {
		c = &crews{spec: w.Spec}
		f.crews[key] = c
	}
	if c.n += n; c.n == 0 {
		delete(f.crews, key)
	}
}

// crew is the number of available workers that can do the job.
func (f *Farm) crew(j *job) int {
	n := 0
	for _, c := range f.crews {
		if c.spec.can(&j.Spec) {
			n += c.n
		}
	}
	return n
}

// crewAmong is how many of the named workers are in the job's crew.
func (f *Farm) crewAmong(j *job, names []string) int {
	n := 0
	for _, name := range names {
		if w := f.workers[name]; w != nil && w.available() && w.Spec.can(&j.Spec) {
			n++
		}
	}
	return n
}

// live returns the worker and notes that it has been heard.
func (f *Farm) live(now time.Time, name string) (*worker, error) {
	w := f.workers[name]
	if w == nil || !w.Live {
		return nil, fmt.Errorf("worker %q: %w", name, ErrNoWorker)
	}
	w.seen = now
	return w, nil
}

// Hello takes a worker in, again and again as it likes; holds names the range which it is still
// rendering from before, if any. A worker that was lost gets that range back if the range is still
// open, and was its. A worker that has been started anew (see Boot) has failed the range it held: otherwise a
// range that kills its workers would go round for ever. The error wraps [ErrBadSpec].
func (f *Farm) Hello(now time.Time, spec WorkerSpec, holds RangeID) ([]Event, error) {
	spec = spec.clone()
	for _, list := range []*[]string{&spec.Engines, &spec.Presets} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	if err := spec.check(); err != nil {
		return nil, fmt.Errorf("worker %q: %w: %w", spec.Name, ErrBadSpec, err)
	}
	var events []Event
	record := func(e Event) {
		if e, err := f.do(now, e); err == nil {
			events = append(events, e)
		}
	}
	var had RangeID
	w := f.workers[spec.Name]
	if w != nil && w.Spec.Boot != spec.Boot {
		if had = w.charge(); had != (RangeID{}) {
			record(Event{
				Kind: RangeFailed, Job: had.Job, Range: had.Range, Worker: spec.Name,
				Reason: "the worker ended while it rendered the range",
			})
		}
	}
	if w == nil || !w.Live || !w.Spec.equal(&spec) {
		record(Event{Kind: WorkerHello, Worker: spec.Name, Hello: &spec})
	}
	events = append(events, f.judge(now, had.Job)...)
	w = f.workers[spec.Name]
	w.seen = now
	if p := f.jobs[holds.Job].piece(holds.Range); p != nil && w.holds == (RangeID{}) && len(p.Leases) < maxHolders && p.givenTo(spec.Name) {
		record(Event{Kind: RangeReclaimed, Job: holds.Job, Range: holds.Range, Worker: spec.Name})
		f.leaseOf(w).moved = now
	}
	return events, nil
}

// charge is the range the worker has to answer for: the one it holds, or held when it was lost.
func (w *worker) charge() RangeID {
	if w.holds != (RangeID{}) {
		return w.holds
	}
	return w.Lost
}

// leaseOf returns the lease of a worker that holds a range, else nil.
func (f *Farm) leaseOf(w *worker) *lease {
	if p := f.jobs[w.holds.Job].piece(w.holds.Range); p != nil {
		return p.lease(w.Spec.Name)
	}
	return nil
}

// Goodbye lets a worker go, which hands its range back. Errors: [ErrNoWorker].
func (f *Farm) Goodbye(now time.Time, name string) ([]Event, error) {
	return f.one(now, Event{Kind: WorkerLeft, Worker: name})
}

// Dismiss removes all that is known about a worker, as when its certificate is revoked: not even a
// late report of it counts any more. Errors: [ErrNoWorker].
func (f *Farm) Dismiss(now time.Time, name string) ([]Event, error) {
	return f.one(now, Event{Kind: WorkerDismissed, Worker: name})
}

// PauseWorker hands nothing more to the worker until [Farm.ResumeWorker]; what it has it may
// finish. The pause outlives the worker's coming and going. Errors: [ErrNoWorker].
func (f *Farm) PauseWorker(now time.Time, name string) ([]Event, error) {
	return f.one(now, Event{Kind: WorkerPaused, Worker: name})
}

// DrainWorker hands nothing more to the worker until [Farm.ResumeWorker], for good as far as the worker
// knows: what it has it may finish, and then its machine may be taken away. Unlike a pause it is told to the worker.
// It outlives the worker's coming and going. Errors: [ErrNoWorker].
func (f *Farm) DrainWorker(now time.Time, name string) ([]Event, error) {
	return f.one(now, Event{Kind: WorkerDrained, Worker: name})
}

// Drained says whether a worker gets nothing more because it is drained.
func (f *Farm) Drained(name string) bool {
	w := f.workers[name]
	return w != nil && w.Drained
}

// ResumeWorker ends a worker's pause, and its drain. Errors: [ErrNoWorker].
func (f *Farm) ResumeWorker(now time.Time, name string) ([]Event, error) {
	return f.one(now, Event{Kind: WorkerResumed, Worker: name})
}

// Expire takes the ranges of workers that have been silent for the policy's LeaseTimeout, and
// counts as failed those which have not moved for its StallTimeout. Call it every second or so. In
// a restored farm the first call only starts everyone's clock. It takes time linear in the workers.
func (f *Farm) Expire(now time.Time) []Event {
	var silent, stalled []string
	for name, w := range f.workers {
		if !w.Live {
			continue
		}
		if w.seen.IsZero() {
			w.seen = now
		}
		l := f.leaseOf(w)
		if l != nil && l.moved.IsZero() {
			l.moved = now
		}
		switch {
		case now.Sub(w.seen) >= f.policy.LeaseTimeout:
			silent = append(silent, name)
		case l != nil && now.Sub(l.moved) >= f.policy.StallTimeout:
			stalled = append(stalled, name)
		}
	}
	var events []Event
	for _, name := range slices.Sorted(slices.Values(silent)) {
		if lost, err := f.one(now, Event{Kind: WorkerLost, Worker: name}); err == nil {
			events = append(events, lost...)
		}
	}
	reason := fmt.Sprintf("no new frame for %v", f.policy.StallTimeout)
	for _, name := range slices.Sorted(slices.Values(stalled)) {
		if failed, err := f.Fail(now, name, f.workers[name].holds, reason, false); err == nil {
			events = append(events, failed...)
		}
	}
	return events
}
