package farm

import (
	"maps"
	"slices"
	"time"
)

// A JobView is a job as it is shown. It is a copy.
type JobView struct {
	ID        uint32
	Spec      JobSpec // as submitted; its data, and its cuts, tidied, only from [Farm.Job]
	Priority  int
	State     State
	Submitted time.Time
	Started   time.Time // zero: not yet
	Ended     time.Time // zero: not yet
	Error     string    // why a failed job failed

	FramesTotal int64
	FramesDone  int64         // completed, or reported by beats
	Speed       float64       // frames/s of those who are at it now
	Left        time.Duration // until the last frame at that speed; 0: unknown, or nothing left
	Crew        int           // live workers that can do it; 0: it waits for one

	Ranges []RangeView // of [Farm.Job] only: those cut until now, by number
}

// A RangeView is a range as it is shown.
type RangeView struct {
	ID         RangeID
	Content    Content
	First, End int64
	State      State
	Workers    []string // at it now, or the one that completed it
	Failed     []string // workers that have failed it
	Result     Result   // of a completed one
}

// A WorkerView is a worker as it is shown.
type WorkerView struct {
	Spec     WorkerSpec
	Live     bool
	Paused   bool
	Drained  bool      // of what it does not hold
	Holds    RangeID   // zero: nothing
	Frames   int64     // done of it, by its last beat
	Failures int       // in a row
	Speed    float64   // frames/s over all jobs; 0: unknown
	LastSeen time.Time // zero: not since the farm was restored
}

// Job shows one job with its ranges.
func (f *Farm) Job(id uint32) (JobView, bool) {
	j := f.jobs[id]
	if j == nil {
		return JobView{}, false
	}
	v := f.view(j)
	v.Spec.Cuts, v.Spec.Data = slices.Clone(j.Spec.Cuts), slices.Clone(j.Spec.Data)
	v.Ranges = make([]RangeView, len(j.Pieces))
	for n := range j.Pieces {
		v.Ranges[n] = j.viewRange(n)
	}
	return v, true
}

// Range shows one range. Its time does not depend on how many there are.
func (f *Farm) Range(id RangeID) (RangeView, bool) {
	j := f.jobs[id.Job]
	if j == nil || int64(id.Range) >= int64(len(j.Pieces)) {
		return RangeView{}, false
	}
	return j.viewRange(int(id.Range)), true
}

func (j *job) viewRange(n int) RangeView {
	p := &j.Pieces[n]
	r := RangeView{
		ID: RangeID{j.ID, uint32(n)}, Content: j.content(n), First: p.First, End: p.End,
		State: p.state(), Failed: slices.Clone(p.Failed), Result: p.Result,
	}
	if p.Winner != "" {
		r.Workers = []string{p.Winner}
	}
	for _, l := range p.Leases {
		r.Workers = append(r.Workers, l.Worker)
	}
	return r
}

// Jobs shows all jobs by ID, without their ranges, cuts and data.
func (f *Farm) Jobs() []JobView {
	views := make([]JobView, 0, len(f.jobs))
	for _, id := range slices.Sorted(maps.Keys(f.jobs)) {
		views = append(views, f.view(f.jobs[id]))
	}
	return views
}

// Workers shows all workers by name, those that have left too.
func (f *Farm) Workers() []WorkerView {
	views := make([]WorkerView, 0, len(f.workers))
	for _, name := range slices.Sorted(maps.Keys(f.workers)) {
		v, _ := f.Worker(name)
		views = append(views, v)
	}
	return views
}

// Worker shows one worker.
func (f *Farm) Worker(name string) (WorkerView, bool) {
	w := f.workers[name]
	if w == nil {
		return WorkerView{}, false
	}
	v := WorkerView{
		Spec: w.Spec.clone(), Live: w.Live, Paused: w.Paused, Drained: w.Drained, Holds: w.holds,
		Failures: w.Streak, Speed: w.overall().perSecond(), LastSeen: w.seen,
	}
	if l := f.leaseOf(w); l != nil {
		v.Frames = l.frames
	}
	return v, true
}

// view takes time linear in the ongoing ranges.
func (f *Farm) view(j *job) JobView {
	spec := j.Spec
	spec.Cuts, spec.Data = nil, nil
	v := JobView{
		ID: j.ID, Spec: spec.clone(), Priority: j.Priority, State: j.state(), Error: j.Reason,
		Submitted: moment(j.Submitted), Started: moment(j.Started), Ended: moment(j.Ended),
		FramesTotal: j.Spec.End - j.Spec.First, FramesDone: j.done, Crew: f.crew(j),
	}
	for _, n := range j.ongoing {
		if j.content(int(n)) == Sound {
			continue
		}
		done, speed := int64(0), 0.0
		for i := range j.Pieces[n].Leases {
			l := &j.Pieces[n].Leases[i]
			done, speed = max(done, l.frames), max(speed, f.pace(j, l))
		}
		v.FramesDone += done
		v.Speed += speed
	}
	if v.Speed > 0 {
		left := float64(v.FramesTotal-v.FramesDone) / v.Speed * float64(time.Second)
		v.Left = time.Duration(min(left, 1<<62))
	}
	return v
}

// pace is the speed of a lease in frames/s: by its progress, else what the worker did before.
func (f *Farm) pace(j *job, l *lease) float64 {
	if l.frames > 0 && l.Start > 0 {
		if r := measure(l.frames, l.moved.UnixMilli()-l.Start); r > 0 {
			return r.perSecond()
		}
	}
	return j.speed(f.workers[l.Worker]).perSecond()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
