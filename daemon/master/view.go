package master

import (
	"context"
	"fmt"
	"slices"
	"time"

	"olive-distributed/daemon/farm"
)

// A View is the state of the farm at one moment.
type View struct {
	Jobs     []JobView
	Workers  []farm.WorkerView
	Held     map[string]farm.RangeView // by worker, what it is at
	Degraded string                    // why nothing is accepted at the moment, "" when all is well
}

// A JobView is a job as it is shown, its ranges included.
type JobView struct {
	farm.JobView
	Project string
	Output  string
}

// View returns the present state.
func (m *Master) View(ctx context.Context) (View, error) {
	return peek(ctx, m, func(time.Time) View {
		var v View
		for _, short := range m.farm.Jobs() {
			full, _ := m.farm.Job(short.ID)
			v.Jobs = append(v.Jobs, m.show(full))
		}
		m.surround(&v)
		return v
	})
}

// Overview is View without the jobs' ranges.
func (m *Master) Overview(ctx context.Context) (View, error) {
	return peek(ctx, m, func(time.Time) View {
		jobs := m.farm.Jobs()
		v := View{Jobs: make([]JobView, len(jobs))} // ten thousand would else be copied again and again
		for i, short := range jobs {
			v.Jobs[i] = m.show(short)
		}
		m.surround(&v)
		return v
	})
}

// Workers is View without jobs.
func (m *Master) Workers(ctx context.Context) (View, error) {
	return peek(ctx, m, func(time.Time) (v View) {
		m.surround(&v)
		return v
	})
}

// Degraded says why nothing is accepted at the moment, "" when all is well.
func (m *Master) Degraded() string {
	if m.cfg.Journal == nil {
		return ""
	}
	if err := m.cfg.Journal.Health(); err != nil {
		return err.Error()
	}
	return ""
}

// Job shows one job. Errors: [farm.ErrNoJob].
func (m *Master) Job(ctx context.Context, id uint32) (JobView, error) {
	v, err := peek(ctx, m, func(time.Time) *JobView {
		full, ok := m.farm.Job(id)
		if !ok {
			return nil
		}
		v := m.show(full)
		return &v
	})
	switch {
	case err != nil:
		return JobView{}, err
	case v == nil:
		return JobView{}, fmt.Errorf("job %d: %w", id, farm.ErrNoJob)
	}
	return *v, nil
}

func (m *Master) show(v farm.JobView) JobView {
	j := m.jobs[v.ID]
	return JobView{JobView: v, Project: j.Request.Project, Output: j.Request.Output}
}

// surround adds what is not of one job.
func (m *Master) surround(v *View) {
	v.Workers, v.Held = m.farm.Workers(), map[string]farm.RangeView{}
	for _, w := range v.Workers {
		if r, ok := m.farm.Range(w.Holds); ok {
			v.Held[w.Spec.Name] = r
		}
	}
	v.Degraded = m.Degraded()
}

// Log returns what has happened to a job. Errors: [farm.ErrNoJob].
func (m *Master) Log(ctx context.Context, id uint32) ([]Event, error) {
	j, err := peek(ctx, m, func(time.Time) []Event {
		if j := m.jobs[id]; j != nil {
			return append([]Event{}, j.log...)
		}
		return nil
	})
	if err == nil && j == nil {
		return nil, fmt.Errorf("job %d: %w", id, farm.ErrNoJob)
	}
	return slices.Clip(j), err
}
