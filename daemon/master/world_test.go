package master_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/render/builtin"
	"olive-distributed/daemon/share"
	"olive-distributed/daemon/worker"
)

// A notebook is a Journal in memory that can be held up, and read by the next master.
type notebook struct {
	mu     sync.Mutex
	kept   []farm.Event // durable
	wait   []entry
	held   bool
	stopAt farm.Kind // an event of this kind holds the journal up
	health error
	lost   error
}

type entry struct {
	events []farm.Event
	done   func(error)
}

func (n *notebook) Enqueue(events []farm.Event, done func(error)) {
	n.mu.Lock()
	n.wait = append(n.wait, entry{events, done})
	for _, e := range events {
		n.held = n.held || e.Kind == n.stopAt
	}
	held := n.held
	n.mu.Unlock()
	if !held {
		go n.write()
	}
}

// write makes durable what waits.
func (n *notebook) write() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.wait {
		if n.lost == nil {
			n.kept = append(n.kept, e.events...)
		}
		e.done(n.lost)
	}
	n.wait = nil
}

func (n *notebook) hold(held bool) {
	n.mu.Lock()
	n.held = held
	n.mu.Unlock()
	if !held {
		n.write()
	}
}

func (n *notebook) Health() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.health
}

func (n *notebook) SnapshotDue() bool { return false }

func (n *notebook) Snapshot(*farm.Farm, func(error)) {}

func (n *notebook) setHealth(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.health = err
}

// waiting is how many events are not durable yet.
func (n *notebook) waiting() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.wait)
}

// stopped says whether an event that it waits for holds it up.
func (n *notebook) stopped() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.held
}

// fold is the farm of what was durable, through JSON as in a log.
func (n *notebook) fold(t *testing.T) *farm.Farm {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	f := farm.New(policy)
	for _, e := range n.kept {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var back farm.Event
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if err := f.Apply(back); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

var policy = farm.Policy{Bench: time.Millisecond, MinFrames: 8}

// A world is a master with what it needs.
type world struct {
	t       *testing.T
	dir     string
	lib     *media.Library
	journal *notebook
	shares  *share.Shares // nil: nothing is shown
	m       *master.Master
	end     func() error // stops the master and returns what Run said
}

func newWorld(t *testing.T) *world {
	r := &world{t: t, dir: t.TempDir(), lib: media.NewLibrary(""), journal: &notebook{}}
	t.Cleanup(func() { r.lib.Close() })
	r.start()
	return r
}

// start begins a master on what the journal has.
func (r *world) start() {
	r.t.Helper()
	m, err := master.New(master.Config{
		Library: r.lib, Engine: builtin.New(r.lib, 1), Folder: filepath.Join(r.dir, "jobs"),
		Policy: policy, Journal: r.journal, Farm: r.journal.fold(r.t), Shares: r.shares,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	end := sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	r.m, r.end = m, end
	r.t.Cleanup(func() { _ = end() })
}

// solid is a project of length frames that needs no media.
func solid(length int) string {
	return fmt.Sprintf(`<project><version>190219</version><url>p.ove</url><folders/><media/><sequences>
<sequence id="1" folder="0" name="S" width="64" height="48" framerate="30" afreq="48000" alayout="3" open="1">
<clip id="1" enabled="1" name="c" clipin="0" in="0" out="%d" track="-1" speed="1" type="0"><linked/>
<effect name="Render/Solid" enabled="1"><row><field id="type" value="0"/></row><row><field id="opacity" value="100"><key value="10" frame="0" type="0"/><key value="100" frame="%d" type="0"/></field></row><row><field id="color" value="#3060c0"/></row></effect></clip>
</sequence></sequences></project>`, length, length)
}

// project asks for the film of a solid.
func (r *world) project(length int) master.Request {
	r.t.Helper()
	path := filepath.Join(r.dir, "p.ove")
	if err := os.WriteFile(path, []byte(solid(length)), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return master.Request{Project: path, Output: filepath.Join(r.dir, "film.mkv"), Preset: "lossless", Split: 4}
}

func (r *world) submit(length int) uint32 {
	r.t.Helper()
	id, err := r.m.Submit(r.t.Context(), r.project(length))
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// crew lets workers run until the test or the returned function ends them.
func (r *world) crew(names ...string) (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	var all sync.WaitGroup
	for _, name := range names {
		engine := builtin.New(r.lib, 1)
		w := &worker.Worker{Spec: worker.Spec{Name: name, Boot: name, Engines: []string{engine.Name()}, Threads: 1}, Engine: engine, Master: r.m}
		all.Go(func() { _ = w.Run(ctx) })
	}
	stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
	})
	r.t.Cleanup(stop)
	return stop
}

// hello introduces a worker that the test plays itself.
func (r *world) hello(name string) {
	r.t.Helper()
	if err := r.m.Hello(r.t.Context(), worker.Spec{Name: name, Boot: name, Engines: []string{"builtin"}}, nil); err != nil {
		r.t.Fatal(err)
	}
}

func (r *world) next(name string) *worker.Task {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	task, err := r.m.Next(ctx, name)
	if err != nil {
		r.t.Fatal(err)
	}
	return task
}

// render makes the part of a task as a worker would.
func (r *world) render(task *worker.Task) worker.Delivery {
	r.t.Helper()
	scene, err := task.Plan.Open()
	if err != nil {
		r.t.Fatal(err)
	}
	engine := builtin.New(r.lib, 1)
	draw := engine.Video
	if task.Sound {
		draw = engine.Sound
	}
	notes, err := draw(r.t.Context(), scene, task.Span, task.Part, func(int64) {})
	if err != nil {
		r.t.Fatal(err)
	}
	part, err := task.Plan.Verify(r.t.Context(), task.Span, task.Sound, task.Part)
	if err != nil {
		r.t.Fatal(err)
	}
	return worker.Delivery{Part: part, Notes: notes}
}

func (r *world) wait(id uint32) (master.Film, error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	film, err := r.m.Wait(ctx, id)
	if errors.Is(err, context.DeadlineExceeded) {
		r.t.Fatal("the job does not end")
	}
	return film, err
}

// job is the state of a job.
func (r *world) job(id uint32) master.JobView {
	r.t.Helper()
	v, err := r.m.View(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, j := range v.Jobs {
		if j.ID == id {
			return j
		}
	}
	r.t.Fatalf("there is no job %d", id)
	return master.JobView{}
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(time.Millisecond)
	}
}
