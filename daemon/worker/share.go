package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Share says how another machine reaches the files of a task: as an export of the master.
type Share struct {
	// Boot is the boot ID of the kernel that the master runs on, and Device and Inode are those of the job's
	// folder there, the one above that of the part: who finds the same is on the same machine, and sees the same files.
	Boot   string `json:"boot"`
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`

	Export  string   `json:"export"`  // its name
	Project string   `json:"project"` // path of the project in it
	Digest  string   `json:"digest"`  // SHA-256 of that, which has other paths than the plan's
	Media   []string `json:"media"`   // paths of the plan's media in it
	Part    string   `json:"part"`    // path of the part to write in it
}

// Files make the files of tasks reachable on this machine.
type Files interface {
	// Reach returns the task with the paths that its files have here; done says that they are not
	// needed any more. It may wait for a master that is away, as long as ctx lasts.
	Reach(ctx context.Context, t *Task) (here *Task, done func(), err error)
	// Abandon lets calls that hang in the task's files fail.
	Abandon(t *Task)
}

// BootID tells this run of this machine's kernel from all others; "" where it is not known.
func BootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// DraftName is the name of the file that becomes a part when it is right.
func DraftName(part, worker string) string { return part + "." + worker + ".tmp" }

// At returns the task as it is where each path of it is what move makes of it. The plan's digest is
// that of the task's own project.
func (t *Task) At(move func(path string) string) *Task {
	here, plan := *t, *t.Plan
	plan.Project, here.Part = move(plan.Project), move(t.Part)
	plan.Media = slices.Clone(plan.Media)
	for i := range plan.Media {
		plan.Media[i].Path = move(plan.Media[i].Path)
	}
	here.Plan = &plan
	return &here
}

// In returns the task as it is where the share's export is mounted.
func (t *Task) In(mount string) *Task {
	here := t.At(func(string) string { return "" })
	here.Plan.Project, here.Plan.Digest = filepath.Join(mount, t.Share.Project), t.Share.Digest
	for i := range here.Plan.Media {
		here.Plan.Media[i].Path = filepath.Join(mount, t.Share.Media[i])
	}
	here.Part = filepath.Join(mount, t.Share.Part)
	return here
}

// translator puts the master's paths in the place of ours: what is said of a range is the same wherever it was
// rendered, and means something to who reads it.
func translator(here, t *Task) *strings.Replacer {
	type pair struct{ here, there string }
	pairs := []pair{{here.Part, t.Part}, {here.Plan.Project, t.Plan.Project}}
	for i, m := range here.Plan.Media {
		pairs = append(pairs, pair{m.Path, t.Plan.Media[i].Path})
		ours, _, ok := strings.Cut(filepath.Base(m.Path), "%")
		theirs, _, too := strings.Cut(filepath.Base(t.Plan.Media[i].Path), "%")
		if ok && too { // the pictures of an image sequence have names of their own
			pairs = append(pairs, pair{filepath.Dir(m.Path) + "/" + ours, filepath.Dir(t.Plan.Media[i].Path) + "/" + theirs})
		}
	}
	// Of names that begin alike the longest is meant.
	slices.SortStableFunc(pairs, func(a, b pair) int { return len(b.here) - len(a.here) })
	var all []string
	for _, p := range pairs {
		if p.here != "" && p.here != p.there {
			all = append(all, p.here, p.there)
		}
	}
	return strings.NewReplacer(all...)
}

// reach makes the task's files reachable.
func (w *Worker) reach(ctx context.Context, t *Task) (here *Task, done func(), err error) {
	if w.Files == nil {
		return t, func() {}, nil
	}
	here, done, err = w.Files.Reach(ctx, t)
	if err != nil {
		return nil, nil, fmt.Errorf("reach the files of job %d: %w", t.Job, err)
	}
	return here, done, nil
}

// escape abandons the task's files when the context has ended and the range still hangs in them a while later: a
// call into a mount whose server is away does not end with a context. It is to be stopped.
func (w *Worker) escape(ctx context.Context, t *Task) (stop func()) {
	if w.Files == nil {
		return func() {}
	}
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-ctx.Done():
		case <-ended:
			return
		}
		timer := time.NewTimer(cmp.Or(w.Escape, 10*time.Second))
		defer timer.Stop()
		select {
		case <-timer.C:
			w.Files.Abandon(t)
		case <-ended:
		}
	})
	return func() {
		close(ended)
		watch.Wait()
	}
}

// A translatedError says it in the master's words.
type translatedError struct {
	text string
	err  error
}

func (e *translatedError) Error() string { return e.text }
func (e *translatedError) Unwrap() error { return e.err }

// inMasterWords is what came of the task here as the master can understand it.
func inMasterWords(here, t *Task, d Delivery, err error) (Delivery, error) {
	said := translator(here, t)
	if err != nil {
		text := said.Replace(err.Error())
		if errors.Is(err, syscall.ESTALE) {
			text += " (the file has changed since the export began, or the range was taken back: if there is no other reason in the log, start the export again)"
		}
		return Delivery{}, &translatedError{text, err}
	}
	d.Part.Path = t.Part
	for i := range d.Notes {
		d.Notes[i] = said.Replace(d.Notes[i])
	}
	return d, nil
}
