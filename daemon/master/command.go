package master

import (
	"context"
	"time"

	"olive-distributed/daemon/farm"
)

// command runs one of the farm's commands and waits until it is durable.
func (m *Master) command(ctx context.Context, f func(now time.Time) ([]farm.Event, error)) error {
	_, err := ask(ctx, m, func(now time.Time) (struct{}, error) {
		events, err := f(now)
		m.record(events)
		return struct{}{}, err
	})
	return err
}

// Configure changes the farm's policy, and how long jobs that have ended stay in the list.
func (m *Master) Configure(ctx context.Context, p farm.Policy, keep time.Duration) error {
	return m.call(ctx, func(time.Time) {
		m.farm.SetPolicy(p)
		m.cfg.Policy, m.cfg.Keep, m.hungry = p, keep, true
	})
}

// Close says that no more jobs will be submitted: workers are sent home when all have ended.
func (m *Master) Close(ctx context.Context) error {
	return m.call(ctx, func(time.Time) { m.closing, m.hungry = true, true })
}

// Cancel ends a job that has not ended. Errors: [farm.ErrNoJob], [farm.StateError].
func (m *Master) Cancel(ctx context.Context, id uint32) error {
	return m.command(ctx, func(now time.Time) ([]farm.Event, error) { return m.farm.Cancel(now, id) })
}

// Pause stops handing out ranges of a job. Errors: [farm.ErrNoJob], [farm.StateError].
func (m *Master) Pause(ctx context.Context, id uint32) error {
	return m.command(ctx, func(now time.Time) ([]farm.Event, error) { return m.farm.Pause(now, id) })
}

// Resume ends a pause. Errors: [farm.ErrNoJob], [farm.StateError].
func (m *Master) Resume(ctx context.Context, id uint32) error {
	return m.command(ctx, func(now time.Time) ([]farm.Event, error) { return m.farm.Resume(now, id) })
}

// Retry gives a failed job another chance. Errors: [farm.ErrNoJob], [farm.StateError].
func (m *Master) Retry(ctx context.Context, id uint32) error {
	return m.command(ctx, func(now time.Time) ([]farm.Event, error) { return m.farm.Retry(now, id) })
}

// SetPriority moves a job in the queue; higher comes first. Errors: [farm.ErrNoJob].
func (m *Master) SetPriority(ctx context.Context, id uint32, priority int) error {
	return m.command(ctx, func(now time.Time) ([]farm.Event, error) { return m.farm.SetPriority(now, id, priority) })
}

// Forget removes a job that has ended, with its log and parts. Errors: [farm.ErrNoJob], [farm.StateError].
func (m *Master) Forget(ctx context.Context, id uint32) error {
	return m.command(ctx, func(now time.Time) ([]farm.Event, error) { return m.farm.Forget(now, id) })
}

// PauseWorker hands nothing more to a worker. Errors: [farm.ErrNoWorker].
func (m *Master) PauseWorker(ctx context.Context, name string) error {
	return m.command(ctx, func(now time.Time) ([]farm.Event, error) { return m.farm.PauseWorker(now, name) })
}

// DrainWorker lets a worker finish what it has, hands nothing more to it, and tells it so. Errors: [farm.ErrNoWorker].
func (m *Master) DrainWorker(ctx context.Context, name string) error {
	return m.command(ctx, func(now time.Time) ([]farm.Event, error) { return m.farm.DrainWorker(now, name) })
}

// ResumeWorker ends a worker's pause, and its drain. Errors: [farm.ErrNoWorker].
func (m *Master) ResumeWorker(ctx context.Context, name string) error {
	return m.command(ctx, func(now time.Time) ([]farm.Event, error) { return m.farm.ResumeWorker(now, name) })
}

// Dismiss removes a worker for good, as when its certificate is revoked. Errors: [farm.ErrNoWorker].
func (m *Master) Dismiss(ctx context.Context, name string) error {
	return m.command(ctx, func(now time.Time) ([]farm.Event, error) { return m.farm.Dismiss(now, name) })
}
