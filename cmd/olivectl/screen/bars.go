package screen

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	xterm "golang.org/x/term"

	"olive-distributed/cmd/olivectl/term"
	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

// bars draws a bar for each job and each worker on a terminal, as many as it has lines for. What has
// ended is told in a line above them.
type bars struct {
	stdout   io.Writer
	terminal io.Writer
	progress *mpb.Progress
	height   func() int // lines of the terminal
	signs    term.Signs

	mu      sync.Mutex
	jobs    map[uint32]*bar
	workers map[string]*bar
	rest    *bar // counts those without a line; nil: all have one
}

// A bar is a line of the display; text is what stands behind it.
type bar struct {
	*mpb.Bar
	text atomic.Value // caption
}

// A caption is the text behind a bar: in full, and for a terminal that is too narrow for that.
type caption struct{ full, brief string }

func newBars(stdout io.Writer, stderr *os.File) *bars {
	height := func() int {
		const usual = 24
		if _, h, err := xterm.GetSize(int(stderr.Fd())); err == nil && h > 0 {
			return h
		}
		return usual
	}
	return makeBars(stdout, stderr, height)
}

func makeBars(stdout, terminal io.Writer, height func() int) *bars {
	return &bars{
		signs: term.SignsOf(os.Getenv), stdout: stdout, terminal: terminal, height: height,
		progress: mpb.New(mpb.WithOutput(terminal), mpb.WithWidth(72), mpb.WithRefreshRate(Refresh), mpb.WithAutoRefresh()),
		jobs:     map[uint32]*bar{}, workers: map[string]*bar{},
	}
}

// add makes a line. Workers stand below all jobs.
func (b *bars) add(name string, total int64, priority int, style mpb.BarFillerBuilder) *bar {
	n := &bar{}
	n.text.Store(caption{})
	name = term.Clean(name)
	label := func(s decor.Statistics) string { return b.signs.Shorten(name, max(minName, s.AvailableWidth/3)) }
	behind := func(s decor.Statistics) string {
		c := n.text.Load().(caption)
		if runewidth.StringWidth(c.full)+minBar <= s.AvailableWidth {
			return c.full
		}
		return b.signs.Shorten(c.brief, max(0, s.AvailableWidth))
	}
	n.Bar = b.progress.New(total, style,
		mpb.BarPriority(priority),
		mpb.PrependDecorators(decor.Any(label, decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.Any(behind)),
	)
	return n
}

// Columns that a name gets, and that are left for a bar, at least.
const minName, minBar = 12, 10

// Priorities that no job has.
const (
	workersBelow = 1 << 20
	restBelow    = 1 << 21
)

func jobStyle(s term.Signs) mpb.BarStyleComposer {
	if s.ASCII {
		return mpb.BarStyle().Lbound("[").Rbound("]").Filler("#").Tip("#").Padding(" ")
	}
	return mpb.BarStyle().Lbound("▕").Rbound("▏").Filler("█").Tip("█").Padding(" ")
}

func workerStyle(s term.Signs) mpb.BarStyleComposer {
	dot := "·"
	if s.ASCII {
		dot = "."
	}
	return mpb.BarStyle().Lbound(" ").Rbound(" ").Filler(dot).Tip(dot).Padding(" ")
}

func (b *bars) Log(job uint32, e dbus.LogEntry) {
	switch e.Event {
	case "note", "range-failed", "done", "failed", "cancelled":
		b.Say(fmt.Sprintf("job %d: %s", job, e.Text))
	}
}

// Say writes above the bars.
func (b *bars) Say(text string) {
	var lines strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		lines.WriteString(term.Clean(line) + "\n")
	}
	_, _ = io.WriteString(b.progress, lines.String())
}

func (b *bars) Refused(_ string, err error) { b.Say(err.Error()) }

func (b *bars) Update(v dbus.View) {
	b.mu.Lock()
	defer b.mu.Unlock()
	names := map[uint32]string{}
	for i := range v.Jobs {
		names[v.Jobs[i].ID] = v.Jobs[i].Name
	}
	jobs, workers, rest := choose(v, b.height()-1)
	b.drawJobs(jobs)
	b.drawWorkers(workers, names)
	b.drawRest(rest)
}

