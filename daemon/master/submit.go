package master

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/worker"
)

// A Request asks for a film.
type Request struct {
	Project  string       // path of the .ove file
	Sequence string       // name; "": the one that is open in the editor
	Frames   *render.Span // nil: the whole sequence
	Output   string       // path of the film

	Preset    string // "": h264
	Colour    media.Colour
	VideoArgs []string // replace the preset's codec arguments
	AudioArgs []string

	Split             int // as in [farm.JobSpec]
	Priority          int
	IgnoreUnsupported bool // leave out effects that the engine does not know
	IgnoreMissing     bool // clips whose medium cannot be used show nothing
	Resume            bool // use parts of an earlier try, and keep them when this one is stopped
}

// A RefusedError says why a project is not exported, before any work was done.
type RefusedError struct {
	Project string
	Err     error
}

func (e *RefusedError) Error() string { return fmt.Sprintf("%s: %v", e.Project, e.Err) }
func (e *RefusedError) Unwrap() error { return e.Err }

// Submit reads and checks the project and adds a job for it. A [*RefusedError] says what is
// wrong with the project or the request.
func (m *Master) Submit(ctx context.Context, r Request) (uint32, error) {
	r.Preset = cmp.Or(r.Preset, "h264")
	j, err := m.prepare(ctx, &r)
	if err != nil {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return 0, &RefusedError{r.Project, err}
	}
	if err := checkFolder(r.Output); err != nil {
		return 0, fmt.Errorf("export %s: %w", r.Project, err)
	}
	var kept []kept
	j.scratch, kept, err = openScratch(ctx, m.cfg.Scratch, j)
	if err != nil {
		return 0, fmt.Errorf("export %s: %w", r.Project, err)
	}
	doErr := m.do(ctx, func(now time.Time) { err = m.add(now, j, kept) })
	if doErr != nil {
		err = doErr
	}
	if err != nil {
		j.scratch.release(r.Resume)
		return 0, err
	}
	return j.id, nil
}

// prepare turns a request into a job with its plan.
func (m *Master) prepare(ctx context.Context, r *Request) (*job, error) {
	project, digest, err := render.ReadProject(r.Project)
	if err != nil {
		return nil, err
	}
	seq, err := render.Choose(project, r.Sequence)
	if err != nil {
		return nil, err
	}
	span, err := chooseSpan(seq, r.Frames)
	if err != nil {
		return nil, err
	}
	enc, err := encoding(seq, r)
	if err != nil {
		return nil, err
	}
	report, err := render.Examine(ctx, m.cfg.Library, m.cfg.Engine, project, r.Project, seq, span)
	if err != nil {
		return nil, err
	}
	if err := report.Crowded(); err != nil {
		return nil, fmt.Errorf("sequence %q: %w", seq.Name, err)
	}
	j := &job{request: *r, seq: seq, started: time.Now(), tasks: map[uint32]*worker.Task{}, parts: map[uint32]kept{}, ended: make(chan struct{})}
	if err := j.judge(report); err != nil {
		return nil, err
	}
	if err := checkTarget(r, project); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(r.Project)
	if err != nil {
		return nil, err
	}
	j.plan = &render.Plan{
		Engine: m.cfg.Engine.Name(), Project: path, Digest: digest, Sequence: seq.ID,
		Span: span, Media: report.Found(), Encoding: enc, FPS: seq.FPS, SoundRate: seq.AudioRate,
	}
	return j, nil
}

// chooseSpan checks the frames that are asked for.
func chooseSpan(seq *ove.Sequence, want *render.Span) (render.Span, error) {
	all := render.Span{End: seq.Length()}
	if all.End == 0 {
		return all, fmt.Errorf("sequence %q is empty: there is nothing to export", seq.Name)
	}
	if want == nil {
		return all, nil
	}
	if want.First < 0 || want.End <= want.First || want.End > all.End {
		return all, fmt.Errorf("frames %d to %d are not in sequence %q, which has the frames 0 to %d", want.First, want.End, seq.Name, all.End)
	}
	return *want, nil
}

// encoding fixes how the film is encoded.
func encoding(seq *ove.Sequence, r *Request) (media.Encoding, error) {
	rate := seq.Rate()
	e := media.Encoding{
		Width: seq.Width, Height: seq.Height, Rate: media.Rational{Num: rate.Num, Den: rate.Den},
		Preset: r.Preset, Colour: r.Colour, Args: r.VideoArgs, AudioArgs: r.AudioArgs,
	}
	return e, e.Validate()
}

// judge refuses what cannot be exported as asked, and notes what is left out.
func (j *job) judge(report *render.Report) error {
	var wrong []string
	for _, m := range report.Missing() {
		text := fmt.Sprintf("medium %q: %s\n    shown by %s", m.Name, m.Problem, places(m.Uses))
		if j.request.IgnoreMissing {
			j.log = append(j.log, Event{Time: j.started, Kind: "note", Text: "left out: " + text})
			continue
		}
		wrong = append(wrong, text)
	}
	for _, u := range report.Unsupported {
		text := fmt.Sprintf("effect %q is not supported\n    used by %s", u.Effect, places(u.Uses))
		if j.request.IgnoreUnsupported {
			j.log = append(j.log, Event{Time: j.started, Kind: "note", Text: "left out: " + text})
			continue
		}
		wrong = append(wrong, text)
	}
	if len(wrong) == 0 {
		return nil
	}
	hint := ""
	if len(report.Missing()) > 0 && !j.request.IgnoreMissing {
		hint += "\nPut the media back, or export without them: --ignore-missing"
	}
	if len(report.Unsupported) > 0 && !j.request.IgnoreUnsupported {
		hint += "\nSwitch these effects off in the editor, or export without them: --ignore-unsupported"
	}
	return fmt.Errorf("cannot be exported as it is:\n  %s%s", strings.Join(wrong, "\n  "), hint)
}

// places lists where something is used, the first few.
func places(uses []render.Use) string {
	const shown = 8
	var list []string
	for _, u := range uses[:min(len(uses), shown)] {
		list = append(list, u.String())
	}
	if more := len(uses) - shown; more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, "\n            ")
}

// add enters a prepared job, with the parts kept from an earlier try.
func (m *Master) add(now time.Time, j *job, have []kept) error {
	data, err := json.Marshal(j.plan)
	if err != nil {
		return err
	}
	id, events, err := m.farm.Submit(now, farm.JobSpec{
		Name: filepath.Base(j.request.Project), Priority: j.request.Priority,
		First: j.plan.Span.First, End: j.plan.Span.End, FPS: j.seq.FPS, Cuts: j.seq.Cuts(),
		Split: j.request.Split, Sound: true, Engine: j.plan.Engine, Data: data,
	})
	if err != nil {
		return err
	}
	j.id = id
	m.jobs[id] = j
	early := j.log
	j.log = nil
	m.note(j, Event{Kind: "submitted", Text: fmt.Sprintf("%s: %d frames of %q to %s", j.request.Project, j.plan.Span.Len(), j.seq.Name, j.request.Output)})
	for _, e := range early {
		m.note(j, e)
	}
	m.record(events)
	m.restore(now, j, have)
	return nil
}
