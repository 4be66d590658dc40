package dbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"olive-distributed/daemon/farm"
)

const (
	fastPause = time.Second / 2       // between two signals about an object's progress
	lookPause = 50 * time.Millisecond // between two looks at the master, or more:
	leisure   = 8                     // so many times as long as the last one took, which may have seen ten thousand jobs
	idlePause = 2 * time.Second       // between two looks while nothing is rendered
	maxLogs   = 4096                  // messages on their way out
)

// fast are the properties that move all the time, by interface.
var fast = map[string]map[string]bool{
	jobInterface:    {"Progress": true, "FramesDone": true, "FramesPerSecond": true, "ExpectedEndTime": true, "Ranges": true},
	memberInterface: {"FramesDone": true, "Speed": true},
	workerInterface: {"FramesDone": true},
}

type logged struct {
	job   uint32
	entry LogEntry
}

// Changed says that something has happened, so that signals go out soon. It does not block.
func (ms *MasterService) Changed() { poke(ms.poked) }

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // somebody has
	}
}

// Log has a LogMessage sent. It does not block: when the bus is far behind the message is left
// out, and only GetLog has it.
func (ms *MasterService) Log(job uint32, e LogEntry) {
	select {
	case ms.logs <- logged{job, e}:
	default:
	}
}

// Run sends signals until ctx ends, nil, or the bus has gone.
func (ms *MasterService) Run(ctx context.Context) error {
	for {
		var l *logged
		select {
		case <-ctx.Done():
			return nil
		case <-ms.conn.Context().Done():
			return errors.New("the bus has gone")
		case got := <-ms.logs:
			l = &got
		case <-ms.poked:
		case <-time.After(ms.seen.pause()):
		}
		if err := ms.turn(ctx, l); err != nil && ctx.Err() == nil {
			return fmt.Errorf("send signals: %w", err)
		}
	}
}

// turn sends what there is to tell: events before the states that came of them.
func (ms *MasterService) turn(ctx context.Context, l *logged) error {
	if l != nil {
		poke(ms.poked)
		return ms.report(ctx, l)
	}
	if wait := max(lookPause, leisure*ms.seen.took) - time.Since(ms.seen.at); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
	for range len(ms.logs) {
		l := <-ms.logs
		if err := ms.report(ctx, &l); err != nil {
			return err
		}
	}
	return ms.look(ctx)
}

// report sends a LogMessage, after the job itself.
func (ms *MasterService) report(ctx context.Context, l *logged) error {
	ms.seen.logs[l.job]++
	if !ms.seen.has(jobPath(l.job)) {
		if err := ms.introduce(ctx, l.job); err != nil {
			return err
		}
	}
	e := l.entry.line()
	return ms.emit(jobPath(l.job), jobInterface+".LogMessage", e.Time, e.Event, e.Text, e.Worker, e.First, e.End)
}

// introduce tells of a job of which something has happened before anybody looked. It asks for that job alone: of
// ten thousand that come at once, each would else cost a look at all of them.
func (ms *MasterService) introduce(ctx context.Context, id uint32) error {
	j, err := ms.master.Job(ctx, id)
	if errors.Is(err, farm.ErrNoJob) { // it is forgotten again
		return nil
	}
	if err != nil {
		return err
	}
	j.Ranges = nil
	o := jobObject(&j)
	stamp(&o, ms.seen.logs[id])
	t, err := ms.tell(&o, time.Now())
	if err == nil {
		t.keep(&j, ms.seen.logs[id])
	}
	return err
}

// seen is what the bus has been told. One goroutine owns it.
type seen struct {
	at      time.Time // of the end of the last look
	took    time.Duration
	manager object
	objects map[godbus.ObjectPath]*told
	logs    map[uint32]int // messages by job
	busy    bool           // something is rendered, or was held back
}

// told is what has been told of one object. Of a job, of which there may be ten thousand, the properties
// are made again when they are needed, unless something was held back.
type told struct {
	object
	fast time.Time // when its progress was told
	job  Job       // of which the object was made, if it is one of a job
	logs int       // messages about it until then
	left bool      // something was held back
}

// keep notes what a job is as of now.
func (t *told) keep(j *Job, logs int) {
	t.job, t.logs = *j, logs
	if !t.left {
		t.props = nil
	}
}

// recall makes the properties again.
func (t *told) recall() {
	if t.props == nil {
		t.object = jobObject(&t.job)
		stamp(&t.object, t.logs)
	}
}

// same says, fast, that there is nothing to tell of a job: there may be ten thousand of them.
func (t *told) same(j *Job, logs int) bool {
	o := &t.job
	return !t.left && t.logs == logs && o.State == j.State && o.FramesDone == j.FramesDone && o.Progress == j.Progress &&
		o.Speed == j.Speed && o.ExpectedEnd.Equal(j.ExpectedEnd) && o.Started.Equal(j.Started) && o.Ended.Equal(j.Ended) &&
		o.Error == j.Error && o.Priority == j.Priority && o.Crew == j.Crew
}

