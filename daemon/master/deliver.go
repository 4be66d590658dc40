package master

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/worker"
)

// An expectation is what the master knows itself of a part that a worker reports.
type expectation struct {
	plan   *render.Plan
	folder *folder
	span   render.Span
	sound  bool
	name   string // of the part's file
	again  bool   // the same report has been accepted before
}

// Done implements [worker.Master].
func (m *Master) Done(ctx context.Context, name string, t *worker.Task, d worker.Delivery) error {
	_, err := m.deliver(ctx, name, t, d, false)
	return err
}

// DoneNext implements [worker.Master].
func (m *Master) DoneNext(ctx context.Context, name string, t *worker.Task, d worker.Delivery) (*worker.Task, error) {
	return m.deliver(ctx, name, t, d, true)
}

// deliver takes a part, which is verified once more before it counts, and returns the next task if
// more is wanted and there is one. Of the task only its numbers are believed.
func (m *Master) deliver(ctx context.Context, name string, t *worker.Task, d worker.Delivery, more bool) (*worker.Task, error) {
	leave, err := m.verifying.enter(ctx, name)
	if err != nil {
		return nil, err
	}
	defer leave()
	x, err := m.await(ctx, name, rangeOf(t), d.Part)
	if err != nil {
		return nil, err
	}
	if x.again {
		return m.follow(ctx, name, more)
	}
	verified, path, err := m.examine(ctx, name, x, d.Part.SHA256)
	if err == nil && verified.SHA256 != d.Part.SHA256 {
		err = fmt.Errorf("part %s is not what the worker has written: checksum differs", x.name)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		os.Remove(path)
		return nil, m.Failed(ctx, name, t, worker.Failure{Reason: fmt.Sprintf("verification: %v", err)})
	}
	if verified.Path, err = x.folder.take(path, x.name, verified.SHA256); err != nil {
		return nil, m.Failed(ctx, name, t, worker.Failure{Reason: err.Error()})
	}
	next, err := ask(ctx, m, func(now time.Time) (*worker.Task, error) {
		if err := m.accept(now, name, rangeOf(t), x, verified); err != nil {
			return nil, err
		}
		m.noteDelivery(m.jobs[t.Job], name, x.span, d.Notes)
		return m.another(now, name, more), nil
	})
	if errors.Is(err, worker.ErrGone) {
		os.Remove(verified.Path) // another worker was faster
	}
	return next, err
}

// examine verifies a part where the worker has delivered it, in its inbox, or where it was moved before a crash: in the
// job's folder.
func (m *Master) examine(ctx context.Context, name string, x expectation, sum string) (p film.Part, path string, err error) {
	path = filepath.Join(x.folder.inbox(name), x.name)
	p, err = m.cfg.Verify(ctx, x.plan, x.span, x.sound, path)
	if errors.Is(err, os.ErrNotExist) && sumForm.MatchString(sum) {
		path = filepath.Join(x.folder.dir, keptName(x.name, sum))
		p, err = m.cfg.Verify(ctx, x.plan, x.span, x.sound, path)
	}
	return p, path, err
}

// await looks up what a report is about. What is expected can be told at once; whatever else there
// is to say rests on events that must be durable first.
func (m *Master) await(ctx context.Context, name string, id farm.RangeID, p film.Part) (expectation, error) {
	var x expectation
	expected, err := peek(ctx, m, func(time.Time) bool {
		var err error
		x, err = m.expect(name, id, p)
		return err == nil && !x.again
	})
	if err != nil || expected {
		return x, err
	}
	return ask(ctx, m, func(time.Time) (expectation, error) { return m.expect(name, id, p) })
}

// follow answers a report that has counted before.
func (m *Master) follow(ctx context.Context, name string, more bool) (*worker.Task, error) {
	if !more {
		return nil, nil // and durable: await has waited for that
	}
	return ask(ctx, m, func(now time.Time) (*worker.Task, error) { return m.another(now, name, more), nil })
}

// another is the next task of a worker that wants one, nil if there is none: then it asks, and hears why.
func (m *Master) another(now time.Time, name string, more bool) *worker.Task {
	if !more {
		return nil
	}
	task, err := m.assign(now, name)
	if err != nil {
		return nil
	}
	return task
}

// verify is how parts are verified unless the configuration says otherwise. Whoever may write into
// the folder of parts must not be able to point at something else, or let the master wait for a pipe.
func verify(ctx context.Context, p *render.Plan, span render.Span, sound bool, path string) (film.Part, error) {
	switch info, err := os.Lstat(path); {
	case err != nil:
		return film.Part{}, err
	case !info.Mode().IsRegular():
		return film.Part{}, fmt.Errorf("%s is not a regular file", path)
	}
	return p.Verify(ctx, span, sound, path)
}

// expect looks up what a report is about.
func (m *Master) expect(name string, id farm.RangeID, p film.Part) (expectation, error) {
	r, ok := m.farm.Range(id)
	j := m.jobs[id.Job]
	if !ok || j == nil {
		return expectation{}, fmt.Errorf("%w: range %v is unknown", worker.ErrGone, id)
	}
	x := expectation{
		plan: j.Plan, folder: j.folder, span: render.Span{First: r.First, End: r.End},
		sound: r.Content == farm.Sound, name: j.partName(r, name),
	}
	x.again = r.State == farm.Completed && r.Workers[0] == name && r.Result.SHA256 == p.SHA256
	if x.again {
		return x, nil
	}
	return x, gone(m.farm.MayComplete(name, id)) // before anything of its making is looked at
}

// accept enters a verified part.
func (m *Master) accept(now time.Time, name string, id farm.RangeID, x expectation, p film.Part) error {
	events, err := m.farm.Complete(now, name, id, resultOf(p))
	if err != nil {
		return gone(err)
	}
	if m.cfg.Journal == nil {
		if err := x.folder.remember(kept{x.sound, x.span, p}); err != nil { // only costs a resume
			m.note(m.jobs[id.Job], Event{Kind: "note", Text: err.Error()})
		}
	}
	m.record(events)
	x.folder.taken[name] = true
	return nil
}

// What a worker's notes may take up in a job's log.
const (
	maxNotes = 50
	maxNote  = 1000 // bytes
)

// noteDelivery passes on what an engine has noted. Ranges that meet in a damaged place say the same.
func (m *Master) noteDelivery(j *job, name string, span render.Span, notes []string) {
	for _, text := range notes[:min(len(notes), maxNotes)] {
		text = strings.Map(printable, strings.ToValidUTF8(text[:min(len(text), maxNote)], ""))
		said := func(e Event) bool { return e.Kind == "note" && e.Text == text }
		if j != nil && text != "" && !slices.ContainsFunc(j.log, said) {
			m.note(j, Event{Kind: "note", Worker: name, First: span.First, End: span.End, Text: text})
		}
	}
}

// printable keeps what a worker says on one line, and from steering a terminal.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}

// paragraph keeps the lines of what a worker says, such that none looks like one of ours.
func paragraph(text string) string {
	lines := strings.Split(strings.ToValidUTF8(text, ""), "\n")
	for i := range lines {
		lines[i] = strings.Map(printable, lines[i])
	}
	return strings.Join(lines, "\n\t")
}
