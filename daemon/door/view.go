package door

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
	"olive-distributed/daemon/pki"
	"olive-distributed/dbus"
)

// View implements [dbus.Master].
func (d *Door) View(ctx context.Context) (dbus.View, error) {
	v, err := d.master.Overview(ctx)
	if err != nil {
		return dbus.View{}, err
	}
	view := Show(&v)
	view.Workers = enrol(view.Workers, d.members.Enrolled())
	return view, nil
}

// Members implements [dbus.Master].
func (d *Door) Members(ctx context.Context) ([]dbus.Member, error) {
	v, err := d.master.Workers(ctx)
	return enrol(Show(&v).Workers, d.members.Enrolled()), err
}

// Degraded implements [dbus.Master].
func (d *Door) Degraded() string { return d.master.Degraded() }

// Show is what a master sees as the bus has it: jobs without their ranges, workers without certificates.
func Show(v *master.View) dbus.View {
	now := time.Now()
	view := dbus.View{Degraded: v.Degraded, Jobs: make([]dbus.Job, len(v.Jobs)), Workers: make([]dbus.Member, len(v.Workers))}
	for i := range v.Jobs {
		view.Jobs[i] = job(&v.Jobs[i], now)
	}
	for i := range v.Workers {
		view.Workers[i] = member(v.Workers[i], v.Held)
	}
	return view
}

// enrol adds certificates to the workers that the farm knows, and those that have nothing but one.
func enrol(workers []dbus.Member, enrolled []Enrolled) []dbus.Member {
	members := map[string]dbus.Member{}
	for _, w := range workers {
		members[w.Name] = w
	}
	for _, e := range enrolled {
		m, ok := members[e.Name]
		if !ok {
			m = dbus.Member{Name: e.Name, State: dbus.Unseen}
		}
		m.CertificateEnds, m.Revoked = e.Expires, e.Revoked
		members[e.Name] = m
	}
	list := make([]dbus.Member, 0, len(members))
	for _, m := range members {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b dbus.Member) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func member(w farm.WorkerView, held map[string]farm.RangeView) dbus.Member {
	m := dbus.Member{
		Name: w.Spec.Name, Engines: w.Spec.Engines, Threads: uint32(w.Spec.Threads), Speed: w.Speed,
		LastSeen: w.LastSeen, Failures: uint32(w.Failures), FramesDone: w.Frames, Job: w.Holds.Job,
	}
	switch {
	case !w.Live:
		m.State = dbus.Away
	case w.Drained && w.Holds.Job != 0:
		m.State = dbus.Draining
	case w.Drained:
		m.State = dbus.Drained
	case w.Holds.Job != 0:
		m.State = dbus.Rendering
	case w.Paused:
		m.State = dbus.Paused
	default:
		m.State = dbus.Waiting
	}
	if r, ok := held[w.Spec.Name]; ok {
		m.Range = dbus.HeldRange{Number: r.ID.Range, Content: content(r.Content), First: r.First, End: r.End}
	}
	return m
}

// Job implements [dbus.Master].
func (d *Door) Job(ctx context.Context, id uint32) (dbus.Job, error) {
	v, err := d.master.Job(ctx, id)
	if err != nil {
		return dbus.Job{}, err
	}
	j := job(&v, time.Now())
	for _, r := range v.Ranges {
		j.Ranges = append(j.Ranges, dbus.Range{
			Number: r.ID.Range, Content: content(r.Content), First: r.First, End: r.End, State: r.State, Workers: r.Workers,
		})
	}
	return j, nil
}

func job(v *master.JobView, now time.Time) dbus.Job {
	j := dbus.Job{
		ID: v.ID, Name: v.Spec.Name, Project: v.Project, State: v.State, FramesTotal: v.FramesTotal, FramesDone: v.FramesDone,
		Speed: v.Speed, Submitted: v.Submitted, Started: v.Started, Ended: v.Ended, Owner: v.Spec.Owner, Output: v.Output,
		Error: v.Error, Priority: int32(v.Priority), Crew: uint32(v.Crew),
	}
	if v.FramesTotal > 0 {
		j.Progress = float64(v.FramesDone) / float64(v.FramesTotal)
	}
	if v.Left > 0 {
		j.ExpectedEnd = now.Add(v.Left).Truncate(time.Second)
	}
	return j
}

func content(c farm.Content) string {
	switch c {
	case farm.Sound:
		return dbus.Sound
	case farm.Whole:
		return dbus.Whole
	}
	return dbus.Picture
}

// Log implements [dbus.Master].
func (d *Door) Log(ctx context.Context, id uint32) ([]dbus.LogEntry, error) {
	events, err := d.master.Log(ctx, id)
	if err != nil {
		return nil, err
	}
	log := make([]dbus.LogEntry, len(events))
	for i := range events {
		log[i] = Entry(events[i])
	}
	return log, nil
}

// Entry is an event as the bus has it.
func Entry(e master.Event) dbus.LogEntry {
	return dbus.LogEntry{Time: e.Time, Event: e.Kind, Text: e.Text, Worker: e.Worker, First: e.First, End: e.End}
}

// Cancel implements [dbus.Master], like the methods below.
func (d *Door) Cancel(ctx context.Context, id uint32) error { return d.master.Cancel(ctx, id) }

// Pause stops handing out ranges of a job.
func (d *Door) Pause(ctx context.Context, id uint32) error { return d.master.Pause(ctx, id) }

// Resume ends a pause.
func (d *Door) Resume(ctx context.Context, id uint32) error { return d.master.Resume(ctx, id) }

// Retry gives a failed job another chance.
func (d *Door) Retry(ctx context.Context, id uint32) error { return d.master.Retry(ctx, id) }

// Forget removes a job that has ended.
func (d *Door) Forget(ctx context.Context, id uint32) error { return d.master.Forget(ctx, id) }

// SetPriority moves a job in the queue.
func (d *Door) SetPriority(ctx context.Context, id uint32, priority int) error {
	return d.master.SetPriority(ctx, id, priority)
}

// PauseWorker hands nothing more to a worker.
func (d *Door) PauseWorker(ctx context.Context, name string) error {
	return d.master.PauseWorker(ctx, name)
}

// ResumeWorker ends a worker's pause, and its drain.
func (d *Door) ResumeWorker(ctx context.Context, name string) error {
	return d.master.ResumeWorker(ctx, name)
}

// DrainWorker lets a worker finish what it has, hands nothing more to it, and tells it so.
func (d *Door) DrainWorker(ctx context.Context, name string) error {
	return d.master.DrainWorker(ctx, name)
}

// CreateToken makes a secret with which a machine can join.
func (d *Door) CreateToken(_ context.Context, worker string, lifetime time.Duration) (token, address string, err error) {
	return d.members.Invite(worker, lifetime)
}

// Revoke ends a worker's membership.
func (d *Door) Revoke(ctx context.Context, worker string) error {
	err := d.members.Revoke(ctx, worker)
	if errors.Is(err, pki.ErrNoWorker) {
		return dbus.ErrNoSuchWorker.With(err)
	}
	return err
}

// Reload reads the configuration again. What is wrong with it is logged too: "systemctl reload" tells people to look there.
func (d *Door) Reload(ctx context.Context) error {
	err := d.again(ctx)
	if err != nil {
		d.log.Error("the configuration could not be read again", "error", err)
	}
	return err
}
