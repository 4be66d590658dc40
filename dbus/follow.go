package dbus

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	godbus "github.com/godbus/dbus/v5"
)

// A Kind is what an [Event] is about.
type Kind string

// Kinds of events.
const (
	JobAdded      Kind = "job-added" // also for each job that is there when following begins
	JobChanged    Kind = "job-changed"
	JobGone       Kind = "job-gone"
	WorkerAdded   Kind = "worker-added" // likewise
	WorkerChanged Kind = "worker-changed"
	WorkerGone    Kind = "worker-gone"
	Logged        Kind = "log"
	Ready         Kind = "ready"       // all that was there has been told
	MasterGone    Kind = "master-gone" // the master has left the bus; what comes when it is back begins anew
)

// An Event is news of the farm. What it points to is the receiver's.
type Event struct {
	Kind   Kind
	Job    *Job      // as it is now, without ranges; of [Logged] only its ID is sure to be there
	Worker *Member   // as it is now
	Log    *LogEntry // of [Logged]
}

// Follow sends what happens in the farm, after what is there now. A receiver that is slow lets
// events wait and loses none. The channel is closed when ctx ends, or the bus is lost.
func (c *Client) Follow(ctx context.Context) (<-chan Event, error) {
	signals := make(chan *godbus.Signal, 1024)
	rules := [][]godbus.MatchOption{
		{godbus.WithMatchSender(MasterName), godbus.WithMatchOption("path_namespace", string(masterPath))},
		{godbus.WithMatchSender("org.freedesktop.DBus"), godbus.WithMatchMember("NameOwnerChanged"), godbus.WithMatchArg(0, MasterName)},
	}
	f := &follower{c: c, rules: rules, signals: signals, out: make(chan Event)}
	c.conn.Signal(signals)
	for _, r := range rules {
		if err := c.conn.AddMatchSignalContext(ctx, r...); err != nil {
			f.stop(ctx)
			return nil, fmt.Errorf("follow the master: %w", err)
		}
	}
	if err := f.begin(ctx); err != nil {
		f.stop(ctx)
		return nil, err
	}
	go f.run(ctx)
	return f.out, nil
}

// A follower turns signals into events. Its goroutine ends with ctx or the connection.
type follower struct {
	c       *Client
	rules   [][]godbus.MatchOption
	signals chan *godbus.Signal
	out     chan Event
	cache   *cache
	queue   []Event
	owner   string // unique name of the master
}

// begin takes in what is there. Signals that have come before are older, or tell the same again.
func (f *follower) begin(ctx context.Context) error {
	var m managed
	if err := f.c.call(ctx, MasterName, masterPath, objectsInterface+".GetManagedObjects", nil, &m); err != nil {
		return err
	}
	if err := f.c.conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetNameOwner", 0, MasterName).Store(&f.owner); err != nil {
		return fmt.Errorf("follow the master: it has gone: %w", err)
	}
	f.cache = newCache()
	for _, ifaces := range m {
		if _, err := f.cache.add(ifaces); err != nil {
			return err
		}
	}
	v := f.cache.view()
	for i := range v.Jobs {
		f.queue = append(f.queue, Event{Kind: JobAdded, Job: &v.Jobs[i]})
	}
	for i := range v.Workers {
		f.queue = append(f.queue, Event{Kind: WorkerAdded, Worker: &v.Workers[i]})
	}
	f.queue = append(f.queue, Event{Kind: Ready})
	return nil
}

func (f *follower) stop(ctx context.Context) {
	for _, r := range f.rules {
		_ = f.c.conn.RemoveMatchSignalContext(context.WithoutCancel(ctx), r...) // a match that is not there
	}
	f.c.conn.RemoveSignal(f.signals)
}

func (f *follower) run(ctx context.Context) {
	defer close(f.out)
	defer f.stop(ctx)
	for {
		var out chan Event
		var next Event
		if len(f.queue) > 0 {
			out, next = f.out, f.queue[0]
		}
		select {
		case <-ctx.Done():
			return
		case <-f.c.conn.Context().Done():
			return
		case out <- next:
			f.queue = f.queue[1:]
		case s, ok := <-f.signals:
			if !ok {
				return
			}
			f.take(ctx, s)
		}
	}
}

