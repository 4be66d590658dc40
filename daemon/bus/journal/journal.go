// Package journal keeps the farm's events and snapshots on disk, in two JetStream streams.
//
// What is acknowledged is durable: it survives kill -9 and a power cut. Events become durable in the
// order in which they were enqueued, many with one sync of the disk (group commit), and either all
// events of one call or none. While the disk is full, or cannot be written, the journal is degraded:
// it keeps what waits, tries again, and goes on by itself; see [Journal.Health].
//
// nats-server writes the streams, one that nobody else can reach. A write of unknown outcome is
// settled by starting it anew and reading the end of the log: the record is there or it is not, so
// nothing is doubled or left out. What lies on the disk is read and verified here before nats-server
// may see it, since that mends silently: a store that is damaged or incomplete is not opened, and not
// changed, and never taken for a new one. An end of the log that was not acknowledged may be missing.
//
// A journal whose own writes were overtaken by somebody else's ([ErrFenced]) writes no more.
package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"olive-distributed/daemon/farm"
)

// Config is how to open a journal. Dir is required.
type Config struct {
	Dir    string      // the store's folder; it is made if its parent is there
	Policy farm.Policy // of the farm that is restored
	// MustExist refuses to make a new store, with [ErrNoStore]: for callers who know that there was one.
	MustExist bool
	MaxBytes  int64 // limit of the log; 0: 4 GiB. Snapshots keep it at some MB.
	// Reserve is the space on the disk that the journal leaves free; 0: 32 MiB.
	Reserve int64
	Log     *slog.Logger // nil: nobody listens
	// OnHealth is called whenever [Journal.Health] changes, from the journal's goroutine.
	OnHealth func(error)

	unsafeNoSync bool          // for the test of the test
	timeout      time.Duration // of a publish; 0: 10 s
	retry        time.Duration // while degraded; 0: 1 s
}

