package farm

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// apply checks the event against the state, folds it in, and fills in its consequences. All
// changes of what the log must know happen here and below. On an error nothing has changed.
func (f *Farm) apply(e *Event) error {
	if !utf8.ValidString(e.Reason) {
		return fmt.Errorf("%w: its reason is not UTF-8", ErrBadEvent)
	}
	switch e.Kind {
	case JobSubmitted:
		return f.applySubmitted(e)
	case JobPrioritised, JobPaused, JobResumed, JobRetried, JobCancelled, JobFailed, JobDone, JobForgotten:
		return f.applyJob(e)
	case RangeAssigned, RangeReclaimed:
		return f.applyLease(e)
	case RangeCompleted:
		return f.applyCompleted(e)
	case RangeFailed:
		return f.applyFailed(e)
	case WorkerHello:
		return f.applyHello(e)
	case WorkerLeft, WorkerLost, WorkerDismissed, WorkerPaused, WorkerDrained, WorkerResumed:
		return f.applyWorker(e)
	}
	return fmt.Errorf("%w: kind %q is unknown, was it written by a newer version?", ErrBadEvent, e.Kind)
}

func (f *Farm) applySubmitted(e *Event) error {
	if e.Spec == nil || e.Job <= f.last {
		return fmt.Errorf("%w: job %d after job %d", ErrBadEvent, e.Job, f.last)
	}
	if err := e.Spec.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrBadSpec, err)
	}
	j := &job{
		ID: e.Job, Spec: e.Spec.clone(), Priority: e.Spec.Priority,
		State: Running, Submitted: e.At.UnixMilli(), cut: e.Spec.First,
	}
	f.last = e.Job
	f.jobs[e.Job] = j
	f.enqueue(j)
	return nil
}

// applyJob applies the commands on a job as a whole.
func (f *Farm) applyJob(e *Event) error {
	j := f.jobs[e.Job]
	if j == nil {
		return fmt.Errorf("job %d: %w", e.Job, ErrNoJob)
	}
	if verb, ok := j.allows(e.Kind); !ok {
		return &StateError{Job: j.ID, State: j.state(), Want: verb}
	}
	switch e.Kind {
	case JobPrioritised:
		f.dequeue(j)
		if j.Priority = e.Priority; j.State == Running {
			f.enqueue(j)
		}
	case JobPaused:
		j.Paused = true
	case JobResumed:
		j.Paused = false
	case JobRetried:
		f.reopen(j)
		e.Joins = j.State == Joining
	case JobForgotten:
		delete(f.jobs, j.ID)
	case JobCancelled:
		f.end(j, e, Cancelled)
	case JobFailed:
		f.end(j, e, Failed)
		j.Reason = e.Reason
		for name := range j.Struck { // what failed everywhere says nothing against the workers
			if w := f.workers[name]; w != nil {
				w.Streak, w.FailedAt = 0, 0
			}
		}
	case JobDone:
		f.end(j, e, Done)
	}
	return nil
}

// allows says whether the job's state allows the event, and what the event wants in plain words.
func (j *job) allows(k Kind) (verb string, ok bool) {
	switch k {
	case JobPaused:
		return "pause", j.State == Running && !j.Paused
	case JobResumed:
		return "resume", j.State == Running && j.Paused
	case JobRetried:
		return "retry", j.State == Failed
	case JobCancelled:
		return "cancel", !j.ended()
	case JobFailed:
		return "give up", !j.ended()
	case JobDone:
		return "finish", j.State == Joining
	case JobForgotten:
		return "forget", j.ended()
	}
	return "", true
}

// end ends the job and voids its leases.
func (f *Farm) end(j *job, e *Event, s State) {
	for _, n := range slices.Clone(j.ongoing) {
		e.Stop = append(e.Stop, f.void(&j.Pieces[n], "")...)
		j.file(n)
	}
	f.dequeue(j)
	j.State, j.Ended = s, e.At.UnixMilli()
}

// reopen forgets the failures of a failed job.
func (f *Farm) reopen(j *job) {
	j.State, j.Paused, j.Ended, j.Reason = Running, false, 0, ""
	j.Strikes, j.Struck = 0, nil
	for _, n := range slices.Clone(j.failed) {
		j.Pieces[n].Failed = nil
		j.file(n)
	}
	if j.complete() {
		j.State = Joining
		return
	}
	f.enqueue(j)
}

// void ends all leases of the piece and returns who must be told: everyone but the winner.
func (f *Farm) void(p *piece, winner string) (stop []string) {
	for _, l := range p.Leases {
		f.workers[l.Worker].holds = RangeID{}
		if l.Worker != winner {
			stop = append(stop, l.Worker)
		}
	}
	p.Leases = nil
	return stop
}

