package master

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/media/film"
)

// resumeJoins starts the joins that an earlier process did not finish.
func (m *Master) resumeJoins() {
	for _, v := range m.farm.Jobs() {
		if v.State == farm.Joining {
			m.startJoin(m.jobs[v.ID])
		}
	}
}

// startJoin joins a job's parts beside the loop.
func (m *Master) startJoin(j *job) {
	view, ok := m.farm.Job(j.id)
	if !ok || view.State != farm.Joining || j.joining != nil {
		return // cancelled since
	}
	spec := j.joinSpec(view)
	m.note(j, Event{Kind: "joining", Text: fmt.Sprintf("all is rendered; joining %d parts", len(spec.Parts))})
	ctx, cancel := context.WithCancel(m.ctx)
	j.joining = cancel
	m.joins.Go(func() {
		defer cancel()
		err := join(ctx, spec, j.Request.Output, j.Request.Owner)
		// When the master has stopped, it abandons its jobs itself.
		_ = m.call(context.Background(), func(now time.Time) { m.joined(now, j, err) })
	})
}

// joined records the outcome of a join.
func (m *Master) joined(now time.Time, j *job, err error) {
	j.joining = nil
	if err != nil {
		if events, failed := m.farm.JobFailed(now, j.id, err.Error()); failed == nil {
			m.record(events)
		}
		return // or the job was cancelled
	}
	film := j.filmOf(now.Sub(j.started))
	m.note(j, Event{Kind: "done", Text: fmt.Sprintf("the film %s is ready: %d frames in %s", film.Path, film.Frames, film.Took.Round(time.Second/10))})
	if err := j.writeLog(); err != nil {
		m.note(j, Event{Kind: "note", Text: err.Error()})
		film.Log = ""
	}
	j.film = film
	if events, err := m.farm.JobDone(now, j.id); err == nil {
		m.record(events)
	}
}

// joinSpec lists the parts of a completed job in the order of the film.
func (j *job) joinSpec(view farm.JobView) film.JoinSpec {
	spec := film.JoinSpec{Encoding: j.Plan.Encoding}
	for _, r := range view.Ranges {
		p := j.folder.part(r.Result)
		if r.Content == farm.Sound {
			spec.Audio = &p
			continue
		}
		spec.Parts = append(spec.Parts, p)
	}
	return spec
}

// join makes the film and puts it in its place. Until then the target folder shows nothing of
// it, even after a power cut: the file has no name before it is complete.
func join(ctx context.Context, spec film.JoinSpec, output string, owner uint32) error {
	f, err := create(output)
	if err != nil {
		return fmt.Errorf("write film: %w", err)
	}
	defer f.discard()
	spec.Output, spec.Into = output, f.openPath()
	if err := film.Join(ctx, spec); err != nil {
		return fmt.Errorf("join %s: %w", filepath.Base(output), err)
	}
	if err := f.own(owner); err != nil {
		return fmt.Errorf("give the film to its owner: %w", err)
	}
	return f.publish(0o644)
}
