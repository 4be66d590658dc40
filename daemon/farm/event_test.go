package farm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
)

// story is a log in which every kind of event occurs.
func story(t testing.TB) []farm.Event {
	w := newWorld(t, farm.Policy{})
	w.submit(farm.JobSpec{Name: "film", End: 300, Split: 3, Sound: true, Cuts: []int64{90}, Data: json.RawMessage(`{"o":1}`)})
	w.submit(one)
	w.submit(farm.JobSpec{End: 100, Whole: true})
	w.hello("a", "b", "c")
	w.must(w.f.SetPriority(w.now, 1, 3))
	for _, name := range []string{"a", "b", "c"} {
		w.next(name)
	}
	w.now = w.now.Add(2 * time.Second)
	w.complete("a", 1, 0)
	w.complete("b", 1, 1)
	w.fail("c", 1, 2)
	w.next("a")
	w.freeze(time.Minute, "b")
	w.must(w.f.Hello(w.now, farm.WorkerSpec{Name: "a"}, farm.RangeID{Job: 1, Range: 3}))
	w.must(w.f.Pause(w.now, 2))
	w.must(w.f.Resume(w.now, 2))
	w.must(w.f.Cancel(w.now, 2))
	w.must(w.f.Forget(w.now, 2))
	w.hello("c")
	w.must(w.f.PauseWorker(w.now, "c"))
	w.must(w.f.DrainWorker(w.now, "c"))
	w.must(w.f.ResumeWorker(w.now, "c"))
	w.must(w.f.Goodbye(w.now, "c"))
	w.must(w.f.Dismiss(w.now, "c"))
	w.complete("a", 1, 3)
	w.next("b")
	w.complete("b", 1, 2)
	w.must(w.f.JobFailed(w.now, 1, "disk full"))
	w.must(w.f.Retry(w.now, 1))
	w.must(w.f.JobDone(w.now, 1))
	w.next("b")
	w.check()
	return w.log
}

// lines is a log as text.
func lines(t testing.TB, log []farm.Event) string {
	var text strings.Builder
	for _, e := range log {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(append(data, '\n'))
	}
	return text.String()
}

func TestEveryKindOfEventIsInTheStory(t *testing.T) {
	text := lines(t, story(t))
	for _, kind := range []farm.Kind{
		farm.JobSubmitted, farm.JobPrioritised, farm.JobPaused, farm.JobResumed, farm.JobRetried, farm.JobCancelled,
		farm.JobFailed, farm.JobDone, farm.JobForgotten, farm.RangeAssigned, farm.RangeReclaimed, farm.RangeCompleted,
		farm.RangeFailed, farm.WorkerHello, farm.WorkerLeft, farm.WorkerLost, farm.WorkerDismissed, farm.WorkerPaused,
		farm.WorkerDrained, farm.WorkerResumed,
	} {
		if !strings.Contains(text, `{"kind":"`+string(kind)+`"`) {
			t.Errorf("no %s in\n%s", kind, text)
		}
	}
}