// choose picks whom there are lines for, the busy first, and says how many others there are.
func choose(v dbus.View, lines int) (jobs []dbus.Job, workers []dbus.Member, rest string) {
	for i := range v.Jobs {
		if !Over(&v.Jobs[i]) {
			jobs = append(jobs, v.Jobs[i])
		}
	}
	for _, w := range v.Workers {
		if w.AtWork() || w.State == dbus.Waiting || w.State == dbus.Paused || w.State == dbus.Drained {
			workers = append(workers, w)
		}
	}
	if len(jobs)+len(workers) <= lines {
		return jobs, workers, ""
	}
	lines = max(2, lines-1) // one for the rest
	slices.SortStableFunc(jobs, func(a, b dbus.Job) int { return rank(active(&a)) - rank(active(&b)) })
	slices.SortStableFunc(workers, func(a, b dbus.Member) int { return rank(a.AtWork()) - rank(b.AtWork()) })
	few := workers[:min(len(workers), max(lines/2, lines-len(jobs)))]
	some := jobs[:min(len(jobs), lines-len(few))]
	return some, few, fmt.Sprintf("and %d more jobs, %d more workers", len(jobs)-len(some), len(workers)-len(few))
}

func rank(first bool) int {
	if first {
		return 0
	}
	return 1
}

func (b *bars) drawJobs(jobs []dbus.Job) {
	shown := map[uint32]bool{}
	for i := range jobs {
		shown[jobs[i].ID] = true
		b.drawJob(&jobs[i])
	}
	for id, line := range b.jobs {
		if !shown[id] {
			line.Abort(true)
			delete(b.jobs, id)
		}
	}
}

func (b *bars) drawJob(j *dbus.Job) {
	line := b.jobs[j.ID]
	if line == nil {
		line = b.add(j.Name, j.FramesTotal+1, int(j.ID), jobStyle(b.signs)) // the last step is the join's
		b.jobs[j.ID] = line
	}
	text := caption{brief: fmt.Sprintf("%3d %%", Percent(j))}
	words := []string{text.brief}
	if standing := Standing(j); standing != string(farm.Running) {
		words = append(words, standing)
	}
	text.full = strings.Join(append(words, Pace(j, time.Now())...), "  ")
	line.text.Store(text)
	line.SetCurrent(min(j.FramesDone, j.FramesTotal))
}

func (b *bars) drawWorkers(workers []dbus.Member, names map[uint32]string) {
	shown := map[string]bool{}
	for i := range workers {
		w := &workers[i]
		shown[w.Name] = true
		line := b.workers[w.Name]
		if line == nil {
			line = b.add("  "+w.Name, 1, workersBelow+i, workerStyle(b.signs))
			b.workers[w.Name] = line
		}
		text, done, total := caption{w.State, w.State}, int64(0), int64(1)
		if w.AtWork() {
			done, total = w.FramesDone, max(1, w.Range.End-w.Range.First)
			text = b.task(names[w.Job], w)
		}
		line.text.Store(text)
		line.SetTotal(total, false)
		line.SetCurrent(min(done, total-1))
	}
	for name, line := range b.workers {
		if !shown[name] {
			line.Abort(true)
			delete(b.workers, name)
		}
	}
}

// task tells what a worker is at. A job that is not shown has no name.
func (b *bars) task(job string, w *dbus.Member) caption {
	const longest = 24
	what := fmt.Sprintf("%d%s%d", w.Range.First, b.signs.Dash, w.Range.End)
	if w.Range.Content == dbus.Sound {
		what = "sound"
	}
	if job == "" {
		job = fmt.Sprintf("job %d", w.Job)
	}
	full := what + " of " + b.signs.Shorten(term.Clean(job), longest)
	if w.State == dbus.Draining {
		full += ", draining"
	}
	return caption{full, what}
}

// drawRest has a line that tells of those without one.
func (b *bars) drawRest(text string) {
	switch {
	case text == "" && b.rest != nil:
		b.rest.Abort(true)
		b.rest = nil
		return
	case text == "":
		return
	case b.rest == nil:
		b.rest = b.add("  "+b.signs.Gone, 1, restBelow, mpb.NopStyle())
	}
	b.rest.text.Store(caption{text, text})
}

// Film is for programs: people have read of it in the log.
func (b *bars) Film(_ uint32, f Film) {
	if term.Is(b.stdout) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintln(b.stdout, f.Path)
}

// Close leaves the last state of jobs that have not ended on the terminal.
func (b *bars) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, _ = io.WriteString(b.terminal, "\r") // behind the ^C that a terminal shows
	for _, w := range b.workers {
		w.Abort(true)
	}
	if b.rest != nil {
		b.rest.Abort(true)
	}
	for _, j := range b.jobs {
		j.Abort(false)
	}
	b.progress.Wait()
}