func (s *seen) has(p godbus.ObjectPath) bool { return s.objects[p] != nil }

// pause is how long to wait for news before looking for them.
func (s *seen) pause() time.Duration {
	if s.busy {
		return fastPause
	}
	return idlePause
}

// prime takes in what is there before anybody listens.
func (ms *MasterService) prime(ctx context.Context) error {
	v, err := ms.master.View(ctx)
	if err != nil {
		return fmt.Errorf("look at the master: %w", err)
	}
	ms.seen = seen{manager: ms.manager(), objects: map[godbus.ObjectPath]*told{}, logs: map[uint32]int{}}
	for i := range v.Jobs {
		t := &told{object: jobObject(&v.Jobs[i])}
		t.keep(&v.Jobs[i], 0)
		ms.seen.objects[t.path] = t
	}
	for i := range v.Workers {
		o := memberObject(&v.Workers[i])
		ms.seen.objects[o.path] = &told{object: o}
	}
	return nil
}

// stamp puts into the place of a job's ranges, which a view does not have, what changes with them.
func stamp(o *object, logs int) {
	o.props["Ranges"] = [3]any{o.props["FramesDone"], o.props["State"], logs}
}

// look compares the master with what has been told, and tells the difference.
func (ms *MasterService) look(ctx context.Context) error {
	now := time.Now()
	defer func() {
		ms.seen.at = time.Now()
		ms.seen.took = ms.seen.at.Sub(now)
	}()
	v, err := ms.master.View(ctx)
	if err != nil {
		return err
	}
	ms.seen.busy = false
	m := ms.manager()
	if _, err := ms.change(&ms.seen.manager, &m, func(string) bool { return false }); err != nil {
		return err
	}
	ms.seen.manager = m
	there := map[godbus.ObjectPath]bool{}
	for i := range v.Jobs {
		j := &v.Jobs[i]
		p := jobPath(j.ID)
		there[p] = true
		ms.seen.busy = ms.seen.busy || j.State == farm.Running
		t, logs := ms.seen.objects[p], ms.seen.logs[j.ID]
		if t != nil && t.same(j, logs) {
			continue
		}
		o := jobObject(j)
		stamp(&o, logs)
		if t, err = ms.tell(&o, now); err != nil {
			return err
		}
		t.keep(j, logs)
	}
	for i := range v.Workers {
		o := memberObject(&v.Workers[i])
		there[o.path] = true
		ms.seen.busy = ms.seen.busy || v.Workers[i].AtWork()
		if _, err := ms.tell(&o, now); err != nil {
			return err
		}
	}
	for p, t := range ms.seen.objects {
		if !there[p] {
			if err := ms.gone(t); err != nil {
				return err
			}
			delete(ms.seen.objects, p)
		}
	}
	return nil
}

// tell sends what is new about an object.
func (ms *MasterService) tell(o *object, now time.Time) (*told, error) {
	t := ms.seen.objects[o.path]
	if t == nil {
		t = &told{object: *o, fast: now}
		ms.seen.objects[o.path] = t
		return t, ms.came(o)
	}
	t.recall()
	moved := false
	early := now.Sub(t.fast) < fastPause
	left, err := ms.change(&t.object, o, func(name string) bool {
		if !fast[o.iface][name] {
			return false
		}
		moved = true
		return early
	})
	if moved && !early {
		t.fast = now
	}
	ms.seen.busy = ms.seen.busy || left
	t.object, t.left = *o, left
	return t, err
}

func (ms *MasterService) came(o *object) error {
	if err := ms.emit(masterPath, objectsInterface+".InterfacesAdded", o.path, ms.added(o)); err != nil {
		return err
	}
	if o.iface == jobInterface {
		return ms.emit(masterPath, managerInterface+".JobNew", o.props["Id"], o.path)
	}
	return ms.emit(masterPath, managerInterface+".WorkerNew", o.props["Name"], o.path)
}

func (ms *MasterService) gone(t *told) error {
	var err error
	t.recall()
	if t.iface == jobInterface {
		delete(ms.seen.logs, t.props["Id"].(uint32))
		err = ms.emit(masterPath, managerInterface+".JobRemoved", t.props["Id"], t.path, t.props["State"])
	} else {
		err = ms.emit(masterPath, managerInterface+".WorkerRemoved", t.props["Name"], t.path)
	}
	return errors.Join(err, ms.emit(masterPath, objectsInterface+".InterfacesRemoved", t.path, []string{t.iface}))
}