// take turns one signal into events. What does not fit is from another version, and left out.
func (f *follower) take(ctx context.Context, s *godbus.Signal) {
	if s.Sender != f.owner && s.Sender != "org.freedesktop.DBus" { // anybody can send us a signal
		return
	}
	switch s.Name {
	case "org.freedesktop.DBus.NameOwnerChanged":
		var name, was, is string
		if godbus.Store(s.Body, &name, &was, &is) != nil || name != MasterName {
			return
		}
		if is == "" {
			f.queue = append(f.queue, Event{Kind: MasterGone})
		} else if was != is && is != f.owner {
			f.owner = is
			_ = f.begin(ctx) // fails when it has gone again, which will be told
		}
	case objectsInterface + ".InterfacesAdded":
		var path godbus.ObjectPath
		var ifaces map[string]map[string]godbus.Variant
		if godbus.Store(s.Body, &path, &ifaces) != nil {
			return
		}
		if e, err := f.cache.add(ifaces); err == nil && e.Kind != "" {
			f.queue = append(f.queue, e)
		}
	case objectsInterface + ".InterfacesRemoved":
		var path godbus.ObjectPath
		var ifaces []string
		if godbus.Store(s.Body, &path, &ifaces) == nil {
			f.queue = append(f.queue, f.cache.remove(path)...)
		}
	case propertiesInterface + ".PropertiesChanged":
		var iface string
		var changed map[string]godbus.Variant
		var invalid []string
		if godbus.Store(s.Body, &iface, &changed, &invalid) == nil {
			f.queue = append(f.queue, f.cache.change(s.Path, changed)...)
		}
	case jobInterface + ".LogMessage":
		var l logLine
		if godbus.Store(s.Body, &l.Time, &l.Event, &l.Text, &l.Worker, &l.First, &l.End) == nil {
			e := l.entry()
			f.queue = append(f.queue, Event{Kind: Logged, Job: f.cache.job(s.Path), Log: &e})
		}
	}
}

// A cache is the farm as the bus has told it.
type cache struct {
	jobs    map[godbus.ObjectPath]*Job
	workers map[godbus.ObjectPath]*Member
}

func newCache() *cache {
	return &cache{map[godbus.ObjectPath]*Job{}, map[godbus.ObjectPath]*Member{}}
}

// add takes an object in; one that is there already only changes.
func (c *cache) add(ifaces map[string]map[string]godbus.Variant) (Event, error) {
	if props, ok := ifaces[jobInterface]; ok {
		j := new(Job)
		if err := setProperties(j, props); err != nil {
			return Event{}, err
		}
		kind := JobAdded
		if c.jobs[jobPath(j.ID)] != nil {
			kind = JobChanged
		}
		c.jobs[jobPath(j.ID)] = j
		return Event{Kind: kind, Job: clone(j)}, nil
	}
	if props, ok := ifaces[memberInterface]; ok {
		w := new(Member)
		if err := setProperties(w, props); err != nil {
			return Event{}, err
		}
		kind := WorkerAdded
		if c.workers[memberPath(w.Name)] != nil {
			kind = WorkerChanged
		}
		c.workers[memberPath(w.Name)] = w
		return Event{Kind: kind, Worker: clone(w)}, nil
	}
	return Event{}, nil
}

func clone[T any](v *T) *T {
	c := *v
	return &c
}

func (c *cache) remove(p godbus.ObjectPath) []Event {
	defer delete(c.jobs, p)
	defer delete(c.workers, p)
	switch {
	case c.jobs[p] != nil:
		return []Event{{Kind: JobGone, Job: c.jobs[p]}}
	case c.workers[p] != nil:
		return []Event{{Kind: WorkerGone, Worker: c.workers[p]}}
	}
	return nil
}

func (c *cache) change(p godbus.ObjectPath, props map[string]godbus.Variant) []Event {
	if len(props) == 0 {
		return nil
	}
	if j := c.jobs[p]; j != nil && setProperties(j, props) == nil {
		return []Event{{Kind: JobChanged, Job: clone(j)}}
	}
	if w := c.workers[p]; w != nil && setProperties(w, props) == nil {
		return []Event{{Kind: WorkerChanged, Worker: clone(w)}}
	}
	return nil
}

// job is the job at a path, as far as it is known.
func (c *cache) job(p godbus.ObjectPath) *Job {
	if j := c.jobs[p]; j != nil {
		return clone(j)
	}
	return &Job{ID: jobOf(p)}
}

func (c *cache) view() View {
	var v View
	for _, j := range slices.SortedFunc(maps.Values(c.jobs), func(a, b *Job) int { return cmp.Compare(a.ID, b.ID) }) {
		v.Jobs = append(v.Jobs, *j)
	}
	for _, w := range slices.SortedFunc(maps.Values(c.workers), func(a, b *Member) int { return cmp.Compare(a.Name, b.Name) }) {
		v.Workers = append(v.Workers, *w)
	}
	return v
}
