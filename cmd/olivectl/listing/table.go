package listing

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"olive-distributed/cmd/olivectl/screen"
	"olive-distributed/cmd/olivectl/term"
	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

// WriteJobs writes all jobs for a person.
func WriteJobs(w io.Writer, v *dbus.View, now time.Time) error {
	warn(w, v.Degraded)
	if len(v.Jobs) == 0 {
		_, err := fmt.Fprintln(w, "No jobs.")
		return err
	}
	t := term.NewTable(w)
	t.Head("JOB", "NAME", "STATE", "DONE", "SPEED", "LEFT", "FILM")
	for i := range v.Jobs {
		j := &v.Jobs[i]
		speed, left := "", ""
		if j.State == farm.Running && j.Speed > 0 {
			speed = fmt.Sprintf("%.1f frames/s", j.Speed)
			if d := screen.Left(j, now); d > 0 {
				left = d.String()
			}
		}
		t.Row(j.ID, j.Name, term.Cell{Text: screen.Standing(j), Colour: jobColour(j.State)}, fmt.Sprintf("%d %%", screen.Percent(j)), speed, left, j.Output)
	}
	return t.Write(w)
}

// warn tells why nothing moves.
func warn(w io.Writer, degraded string) {
	if degraded != "" {
		fmt.Fprintf(w, "The master takes nothing now: %s\n\n", term.Clean(degraded))
	}
}

func jobColour(s farm.State) term.Colour {
	switch s {
	case farm.Running, farm.Joining:
		return term.Good
	case farm.Failed, farm.Cancelled:
		return term.Bad
	case farm.Paused:
		return term.Held
	case farm.Done:
		return term.Faint
	}
	return ""
}

// WriteWorkers writes all workers for a person.
func WriteWorkers(w io.Writer, v *dbus.View, now time.Time) error {
	if len(v.Workers) == 0 {
		_, err := fmt.Fprintln(w, "No workers: add one with 'olivectl worker add NAME'.")
		return err
	}
	dash := term.SignsOf(os.Getenv).Dash
	t := term.NewTable(w)
	t.Head("WORKER", "STATE", "THREADS", "SPEED", "AT", "CERTIFICATE")
	for i := range v.Workers {
		m := &v.Workers[i]
		threads, speed, at := "", "", ""
		if m.Threads > 0 {
			threads = strconv.Itoa(int(m.Threads))
		}
		if m.Speed > 0 {
			speed = fmt.Sprintf("%.1f frames/s", m.Speed)
		}
		if m.AtWork() {
			at = task(m.Job, m.Range.Content, m.Range.First, m.Range.End, m.FramesDone, dash)
		}
		t.Row(m.Name, term.Cell{Text: m.State, Colour: workerColour(m.State)}, threads, speed, at, certificate(m, now))
	}
	return t.Write(w)
}

// task tells what is rendered.
func task(job uint32, content string, first, end, done int64, dash string) string {
	if content == dbus.Sound {
		return fmt.Sprintf("job %d, sound", job)
	}
	return fmt.Sprintf("job %d, %d of %d%s%d", job, done, first, dash, end)
}

func workerColour(state string) term.Colour {
	switch state {
	case dbus.Rendering:
		return term.Good
	case dbus.Paused, dbus.Resting, dbus.Draining, dbus.Drained:
		return term.Held
	case dbus.Away, dbus.Unseen:
		return term.Faint
	}
	return ""
}

func certificate(m *dbus.Member, now time.Time) term.Cell {
	switch {
	case m.Revoked:
		return term.Cell{Text: "revoked", Colour: term.Bad}
	case m.CertificateEnds.IsZero():
		return term.Cell{Text: "none"}
	case now.After(m.CertificateEnds):
		return term.Cell{Text: "expired", Colour: term.Bad}
	}
	return term.Cell{Text: "until " + m.CertificateEnds.Format(time.DateOnly)}
}

