package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"

	"github.com/nats-io/nats.go/jetstream"

	"olive-distributed/daemon/farm"
)

// A snapshot of the farm, taken behind the last event that was enqueued before it.
type snapshot struct {
	through uint64 // that event's number
	dirty   map[uint32]bool
	pieces  farm.Snapshot // the dirty jobs, but for the forgotten ones
}

// snapState is what the journal knows of the snapshot on disk, and what has changed since.
type snapState struct {
	head   head
	size   int64           // of all its pieces
	logged int64           // bytes of log behind it
	dirty  map[uint32]bool // jobs that events have touched since
	open   map[uint32]bool // jobs that have not ended: workers may hold ranges of them
	busy   bool            // one is being written
}

// newSnapState continues from a snapshot and a farm that has gone on since, by so many bytes of log.
func newSnapState(h head, f *farm.Farm, logged int64) snapState {
	s := snapState{head: h, logged: logged, dirty: map[uint32]bool{}, open: map[uint32]bool{}}
	for job, p := range h.Pieces {
		s.size += int64(p.Size)
		if logged > 0 && job != 0 {
			s.dirty[job] = true
		}
	}
	if f == nil {
		return s
	}
	for _, v := range f.Jobs() {
		_, known := h.Pieces[v.ID]
		s.dirty[v.ID] = logged > 0 || !known
		if v.State != farm.Done && v.State != farm.Failed && v.State != farm.Cancelled {
			s.open[v.ID] = true
		}
	}
	return s
}

// touch notes which jobs the events change.
func (s *snapState) touch(events []farm.Event) {
	for i := range events {
		e := &events[i]
		if e.Job != 0 {
			s.dirty[e.Job] = true
		}
		switch e.Kind {
		case farm.JobSubmitted, farm.JobRetried:
			s.open[e.Job] = true
		case farm.JobDone, farm.JobFailed, farm.JobCancelled, farm.JobForgotten:
			delete(s.open, e.Job)
		case farm.WorkerLeft, farm.WorkerLost, farm.WorkerDismissed: // takes the worker's range, of whatever job
			maps.Copy(s.dirty, s.open)
		}
	}
}

// SnapshotDue says that the log has grown so much that a snapshot would make the next start faster.
// It is false while one is being written.
func (j *Journal) SnapshotDue() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return !j.snaps.busy && j.dead == nil && j.snaps.logged > max(4<<20, j.snaps.size/2)
}

// Snapshot stores the state of the farm, which must be the one that all events enqueued so far have
// made, and then forgets those events. It writes down what has changed before it returns; the rest
// happens beside later commits. Done is called when the snapshot is durable, or with an error,
// after which the snapshot before is still good; nil: nobody waits.
func (j *Journal) Snapshot(f *farm.Farm, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	j.mu.Lock()
	s := &snapshot{through: j.enqueued, dirty: j.snaps.dirty}
	dead := j.dead
	if dead == nil {
		j.snaps.dirty, j.snaps.busy = map[uint32]bool{}, true
	}
	j.mu.Unlock()
	if dead != nil {
		done(dead)
		return
	}
	ids := []uint32{0} // no job has this ID, but no ID at all would mean all jobs
	for id := range s.dirty {
		ids = append(ids, id)
	}
	var err error
	if s.pieces, err = f.Snapshot(ids...); err != nil {
		j.snapped(s, head{}, err)
		done(err)
		return
	}
	j.mu.Lock()
	if dead = j.dead; dead == nil {
		j.queue = append(j.queue, &entry{snap: s, done: done})
	}
	j.mu.Unlock()
	if dead != nil {
		done(dead)
		return
	}
	j.signal()
}

