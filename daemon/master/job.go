package master

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/share"
)

// An order is what the journal keeps of a job for its master, in the farm's JobSpec.Data.
type order struct {
	Request  Request      `json:"request"`
	Plan     *render.Plan `json:"plan"`
	Sequence string       `json:"sequence"`        // its name
	Folder   string       `json:"folder"`          // name of the folder of the job's parts
	Sheet    *share.Sheet `json:"sheet,omitempty"` // for workers elsewhere; nil: none are wanted
}

// A job is what the master knows of a job beyond the farm.
type job struct {
	order
	id       uint32
	folder   *folder
	shared   *share.Job // nil: not shown to workers elsewhere
	started  time.Time
	log      []Event
	unlogged int                // of these, the last so many are not in the file yet
	data     []byte             // the project, until the job's folder has it
	cuts     []int64            // of the sequence, until the job is entered
	marks    []string           // of the encoder and the engine, likewise
	remarks  []string           // for the beginning of the log
	joining  context.CancelFunc // ends the join, nil when there is none
	ended    chan struct{}      // closed after err is set
	err      error
	film     Film
	sum      string // see planSum
}

// planSum names the plan of the job, and how its media are called in the export.
func (j *job) planSum() string {
	if j.sum == "" {
		h := sha256.New()
		// Neither can fail: the journal has them in this form.
		_ = json.NewEncoder(h).Encode(j.Plan)
		_ = json.NewEncoder(h).Encode(j.Sheet)
		j.sum = hex.EncodeToString(h.Sum(nil)[:16])
	}
	return j.sum
}

// A Film is a finished export.
type Film struct {
	Path   string        `json:"path"`
	Log    string        `json:"log"`
	Frames ove.Frame     `json:"frames"`
	Took   time.Duration `json:"took"`
}

// recall takes the jobs of the restored farm in.
func (m *Master) recall() error {
	for _, short := range m.farm.Jobs() {
		v, _ := m.farm.Job(short.ID)
		j := &job{id: v.ID, started: v.Submitted, ended: make(chan struct{})}
		if err := json.Unmarshal(v.Spec.Data, &j.order); err != nil {
			return fmt.Errorf("read job %d of the journal: %w", v.ID, err)
		}
		if j.Plan == nil || j.Folder != filepath.Base(j.Folder) || j.Folder == "." {
			return fmt.Errorf("read job %d of the journal: its order is not one of a master", v.ID)
		}
		j.folder = newFolder(filepath.Join(m.cfg.Folder, j.Folder))
		j.log = j.folder.readLog()
		j.number()
		m.enter(j)
		switch v.State {
		case farm.Done:
			j.film = j.filmOf(v.Ended.Sub(v.Submitted))
			close(j.ended)
		case farm.Failed:
			j.err = errors.New(v.Error)
			close(j.ended)
		case farm.Cancelled:
			j.err = ErrCancelled
			close(j.ended)
		default:
			j.recover(v)
		}
	}
	return nil
}

func (j *job) filmOf(took time.Duration) Film {
	return Film{Path: j.Request.Output, Log: logPath(j.Request.Output), Frames: j.Plan.Span.Len(), Took: took}
}

// title is what a user calls the job: by the project's path, or as he dropped it.
func (j *job) title() string {
	if j.Request.Key != "" {
		return filepath.Base(j.Request.Project)
	}
	return j.Request.Project
}

// describe names a range for a log.
func (m *Master) describe(id farm.RangeID) string {
	switch r, ok := m.farm.Range(id); {
	case !ok:
		return "range " + id.String()
	case r.Content == farm.Sound:
		return "sound"
	default:
		return fmt.Sprintf("frames %d to %d", r.First, r.End)
	}
}

// Wait blocks until the job has ended and returns its film, or why there is none.
func (m *Master) Wait(ctx context.Context, id uint32) (Film, error) {
	j, err := peek(ctx, m, func(time.Time) *job { return m.jobs[id] })
	if err != nil {
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
	if j == nil || j.over() {
		return
	}
	switch {
	case errors.Is(err, ErrCancelled):
		m.note(j, Event{Kind: "cancelled", Text: j.title() + ": cancelled"})
	case err != nil:
		m.note(j, Event{Kind: "failed", Text: err.Error()})
	}
	if j.joining != nil {
		j.joining()
	}
	j.err = err
	// A failed job may be retried: in this process never, in a daemon until it is forgotten.
	j.folder.release(err != nil && !errors.Is(err, ErrCancelled) && (j.Request.Resume || m.cfg.Journal != nil))
	close(j.ended)
	if m.cfg.Ended != nil {
		m.cfg.Ended(j.ending())
	}
}

func (j *job) over() bool {
	select {
	case <-j.ended:
		return true
	default:
		return false
	}
}

// reopen lets a failed job go on.
func (j *job) reopen() {
	if j.over() {
		j.ended, j.err = make(chan struct{}), nil
	}
}

// abandon ends a job because the master ends.
func (m *Master) abandon(j *job, cause error) {
	switch {
	case j.over():
	case m.cfg.Journal != nil:
		j.err = fmt.Errorf("the master has stopped: %w", cause)
		close(j.ended)
	default:
		m.end(j, fmt.Errorf("export of %s was stopped: %w", j.Request.Project, cause))
	}
}

// drop removes a forgotten job.
func (m *Master) drop(j *job) {
	if j != nil {
		j.folder.release(false)
		delete(m.jobs, j.id)
		delete(m.keys, j.Request.Key)
	}
}

// tidy forgets jobs that have ended long ago.
func (m *Master) tidy(now time.Time) {
	if m.cfg.Keep <= 0 || now.Sub(m.tidied) < time.Minute {
		return
	}
	m.tidied = now
	for _, v := range m.farm.Jobs() {
		if !v.Ended.IsZero() && now.Sub(v.Ended) > m.cfg.Keep {
			if events, err := m.farm.Forget(now, v.ID); err == nil {
				m.record(events)
			}
		}
	}
}

// number puts the job's ID into the beginning of its log, which was written when it had none.
func (j *job) number() {
	for i := range j.log {
		j.log[i].Job = j.id
	}
}

// writeLog puts the job's log beside its film.
func (j *job) writeLog() error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, sequence %q, frames %d to %d, preset %s\n", j.title(), j.Sequence, j.Plan.Span.First, j.Plan.Span.End, j.Plan.Encoding.Preset)
	for _, e := range j.log {
		fmt.Fprintf(&b, "%s  %s\n", e.Time.Format(time.DateTime), e.Text)
	}
	f, err := create(logPath(j.Request.Output))
	if err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	defer f.discard()
	if _, err := f.WriteString(b.String()); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	if err := f.own(j.Request.Owner); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	return f.publish(os.FileMode(0o644))
}
