package main

import (
	"time"

	"olive-distributed/daemon/control"
	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
)

// A listing is what list prints as JSON; its names are an interface.
type listing struct {
	Degraded string          `json:"degraded,omitempty"` // why the master takes nothing now
	Jobs     []listingJob    `json:"jobs"`
	Workers  []listingWorker `json:"workers"`
}

type listingJob struct {
	Job       uint32     `json:"job"`
	Name      string     `json:"name"`
	State     farm.State `json:"state"`
	Error     string     `json:"error,omitempty"`
	Output    string     `json:"output"`
	Owner     uint32     `json:"owner"` // uid
	Priority  int        `json:"priority"`
	Submitted time.Time  `json:"submitted"`
	Started   time.Time  `json:"started,omitzero"`
	Ended     time.Time  `json:"ended,omitzero"`
	Done      int64      `json:"frames_done"`
	Total     int64      `json:"frames_total"`
	Speed     float64    `json:"frames_per_second"`
	Left      float64    `json:"seconds_left"`
	Crew      int        `json:"workers"` // that are here and can do it

	Ranges []listingRange `json:"ranges"`
}

type listingRange struct {
	First   int64      `json:"first"`
	End     int64      `json:"end"`
	Sound   bool       `json:"sound,omitempty"`
	State   farm.State `json:"state"`
	Workers []string   `json:"workers,omitempty"` // at it now, or who has completed it
	Failed  []string   `json:"failed,omitempty"`  // who has failed it
}

type listingWorker struct {
	Name     string    `json:"name"`
	State    string    `json:"state"`
	Engines  []string  `json:"engines,omitempty"`
	Threads  int       `json:"threads,omitempty"`
	Speed    float64   `json:"frames_per_second"`
	Job      uint32    `json:"job,omitempty"`
	Failures int       `json:"failures,omitempty"` // in a row
	LastSeen time.Time `json:"last_seen,omitzero"`
	Expires  time.Time `json:"certificate_expires,omitzero"`
	Revoked  bool      `json:"revoked,omitempty"`
}

func listingOf(s control.Status) listing {
	l := listing{Degraded: s.Degraded, Jobs: []listingJob{}, Workers: []listingWorker{}}
	for _, j := range s.Jobs {
		l.Jobs = append(l.Jobs, listingOfJob(j))
	}
	for _, w := range members(s) {
		v := w.view
		l.Workers = append(l.Workers, listingWorker{
			Name: w.name, State: workerState(v), Engines: v.Spec.Engines, Threads: v.Spec.Threads, Speed: v.Speed,
			Job: v.Holds.Job, Failures: v.Failures, LastSeen: v.LastSeen, Expires: w.enrolled.Expires, Revoked: w.enrolled.Revoked,
		})
	}
	return l
}

func listingOfJob(j master.JobView) listingJob {
	l := listingJob{
		Job: j.ID, Name: j.Spec.Name, State: j.State, Error: j.Error, Output: j.Output, Owner: j.Spec.Owner, Priority: j.Priority,
		Submitted: j.Submitted, Started: j.Started, Ended: j.Ended, Done: j.FramesDone, Total: j.FramesTotal,
		Speed: j.Speed, Left: j.Left.Seconds(), Crew: j.Crew, Ranges: []listingRange{},
	}
	for _, r := range j.Ranges {
		l.Ranges = append(l.Ranges, listingRange{r.First, r.End, r.Content == farm.Sound, r.State, r.Workers, r.Failed})
	}
	return l
}

// A member is a worker as the farm and as the certificates know it; either may not.
type member struct {
	name     string
	view     farm.WorkerView
	enrolled control.Enrolled
}

// members lists all workers: first those with certificates.
func members(s control.Status) []member {
	known := map[string]farm.WorkerView{}
	for _, v := range s.Workers {
		known[v.Spec.Name] = v
	}
	var all []member
	for _, e := range s.Enrolled {
		all = append(all, member{e.Name, known[e.Name], e})
		delete(known, e.Name)
	}
	for _, v := range s.Workers {
		if _, ok := known[v.Spec.Name]; ok {
			all = append(all, member{name: v.Spec.Name, view: v})
		}
	}
	return all
}
