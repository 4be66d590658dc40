package master

import (
	"context"
	"slices"
	"time"
)

// An Ending is how a job has ended.
type Ending struct {
	Job    uint32
	Key    string
	Output string // the film, when Err is nil
	Err    error  // why there is none: [ErrCancelled], or what the user reads
	Log    []Event
}

func (j *job) ending() Ending {
	return Ending{Job: j.id, Key: j.Request.Key, Output: j.Request.Output, Err: j.err, Log: slices.Clone(j.log)}
}

// enter makes a job known.
func (m *Master) enter(j *job) {
	m.jobs[j.id] = j
	if j.Request.Key != "" {
		m.keys[j.Request.Key] = j
	}
}

// Find returns the job of a key, 0 for none, and how it has ended, nil when it has not. What it
// says is durable.
func (m *Master) Find(ctx context.Context, key string) (id uint32, ended *Ending, err error) {
	if key == "" {
		return 0, nil, nil
	}
	known, err := peek(ctx, m, func(time.Time) bool { return m.keys[key] != nil })
	if err != nil || !known { // that there is none rests on nothing that would have to be durable
		return 0, nil, err
	}
	type found struct {
		id    uint32
		ended *Ending
	}
	f, err := ask(ctx, m, func(time.Time) (f found, err error) {
		if j := m.keys[key]; j != nil {
			f.id = j.id
			if j.over() {
				e := j.ending()
				f.ended = &e
			}
		}
		return f, nil
	})
	return f.id, f.ended, err
}
