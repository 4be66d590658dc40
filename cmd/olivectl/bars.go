package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

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
}

// A bar is a line of the display; text is what stands behind it.
type bar struct {
	*mpb.Bar
	text atomic.Value // string
}

func newBars(stdout, stderr io.Writer) *bars {
	return &bars{
		stdout:   stdout,
		progress: mpb.New(mpb.WithOutput(stderr), mpb.WithWidth(72), mpb.WithRefreshRate(refresh)),
		jobs:     map[uint32]*bar{}, workers: map[string]*bar{},
	}
}

// add makes a line. Workers stand below all jobs.
func (b *bars) add(name string, total int64, priority int, style mpb.BarStyleComposer) *bar {
	n := &bar{}
	n.text.Store("")
	n.Bar = b.progress.New(total, style,
		mpb.BarPriority(priority),
		mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return n.text.Load().(string) })),
	)
	return n
}

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
			line = b.add("  "+w.Spec.Name, 1, workersBelow+i, mpb.BarStyle().Lbound(" ").Rbound(" ").Filler("·").Tip("·").Padding(" "))
			b.workers[w.Spec.Name] = line
		}
		text, done, total := "waits", int64(0), int64(1)
		if r, ok := held(byID[w.Holds.Job], w); ok {
			done, total = w.Frames, r.End-r.First
			text = fmt.Sprintf("frames %d–%d of %s", r.First, r.End, byID[w.Holds.Job].Spec.Name)
			if r.Content == farm.Sound {
				text = "sound of " + byID[w.Holds.Job].Spec.Name
			}
		}
		line.text.Store(text)
		line.SetTotal(total, false)
		line.SetCurrent(min(done, total-1))
	}
}

func (b *bars) updateJob(j master.JobView) {
	line := b.jobs[j.ID]
	if line == nil {
		line = b.add(j.Spec.Name, j.FramesTotal, int(j.ID), mpb.BarStyle().Lbound("▕").Rbound("▏").Filler("█").Tip("█").Padding(" "))
		b.jobs[j.ID] = line
	}
	text := fmt.Sprintf("%3d %%", 100*j.FramesDone/max(j.FramesTotal, 1))
	switch {
	case j.State != farm.Running:
		text += "  " + string(j.State)
	case j.Speed > 0:
		text += fmt.Sprintf("  %.1f frames/s  %s left", j.Speed, j.Left.Round(time.Second))
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
