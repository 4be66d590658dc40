package master

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/media/probe"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/share"
)

// A Request asks for a film.
type Request struct {
	Project  string       `json:"project"`            // path of the .ove file
	Sequence string       `json:"sequence,omitempty"` // name; "": the one that is open in the editor
	Frames   *render.Span `json:"frames,omitempty"`   // nil: the whole sequence
	Output   string       `json:"output"`             // path of the film

	Engine    string      `json:"engine,omitempty"` // "": the master's own choice
	Preset    string      `json:"preset,omitempty"` // "": h264
	Colour    film.Colour `json:"colour,omitempty"`
	VideoArgs []string    `json:"video_args,omitempty"` // replace the preset's codec arguments
	AudioArgs []string    `json:"audio_args,omitempty"`

	Split             int    `json:"split,omitempty"` // as in [farm.JobSpec]
	Priority          int    `json:"priority,omitempty"`
	Owner             uint32 `json:"owner,omitempty"`              // uid
	IgnoreUnsupported bool   `json:"ignore_unsupported,omitempty"` // leave out effects that the engine does not know
	IgnoreMissing     bool   `json:"ignore_missing,omitempty"`     // clips whose medium cannot be used show nothing
	Resume            bool   `json:"resume,omitempty"`             // use parts of an earlier try of this user, and keep them when this one is stopped

	// Key names the request for ever: a second one with the same key gets the job of the first.
	Key string `json:"key,omitempty"`
	// Data is the project; nil: it is read from Project, which otherwise only says beside what its media lie.
	Data []byte `json:"-"`
	// Allow is asked for each file that the export would read and refuses the job, see [render.Report.Judge]; nil: all
	// may be read.
	Allow func(path string) (device, inode uint64, err error) `json:"-"`
}

// Submit reads and checks the project and adds a job for it. A [*RefusedError] says what is
// wrong with the project or the request; it may wrap a [*MissingError], or what Allow has said.
func (m *Master) Submit(ctx context.Context, r Request) (uint32, error) {
	if m.cfg.Journal != nil {
		if err := m.cfg.Journal.Health(); err != nil {
			return 0, fmt.Errorf("%w: %w", ErrDegraded, err)
		}
	}
	if id, _, err := m.Find(ctx, r.Key); id != 0 || err != nil {
		return id, err
	}
	r.Preset = cmp.Or(r.Preset, "h264")
	j, err := m.study(ctx, &r)
	if err != nil {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return 0, &RefusedError{r.Project, err}
	}
	if err := checkFolder(r.Output); err != nil {
		return 0, fmt.Errorf("export %s: %w", r.Project, err)
	}
	have, err := m.openFolder(ctx, j)
	if err != nil {
		return 0, fmt.Errorf("export %s: %w", r.Project, err)
	}
	j.data = nil
	spec, err := m.spec(j)
	if err != nil {
		j.folder.release(r.Resume)
		return 0, err
	}
	id, err := ask(ctx, m, func(now time.Time) (uint32, error) { return m.add(now, j, spec, have) })
	if err != nil && !errors.Is(err, context.Cause(ctx)) { // else nobody knows, and the next start tidies up
		j.folder.release(r.Resume)
	}
	return id, err
}

// openFolder makes the folder for the job's parts and returns the parts to go on from: those of an
// earlier try that still verify, when the request asks for them.
func (m *Master) openFolder(ctx context.Context, j *job) (have []kept, err error) {
	if m.cfg.Journal != nil {
		j.Folder = rand.Text()
		if j.folder, err = makeFolder(filepath.Join(m.cfg.Folder, j.Folder)); err != nil {
			return nil, err
		}
		if err = m.fill(j); err != nil {
			j.folder.release(false)
		}
		return nil, err
	}
	j.Folder = j.Plan.Fingerprint()[:24]
	if j.folder, err = lockFolder(filepath.Join(m.cfg.Folder, j.Folder)); err != nil {
		return nil, err
	}
	if j.Request.Resume {
		have = j.folder.remembered(ctx, j.Plan)
	}
	if err := j.folder.empty(have); err != nil {
		j.folder.release(true)
		return nil, err
	}
	j.log = j.folder.readLog()
	return have, nil
}