// applyLease ties a worker to a range, which is cut from the rest if its number is new.
func (f *Farm) applyLease(e *Event) error {
	w, j := f.workers[e.Worker], f.jobs[e.Job]
	switch {
	case w == nil || !w.Live:
		return fmt.Errorf("worker %q: %w", e.Worker, ErrNoWorker)
	case j == nil:
		return fmt.Errorf("job %d: %w", e.Job, ErrNoJob)
	case w.holds != (RangeID{}):
		return fmt.Errorf("%w: worker %q holds range %v", ErrBadEvent, e.Worker, w.holds)
	}
	fresh := j.State == Running && e.Kind == RangeAssigned && int64(e.Range) == int64(len(j.Pieces)) &&
		j.fits(e.First, e.End, len(j.Pieces))
	if fresh {
		j.Pieces = append(j.Pieces, piece{First: e.First, End: e.End})
		if j.content(int(e.Range)) != Sound {
			j.cut = e.End
		}
	}
	p := j.piece(e.Range)
	if p == nil || len(p.Leases) >= maxHolders || e.Kind == RangeAssigned && (e.First != p.First || e.End != p.End) {
		return fmt.Errorf("%w: range %v [%d,%d) is not to be had", ErrBadEvent, e.ID(), e.First, e.End)
	}
	l := lease{Worker: e.Worker}
	if e.Kind == RangeAssigned {
		l.Start = e.At.UnixMilli()
	}
	p.Leases = append(p.Leases, l)
	if !slices.Contains(p.Had, e.Worker) {
		p.Had = append(p.Had, e.Worker)
	}
	w.holds = e.ID()
	if j.Started == 0 {
		j.Started = e.At.UnixMilli()
	}
	j.file(e.Range)
	return nil
}

// fits says whether [first, end) may be the job's next piece, number n.
func (j *job) fits(first, end int64, n int) bool {
	switch j.content(n) {
	case Sound:
		return first == j.Spec.First && end == j.Spec.End
	case Whole:
		return first == j.cut && first < end && end == j.Spec.End
	}
	return first == j.cut && first < end && end <= j.Spec.End
}

func (f *Farm) applyCompleted(e *Event) error {
	w, j := f.workers[e.Worker], f.jobs[e.Job]
	p := j.piece(e.Range)
	switch {
	case w == nil:
		return fmt.Errorf("worker %q: %w", e.Worker, ErrNoWorker)
	case p == nil:
		return &StaleError{Range: e.ID(), Worker: e.Worker}
	case e.Result == nil || !utf8.ValidString(e.Result.Part+e.Result.SHA256+e.Result.Extradata+e.Result.Content):
		return fmt.Errorf("%w: range %v has no result", ErrBadEvent, e.ID())
	}
	sound := j.content(int(e.Range)) == Sound
	if !sound {
		j.done += p.length()
		if l := p.lease(e.Worker); l != nil && l.Start > 0 {
			j.learn(w, p.length(), e.At.UnixMilli()-l.Start)
		}
	}
	e.Stop = f.void(p, e.Worker)
	p.Winner, p.Result, p.Had = e.Worker, *e.Result, nil
	j.Strikes, j.Struck = 0, nil
	w.Streak, w.FailedAt = 0, 0
	j.file(e.Range)
	if j.complete() {
		j.State, e.Joins = Joining, true
		f.dequeue(j)
	}
	return nil
}

func (f *Farm) applyFailed(e *Event) error {
	w, j := f.workers[e.Worker], f.jobs[e.Job]
	p := j.piece(e.Range)
	switch {
	case w == nil:
		return fmt.Errorf("worker %q: %w", e.Worker, ErrNoWorker)
	case p == nil || e.ID() != w.holds && e.ID() != w.Lost:
		return &StaleError{Range: e.ID(), Worker: e.Worker}
	}
	if w.holds == e.ID() {
		w.holds = RangeID{}
	}
	w.Lost = RangeID{}
	p.release(e.Worker)
	if !p.failedBy(e.Worker) {
		p.Failed = append(p.Failed, e.Worker)
	}
	if j.Struck == nil {
		j.Struck = map[string]strike{}
	}
	j.Strikes++
	j.Struck[e.Worker] = strike{e.Range, e.Reason, e.Fatal}
	w.Streak, w.FailedAt = w.Streak+1, e.At.UnixMilli()
	j.file(e.Range)
	return nil
}

func (f *Farm) applyHello(e *Event) error {
	if e.Hello == nil || e.Hello.Name != e.Worker {
		return fmt.Errorf("%w: worker %q says hello without itself", ErrBadEvent, e.Worker)
	}
	if err := e.Hello.check(); err != nil {
		return fmt.Errorf("worker %q: %w: %w", e.Worker, ErrBadSpec, err)
	}
	w := f.workers[e.Worker]
	if w == nil {
		w = &worker{}
		f.workers[e.Worker] = w
	}
	f.count(w, -1)
	w.Spec, w.Live, w.Lost = e.Hello.clone(), true, RangeID{}
	f.count(w, 1)
	return nil
}

// applyWorker applies the events on a worker as a whole.
func (f *Farm) applyWorker(e *Event) error {
	w := f.workers[e.Worker]
	if w == nil || !w.Live && (e.Kind == WorkerLeft || e.Kind == WorkerLost) {
		return fmt.Errorf("worker %q: %w", e.Worker, ErrNoWorker)
	}
	f.count(w, -1)
	defer f.count(w, 1)
	switch e.Kind {
	case WorkerPaused:
		w.Paused = true
		return nil
	case WorkerDrained:
		w.Drained = true
		return nil
	case WorkerResumed:
		w.Paused, w.Drained = false, false
		return nil
	case WorkerLost:
		w.Lost = w.holds
	case WorkerDismissed:
		delete(f.workers, e.Worker)
		if w.holds != (RangeID{}) {
			e.Stop = []string{e.Worker}
		}
	}
	w.Live = false
	f.handBack(w)
	return nil
}

// handBack releases what the worker holds.
func (f *Farm) handBack(w *worker) {
	j := f.jobs[w.holds.Job]
	if p := j.piece(w.holds.Range); p != nil {
		p.release(w.Spec.Name)
		j.file(w.holds.Range)
	}
	w.holds = RangeID{}
}
