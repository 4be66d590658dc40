package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
)

// A display shows how exports go. Its methods may be called from several goroutines.
type display interface {
	event(master.Event)
	update(master.View)
	film(job uint32, f master.Film)
	failed(r master.Request, err error) // a request that did not become a job
	close()
}

// refresh is the time between updates.
const refresh = 250 * time.Millisecond

// newDisplay picks bars for a terminal, plain lines for a pipe, JSON on request. Progress goes
// to stderr; stdout gets the films' paths, or the JSON.
func newDisplay(stdout, stderr io.Writer, asJSON bool) display {
	if asJSON {
		return &jsonDisplay{out: json.NewEncoder(stdout)}
	}
	if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return newBars(stdout, f)
	}
	return &lines{stdout: stdout, stderr: stderr}
}

// lines writes a line for each event and now and then one for the progress.
type lines struct {
	mu             sync.Mutex
	stdout, stderr io.Writer
	last           time.Time
}

// linePause is the time between two lines of progress.
const linePause = 10 * time.Second

func (l *lines) event(e master.Event) {
	if e.Kind == "range-done" {
		return // the progress tells
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Kind == "submitted" && l.last.IsZero() {
		l.last = time.Now()
	}
	fmt.Fprintf(l.stderr, "%s\n", e.Text)
}

func (l *lines) update(v master.View) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.last) < linePause {
		return
	}
	l.last = time.Now()
	for _, j := range v.Jobs {
		if j.State == farm.Running {
			fmt.Fprintln(l.stderr, progressLine(j))
		}
	}
}

// progressLine tells a job's progress: "name: 120 of 450 frames (26 %), 31.2 frames/s, 11s left".
func progressLine(j master.JobView) string {
	text := fmt.Sprintf("%s: %d of %d frames (%d %%)", j.Spec.Name, j.FramesDone, j.FramesTotal, 100*j.FramesDone/max(j.FramesTotal, 1))
	if j.Speed > 0 {
		text += fmt.Sprintf(", %.1f frames/s", j.Speed)
	}
	if j.Left > 0 {
		text += fmt.Sprintf(", %s left", j.Left.Round(time.Second))
	}
	return text
}

func (l *lines) film(_ uint32, f master.Film) { fmt.Fprintln(l.stdout, f.Path) }

func (l *lines) failed(_ master.Request, err error) { fmt.Fprintln(l.stderr, err) }

func (l *lines) close() {}

// jsonDisplay writes events for machines.
type jsonDisplay struct {
	mu   sync.Mutex
	out  *json.Encoder
	done map[uint32]int64
}

type jsonProgress struct {
	Event   string       `json:"event"` // "progress"
	Job     uint32       `json:"job"`
	State   farm.State   `json:"state"`
	Done    int64        `json:"frames_done"`
	Total   int64        `json:"frames_total"`
	Speed   float64      `json:"frames_per_second"`
	Left    float64      `json:"seconds_left"`
	Workers []jsonWorker `json:"workers"`
}

type jsonWorker struct {
	Name  string `json:"name"`
	First int64  `json:"first"`
	End   int64  `json:"end"`
	Sound bool   `json:"sound,omitempty"`
	Done  int64  `json:"frames_done"`
}

type jsonFilm struct {
	Event   string  `json:"event"` // "film"
	Job     uint32  `json:"job"`
	Path    string  `json:"path"`
	Log     string  `json:"log"`
	Frames  int64   `json:"frames"`
	Seconds float64 `json:"seconds"`
}

type jsonFailed struct {
	Event   string `json:"event"` // "refused"
	Project string `json:"project"`
	Error   string `json:"error"`
}

func (d *jsonDisplay) put(v any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.out.Encode(v) // a reader that went away does not stop the export
}

func (d *jsonDisplay) event(e master.Event) { d.put(e) }

func (d *jsonDisplay) update(v master.View) {
	for _, j := range v.Jobs {
		if j.State != farm.Running || d.seen(j) {
			continue
		}
		p := jsonProgress{
			Event: "progress", Job: j.ID, State: j.State, Done: j.FramesDone, Total: j.FramesTotal,
			Speed: j.Speed, Left: j.Left.Seconds(), Workers: []jsonWorker{},
		}
		for _, w := range v.Workers {
			if r, ok := held(j, w); ok {
				p.Workers = append(p.Workers, jsonWorker{w.Spec.Name, r.First, r.End, r.Content == farm.Sound, w.Frames})
			}
		}
		d.put(p)
	}
}

// seen says that nothing has moved since the last time.
func (d *jsonDisplay) seen(j master.JobView) bool {
	if d.done == nil {
		d.done = map[uint32]int64{}
	}
	last, ok := d.done[j.ID]
	d.done[j.ID] = j.FramesDone
	return ok && last == j.FramesDone
}

// held returns the range of a job that a worker is at.
func held(j master.JobView, w farm.WorkerView) (farm.RangeView, bool) {
	if w.Holds.Job != j.ID || int(w.Holds.Range) >= len(j.Ranges) {
		return farm.RangeView{}, false
	}
	return j.Ranges[w.Holds.Range], true
}

func (d *jsonDisplay) film(job uint32, f master.Film) {
	d.put(jsonFilm{"film", job, f.Path, f.Log, f.Frames, f.Took.Seconds()})
}

func (d *jsonDisplay) failed(r master.Request, err error) {
	d.put(jsonFailed{"refused", r.Project, err.Error()})
}

func (d *jsonDisplay) close() {}
