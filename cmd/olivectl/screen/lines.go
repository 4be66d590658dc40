package screen

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"olive-distributed/cmd/olivectl/term"
	"olive-distributed/dbus"
)

// lines writes a line for each event and now and then one for the progress.
type lines struct {
	mu             sync.Mutex
	stdout, stderr io.Writer
	last           time.Time // when the progress was told
	now            func() time.Time
}

// linePause is the time between two lines of progress.
const linePause = 10 * time.Second

func (l *lines) Log(job uint32, e dbus.LogEntry) {
	if e.Event == "range-done" {
		return // the progress tells
	}
	l.Say(fmt.Sprintf("job %d: %s", job, e.Text))
}

func (l *lines) Update(v dbus.View) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if now.Sub(l.last) < linePause {
		return
	}
	l.last = now
	for i := range v.Jobs {
		if active(&v.Jobs[i]) {
			fmt.Fprintln(l.stderr, term.Clean(progress(&v.Jobs[i], now)))
		}
	}
}

// progress tells a job's progress: "job 3: 120 of 450 frames (26 %), 31.2 frames/s, 11s left".
func progress(j *dbus.Job, now time.Time) string {
	text := fmt.Sprintf("job %d: %d of %d frames (%d %%)", j.ID, j.FramesDone, j.FramesTotal, Percent(j))
	return strings.Join(append([]string{text}, Pace(j, now)...), ", ")
}

func (l *lines) Film(_ uint32, f Film) {
	l.mu.Lock()
	defer l.mu.Unlock()
	path := f.Path // as it is for programs, harmless for people
	if term.Is(l.stdout) {
		path = term.Clean(path)
	}
	fmt.Fprintln(l.stdout, path)
}

func (l *lines) Refused(_ string, err error) { l.Say(err.Error()) }

// Say writes what may have lines of its own: a refusal lists what is missing.
func (l *lines) Say(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintln(l.stderr, term.Clean(line))
	}
}

func (l *lines) Close() {}
