// Package share says what a worker on another machine may see of the master's disk, as a view of the NFS
// server: the jobs of the ranges that it has now, and nothing else.
//
// Of a job it sees the project, with paths that are good where the export is mounted; the media of the plan, each a
// read-only file of its own wherever it lies; and a folder parts, its own inbox, where only the files of its ranges
// can be made, with a quota. A medium that is not the file any more that it was at submit is stale.
//
// A range that is taken away, a job that ends and a worker that is dismissed are gone with the call that says so. A
// worker that has reported keeps the media for a moment, since its next range is likely of the same job; one that
// went silent keeps its range for a while, since it may be back.
//
// Nothing here lasts: after a restart of the master all is as the farm says. Only names do, in the [Sheet] that is
// kept with the job, so that what is mounted stays good.
package share

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/nfsd"
)

// Config of [New]. The zero value is fine.
type Config struct {
	Linger time.Duration    // how long a worker sees the job of a range that it has reported; 0: 15 s
	Grace  time.Duration    // how long a worker that went silent keeps what it had; 0: 2 min
	Quota  int64            // bytes that a worker may have in an inbox; 0: as many as the frames of its range have uncompressed
	Now    func() time.Time // nil: [time.Now]
	Log    *slog.Logger     // nil: [slog.Default]
}

// Shares are the views of all workers. Its methods may be called by several goroutines; only [View.Exports] looks
// at the disk.
type Shares struct {
	cfg Config

	mu    sync.Mutex
	jobs  map[uint32]*Job
	views map[string]*View
}

// New makes views in which nothing is.
func New(cfg Config) *Shares {
	cfg.Linger, cfg.Grace = cmp.Or(cfg.Linger, 15*time.Second), cmp.Or(cfg.Grace, 2*time.Minute)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Shares{cfg: cfg, jobs: map[uint32]*Job{}, views: map[string]*View{}}
}

// A Range is what a worker has of a job.
type Range struct {
	ID    farm.RangeID
	Sound bool
	Len   int64    // frames
	Names []string // of the files that the worker may make for it
}

// Open makes a job known, again too. Nobody sees it yet.
func (s *Shares) Open(id uint32, j *Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs[id] = j
}

// Close ends a job: nobody sees it any more.
func (s *Shares) Close(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.jobs, id)
	for _, v := range s.views {
		v.drop(func(h *hold) bool { return h.ID.Job == id })
	}
}

// Grant shows a range to the worker. A range of a job that is not open is not shown.
func (s *Shares) Grant(worker string, r Range) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.jobs[r.ID.Job]; j != nil {
		s.view(worker).grant(hold{Range: r, job: j})
	}
}

// Reported says that the worker is not at the range any more.
func (s *Shares) Reported(worker string, id farm.RangeID) {
	s.expire(worker, s.cfg.Linger, func(h *hold) bool { return h.ID == id })
}

// Silent says that the worker is not heard any more.
func (s *Shares) Silent(worker string) {
	s.expire(worker, s.cfg.Grace, func(*hold) bool { return true })
}

// Leave says that the worker has taken its leave, and what it had with it.
func (s *Shares) Leave(worker string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.views[worker]; v != nil {
		v.drop(func(*hold) bool { return true })
	}
}

// Withdraw takes a range away.
func (s *Shares) Withdraw(worker string, id farm.RangeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.views[worker]; v != nil {
		v.drop(func(h *hold) bool { return h.ID == id })
	}
}

// Dismiss takes everything from the worker, whatever connections it has.
func (s *Shares) Dismiss(worker string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.views[worker]; v != nil {
		v.drop(func(*hold) bool { return true })
	}
	delete(s.views, worker) // the one that comes back with this name is another worker
}

// View is what the worker sees, now and later.
func (s *Shares) View(worker string) *View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view(worker)
}

func (s *Shares) view(worker string) *View {
	v := s.views[worker]
	if v == nil {
		v = &View{worker: worker, cfg: &s.cfg, exports: map[*Job]*export{}}
		s.views[worker] = v
	}
	return v
}