// startSnapshot writes the snapshot beside the commits. All events that it covers are durable now.
func (j *Journal) startSnapshot(ctx context.Context, s *snapshot, done func(error)) {
	j.snapping.Wait() // never two
	through, e := j.at, j.engine
	var err error
	switch {
	case e == nil:
		err = ErrFull
	case through.Events != s.through:
		err = fmt.Errorf("%d events are durable instead of %d", through.Events, s.through)
	default:
		err = j.room(s.bytes())
	}
	if err != nil {
		err = fmt.Errorf("snapshot: %w", err)
		j.snapped(s, head{}, err)
		done(err)
		return
	}
	j.mu.Lock()
	old := j.snaps.head
	logged := j.snaps.logged
	j.mu.Unlock()
	j.snapping.Go(func() {
		h, err := e.store(ctx, s, old, j.mark.Store, through)
		if err == nil {
			if err := e.tidy(ctx, h); err != nil {
				j.cfg.Log.Warn("the store holds more than it needs until the next snapshot", "error", err)
			}
			j.mu.Lock()
			j.snaps.logged -= logged
			j.mu.Unlock()
		}
		j.snapped(s, h, err)
		done(err)
	})
}

func (s *snapshot) bytes() int {
	size := len(s.pieces.Head)
	for _, p := range s.pieces.Jobs {
		size += len(p)
	}
	return size
}

// snapped takes note of a snapshot that is durable, or has failed.
func (j *Journal) snapped(s *snapshot, h head, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.snaps.busy = false
	if err != nil {
		maps.Copy(j.snaps.dirty, s.dirty)
		j.cfg.Log.Warn("no snapshot, the log keeps growing", "error", err)
		return
	}
	j.snaps.head, j.snaps.size = h, 0
	for _, p := range h.Pieces {
		j.snaps.size += int64(p.Size)
	}
}

// anchor is where the log that is needed begins.
func (j *Journal) anchor() chain {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.snaps.head.Through
}

// store writes the pieces, then the head that refers to them. A failure at any point leaves the
// old head and all it needs.
func (e *engine) store(ctx context.Context, s *snapshot, old head, name string, through chain) (head, error) {
	h := head{Version: snapshotVersion, Store: name, Through: through, Pieces: map[uint32]pieceAt{}}
	maps.Copy(h.Pieces, old.Pieces)
	pieces := map[uint32]json.RawMessage{0: s.pieces.Head}
	for id := range s.dirty {
		delete(h.Pieces, id)
	}
	maps.Copy(pieces, s.pieces.Jobs)
	for job, data := range pieces {
		p := pieceAt{Generation: s.through, Size: len(data), Sum: crc32.Checksum(data, castagnoli)}
		for rest := []byte(data); len(rest) > 0; p.Chunks++ {
			n := min(len(rest), groupBytes)
			if err := e.put(ctx, chunkSubject(job, p.Generation, p.Chunks), rest[:n]); err != nil {
				return head{}, err
			}
			rest = rest[n:]
		}
		h.Pieces[job] = p
	}
	data, err := json.Marshal(h)
	if err != nil {
		return head{}, fmt.Errorf("snapshot: %w", err)
	}
	if err := e.put(ctx, headSubject, data); err != nil {
		return head{}, err
	}
	return h, nil
}

func (e *engine) put(ctx context.Context, subject string, data []byte) error {
	if _, err := e.js.Publish(ctx, subject, wrap(data), jetstream.WithRetryAttempts(0)); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}

// tidy removes the log that h covers, but for the record at which it continues, and all pieces
// that h does not need: of the snapshot before, and of those that were never finished.
func (e *engine) tidy(ctx context.Context, h head) error {
	if err := e.log.Purge(ctx, jetstream.WithPurgeSequence(h.Through.Seq)); err != nil {
		return fmt.Errorf("remove what the snapshot covers: %w", err)
	}
	info, err := e.snap.Info(ctx, jetstream.WithSubjectFilter("snap.*.*.*"))
	if err != nil {
		return fmt.Errorf("list the pieces of snapshots: %w", err)
	}
	for subject := range info.State.Subjects {
		var job uint32
		var generation uint64
		var n int
		if _, err := fmt.Sscanf(subject, "snap.%d.%d.%d", &job, &generation, &n); err != nil {
			continue
		}
		if p := h.Pieces[job]; p.Generation == generation && n < p.Chunks {
			continue
		}
		if err := e.snap.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return fmt.Errorf("remove the snapshot before: %w", err)
		}
	}
	return nil
}
