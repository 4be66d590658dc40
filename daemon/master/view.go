package master

import (
	"context"
	"time"

	"olive-distributed/daemon/farm"
)

// A View is the state of the farm at one moment.
type View struct {
	Jobs    []JobView
	Workers []farm.WorkerView
}

// A JobView is a job as it is shown, its ranges included.
type JobView struct {
	farm.JobView
	Output string
}

// View returns the present state.
func (m *Master) View(ctx context.Context) (View, error) {
	var v View
	err := m.do(ctx, func(time.Time) {
		for _, short := range m.farm.Jobs() {
			full, _ := m.farm.Job(short.ID)
			v.Jobs = append(v.Jobs, JobView{JobView: full, Output: m.jobs[short.ID].request.Output})
		}
		v.Workers = m.farm.Workers()
	})
	return v, err
}
