package screen

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

// clock is one that a test moves on.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

var began = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func job(id uint32, s farm.State, done int64) dbus.Job {
	return dbus.Job{ID: id, Name: fmt.Sprintf("film%d.ove", id), State: s, FramesTotal: 400, FramesDone: done, Speed: 12.34, ExpectedEnd: began.Add(30 * time.Second), Crew: 1}
}

func TestLinesTellProgressNowAndThen(t *testing.T) {
	var stdout, stderr bytes.Buffer
	c := clock{began}
	l := &lines{stdout: &stdout, stderr: &stderr, last: began, now: c.now}
	v := dbus.View{Jobs: []dbus.Job{job(1, farm.Running, 100), job(2, farm.Queued, 0), job(3, farm.Joining, 400)}}
	l.Update(v)
	c.Time = began.Add(linePause)
	l.Update(v)
	l.Update(v)
	l.Log(1, dbus.LogEntry{Event: "range-done", Text: "frames 0 to 60 by ada"})
	l.Log(1, dbus.LogEntry{Event: "note", Text: "left out:\n\x1b[2J"})
	l.Film(1, Film{Path: "/films/a\x1bb.mp4"})
	l.Close()
	const want = "job 1: 100 of 400 frames (25 %), 12.3 frames/s, 20s left\njob 3: 400 of 400 frames (100 %)\njob 1: left out:\n�[2J\n"
	if stderr.String() != want {
		t.Errorf("stderr\n%s\nwant\n%s", &stderr, want)
	}
	if got, want := stdout.String(), "/films/a\x1bb.mp4\n"; got != want { // a program wants it as it is
		t.Errorf("stdout %q, want %q", got, want)
	}
}