// fill puts into a job's new folder what a daemon keeps of it, durably. The log begins there too, which the
// loop need not write then.
func (m *Master) fill(j *job) (err error) {
	if j.Plan.Project, err = j.folder.keepProject(j.data); err != nil {
		return err
	}
	if m.cfg.Shares != nil {
		if j.Sheet, err = share.Prepare(j.folder.dir, j.data, j.Plan); err != nil {
			return err
		}
	}
	j.log = j.prologue()
	j.folder.appendLog(j.log...)
	return j.folder.settle(&m.disk)
}

// study is prepare, for so many at a time that their projects have room.
func (m *Master) study(ctx context.Context, r *Request) (*job, error) {
	select {
	case m.desks <- struct{}{}:
		defer func() { <-m.desks }()
		return m.prepare(ctx, r)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// prepare turns a request into a job with its plan.
func (m *Master) prepare(ctx context.Context, r *Request) (*job, error) {
	for _, name := range []string{r.Project, r.Output} {
		if err := checkName(name); err != nil {
			return nil, err
		}
	}
	engine, err := m.engine(r.Engine)
	if err != nil {
		return nil, err
	}
	data := r.Data
	if data == nil {
		if data, err = render.ReadFile(r.Project); err != nil {
			return nil, err
		}
	}
	project, digest, err := render.ParseProject(data)
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
	report, err := render.Examine(ctx, m.cfg.Library, engine, project, r.Project, seq, span)
	if err != nil {
		return nil, err
	}
	if err := allow(r, report); err != nil {
		return nil, err
	}
	if err := report.Crowded(); err != nil {
		return nil, fmt.Errorf("sequence %q: %w", seq.Name, err)
	}
	j := &job{order: order{Request: *r, Sequence: seq.Name}, data: data, cuts: seq.Cuts(), started: time.Now(), ended: make(chan struct{})}
	j.Request.Data, j.Request.Allow = nil, nil
	if err := j.judge(report); err != nil {
		return nil, err
	}
	if err := checkTarget(r, project); err != nil {
		return nil, err
	}
	if j.marks, err = m.encoderMark(ctx, r.Preset); err != nil {
		return nil, err
	}
	if j.Request.Project, err = filepath.Abs(r.Project); err != nil {
		return nil, err
	}
	j.Plan = &render.Plan{
		Engine: engine.Name(), Project: j.Request.Project, Digest: digest, Sequence: seq.ID,
		Span: span, Media: report.Found(), Fonts: report.PlanFonts(), Encoding: enc, FPS: seq.FPS, SoundRate: seq.AudioRate,
	}
	return j, nil
}

// encoderMark is the mark of the encoder from which all parts of a film in that preset must come; it is empty when any
// will do.
func (m *Master) encoderMark(ctx context.Context, preset string) ([]string, error) {
	if m.cfg.Encoders == nil {
		return nil, nil
	}
	marks, err := m.cfg.Encoders(ctx)
	if err != nil || marks[preset] == "" {
		return nil, err
	}
	return []string{marks[preset]}, nil
}

// checkName refuses names that would steer the terminals on which they are listed, or take up more than
// a line there.
func checkName(name string) error {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("the name %q has characters that cannot be shown: rename it", name)
	}
	return nil
}

// allow asks whether the job's files may be read. What it hears comes before all that is known of them.
func allow(r *Request, report *render.Report) error {
	if r.Allow == nil {
		return nil
	}
	return report.Judge(r.Allow)
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
func encoding(seq *ove.Sequence, r *Request) (film.Encoding, error) {
	rate := seq.Rate()
	e := film.Encoding{
		Width: seq.Width, Height: seq.Height, Rate: probe.Rational{Num: rate.Num, Den: rate.Den},
		Preset: r.Preset, Colour: r.Colour, Args: r.VideoArgs, AudioArgs: r.AudioArgs,
	}
	return e, e.Validate()
}

// Hints for those who can give options, in a refusal's text.
const (
	hintMissing     = "\nPut the media back, or export without them: --ignore-missing"
	hintUnsupported = "\nSwitch these effects off in the editor, or export without them: --ignore-unsupported"
)

// Advise takes the hints at options out of a refusal, for those who dropped a file and gave none, and returns
// what they can do instead; "" when there was no hint.
func Advise(refusal string) (reason, advice string) {
	var list []string
	plain, missing := strings.CutSuffix(refusal, hintUnsupported)
	if missing {
		list = append(list, "Switch these effects off in the editor and drop the project again, or export it without them: olivectl submit --ignore-unsupported.")
	}
	reason, found := strings.CutSuffix(plain, hintMissing)
	if found {
		list = append([]string{"Put the media where the project looks for them, and drop it again; or drop a folder that has the project and its media in it. To export without them: olivectl submit --ignore-missing."}, list...)
	}
	return reason, strings.Join(list, "\n")
}

// judge refuses what cannot be exported as asked, and notes what is left out.
func (j *job) judge(report *render.Report) error {
	var wrong []string
	for _, m := range report.Missing() {
		text := fmt.Sprintf("medium %q: %s\n    shown by %s", m.Name, m.Problem, places(m.Uses))
		if j.Request.IgnoreMissing {
			j.remarks = append(j.remarks, "left out: "+text)
			continue
		}
		wrong = append(wrong, text)
	}
	for _, u := range report.Unsupported {
		text := fmt.Sprintf("effect %q is not supported\n    used by %s", u.Effect, places(u.Uses))
		if j.Request.IgnoreUnsupported {
			j.remarks = append(j.remarks, "left out: "+text)
			continue
		}
		wrong = append(wrong, text)
	}
	for _, f := range report.Fonts {
		if f.Substituted {
			j.remarks = append(j.remarks, fmt.Sprintf("font %q is not installed here, %s is used instead\n    by %s", f.Asked, f.Family, places(f.Uses)))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	hint := ""
	if len(report.Missing()) > 0 && !j.Request.IgnoreMissing {
		hint += hintMissing
	}
	if len(report.Unsupported) > 0 && !j.Request.IgnoreUnsupported {
		hint += hintUnsupported
	}
	text := fmt.Sprintf("cannot be exported as it is:\n  %s%s", strings.Join(wrong, "\n  "), hint)
	if len(report.Missing()) > 0 && !j.Request.IgnoreMissing {
		return &MissingError{text}
	}
	return errors.New(text)
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

// maxOrder bounds what the journal keeps of a job in one record, and what each worker is sent. That is 5,000 media or more.
const maxOrder = 2 << 20

// spec is a prepared job for the farm.
func (m *Master) spec(j *job) (farm.JobSpec, error) {
	data, err := json.Marshal(j.order)
	if err != nil {
		return farm.JobSpec{}, err
	}
	if m.cfg.Journal != nil && len(data) > maxOrder { // in a farm of one process nobody keeps or sends it
		return farm.JobSpec{}, &RefusedError{j.Request.Project, fmt.Errorf(
			"its list of %d media takes %d kB, more than %d kB can be sent to each worker: export it in several smaller projects",
			len(j.Plan.Media), len(data)>>10, maxOrder>>10)}
	}
	return farm.JobSpec{
		Name: filepath.Base(j.Request.Project), Owner: j.Request.Owner, Priority: j.Request.Priority,
		First: j.Plan.Span.First, End: j.Plan.Span.End, FPS: j.Plan.FPS, Cuts: j.cuts,
		Split: j.Request.Split, Sound: true, Engine: j.Plan.Engine, Data: data,
	}, nil
}

// add enters a prepared job, with the parts kept from an earlier try.
func (m *Master) add(now time.Time, j *job, spec farm.JobSpec, have []kept) (uint32, error) {
	if first := m.keys[j.Request.Key]; first != nil { // submitted twice at the same time
		j.folder.release(false)
		return first.id, nil
	}
	spec.Presets = append(j.marks, m.engineMark(j.Plan.Engine)...)
	id, events, err := m.farm.Submit(now, spec)
	if err != nil {
		return 0, err
	}
	j.id = id
	j.number()
	m.enter(j)
	m.introduce(j)
	m.record(events)
	m.restore(now, j, have)
	return id, nil
}

// prologue is the beginning of a job's log.
func (j *job) prologue() []Event {
	now := time.Now()
	log := []Event{{Time: now, Kind: "submitted", Text: fmt.Sprintf("%s was submitted: %d frames of sequence %q, for the film %s", j.title(), j.Plan.Span.Len(), j.Sequence, j.Request.Output)}}
	for _, text := range j.remarks {
		log = append(log, Event{Time: now, Kind: "note", Text: text})
	}
	return log
}

// announce tells of a new job. In a farm of one process its log begins now, with what was found of an earlier try.
func (m *Master) announce(j *job) {
	if m.cfg.Journal == nil {
		for _, e := range j.prologue() {
			m.note(j, e)
		}
		return
	}
	for _, e := range j.log {
		m.tell(e)
	}
}
