// Package listing writes what olivectl tells of jobs and workers: as tables for people, and as JSON
// whose names are an interface, told in olivectl(1). It asks nobody; a writer's error is the only one.
package listing

import (
	"encoding/json"
	"io"
	"time"

	"olive-distributed/cmd/olivectl/screen"
	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

// JSON writes a value for machines.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Jobs is what list prints.
type Jobs struct {
	Degraded string `json:"degraded,omitempty"` // why the master takes nothing now
	Jobs     []Job  `json:"jobs"`
}

// A Job is a job of list and show. Times that have not come are left out.
type Job struct {
	Job       uint32     `json:"job"`
	Name      string     `json:"name"`
	Project   string     `json:"project"`
	State     farm.State `json:"state"`
	Error     string     `json:"error,omitempty"`
	Output    string     `json:"output"`
	Owner     uint32     `json:"owner"` // uid
	Priority  int32      `json:"priority"`
	Submitted time.Time  `json:"submitted,omitzero"`
	Started   time.Time  `json:"started,omitzero"`
	Ended     time.Time  `json:"ended,omitzero"`
	Done      int64      `json:"frames_done"`
	Total     int64      `json:"frames_total"`
	Speed     float64    `json:"frames_per_second"`
	Left      float64    `json:"seconds_left"`
	Crew      uint32     `json:"workers"`          // that are here and can do it
	Ranges    []Range    `json:"ranges,omitempty"` // of show only
}

// A Range is a range of a job.
type Range struct {
	Range   uint32     `json:"range"`
	Content string     `json:"content"` // picture, sound or whole
	First   int64      `json:"first"`
	End     int64      `json:"end"`
	State   farm.State `json:"state"`
	Workers []string   `json:"workers,omitempty"` // at it now, or who has completed it
}

// Workers is what workers prints.
type Workers struct {
	Workers []Worker `json:"workers"`
}

// A Worker is a worker of the farm.
type Worker struct {
	Name     string     `json:"name"`
	State    string     `json:"state"`
	Engines  []string   `json:"engines,omitempty"`
	Threads  uint32     `json:"threads,omitempty"`
	Speed    float64    `json:"frames_per_second"`
	Job      uint32     `json:"job,omitempty"`
	Range    *HeldRange `json:"range,omitempty"`
	Failures uint32     `json:"failures,omitempty"` // in a row
	LastSeen time.Time  `json:"last_seen,omitzero"`
	Expires  time.Time  `json:"certificate_ends,omitzero"`
	Revoked  bool       `json:"revoked,omitempty"`
}

// A HeldRange is the range that a worker is at.
type HeldRange struct {
	Range   uint32 `json:"range"`
	Content string `json:"content"`
	First   int64  `json:"first"`
	End     int64  `json:"end"`
	Done    int64  `json:"frames_done"`
}

// JobsOf is the list of all jobs.
func JobsOf(v *dbus.View, now time.Time) Jobs {
	l := Jobs{Degraded: v.Degraded, Jobs: []Job{}}
	for i := range v.Jobs {
		l.Jobs = append(l.Jobs, JobOf(&v.Jobs[i], now))
	}
	return l
}

// JobOf is a job with its ranges, if it has them.
func JobOf(j *dbus.Job, now time.Time) Job {
	l := Job{
		Job: j.ID, Name: j.Name, Project: j.Project, State: j.State, Error: j.Error, Output: j.Output, Owner: j.Owner, Priority: j.Priority,
		Submitted: j.Submitted, Started: j.Started, Ended: j.Ended, Done: j.FramesDone, Total: j.FramesTotal,
		Speed: j.Speed, Left: screen.Left(j, now).Seconds(), Crew: j.Crew,
	}
	for _, r := range j.Ranges {
		l.Ranges = append(l.Ranges, Range{r.Number, r.Content, r.First, r.End, r.State, r.Workers})
	}
	return l
}

// WorkersOf is the list of all workers.
func WorkersOf(v *dbus.View) Workers {
	l := Workers{Workers: []Worker{}}
	for _, w := range v.Workers {
		out := Worker{
			Name: w.Name, State: w.State, Engines: w.Engines, Threads: w.Threads, Speed: w.Speed, Job: w.Job,
			Failures: w.Failures, LastSeen: w.LastSeen, Expires: w.CertificateEnds, Revoked: w.Revoked,
		}
		if w.AtWork() {
			out.Range = &HeldRange{w.Range.Number, w.Range.Content, w.Range.First, w.Range.End, w.FramesDone}
		}
		l.Workers = append(l.Workers, out)
	}
	return l
}

// Status is what status prints: what runs on this machine.
type Status struct {
	Master *Master `json:"master,omitempty"`
	Here   *Here   `json:"here,omitempty"`
}

// Master is how the farm is.
type Master struct {
	Version  string         `json:"version"`
	Degraded string         `json:"degraded,omitempty"`
	Jobs     map[string]int `json:"jobs"`    // numbers by state
	Workers  map[string]int `json:"workers"` // likewise
	Speed    float64        `json:"frames_per_second"`
}

// Here is the worker on this machine.
type Here struct {
	Name    string     `json:"name"`
	Master  string     `json:"master"` // HOST:PORT
	State   string     `json:"state"`
	Threads uint32     `json:"threads"`
	Job     uint32     `json:"job,omitempty"`
	Range   *HeldRange `json:"range,omitempty"`
}

// MasterOf counts what is there.
func MasterOf(v *dbus.View, version string) *Master {
	m := &Master{Version: version, Degraded: v.Degraded, Jobs: map[string]int{}, Workers: map[string]int{}}
	for i := range v.Jobs {
		m.Jobs[string(v.Jobs[i].State)]++
		if v.Jobs[i].State == farm.Running {
			m.Speed += v.Jobs[i].Speed
		}
	}
	for i := range v.Workers {
		m.Workers[standing(&v.Workers[i])]++
	}
	return m
}

// HereOf is the worker on this machine.
func HereOf(s *dbus.WorkerStatus) Here {
	h := Here{Name: s.Name, Master: s.Master, State: s.Status, Threads: s.Threads}
	if s.Status == dbus.Rendering {
		h.Job = s.Current.Job
		h.Range = &HeldRange{s.Current.Number, s.Current.Content, s.Current.First, s.Current.End, s.FramesDone}
	}
	return h
}

// standing is the state of a worker; one whose certificate was revoked has no other.
func standing(w *dbus.Member) string {
	if w.Revoked {
		return "revoked"
	}
	return w.State
}