// expire lets what the worker has go after a while.
func (s *Shares) expire(worker string, after time.Duration, which func(*hold) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.views[worker]; v != nil {
		v.expire(s.cfg.Now().Add(after), which)
	}
}

// A hold is a range that a worker sees.
type hold struct {
	Range
	job   *Job
	until time.Time // when that ends; zero: not yet
}

// A View is what one worker sees.
type View struct {
	worker string
	cfg    *Config

	mu    sync.Mutex
	holds []hold
	shown []*nfsd.Export // nil: to be made anew

	making  sync.Mutex       // taken before mu, and held while the disk is looked at
	exports map[*Job]*export // those made until now
}

// An export is made for a quota, and again when that does not do any more.
type export struct {
	*nfsd.Export
	quota int64
}

var _ nfsd.View = (*View)(nil)

func (v *View) grant(h hold) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.holds = slices.DeleteFunc(v.holds, func(o hold) bool { return o.ID == h.ID })
	v.holds = append(v.holds, h)
	v.shown = nil
}

func (v *View) drop(which func(*hold) bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.holds = slices.DeleteFunc(v.holds, func(h hold) bool { return which(&h) })
	v.shown = nil
}

func (v *View) expire(at time.Time, which func(*hold) bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.holds {
		if h := &v.holds[i]; which(h) && h.until.IsZero() {
			h.until = at
		}
	}
}

// prune lets go what is over.
func (v *View) prune() {
	now := v.cfg.Now()
	over := func(h hold) bool { return !h.until.IsZero() && !now.Before(h.until) }
	if slices.ContainsFunc(v.holds, over) {
		v.holds = slices.DeleteFunc(v.holds, over)
		v.shown = nil
	}
}

// Exports implements [nfsd.View]. The first call after a change may look at the disk; whoever changes something does
// not wait for that.
func (v *View) Exports() []*nfsd.Export {
	if shown, _ := v.look(); shown != nil {
		return shown
	}
	v.making.Lock()
	defer v.making.Unlock()
	shown, needs := v.look()
	if shown != nil {
		return shown
	}
	shown = v.show(needs)
	v.mu.Lock()
	defer v.mu.Unlock()
	if maps.Equal(needs, v.needs()) { // else the next call does it again
		v.shown = shown
	}
	return shown
}

// look returns what is shown, or nil and what is to be shown.
func (v *View) look() ([]*nfsd.Export, map[need]int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.prune()
	if v.shown != nil {
		return v.shown, nil
	}
	return nil, v.needs()
}

// A need is a job that the worker sees; its quota goes with it.
type need struct {
	job *Job
	id  uint32
}

func (v *View) needs() map[need]int64 {
	all := map[need]int64{}
	for i := range v.holds {
		h := &v.holds[i]
		all[need{h.job, h.ID.Job}] += cmp.Or(v.cfg.Quota, h.job.most(h.Sound, h.Len))
	}
	return all
}

// show makes exports, and keeps them as long as they do.
func (v *View) show(needs map[need]int64) []*nfsd.Export {
	maps.DeleteFunc(v.exports, func(j *Job, e *export) bool {
		quota, ok := needs[need{j, e.ID()}]
		return !ok || quota > e.quota
	})
	list := []*nfsd.Export{}
	for n, quota := range needs {
		e := v.exports[n.job]
		if e == nil {
			made, err := n.job.export(n.id, v.worker, quota, func(name string) bool { return v.allows(n.id, name) })
			if err != nil {
				v.cfg.Log.Error("cannot show a job to a worker elsewhere", "job", n.id, "worker", v.worker, "error", err)
				continue
			}
			e = &export{made, quota}
			v.exports[n.job] = e
		}
		list = append(list, e.Export)
	}
	return list
}

// allows says whether the worker may have a file of that name in its inbox of the job.
func (v *View) allows(job uint32, name string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.prune()
	return slices.ContainsFunc(v.holds, func(h hold) bool { return h.ID.Job == job && slices.Contains(h.Names, name) })
}

// ExportName is how the export of a job is called.
func ExportName(job uint32) string { return fmt.Sprintf("job-%d", job) }
