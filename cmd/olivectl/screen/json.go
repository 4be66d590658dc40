package screen

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

// jsonDisplay writes events for machines, one a line. Its names are an interface, told in olivectl(1).
type jsonDisplay struct {
	mu   sync.Mutex
	out  *json.Encoder
	told map[uint32]standing
	now  func() time.Time
}

// A standing is what was told of a job last.
type standing struct {
	state farm.State
	done  int64
}

func newJSON(w io.Writer) *jsonDisplay {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return &jsonDisplay{out: e, told: map[uint32]standing{}, now: time.Now}
}

// A LogLine is an event of a job.
type LogLine struct {
	Time   time.Time `json:"time"`
	Job    uint32    `json:"job"`
	Event  string    `json:"event"` // as in the D-Bus signal LogMessage
	Text   string    `json:"text"`
	Worker string    `json:"worker,omitempty"`
	First  int64     `json:"first,omitempty"`
	End    int64     `json:"end,omitempty"`
}

// LineOf is a job's event as JSON has it.
func LineOf(job uint32, e *dbus.LogEntry) LogLine {
	return LogLine{e.Time, job, e.Event, e.Text, e.Worker, e.First, e.End}
}

type jsonProgress struct {
	Event   string       `json:"event"` // "progress"
	Job     uint32       `json:"job"`
	Name    string       `json:"name"`
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

type jsonRefused struct {
	Event   string `json:"event"` // "refused"
	Project string `json:"project"`
	Error   string `json:"error"`
}

type jsonRemark struct {
	Event string `json:"event"` // "remark"
	Text  string `json:"text"`
}

func (d *jsonDisplay) put(v any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.out.Encode(v)
}

func (d *jsonDisplay) Log(job uint32, e dbus.LogEntry) { d.put(LineOf(job, &e)) }

// Update tells what has moved since the last time.
func (d *jsonDisplay) Update(v dbus.View) {
	for i := range v.Jobs {
		j := &v.Jobs[i]
		if now := (standing{j.State, j.FramesDone}); d.told[j.ID] == now {
			continue
		} else {
			d.told[j.ID] = now
		}
		p := jsonProgress{
			Event: "progress", Job: j.ID, Name: j.Name, State: j.State, Done: j.FramesDone, Total: j.FramesTotal,
			Speed: j.Speed, Left: Left(j, d.now()).Seconds(), Workers: []jsonWorker{},
		}
		for _, w := range v.Workers {
			if w.AtWork() && w.Job == j.ID {
				p.Workers = append(p.Workers, jsonWorker{w.Name, w.Range.First, w.Range.End, w.Range.Content == dbus.Sound, w.FramesDone})
			}
		}
		d.put(p)
	}
}

func (d *jsonDisplay) Film(job uint32, f Film) {
	d.put(jsonFilm{"film", job, f.Path, f.Log, f.Frames, f.Took.Seconds()})
}

func (d *jsonDisplay) Refused(project string, err error) {
	d.put(jsonRefused{"refused", project, err.Error()})
}

func (d *jsonDisplay) Say(text string) { d.put(jsonRemark{"remark", text}) }

func (d *jsonDisplay) Close() {}
