package farm

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A JobSpec describes a job: what to render, and what a worker needs for it.
type JobSpec struct {
	Name     string `json:"name"`
	Owner    uint32 `json:"owner"` // uid
	Priority int    `json:"priority,omitempty"`

	First int64   `json:"first,omitempty"` // frames of the timeline, half-open: [First, End)
	End   int64   `json:"end"`
	FPS   float64 `json:"fps"`
	Cuts  []int64 `json:"cuts,omitempty"` // frames at which a border is welcome, in any order

	// Split is the number of ranges that the picture is cut into, near-even; 1: never cut it;
	// 0: as the workers and their speeds ask for.
	Split int `json:"split,omitempty"`
	// Sound adds one range for the sound of the whole job, handed out first.
	Sound bool `json:"sound,omitempty"`
	// Whole gives all of the job to one worker as one range, sound included; no Split.
	Whole bool `json:"whole,omitempty"`

	Engine  string   `json:"engine,omitempty"`  // the worker must have it; "": any
	Presets []string `json:"presets,omitempty"` // the worker must have all of them

	// Data is for the daemons (project, output, encoder arguments, …): kept, never looked at.
	Data json.RawMessage `json:"data,omitempty"`
}

const (
	maxFrame = 1 << 40
	maxFPS   = 1e6
)

func (s *JobSpec) check() error {
	switch {
	case !utf8.ValidString(s.Name + s.Engine + strings.Join(s.Presets, "")):
		return errors.New("text is not UTF-8")
	case s.First < 0 || s.End <= s.First || s.End > maxFrame:
		return fmt.Errorf("frames [%d,%d) are no run of frames", s.First, s.End)
	case !(s.FPS > 0 && s.FPS <= maxFPS):
		return fmt.Errorf("%v frames per second", s.FPS)
	case s.Split < 0 || s.Whole && s.Split > 1 || s.Split > math.MaxInt32:
		return fmt.Errorf("split into %d", s.Split)
	case len(s.Data) > 0 && !json.Valid(s.Data):
		return errors.New("data is not JSON")
	case !s.cutsInOrder():
		return errors.New("cuts are not in order")
	}
	return nil
}

func (s *JobSpec) cutsInOrder() bool {
	prev := s.First
	for _, c := range s.Cuts {
		if c <= prev || c >= s.End {
			return false
		}
		prev = c
	}
	return true
}

// clone shares nothing with s.
func (s *JobSpec) clone() JobSpec {
	c := *s
	c.Cuts, c.Presets, c.Data = slices.Clone(s.Cuts), slices.Clone(s.Presets), slices.Clone(s.Data)
	return c
}

// tidyCuts returns the usable cuts in order, without those nearer than apart to the one before.
func tidyCuts(s *JobSpec, apart int64) []int64 {
	var kept []int64
	prev := s.First - apart
	for _, c := range slices.Sorted(slices.Values(s.Cuts)) {
		if c > s.First && c < s.End && c-prev >= max(1, apart) {
			kept = append(kept, c)
			prev = c
		}
	}
	return kept
}

// State is the state of a job or of a range.
type State string

// States. A job is queued, running, paused, joining, done, failed or cancelled; a range is
// pending, ongoing, failed (and will be tried again while its job runs) or completed.
const (
	Queued    State = "queued"    // nothing handed out yet
	Running   State = "running"   // something has been
	Paused    State = "paused"    // nothing more is handed out; what is ongoing may finish
	Joining   State = "joining"   // all ranges are completed, the master joins the parts
	Done      State = "done"      // the film is there
	Failed    State = "failed"    // given up; can be retried
	Cancelled State = "cancelled" // for good
	Pending   State = "pending"
	Ongoing   State = "ongoing"
	Completed State = "completed"
)

// A job is a job with its ranges. Its pieces and the uncut rest [cut, spec.End) always are a
// partition of the spec's frames, since pieces are cut from the front of the rest only.
type job struct {
	ID        uint32            `json:"id"`
	Spec      JobSpec           `json:"spec"` // as submitted, but for the priority
	Priority  int               `json:"priority,omitempty"`
	State     State             `json:"state"` // Running (until paused is asked), Joining, Done, Failed, Cancelled
	Paused    bool              `json:"paused,omitempty"`
	Submitted int64             `json:"submitted"` // times are Unix milliseconds
	Started   int64             `json:"started,omitempty"`
	Ended     int64             `json:"ended,omitempty"`
	Pieces    []piece           `json:"pieces,omitempty"`
	Strikes   int               `json:"strikes,omitempty"` // failures since the last completed range
	Struck    map[string]strike `json:"struck,omitempty"`  // the last of them by worker
	Speed     map[string]rate   `json:"speed,omitempty"`   // measured, by worker
	Reason    string            `json:"reason,omitempty"`  // why it failed

	// Derived from the above.
	cut                      int64 // the picture is cut up to here
	done                     int64 // frames of picture in completed ranges
	sum                      rate  // of Speed
	pending, failed, ongoing numberSet

	// What to expect of the ongoing ranges, as of looked; of no more worth than the beats it comes from.
	outlooks []outlook
	looked   time.Time
}