func TestApply(t *testing.T) {
	const hello = `{"kind":"worker-hello","worker":"a","hello":{"name":"a"}}` + "\n"
	const job = `{"kind":"job-submitted","job":1,"spec":{"end":200,"fps":25}}` + "\n"
	const lease = `{"kind":"range-assigned","job":1,"worker":"a","end":100}` + "\n"
	for name, c := range map[string]struct {
		log  string
		want error // nil: all is accepted
	}{
		"a field of a newer version is ignored":          {hello + strings.Replace(job, `"job"`, `"colour":"red","job"`, 1) + lease, nil},
		"a kind of a newer version is refused":           {`{"kind":"job-dreamt","job":1}`, farm.ErrBadEvent},
		"a number of a job does not come twice":          {job + job, farm.ErrBadEvent},
		"a job without a description is refused":         {`{"kind":"job-submitted","job":1}`, farm.ErrBadEvent},
		"a job without frames is refused":                {`{"kind":"job-submitted","job":1,"spec":{"fps":25}}`, farm.ErrBadSpec},
		"cuts must be in order":                          {`{"kind":"job-submitted","job":1,"spec":{"end":9,"fps":25,"cuts":[5,2]}}`, farm.ErrBadSpec},
		"a lease needs its worker":                       {job + lease, farm.ErrNoWorker},
		"a lease needs its job":                          {hello + lease, farm.ErrNoJob},
		"a worker has one lease":                         {hello + job + lease + `{"kind":"range-assigned","job":1,"range":1,"worker":"a","first":100,"end":200}`, farm.ErrBadEvent},
		"ranges leave no gap":                            {hello + job + `{"kind":"range-assigned","job":1,"worker":"a","first":1,"end":100}`, farm.ErrBadEvent},
		"ranges do not pass the end":                     {hello + job + `{"kind":"range-assigned","job":1,"worker":"a","end":201}`, farm.ErrBadEvent},
		"ranges are not empty":                           {hello + job + `{"kind":"range-assigned","job":1,"worker":"a"}`, farm.ErrBadEvent},
		"ranges come in order":                           {hello + job + `{"kind":"range-assigned","job":1,"range":1,"worker":"a","end":100}`, farm.ErrBadEvent},
		"an uncut range cannot be reclaimed":             {hello + job + `{"kind":"range-reclaimed","job":1,"worker":"a","end":100}`, farm.ErrBadEvent},
		"a range keeps its borders":                      {hello + job + lease + `{"kind":"worker-left","worker":"a"}` + "\n" + hello + strings.Replace(lease, "100", "99", 1), farm.ErrBadEvent},
		"a completed range needs its result":             {hello + job + lease + `{"kind":"range-completed","job":1,"worker":"a"}`, farm.ErrBadEvent},
		"a stranger completes nothing":                   {hello + job + lease + `{"kind":"range-completed","job":1,"worker":"b","result":{}}`, farm.ErrNoWorker},
		"a worker fails only what it holds":              {hello + job + lease + `{"kind":"range-failed","job":1,"range":1,"worker":"a"}`, &farm.StaleError{}},
		"a worker says hello as itself":                  {`{"kind":"worker-hello","worker":"a","hello":{"name":"b"}}`, farm.ErrBadEvent},
		"a worker has a name":                            {`{"kind":"worker-hello","hello":{}}`, farm.ErrBadSpec},
		"a queued job is not done":                       {job + `{"kind":"job-done","job":1}`, &farm.StateError{}},
		"an event on a job that is not there is refused": {`{"kind":"job-paused","job":7}`, farm.ErrNoJob},
	} {
		t.Run(name, func(t *testing.T) {
			f := farm.New(farm.Policy{})
			var err error
			for line := range strings.Lines(c.log) {
				if err != nil {
					t.Fatalf("before the last event: %v", err)
				}
				var e farm.Event
				if err := json.Unmarshal([]byte(line), &e); err != nil {
					t.Fatal(err)
				}
				err = f.Apply(e)
			}
			switch want := c.want.(type) {
			case *farm.StaleError:
				_, ok := errors.AsType[*farm.StaleError](err)
				if !ok {
					t.Errorf("error %v, want a StaleError", err)
				}
			case *farm.StateError:
				if _, ok := errors.AsType[*farm.StateError](err); !ok {
					t.Errorf("error %v, want a StateError", err)
				}
			default:
				if !errors.Is(err, want) {
					t.Errorf("error %v, want %v", err, want)
				}
			}
		})
	}
}

