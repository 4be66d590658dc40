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
	Degraded string // why nothing is accepted at the moment, "" when all is well
}

// A JobView is a job as it is shown, its ranges included.
type JobView struct {
	farm.JobView
	Output string
}

// View returns the present state.
func (m *Master) View(ctx context.Context) (View, error) {
	return peek(ctx, m, func(time.Time) View {
		var v View
		for _, short := range m.farm.Jobs() {
			full, _ := m.farm.Job(short.ID)
			v.Jobs = append(v.Jobs, JobView{JobView: full, Output: m.jobs[short.ID].Request.Output})
		}
		v.Workers = m.farm.Workers()
		if m.cfg.Journal != nil {
			if err := m.cfg.Journal.Health(); err != nil {
				v.Degraded = err.Error()
			}
		}
		return v
	})
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