// A strike is the last failure of a worker in a job.
type strike struct {
	Range  uint32 `json:"range"`
	Reason string `json:"reason"`
	Fatal  bool   `json:"fatal,omitempty"`
}

// content of the piece with number n.
func (j *job) content(n int) Content {
	switch {
	case j.Spec.Whole:
		return Whole
	case j.Spec.Sound && n == 0:
		return Sound
	}
	return Picture
}

// piece returns the piece with number n if the job still wants it, else nil.
func (j *job) piece(n uint32) *piece {
	if j == nil || j.State != Running || int64(n) >= int64(len(j.Pieces)) {
		return nil
	}
	if p := &j.Pieces[n]; p.Winner == "" {
		return p
	}
	return nil
}

// file puts the piece with number n into the set that its state asks for.
func (j *job) file(n uint32) {
	j.pending.remove(n)
	j.failed.remove(n)
	j.ongoing.remove(n)
	switch j.Pieces[n].state() {
	case Pending:
		j.pending.add(n)
	case Failed:
		j.failed.add(n)
	case Ongoing:
		j.ongoing.add(n)
	}
}

func (j *job) complete() bool {
	return j.cut == j.Spec.End && len(j.pending)+len(j.failed)+len(j.ongoing) == 0
}

func (j *job) ended() bool {
	return j.State == Done || j.State == Failed || j.State == Cancelled
}

// state is the state that a user sees.
func (j *job) state() State {
	switch {
	case j.State != Running:
		return j.State
	case j.Paused:
		return Paused
	case len(j.Pieces) == 0:
		return Queued
	}
	return Running
}

// Submit adds a job and returns its ID. The error wraps [ErrBadSpec].
func (f *Farm) Submit(now time.Time, spec JobSpec) (uint32, []Event, error) {
	spec.Cuts = tidyCuts(&spec, f.policy.MinFrames/2)
	events, err := f.one(now, Event{Kind: JobSubmitted, Job: f.last + 1, Spec: &spec})
	if err != nil {
		return 0, nil, fmt.Errorf("submit %q: %w", spec.Name, err)
	}
	return f.last, events, nil
}

// SetPriority moves the job in the queue; higher comes first. Errors: [ErrNoJob].
func (f *Farm) SetPriority(now time.Time, id uint32, priority int) ([]Event, error) {
	return f.one(now, Event{Kind: JobPrioritised, Job: id, Priority: priority})
}

// Pause stops handing out ranges of a job; ongoing ones go on. Errors: [ErrNoJob], [StateError].
func (f *Farm) Pause(now time.Time, id uint32) ([]Event, error) {
	return f.one(now, Event{Kind: JobPaused, Job: id})
}

// Resume ends a pause. Errors: [ErrNoJob], [StateError].
func (f *Farm) Resume(now time.Time, id uint32) ([]Event, error) {
	return f.one(now, Event{Kind: JobResumed, Job: id})
}

// Cancel ends a job that has not ended. The event names the workers to stop; a join that is under
// way is to be stopped too. Errors: [ErrNoJob], [StateError].
func (f *Farm) Cancel(now time.Time, id uint32) ([]Event, error) {
	return f.one(now, Event{Kind: JobCancelled, Job: id})
}

// Retry gives a failed job another chance with all its failures forgotten and its completed ranges
// kept; if only the join had failed it joins again. Errors: [ErrNoJob], [StateError].
func (f *Farm) Retry(now time.Time, id uint32) ([]Event, error) {
	return f.one(now, Event{Kind: JobRetried, Job: id})
}

// JobDone reports that the join of a joining job is verified and in its place.
// Errors: [ErrNoJob], [StateError].
func (f *Farm) JobDone(now time.Time, id uint32) ([]Event, error) {
	return f.one(now, Event{Kind: JobDone, Job: id})
}

// JobFailed gives up a job that has not ended, because its join failed or the master cannot go on
// with it. Errors: [ErrNoJob], [StateError].
func (f *Farm) JobFailed(now time.Time, id uint32, reason string) ([]Event, error) {
	return f.one(now, Event{Kind: JobFailed, Job: id, Reason: clip(reason, 16_000)})
}

// Forget removes a job that has ended. Errors: [ErrNoJob], [StateError].
func (f *Farm) Forget(now time.Time, id uint32) ([]Event, error) {
	return f.one(now, Event{Kind: JobForgotten, Job: id})
}

// clip bounds a reason to so many bytes of UTF-8.
func clip(reason string, most int) string {
	if len(reason) > most {
		reason = reason[:most] + " …"
	}
	return strings.ToValidUTF8(reason, "\uFFFD")
}