func (c Config) withDefaults() Config {
	c.MaxBytes = cmp.Or(c.MaxBytes, 4<<30)
	c.Reserve = cmp.Or(c.Reserve, 32<<20)
	c.timeout = cmp.Or(c.timeout, 10*time.Second)
	c.retry = cmp.Or(c.retry, time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.OnHealth == nil {
		c.OnHealth = func(error) {}
	}
	return c
}

// A Journal is an open store. Its methods may be called from several goroutines; the order of
// events is the order of the calls.
type Journal struct {
	cfg  Config
	mark marker
	lock *os.File

	mu       sync.Mutex
	queue    []*entry
	enqueued uint64 // number of the last event in the queue or behind it
	health   error
	dead     error // why nothing can be written any more
	snaps    snapState

	wake   chan struct{} // the queue has changed
	cancel context.CancelFunc
	ended  chan struct{}

	// Owned by the goroutine of run.
	acked     acked
	ackedSync time.Time
	began     time.Time // the last commit
	at        chain     // behind the last durable record
	engine    *engine
	snapping  sync.WaitGroup
}

// An entry waits in the queue: events that are to be durable together, or a snapshot.
type entry struct {
	body   []byte
	events int
	snap   *snapshot
	done   func(error)
}

// Open opens the store, or makes one, and returns the farm as it was acknowledged. Errors:
// [ErrLocked], [ErrNoStore], [DamageError], [VersionError], and those of the file system.
func Open(ctx context.Context, cfg Config) (*Journal, *farm.Farm, error) {
	cfg = cfg.withDefaults()
	if err := os.Mkdir(cfg.Dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, nil, fmt.Errorf("make the store: %w", err)
	}
	l, err := lock(cfg.Dir)
	if err != nil {
		return nil, nil, err
	}
	j := &Journal{cfg: cfg, lock: l, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	f, err := j.open(ctx)
	if err != nil {
		if j.engine != nil {
			j.engine.stop()
		}
		_ = l.Close()
		return nil, nil, err
	}
	run, cancel := context.WithCancel(context.Background())
	j.cancel = cancel
	go j.run(run)
	return j, f, nil
}

func (j *Journal) open(ctx context.Context) (*farm.Farm, error) {
	m, err := readMarker(j.cfg.Dir)
	if err != nil {
		return nil, err
	}
	if !m.Ready {
		if j.cfg.MustExist {
			return nil, fmt.Errorf("%s: %w", j.cfg.Dir, ErrNoStore)
		}
		if j.mark, err = j.create(ctx); err != nil {
			return nil, err
		}
		j.snaps = newSnapState(head{}, nil, 0)
		return farm.New(j.cfg.Policy), nil
	}
	j.mark = m
	c, err := readStore(j.cfg.Dir, m)
	if err != nil {
		return nil, err
	}
	for _, torn := range c.torn {
		if torn != nil {
			j.cfg.Log.Warn("the store ends with what was never acknowledged; it is dropped", "what", torn)
		}
	}
	folded := make(chan error, 1)
	go func() { folded <- c.fold(j.cfg.Policy) }() // beside the start of nats-server: every byte is verified
	j.engine, err = startEngine(ctx, &j.cfg, false)
	if broken := <-folded; broken != nil {
		return nil, broken
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", j.cfg.Dir, err)
	}
	if err := j.engine.serves(ctx, &c.log.last); err != nil {
		return nil, err
	}
	if j.acked, err = openAcked(j.cfg.Dir, false); err != nil {
		return nil, err
	}
	j.at, j.enqueued = c.log.at, c.log.at.Events
	j.snaps = newSnapState(c.head, c.farm, c.log.bytes)
	return c.farm, j.acknowledge()
}

// create makes the streams with a first record without events, so that a log is never empty.
func (j *Journal) create(ctx context.Context) (m marker, err error) {
	if m, err = begin(j.cfg.Dir); err != nil {
		return m, err
	}
	if j.engine, err = startEngine(ctx, &j.cfg, true); err != nil {
		return m, fmt.Errorf("make the store %s: %w", j.cfg.Dir, err)
	}
	record, at := chain{}.seal(nil, 0)
	if err := j.engine.append(ctx, record, at.Seq); err != nil {
		return m, fmt.Errorf("make the store %s: %w", j.cfg.Dir, err)
	}
	if j.acked, err = openAcked(j.cfg.Dir, true); err != nil {
		return m, err
	}
	j.at = at
	if err := errors.Join(j.acknowledge(), syncDirs(j.cfg.Dir)); err != nil {
		return m, err
	}
	m.Ready = true
	return m, m.write(j.cfg.Dir)
}

// syncDirs makes the names of all folders and files of a new store durable.
func syncDirs(dir string) error {
	for _, d := range []string{streamDir(dir, logStream), streamDir(dir, snapStream)} {
		if err := syncDir(filepath.Join(d, "msgs")); err != nil {
			return err
		}
		for ; len(d) >= len(dir); d = filepath.Dir(d) {
			if err := syncDir(d); err != nil {
				return err
			}
		}
	}
	return syncDir(filepath.Dir(dir))
}

// Enqueue puts events at the end of the log. It does not block. Done is called exactly once, from
// the journal's goroutine, in the order of the calls, and must not block: with nil when the events
// are durable. Any error means that the journal is closed or dead; the error then wraps
// [ErrUnknown] if the events may be durable all the same. The events are not kept.
func (j *Journal) Enqueue(events []farm.Event, done func(error)) {
	body := make([]byte, 0, 160*len(events))
	var buf []byte
	for i := range events {
		var err error
		if buf, err = appendEvent(buf[:0], &events[i]); err != nil {
			j.refuse(err, done)
			return
		}
		body = appendSized(body, buf)
	}
	if len(body)+recordMin > maxRecord {
		j.refuse(fmt.Errorf("%w: %d events of %d bytes", ErrTooLarge, len(events), len(body)), done)
		return
	}
	j.mu.Lock()
	dead := j.dead
	if dead == nil {
		j.enqueued += uint64(len(events))
		j.snaps.touch(events)
		j.queue = append(j.queue, &entry{body: body, events: len(events), done: done})
	}
	j.mu.Unlock()
	if dead != nil {
		done(dead)
		return
	}
	j.signal()
}

// Append is [Journal.Enqueue] and waits. If ctx ends first, the error wraps [ErrUnknown], and the
// events stay in the queue.
func (j *Journal) Append(ctx context.Context, events []farm.Event) error {
	done := make(chan error, 1)
	j.Enqueue(events, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for %d events to be durable: %w: %w", len(events), ErrUnknown, context.Cause(ctx))
	}
}

// refuse ends the journal: the farm has events that the log will never have.
func (j *Journal) refuse(err error, done func(error)) {
	err = fmt.Errorf("write the log: %w", err)
	j.die(err)
	done(err)
	j.signal()
}

func (j *Journal) signal() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Health is nil while events become durable, and else says why they do not: it wraps [ErrFull]
// when there is no room, [ErrUnknown] while the outcome of a write is being settled, or is final.
func (j *Journal) Health() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return cmp.Or(j.dead, j.health)
}

// Close writes what waits until ctx ends, and gives the rest up. It returns an error if it gave
// something up. No other method may be called afterwards.
func (j *Journal) Close(ctx context.Context) error {
	flushed := make(chan struct{})
	j.mu.Lock()
	dead := j.dead
	if dead == nil {
		j.queue = append(j.queue, &entry{done: func(error) { close(flushed) }})
		j.dead = ErrClosed
	} else {
		close(flushed)
	}
	j.mu.Unlock()
	j.signal()
	var err error
	select {
	case <-flushed:
	case <-ctx.Done():
		err = fmt.Errorf("close the log: events that wait are given up: %w", context.Cause(ctx))
	}
	j.cancel()
	<-j.ended
	return errors.Join(err, j.lock.Close())
}
