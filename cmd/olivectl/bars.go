package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
)

// bars draws a bar for each job and each worker on a terminal.
type bars struct {
	stdout   io.Writer
	progress *mpb.Progress
	mu       sync.Mutex
	jobs     map[uint32]*bar
	workers  map[string]*bar
	films    []master.Film
	signs    signs
}

// A bar is a line of the display; text is what stands behind it.
type bar struct {
	*mpb.Bar
	text atomic.Value // caption
}

// A caption is the text behind a bar: in full, and for a terminal that is too narrow for that.
type caption struct{ full, brief string }

func newBars(stdout, stderr io.Writer) *bars {
	return &bars{
		signs:    signsOf(os.Getenv),
		stdout:   stdout,
		progress: mpb.New(mpb.WithOutput(stderr), mpb.WithWidth(72), mpb.WithRefreshRate(refresh)),
		jobs:     map[uint32]*bar{}, workers: map[string]*bar{},
	}
}

// add makes a line. Workers stand below all jobs.
func (b *bars) add(name string, total int64, priority int, style mpb.BarStyleComposer) *bar {
	n := &bar{}
	n.text.Store(caption{})
	label := func(s decor.Statistics) string { return b.signs.shorten(name, max(minName, s.AvailableWidth/3)) }
	behind := func(s decor.Statistics) string {
		c := n.text.Load().(caption)
		if runewidth.StringWidth(c.full)+minBar <= s.AvailableWidth {
			return c.full
		}
		return b.signs.shorten(c.brief, max(0, s.AvailableWidth))
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

// workersBelow is a priority that no job has.
const workersBelow = 1 << 20

func (b *bars) event(e master.Event) {
	switch e.Kind {
	case "note", "range-failed", "failed":
		fmt.Fprintln(b.progress, e.Text) // above the bars
	}
}

func (b *bars) update(v master.View) {
	b.mu.Lock()
	defer b.mu.Unlock()
	byID := map[uint32]master.JobView{}
	for _, j := range v.Jobs {
		byID[j.ID] = j
		b.updateJob(j)
	}
	for i, w := range v.Workers {
		line := b.workers[w.Spec.Name]
		if !w.Live {
			continue
		}
		if line == nil {
			line = b.add("  "+w.Spec.Name, 1, workersBelow+i, b.signs.worker())
			b.workers[w.Spec.Name] = line
		}
		text, done, total := caption{"waits", "waits"}, int64(0), int64(1)
		if r, ok := held(byID[w.Holds.Job], w); ok {
			done, total = w.Frames, r.End-r.First
			text = b.task(byID[w.Holds.Job].Spec.Name, r)
		}
		line.text.Store(text)
		line.SetTotal(total, false)
		line.SetCurrent(min(done, total-1))
	}
}

// task tells what a worker is at.
func (b *bars) task(job string, r farm.RangeView) caption {
	const longest = 24
	what := fmt.Sprintf("%d%s%d", r.First, b.signs.dash, r.End)
	if r.Content == farm.Sound {
		what = "sound"
	}
	return caption{what + " of " + b.signs.shorten(job, longest), what}
}

func (b *bars) updateJob(j master.JobView) {
	line := b.jobs[j.ID]
	if line == nil {
		line = b.add(j.Spec.Name, j.FramesTotal, int(j.ID), b.signs.job())
		b.jobs[j.ID] = line
	}
	text := caption{brief: fmt.Sprintf("%3d %%", 100*j.FramesDone/max(j.FramesTotal, 1))}
	text.full = text.brief
	switch {
	case j.State != farm.Running:
		text.full += "  " + string(j.State)
	case j.Speed > 0:
		text.full += fmt.Sprintf("  %.1f frames/s  %s left", j.Speed, j.Left.Round(time.Second))
	}
	line.text.Store(text)
	line.SetCurrent(min(j.FramesDone, j.FramesTotal))
	if j.State == farm.Failed || j.State == farm.Cancelled {
		line.Abort(false)
	}
}

func (b *bars) film(_ uint32, f master.Film) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.films = append(b.films, f)
}

func (b *bars) failed(_ master.Request, err error) { fmt.Fprintln(b.progress, err) }

// close leaves the jobs' last state on the terminal and prints the films below.
func (b *bars) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.workers {
		w.Abort(true)
	}
	for _, j := range b.jobs {
		if !j.Completed() {
			j.Abort(false)
		}
	}
	b.progress.Wait()
	for _, f := range b.films {
		fmt.Fprintln(b.stdout, f.Path)
	}
}