func TestRestoreRefusesWhatContradictsItself(t *testing.T) {
	const worker = `{"last":1,"workers":[{"spec":{"name":"a"},"live":true}]}`
	for name, c := range map[string]struct{ head, job string }{
		"a job above the last number":       {`{"last":0}`, `{"id":1,"spec":{"end":9,"fps":25},"state":"running"}`},
		"a job under another number":        {`{"last":2}`, `{"id":2,"spec":{"end":9,"fps":25},"state":"running"}`},
		"a worker without a name":           {`{"last":1,"workers":[{"spec":{}}]}`, ``},
		"no worker at all":                  {`{"last":1,"workers":[null]}`, ``},
		"a worker twice":                    {`{"last":1,"workers":[{"spec":{"name":"a"}},{"spec":{"name":"a"}}]}`, ``},
		"text that is no JSON":              {`{`, ``},
		"a job that is no JSON":             {worker, `[`},
		"an unknown state":                  {worker, `{"id":1,"spec":{"end":9,"fps":25},"state":"dreaming"}`},
		"a range beyond the end":            {worker, `{"id":1,"spec":{"end":9,"fps":25},"state":"running","pieces":[{"e":10}]}`},
		"a range that ends before it began": {worker, `{"id":1,"spec":{"end":9,"fps":25},"state":"running","pieces":[{"e":5},{"e":3}]}`},
		"a lease of a stranger":             {worker, `{"id":1,"spec":{"end":9,"fps":25},"state":"running","pieces":[{"e":5,"l":[{"w":"b"}]}]}`},
		"two leases of one worker":          {worker, `{"id":1,"spec":{"end":9,"fps":25},"state":"running","pieces":[{"e":5,"l":[{"w":"a"},{"w":"a"}]}]}`},
		"a lease of a completed range":      {worker, `{"id":1,"spec":{"end":9,"fps":25},"state":"running","pieces":[{"e":5,"w":"a","l":[{"w":"a"}]}]}`},
		"a lease of a cancelled job":        {worker, `{"id":1,"spec":{"end":9,"fps":25},"state":"cancelled","pieces":[{"e":5,"l":[{"w":"a"}]}]}`},
		"a running job that is complete":    {worker, `{"id":1,"spec":{"end":9,"fps":25},"state":"running","pieces":[{"e":9,"w":"a"}]}`},
		"a done job that is not complete":   {worker, `{"id":1,"spec":{"end":9,"fps":25},"state":"done","pieces":[{"e":8,"w":"a"}]}`},
		"a speed below zero":                {worker, `{"id":1,"spec":{"end":9,"fps":25},"state":"running","speed":{"a":-1}}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := farm.Snapshot{Head: json.RawMessage(c.head)}
			if c.job != "" {
				s.Jobs = map[uint32]json.RawMessage{1: json.RawMessage(c.job)}
			}
			if f, err := farm.Restore(farm.Policy{}, s); err == nil || f != nil {
				t.Errorf("restored %v with error %v", f, err)
			}
		})
	}
}

func TestASnapshotOfOneJobHoldsTheHeadAndThatJob(t *testing.T) {
	w := newWorld(t, farm.Policy{})
	w.submit(one)
	w.submit(two)
	s, err := w.f.Snapshot(2, 99)
	if err != nil || len(s.Jobs) != 1 || s.Jobs[2] == nil || len(s.Head) == 0 {
		t.Errorf("snapshot %v, error %v", s, err)
	}
}

func FuzzEvents(f *testing.F) {
	text := lines(f, story(f))
	f.Add([]byte(text))
	for line := range strings.Lines(text) {
		f.Add([]byte(line))
	}
	f.Add([]byte(strings.Replace(text, `"split":3`, `"split":0`, 1)))
	f.Fuzz(func(t *testing.T, log []byte) {
		g := farm.New(farm.Policy{})
		for line := range bytes.Lines(log) {
			var e farm.Event
			if json.Unmarshal(line, &e) != nil {
				continue
			}
			before := snapshot(t, g)
			if err := g.Apply(e); err != nil && snapshot(t, g) != before {
				t.Fatalf("refused with %v, but changed\n%s\nto\n%s", err, before, snapshot(t, g))
			}
			if err := g.Check(); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := snapshot(t, restore(t, farm.Policy{}, g)), snapshot(t, g); got != want {
			t.Fatalf("restored\n%s\nof\n%s", got, want)
		}
		w := &world{TB: t, f: g, now: epoch}
		w.hello("fuzz")
		w.next("fuzz")
		g.Expire(w.now)
		g.Jobs()
	})
}

func FuzzRestore(f *testing.F) {
	f.Add([]byte(snapshot(f, replay(f, story(f)))))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s farm.Snapshot
		if json.Unmarshal(data, &s) != nil {
			return
		}
		g, err := farm.Restore(farm.Policy{}, s)
		if err != nil {
			return
		}
		if err := g.Check(); err != nil {
			t.Fatal(err)
		}
		if got, want := snapshot(t, restore(t, farm.Policy{}, g)), snapshot(t, g); got != want {
			t.Fatalf("restored\n%s\nof\n%s", got, want)
		}
	})
}
