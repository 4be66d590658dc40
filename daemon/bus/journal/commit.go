package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"
)

func appendSized(b, event []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(event))), event...)
}

// run writes what waits in the queue, until ctx ends.
func (j *Journal) run(ctx context.Context) {
	defer close(j.ended)
	defer j.shut()
	for {
		j.gather(ctx)
		group := j.take()
		if len(group) == 0 {
			select {
			case <-j.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		if s := group[0].snap; s != nil {
			j.startSnapshot(ctx, s, group[0].done)
			continue
		}
		if err := j.commit(ctx, group); err != nil {
			j.die(err)
			for _, e := range group {
				e.done(err)
			}
			return
		}
		for _, e := range group {
			e.done(nil)
		}
	}
}

// While few events come at a time, commits begin no sooner than gatherTime after each other: each
// costs a sync of the disk, as much processor time as twenty events, and nobody notices the wait.
const (
	gatherTime = 6 * time.Millisecond
	gatherMany = 12 // entries that wait for nothing
)

// gather lets a few entries come together, if there are some and the last commit has just begun.
func (j *Journal) gather(ctx context.Context) {
	begin := j.began.Add(gatherTime)
	defer func() { j.began = time.Now() }()
	if time.Now().After(begin) || !j.few() {
		return
	}
	timer := time.NewTimer(time.Until(begin))
	defer timer.Stop()
	for j.few() {
		select {
		case <-timer.C:
			return
		case <-j.wake:
		case <-ctx.Done():
			return
		}
	}
}

// few says whether the queue has entries, but not enough of them.
func (j *Journal) few() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.queue) > 0 && len(j.queue) < gatherMany && j.dead == nil
}

// take takes the next group from the queue: a snapshot alone, or events up to a group's size.
func (j *Journal) take() []*entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	size, n := 0, 0
	for ; n < len(j.queue); n++ {
		e := j.queue[n]
		if n > 0 && (e.snap != nil || j.queue[0].snap != nil || size+len(e.body) > groupBytes) {
			break
		}
		size += len(e.body)
	}
	group := j.queue[:n:n]
	if j.queue = j.queue[n:]; len(j.queue) == 0 {
		j.queue = nil
	}
	return group
}

// commit makes a group durable as one record. While it cannot it tries again; it returns an error
// only if it never will.
func (j *Journal) commit(ctx context.Context, group []*entry) error {
	bodies, events := make([][]byte, 0, len(group)), 0
	for _, e := range group {
		bodies, events = append(bodies, e.body), events+e.events
	}
	if events == 0 {
		return nil
	}
	record, next := j.at.seal(bodies, events)
	for {
		landed, err := j.try(ctx, record, next)
		if landed {
			break
		}
		if errors.Is(err, ErrFenced) {
			return err
		}
		j.ail(err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w: %w", ErrClosed, ErrUnknown, err)
		case <-time.After(j.cfg.retry):
		}
	}
	j.at = next
	j.mu.Lock()
	j.snaps.logged += int64(len(record))
	j.mu.Unlock()
	if err := j.acknowledge(); err != nil {
		j.cfg.Log.Warn("the store works, but a loss of its end might go unnoticed", "error", err)
	}
	j.ail(nil)
	return nil
}

// try makes one attempt at the record. An attempt whose outcome is not known is settled at once.
func (j *Journal) try(ctx context.Context, record []byte, next chain) (landed bool, err error) {
	if j.engine == nil {
		if landed, err = j.settle(ctx, record, next); landed || err != nil {
			return landed, err
		}
	}
	if err := j.room(len(record)); err != nil {
		return false, err
	}
	limited, cancel := context.WithTimeout(ctx, j.cfg.timeout)
	defer cancel()
	if err = j.engine.append(limited, record, next.Seq); err == nil {
		return true, nil
	}
	if limit := (*jetstream.APIError)(nil); errors.As(err, &limit) && strings.Contains(limit.Description, "maximum bytes exceeded") {
		return false, fmt.Errorf("%w (the log has reached its limit of %d bytes; start with a higher one)", ErrFull, j.cfg.MaxBytes)
	}
	j.ail(fmt.Errorf("write record %d of the log: %w: %w", next.Seq, ErrUnknown, err))
	j.engine.stop()
	j.engine = nil
	return j.settle(ctx, record, next)
}

// settle finds out whether the record became durable, and starts nats-server anew.
func (j *Journal) settle(ctx context.Context, record []byte, next chain) (landed bool, err error) {
	j.snapping.Wait() // without nats-server it fails at once; what it has purged must be known here
	if err := j.room(len(record)); err != nil {
		return false, err
	}
	r, _, err := logOf(j.cfg.Dir, j.anchor(), j.at, false)
	if err != nil {
		return false, err
	}
	switch r.at {
	case j.at:
	case next:
		landed = true
	default:
		return false, fmt.Errorf("%w: it ends with record %d, not %d", ErrFenced, r.at.Seq, j.at.Seq)
	}
	e, err := startEngine(ctx, &j.cfg, false)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if err := e.serves(ctx, &r.last); err != nil {
		e.stop()
		return false, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	j.engine = e
	return landed, nil
}

// room says whether the disk has space for so many bytes, beside the reserve.
func (j *Journal) room(size int) error {
	var s unix.Statfs_t
	if err := unix.Statfs(j.cfg.Dir, &s); err != nil {
		return fmt.Errorf("look for free space in %s: %w", j.cfg.Dir, err)
	}
	if free := int64(s.Bavail) * s.Bsize; free < j.cfg.Reserve+2*int64(size) {
		return fmt.Errorf("%w (%s has %d MB left, %d MB are kept in reserve)", ErrFull, j.cfg.Dir, free>>20, j.cfg.Reserve>>20)
	}
	return nil
}

// acknowledge notes beside the log how far it reaches.
func (j *Journal) acknowledge() error {
	if err := j.acked.write(j.at); err != nil {
		return err
	}
	if now := time.Now(); now.Sub(j.ackedSync) > time.Second {
		j.ackedSync = now
		return j.acked.sync()
	}
	return nil
}

// ail notes how the journal is, and tells when that changes.
func (j *Journal) ail(err error) {
	j.mu.Lock()
	old := j.health
	j.health = err
	j.mu.Unlock()
	if (old == nil) == (err == nil) && (err == nil || errors.Is(old, ErrFull) == errors.Is(err, ErrFull)) {
		return
	}
	if err != nil {
		j.cfg.Log.Error("the log cannot be written, trying again", "error", err)
	} else {
		j.cfg.Log.Info("the log is written again")
	}
	j.cfg.OnHealth(err)
}

// die makes the journal refuse everything from now on.
func (j *Journal) die(err error) {
	j.mu.Lock()
	first := j.dead == nil
	if first {
		j.dead = err
	}
	j.mu.Unlock()
	if first {
		j.cfg.Log.Error("the log is closed for good, restart the master", "error", err)
		j.cfg.OnHealth(err)
	}
}

// shut gives up what still waits, and stops nats-server.
func (j *Journal) shut() {
	j.snapping.Wait()
	j.mu.Lock()
	rest, err := j.queue, j.dead
	j.queue = nil
	if err == nil {
		err, j.dead = ErrClosed, ErrClosed
	}
	j.mu.Unlock()
	for _, e := range rest {
		e.done(err)
	}
	if j.engine != nil {
		j.engine.stop()
	}
	if err := errors.Join(j.acked.sync(), j.acked.f.Close()); err != nil {
		j.cfg.Log.Warn("close the store", "error", err)
	}
}