func TestJSONTellsWhatHasMoved(t *testing.T) {
	var out bytes.Buffer
	d := newJSON(&out)
	d.now = func() time.Time { return began }
	worker := dbus.Member{Name: "ada", State: dbus.Rendering, Job: 1, Range: dbus.HeldRange{Content: dbus.Picture, First: 0, End: 60}, FramesDone: 7}
	d.Update(dbus.View{Jobs: []dbus.Job{job(1, farm.Running, 100)}, Workers: []dbus.Member{worker, {Name: "bob", State: dbus.Waiting, Job: 1}}})
	d.Update(dbus.View{Jobs: []dbus.Job{job(1, farm.Running, 100)}, Workers: []dbus.Member{worker}})
	d.Update(dbus.View{Jobs: []dbus.Job{job(1, farm.Paused, 100)}})
	d.Log(1, dbus.LogEntry{Time: began, Event: "range-done", Text: "a & b", Worker: "ada", First: 60, End: 120})
	d.Film(1, Film{"/f.mp4", "/f.log", 400, 1500 * time.Millisecond})
	d.Refused("/p.ove", fmt.Errorf("no project"))
	d.Say("the master is away")
	want := strings.Join([]string{
		`{"event":"progress","job":1,"name":"film1.ove","state":"running","frames_done":100,"frames_total":400,"frames_per_second":12.34,"seconds_left":30,"workers":[{"name":"ada","first":0,"end":60,"frames_done":7}]}`,
		`{"event":"progress","job":1,"name":"film1.ove","state":"paused","frames_done":100,"frames_total":400,"frames_per_second":12.34,"seconds_left":30,"workers":[]}`,
		`{"time":"2026-11-25T12:00:00Z","job":1,"event":"range-done","text":"a & b","worker":"ada","first":60,"end":120}`,
		`{"event":"film","job":1,"path":"/f.mp4","log":"/f.log","frames":400,"seconds":1.5}`,
		`{"event":"refused","project":"/p.ove","error":"no project"}`,
		`{"event":"remark","text":"the master is away"}`,
	}, "\n") + "\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

func TestBarsHaveRoomForTheBusyOnes(t *testing.T) {
	var crowd dbus.View
	for id := range uint32(50) {
		state := farm.Queued
		if id%10 == 9 {
			state = farm.Running
		}
		crowd.Jobs = append(crowd.Jobs, job(id+1, state, 0))
		at := dbus.Waiting
		if id%25 == 24 {
			at = dbus.Rendering
		}
		crowd.Workers = append(crowd.Workers, dbus.Member{Name: fmt.Sprintf("w%02d", id), State: at})
	}
	few := dbus.View{Jobs: []dbus.Job{job(1, farm.Done, 400), job(2, farm.Queued, 0)}, Workers: []dbus.Member{{Name: "a", State: dbus.Away}, {Name: "b", State: dbus.Paused}, {Name: "c", State: dbus.Drained}, {Name: "d", State: dbus.Draining}}}
	for name, c := range map[string]struct {
		view          dbus.View
		lines         int
		jobs, workers string
		rest          string
	}{
		"all have one":          {few, 23, "2", "b c d", ""},
		"exactly":               {few, 4, "2", "b c d", ""},
		"a draining one works":  {few, 3, "2", "d", "and 0 more jobs, 2 more workers"},
		"the busy come first":   {crowd, 11, "10 20 30 40 50", "w24 w49 w00 w01 w02", "and 45 more jobs, 45 more workers"},
		"only jobs":             {dbus.View{Jobs: crowd.Jobs}, 4, "10 20 30", "", "and 47 more jobs, 0 more workers"},
		"only workers":          {dbus.View{Workers: crowd.Workers}, 4, "", "w24 w49 w00", "and 0 more jobs, 47 more workers"},
		"a terminal of no size": {crowd, -1, "10", "w24", "and 49 more jobs, 49 more workers"},
	} {
		t.Run(name, func(t *testing.T) {
			jobs, workers, rest := choose(c.view, c.lines)
			var ids, names []string
			for _, j := range jobs {
				ids = append(ids, fmt.Sprint(j.ID))
			}
			for _, w := range workers {
				names = append(names, w.Name)
			}
			if strings.Join(ids, " ") != c.jobs || strings.Join(names, " ") != c.workers || rest != c.rest {
				t.Errorf("jobs %v, workers %v, rest %q\nwant %s, %s, %q", ids, names, rest, c.jobs, c.workers, c.rest)
			}
		})
	}
}

// TestBarsLeaveTheLastState draws on what is no terminal.
func TestBarsLeaveTheLastState(t *testing.T) {
	t.Setenv("LC_ALL", "C")
	var stdout, terminal bytes.Buffer
	b := makeBars(&stdout, &terminal, func() int { return 24 })
	v := dbus.View{
		Jobs: []dbus.Job{job(1, farm.Running, 100), job(2, farm.Queued, 0)},
		Workers: []dbus.Member{
			{Name: "ada", State: dbus.Rendering, Job: 1, Range: dbus.HeldRange{Content: dbus.Picture, First: 0, End: 60}},
			{Name: "bob", State: dbus.Draining, Job: 2, Range: dbus.HeldRange{Content: dbus.Picture, First: 60, End: 120}},
			{Name: "dan", State: dbus.Drained},
		},
	}
	v.Jobs[0].Name = "red\x1b[31m.ove"
	v.Jobs[0].ExpectedEnd = time.Time{}
	b.Update(v)
	v.Jobs[1].State = farm.Cancelled
	b.Log(2, dbus.LogEntry{Event: "cancelled", Text: "cancelled"})
	b.Log(1, dbus.LogEntry{Event: "range-done", Text: "frames 0 to 60"})
	b.Update(v)
	b.Film(3, Film{Path: "/films/c.mp4"})
	b.Close()
	got := terminal.String()
	for _, want := range []string{"job 2: cancelled\n", "red�[31m.ove", " 25 %  12.3 frames/s", ", draining", "drained"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%q", want, got)
		}
	}
	last := got[strings.LastIndex(got, "\x1b[J")+1:] // all before is cleared
	for no, from := range map[string]string{"film2.ove": last, "ada": last, "frames 0 to 60": got, "\x1b[31m": got} {
		if strings.Contains(from, no) {
			t.Errorf("%q is left in\n%q", no, from)
		}
	}
	if got, want := stdout.String(), "/films/c.mp4\n"; got != want {
		t.Errorf("stdout %q, want %q", got, want)
	}
}
