package master

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/render"
)

// kept is what a farm of one process remembers of a completed range, beside its part, for the next
// try. A daemon has its journal.
type kept struct {
	Sound bool        `json:"sound"`
	Span  render.Span `json:"span"`
	Part  film.Part   `json:"part"`
}

const keptExt = ".json"

// remember writes a completed range down.
func (f *folder) remember(k kept) error {
	data, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return renameio.WriteFile(k.Part.Path+keptExt, data, 0o600)
}

// remembered returns the parts of an earlier try that are still right, in the order of the film,
// without overlaps.
func (f *folder) remembered(ctx context.Context, plan *render.Plan) []kept {
	files, _ := filepath.Glob(filepath.Join(f.dir, "*"+keptExt))
	var found []kept
	for _, file := range files {
		var k kept
		data, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(data, &k) != nil || filepath.Dir(k.Part.Path) != f.dir {
			continue
		}
		if p, err := plan.Verify(ctx, k.Span, k.Sound, k.Part.Path); err == nil && p == k.Part {
			found = append(found, k)
		}
	}
	slices.SortFunc(found, func(a, b kept) int { return cmp.Compare(a.Span.First, b.Span.First) })
	next, sound := plan.Span.First, false
	return slices.DeleteFunc(found, func(k kept) bool {
		switch {
		case k.Sound:
			drop := sound || k.Span != plan.Span
			sound = true
			return drop
		case k.Span.First < next || k.Span.End > plan.Span.End || k.Span.Len() <= 0:
			return true
		}
		next = k.Span.End
		return false
	})
}

// empty removes everything that an earlier try has left but the parts to keep and the log.
func (f *folder) empty(keep []kept) error {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(f.dir, e.Name())
		wanted := slices.ContainsFunc(keep, func(k kept) bool { return path == k.Part.Path || path == k.Part.Path+keptExt })
		if e.Name() == lockName || e.Name() == logName && len(keep) > 0 || wanted {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// keeper is the name under which the farm books what an earlier try has completed.
const keeper = "earlier"

// restore tells the farm what is there already, in its own words: the events that a worker
// would have caused.
func (m *Master) restore(now time.Time, j *job, have []kept) {
	if len(have) == 0 {
		return
	}
	next, number := j.Plan.Span.First, uint32(1)
	var sound *kept
	if i := slices.IndexFunc(have, func(k kept) bool { return k.Sound }); i >= 0 {
		sound = &have[i]
	}
	m.replay(now, j, 0, j.Plan.Span, sound)
	for i, k := range have {
		if k.Sound {
			continue
		}
		if next < k.Span.First {
			m.replay(now, j, number, render.Span{First: next, End: k.Span.First}, nil)
			number++
		}
		m.replay(now, j, number, k.Span, &have[i])
		number++
		next = k.Span.End
	}
	j.remarks = append(j.remarks, fmt.Sprintf("resumed: %d parts of an earlier try are used", len(have)))
	if v, _ := m.farm.Job(j.id); v.State == farm.Joining {
		m.startJoin(j)
	}
}

// replay books one range: cut, and completed when there is a part.
func (m *Master) replay(now time.Time, j *job, number uint32, span render.Span, k *kept) {
	events := []farm.Event{
		{Kind: farm.WorkerHello, Worker: keeper, Hello: &farm.WorkerSpec{Name: keeper, Engines: []string{j.Plan.Engine}}},
		{Kind: farm.RangeAssigned, Job: j.id, Range: number, First: span.First, End: span.End, Worker: keeper},
	}
	if k != nil {
		r := resultOf(k.Part)
		events = append(events, farm.Event{Kind: farm.RangeCompleted, Job: j.id, Range: number, Worker: keeper, Result: &r})
	}
	events = append(events, farm.Event{Kind: farm.WorkerDismissed, Worker: keeper})
	for i := range events {
		events[i].At = now
		if err := m.farm.Apply(events[i]); err != nil {
			j.remarks = append(j.remarks, err.Error())
		}
	}
}
