// Package screen shows, as it happens, how jobs go: bars on a terminal, plain lines on a pipe, JSON for
// machines. What it shows is what the bus tells; where it comes from, its caller knows.
//
// A display never fails: a reader that went away does not stop an export.
package screen

import (
	"fmt"
	"io"
	"os"
	"time"

	"olive-distributed/cmd/olivectl/term"
	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

// A Display shows how jobs go. Its methods may be called from several goroutines.
type Display interface {
	// Log shows something that has happened to a job.
	Log(job uint32, e dbus.LogEntry)
	// Update shows the state of the jobs and workers. A job that has ended is left out after one time.
	Update(v dbus.View)
	// Film shows that a job is done.
	Film(job uint32, f Film)
	// Refused shows a project that became no job.
	Refused(project string, err error)
	// Say shows a remark for people.
	Say(text string)
	// Close leaves the last state where it is, and nothing else may be called after it.
	Close()
}

// A Film is the outcome of a job.
type Film struct {
	Path, Log string
	Frames    int64
	Took      time.Duration
}

// Refresh is how often a display is worth an update.
const Refresh = 250 * time.Millisecond

// New picks bars for a terminal, plain lines for a pipe, JSON on request. Progress goes to stderr;
// stdout gets the films' paths, or the JSON.
func New(stdout, stderr io.Writer, asJSON bool) Display {
	switch {
	case asJSON:
		return newJSON(stdout)
	case term.Is(stderr) && os.Getenv("TERM") != "dumb":
		return newBars(stdout, stderr.(*os.File))
	}
	return &lines{stdout: stdout, stderr: stderr, last: time.Now(), now: time.Now}
}

// active says that a job's frames are on their way.
func active(j *dbus.Job) bool { return j.State == farm.Running || j.State == farm.Joining }

// Over says that a job has ended.
func Over(j *dbus.Job) bool {
	return j.State == farm.Done || j.State == farm.Failed || j.State == farm.Cancelled
}

// Left is the time that a job needs still, 0 when unknown.
func Left(j *dbus.Job, now time.Time) time.Duration {
	if j.ExpectedEnd.IsZero() {
		return 0
	}
	return max(0, j.ExpectedEnd.Sub(now)).Round(time.Second)
}

// Percent is the part of a job that is done, rounded down: 100 is all.
func Percent(j *dbus.Job) int64 { return 100 * j.FramesDone / max(j.FramesTotal, 1) }

// Standing tells a state, and what a job waits for.
func Standing(j *dbus.Job) string {
	if j.Crew == 0 && (j.State == farm.Queued || j.State == farm.Running) {
		return string(j.State) + ", no worker can do it"
	}
	return string(j.State)
}

// Pace tells speed and time left as far as they are known: "31.2 frames/s", "11s left".
func Pace(j *dbus.Job, now time.Time) (words []string) {
	if j.State == farm.Running && j.Speed > 0 {
		words = append(words, fmt.Sprintf("%.1f frames/s", j.Speed))
		if left := Left(j, now); left > 0 {
			words = append(words, left.String()+" left")
		}
	}
	return words
}