// WriteJob writes one job, its ranges and the end of its log for a person.
func WriteJob(w io.Writer, j *dbus.Job, log []dbus.LogEntry, now time.Time) error {
	t := term.NewTable(w)
	state := append([]string{screen.Standing(j), fmt.Sprintf("%d of %d frames (%d %%)", j.FramesDone, j.FramesTotal, screen.Percent(j))}, screen.Pace(j, now)...)
	t.Row("Job", strconv.Itoa(int(j.ID))+", "+j.Name)
	t.Row("State", term.Cell{Text: strings.Join(state, ", "), Colour: jobColour(j.State)})
	if j.Error != "" {
		t.Row("Error", term.Cell{Text: j.Error, Colour: term.Bad})
	}
	t.Row("Project", j.Project)
	t.Row("Film", j.Output)
	t.Row("Owner", owner(j.Owner))
	t.Row("Priority", j.Priority)
	for _, at := range []struct {
		what string
		time.Time
	}{{"Submitted", j.Submitted}, {"Started", j.Started}, {"Ended", j.Ended}} {
		if !at.IsZero() {
			t.Row(at.what, at.Local().Format(time.DateTime))
		}
	}
	if err := t.Write(w); err != nil {
		return err
	}
	if err := writeRanges(w, j.Ranges); err != nil {
		return err
	}
	const last = 10
	if len(log) > 0 {
		fmt.Fprintln(w)
	}
	return WriteLog(w, log[max(0, len(log)-last):])
}

func writeRanges(w io.Writer, ranges []dbus.Range) error {
	if len(ranges) == 0 {
		return nil
	}
	dash := term.SignsOf(os.Getenv).Dash
	fmt.Fprintln(w)
	t := term.NewTable(w)
	t.Head("RANGE", "FRAMES", "STATE", "WORKERS")
	for _, r := range ranges {
		frames := fmt.Sprintf("%d%s%d", r.First, dash, r.End)
		if r.Content != dbus.Picture {
			frames = r.Content
		}
		t.Row(r.Number, frames, term.Cell{Text: string(r.State), Colour: rangeColour(r.State)}, strings.Join(r.Workers, ", "))
	}
	return t.Write(w)
}

func rangeColour(s farm.State) term.Colour {
	switch s {
	case farm.Ongoing:
		return term.Good
	case farm.Failed:
		return term.Bad
	case farm.Completed:
		return term.Faint
	}
	return ""
}

// owner is the name of a user, if this machine knows one.
func owner(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// WriteLog writes what has happened to a job.
func WriteLog(w io.Writer, log []dbus.LogEntry) error {
	for i := range log {
		for line := range strings.SplitSeq(log[i].Text, "\n") {
			if _, err := fmt.Fprintf(w, "%s  %s\n", log[i].Time.Local().Format(time.DateTime), term.Clean(line)); err != nil {
				return err
			}
		}
	}
	return nil
}

// WriteStatus writes the state of the farm in some lines.
func WriteStatus(w io.Writer, s *Status) error {
	t := term.NewTable(w)
	if m := s.Master; m != nil {
		warn(w, m.Degraded)
		t.Row("Master", "olive-master "+cmp.Or(m.Version, "of unknown version"))
		jobs := count(m.Jobs)
		if m.Speed > 0 {
			jobs += fmt.Sprintf(", %.1f frames/s", m.Speed)
		}
		t.Row("Jobs", jobs)
		t.Row("Workers", count(m.Workers))
	}
	if s.Here != nil {
		t.Row("Here", hereText(s.Here))
	}
	return t.Write(w)
}

// WriteHere writes the state of the worker on this machine.
func WriteHere(w io.Writer, h *Here) error {
	_, err := fmt.Fprintln(w, term.Clean(hereText(h)))
	return err
}

func hereText(h *Here) string {
	text := fmt.Sprintf("worker %s of %s, with %s: %s", h.Name, h.Master, plural(int(h.Threads), "thread"), h.State)
	if r := h.Range; r != nil {
		text += " " + task(h.Job, r.Content, r.First, r.End, r.Done, term.SignsOf(os.Getenv).Dash)
	}
	return text
}

// count tells numbers by state: "2 running, 1 queued".
func count(by map[string]int) string {
	var words []string
	for _, state := range slices.Sorted(maps.Keys(by)) {
		words = append(words, fmt.Sprintf("%d %s", by[state], state))
	}
	return cmp.Or(strings.Join(words, ", "), "none")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
