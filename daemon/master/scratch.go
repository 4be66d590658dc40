package master

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/worker"
)

// A scratch is the folder of one job's parts. Its name is a digest of what decides about the
// parts, so that the same export finds it again. A lock keeps others out while it is in use.
type scratch struct {
	dir  string
	lock *os.File
}

// kept is what is remembered of a completed range, beside its part.
type kept struct {
	Range  uint32      `json:"-"`
	Sound  bool        `json:"sound"`
	Span   render.Span `json:"span"`
	Part   media.Part  `json:"part"`
	Worker string      `json:"worker"`
}

// staleAfter is the age at which an unlocked scratch folder is removed.
const staleAfter = 7 * 24 * time.Hour

// openScratch locks the job's folder and returns the parts to go on from: those of an earlier
// try that still verify, when the request asks for them.
func openScratch(ctx context.Context, base string, j *job) (*scratch, []kept, error) {
	key, err := json.Marshal(j.plan)
	if err != nil {
		return nil, nil, err
	}
	sum := sha256.Sum256(key)
	s := &scratch{dir: filepath.Join(base, hex.EncodeToString(sum[:12]))}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make folder for parts: %w", err)
	}
	s.lock, err = lock(s.dir)
	if err != nil {
		return nil, nil, err
	}
	if !j.request.Resume {
		return s, nil, s.empty(nil)
	}
	have := s.recall(ctx, j.plan)
	return s, have, s.empty(have)
}

// lock takes a folder's lock, which ends with the process.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock folder for parts: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.New("another olivectl is exporting the same; wait for it, or stop it")
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}

// part is where a task's part goes: a name of its own for each worker, since two may render
// the same range.
func (s *scratch) part(t *worker.Task, name string) string {
	ext := ".wav"
	if !t.Sound {
		preset, _ := media.PresetByName(t.Plan.Encoding.Preset) // the encoding was checked at submit
		ext = preset.PartExt
	}
	return filepath.Join(s.dir, fmt.Sprintf("%d-%d.%s%s", t.Span.First, t.Span.End, name, ext))
}

// remember writes a completed range down for a later resume.
func (s *scratch) remember(k kept) error {
	data, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return renameio.WriteFile(k.Part.Path+".json", data, 0o600)
}

// recall returns the remembered parts that are still right, in the order of the film, without
// overlaps.
func (s *scratch) recall(ctx context.Context, plan *render.Plan) []kept {
	files, _ := filepath.Glob(filepath.Join(s.dir, "*.json"))
	var found []kept
	for _, file := range files {
		var k kept
		data, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(data, &k) != nil || filepath.Dir(k.Part.Path) != s.dir {
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

// empty removes everything but the lock and the parts to keep.
func (s *scratch) empty(keep []kept) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(s.dir, e.Name())
		if e.Name() == "lock" || slices.ContainsFunc(keep, func(k kept) bool { return path == k.Part.Path || path == k.Part.Path+".json" }) {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// release unlocks the folder; unless it is kept for a resume, it goes.
func (s *scratch) release(keep bool) {
	if !keep {
		os.RemoveAll(s.dir)
	}
	s.lock.Close()
}

// sweep makes the folder of all scratches and removes what nobody came back for.
func sweep(base string) error {
	if err := os.MkdirAll(base, 0o700); err != nil {
		return fmt.Errorf("make folder for parts: %w", err)
	}
	entries, err := os.ReadDir(base)
	if err != nil {
		return fmt.Errorf("read folder for parts: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() || time.Since(info.ModTime()) < staleAfter {
			continue
		}
		dir := filepath.Join(base, e.Name())
		if f, err := lock(dir); err == nil {
			os.RemoveAll(dir)
			f.Close()
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
	next, number := j.plan.Span.First, uint32(1)
	sound := slices.IndexFunc(have, func(k kept) bool { return k.Sound })
	m.replay(now, j, 0, j.plan.Span, pick(have, sound))
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
	m.note(j, Event{Kind: "note", Text: fmt.Sprintf("resumed: %d parts of an earlier try are used", len(have))})
	m.wake()
}

func pick(have []kept, i int) *kept {
	if i < 0 {
		return nil
	}
	return &have[i]
}

// replay books one range: cut, and completed when there is a part.
func (m *Master) replay(now time.Time, j *job, number uint32, span render.Span, k *kept) {
	events := []farm.Event{
		{Kind: farm.WorkerHello, Worker: keeper, Hello: &farm.WorkerSpec{Name: keeper, Engines: []string{j.plan.Engine}}},
		{Kind: farm.RangeAssigned, Job: j.id, Range: number, First: span.First, End: span.End, Worker: keeper},
	}
	if k != nil {
		k.Range = number
		j.parts[number] = *k
		events = append(events, farm.Event{Kind: farm.RangeCompleted, Job: j.id, Range: number, Worker: keeper, Result: &farm.Result{Part: k.Part.Path, Frames: span.Len(), Size: k.Part.Size, SHA256: k.Part.SHA256}})
	}
	events = append(events, farm.Event{Kind: farm.WorkerDismissed, Worker: keeper})
	for i := range events {
		events[i].At = now
		if err := m.farm.Apply(events[i]); err != nil {
			m.note(j, Event{Kind: "note", Text: err.Error()})
		}
	}
}
