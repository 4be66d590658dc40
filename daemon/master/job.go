package master

import (
	"context"
	"fmt"
	"strings"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/worker"
)

// A job is what the master knows of a job beyond the farm.
type job struct {
	id      uint32
	request Request
	plan    *render.Plan
	seq     *ove.Sequence
	scratch *scratch
	started time.Time
	log     []Event
	tasks   map[uint32]*worker.Task // by number of the range
	parts   map[uint32]kept         // of completed ranges
	ended   chan struct{}           // closed after err is set
	err     error
	film    Film
}

// A Film is a finished export.
type Film struct {
	Path   string        `json:"path"`
	Log    string        `json:"log"`
	Frames ove.Frame     `json:"frames"`
	Took   time.Duration `json:"took"`
}

// describe names a range of the job for a log.
func (j *job) describe(number uint32) string {
	switch t := j.tasks[number]; {
	case t == nil:
		return fmt.Sprintf("range %d", number)
	case t.Sound:
		return "sound"
	default:
		return fmt.Sprintf("frames %d to %d", t.Span.First, t.Span.End)
	}
}

// Wait blocks until the job has ended and returns its film, or why there is none.
func (m *Master) Wait(ctx context.Context, id uint32) (Film, error) {
	var j *job
	if err := m.do(ctx, func(time.Time) { j = m.jobs[id] }); err != nil {
		return Film{}, err
	}
	if j == nil {
		return Film{}, fmt.Errorf("job %d: %w", id, farm.ErrNoJob)
	}
	select {
	case <-j.ended:
		return j.film, j.err
	case <-ctx.Done():
		return Film{}, context.Cause(ctx)
	}
}

// end closes a job's books: with its film, or with the reason why there is none.
func (m *Master) end(j *job, err error) {
	if j.over() {
		return
	}
	if err != nil {
		m.note(j, Event{Kind: "failed", Text: err.Error()})
	}
	j.err = err
	j.scratch.release(err != nil && j.request.Resume)
	close(j.ended)
}

func (j *job) over() bool {
	select {
	case <-j.ended:
		return true
	default:
		return false
	}
}

// abandon ends a job because the master ends.
func (m *Master) abandon(j *job, cause error) {
	if !j.over() {
		m.end(j, fmt.Errorf("export of %s was stopped: %w", j.request.Project, cause))
	}
}

// startJoin joins a job's parts beside the loop.
func (m *Master) startJoin(j *job) {
	spec := m.joinSpec(j)
	m.note(j, Event{Kind: "joining", Text: fmt.Sprintf("joining %d parts", len(spec.Parts))})
	m.joins.Go(func() {
		err := join(m.ctx, spec, j.request.Output)
		// When the master has stopped it abandons its jobs itself.
		_ = m.do(context.Background(), func(now time.Time) { m.joined(now, j, err) })
	})
}

// joined records the outcome of a join.
func (m *Master) joined(now time.Time, j *job, err error) {
	if err != nil {
		events, _ := m.farm.JobFailed(now, j.id, err.Error())
		m.record(events)
		return
	}
	j.film = Film{Path: j.request.Output, Frames: j.plan.Span.Len(), Took: now.Sub(j.started)}
	m.note(j, Event{Kind: "done", Text: fmt.Sprintf("%s: %d frames in %s", j.film.Path, j.film.Frames, j.film.Took.Round(time.Second/10))})
	j.film.Log, err = j.writeLog()
	if err != nil {
		m.note(j, Event{Kind: "note", Text: err.Error()})
	}
	events, _ := m.farm.JobDone(now, j.id)
	m.record(events)
	m.end(j, nil)
}

// joinSpec lists the parts of a completed job in the order of the film.
func (m *Master) joinSpec(j *job) media.JoinSpec {
	spec := media.JoinSpec{Encoding: j.plan.Encoding}
	view, _ := m.farm.Job(j.id)
	for _, r := range view.Ranges {
		p := j.parts[r.ID.Range]
		if p.Sound {
			spec.Audio = p.Part.Path
			continue
		}
		spec.Parts = append(spec.Parts, p.Part.Path)
		spec.Frames = append(spec.Frames, p.Span.Len())
	}
	return spec
}

// writeLog puts the job's log beside its film.
func (j *job) writeLog() (string, error) {
	path := logPath(j.request.Output)
	var b strings.Builder
	fmt.Fprintf(&b, "%s, sequence %q, frames %d to %d, preset %s\n", j.plan.Project, j.seq.Name, j.plan.Span.First, j.plan.Span.End, j.plan.Encoding.Preset)
	for _, e := range j.log {
		fmt.Fprintf(&b, "%s  %s\n", e.Time.Format(time.DateTime), e.Text)
	}
	f, err := create(path)
	if err != nil {
		return "", fmt.Errorf("write log: %w", err)
	}
	defer f.discard()
	if _, err := f.WriteString(b.String()); err != nil {
		return "", fmt.Errorf("write log: %w", err)
	}
	return path, f.publish(0o644)
}
