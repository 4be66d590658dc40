package master

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/share"
	"olive-distributed/daemon/worker"
)

// inbox is the folder to which a worker delivers: nobody else writes there, and nothing counts before it was moved
// from there to the job's folder.
func (f *folder) inbox(worker string) string { return share.Inbox(f.dir, worker) }

// openInbox makes the worker's inbox, empty. Who asks for work is at nothing else: what lies there nobody will
// report.
func (f *folder) openInbox(worker string) error {
	if f.taken[worker] {
		delete(f.taken, worker)
		return nil
	}
	dir := f.inbox(worker)
	left, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		err = os.MkdirAll(dir, 0o700)
	}
	for _, e := range left {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	if err != nil {
		return fmt.Errorf("make the inbox of %s: %w", worker, err)
	}
	return nil
}

// keptName is the name in the job's folder of a part that has been verified. What is in a part is in its name: no
// later one can take its place.
func keptName(part, sum string) string {
	ext := filepath.Ext(part)
	return fmt.Sprintf("%s.%.16s%s", strings.TrimSuffix(part, ext), sum, ext)
}

var sumForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// take moves a verified part out of the reach of its worker and returns its place. That need not be durable: see
// recover.
func (f *folder) take(path, part, sum string) (string, error) {
	to := filepath.Join(f.dir, keptName(part, sum))
	err := os.Rename(path, to)
	if errors.Is(err, os.ErrNotExist) { // the same report has come twice
		_, err = os.Stat(to)
	}
	if err != nil {
		return "", fmt.Errorf("keep part: %w", err)
	}
	return to, nil
}

// recover moves accepted parts that lie in their inboxes once more after a power cut: there they were durable.
func (j *job) recover(v farm.JobView) {
	for _, r := range v.Ranges {
		if r.State != farm.Completed || len(r.Workers) == 0 || r.Result.Part == "" {
			continue
		}
		kept := j.folder.part(r.Result).Path
		if _, err := os.Lstat(kept); errors.Is(err, os.ErrNotExist) {
			_ = os.Rename(filepath.Join(j.folder.inbox(r.Workers[0]), j.partName(r, r.Workers[0])), kept) // or the join will say what is missing
		}
	}
}

// introduce makes a job known to the shares.
func (m *Master) introduce(j *job) {
	if m.cfg.Shares != nil && j.Sheet != nil && !j.over() {
		if j.shared == nil {
			var err error
			if j.shared, err = share.NewJob(j.folder.dir, j.Plan, j.Sheet); err != nil {
				return // its tasks say nothing of a share
			}
		}
		m.cfg.Shares.Open(j.id, j.shared)
	}
}

// introduceAll shows what the restored farm has handed out.
func (m *Master) introduceAll() {
	for _, j := range m.jobs {
		m.introduce(j)
	}
	for _, w := range m.farm.Workers() {
		m.grant(w.Spec.Name, w.Holds)
	}
}

// shareOf says how other machines reach the files of a task, nil when they do not.
func (m *Master) shareOf(j *job, part string) *worker.Share {
	if m.cfg.Shares == nil || j.shared == nil {
		return nil
	}
	s := &worker.Share{
		Boot: m.boot, Export: share.ExportName(j.id), Project: share.ProjectName, Digest: j.Sheet.Digest,
		Part: path.Join(share.PartsName, part),
	}
	var err error
	if s.Device, s.Inode, err = j.shared.Identity(); err != nil {
		return nil
	}
	for _, item := range j.Sheet.Media {
		s.Media = append(s.Media, item.Name)
	}
	return s
}

// publish tells the shares what an event changes for workers elsewhere.
func (m *Master) publish(e *farm.Event) {
	s := m.cfg.Shares
	if s == nil {
		return
	}
	for _, name := range e.Stop {
		s.Withdraw(name, e.ID())
	}
	switch e.Kind {
	case farm.RangeAssigned, farm.RangeReclaimed:
		m.grant(e.Worker, e.ID())
	case farm.RangeCompleted, farm.RangeFailed:
		s.Reported(e.Worker, e.ID())
	case farm.WorkerLost:
		s.Silent(e.Worker)
	case farm.WorkerLeft:
		s.Leave(e.Worker)
	case farm.WorkerDismissed:
		s.Dismiss(e.Worker)
	case farm.JobDone, farm.JobFailed, farm.JobCancelled, farm.JobForgotten:
		s.Close(e.Job)
	case farm.JobRetried:
		m.introduce(m.jobs[e.Job])
	}
	if e.Joins {
		s.Close(e.Job)
	}
}

// grant shows a worker the range that it has.
func (m *Master) grant(name string, id farm.RangeID) {
	j := m.jobs[id.Job]
	r, ok := m.farm.Range(id)
	if m.cfg.Shares == nil || j == nil || !ok {
		return
	}
	part := j.partName(r, name)
	m.cfg.Shares.Grant(name, share.Range{
		ID: id, Sound: r.Content == farm.Sound, Len: r.End - r.First, Names: []string{part, worker.DraftName(part, name)},
	})
}
