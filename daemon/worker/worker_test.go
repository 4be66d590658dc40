package worker_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/builtin"
	"olive-distributed/daemon/worker"
)

// A boss is a master with a state: who is there, what there is to do, and what has become of it.
type boss struct {
	mu      sync.Mutex
	queue   []*worker.Task
	news    chan struct{}
	known   bool
	hellos  []uint32 // ranges that were held
	byes    int
	beats   int
	away    chan struct{} // while it is open, reports wait
	mute    bool          // it never answers a hello
	done    map[uint32]film.Part
	failed  map[uint32]worker.Failure
	strange int          // so many reports are answered as from a stranger
	gone    bool         // nothing is wanted any more
	trouble []error      // next answers to who asks for work
	holds   *worker.Task // that came with the answer to a report
}

func newBoss(tasks ...*worker.Task) *boss {
	return &boss{queue: tasks, news: make(chan struct{}), done: map[uint32]film.Part{}, failed: map[uint32]worker.Failure{}}
}

func (b *boss) Hello(ctx context.Context, _ worker.Spec, holding *worker.Task) error {
	if b.mute {
		<-ctx.Done()
		return ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known = true
	held := uint32(0)
	if holding != nil {
		held = holding.Range
	}
	b.hellos = append(b.hellos, held)
	return nil
}

func (b *boss) Goodbye(context.Context, string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known = false
	b.byes++
	if b.holds != nil {
		b.queue, b.holds = append([]*worker.Task{b.holds}, b.queue...), nil
	}
	return nil
}

func (b *boss) Next(ctx context.Context, _ string) (*worker.Task, error) {
	for {
		b.mu.Lock()
		switch {
		case len(b.trouble) > 0:
			err := b.trouble[0]
			b.trouble = b.trouble[1:]
			b.mu.Unlock()
			return nil, err
		case len(b.queue) > 0:
			t := b.queue[0]
			b.queue = b.queue[1:]
			b.mu.Unlock()
			return t, nil
		}
		news := b.news
		b.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// add gives work to who waits for it.
func (b *boss) add(t *worker.Task) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = append(b.queue, t)
	close(b.news)
	b.news = make(chan struct{})
}

func (b *boss) Beat(context.Context, string, *worker.Task, int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.beats++
	switch {
	case b.gone:
		return worker.ErrGone
	case !b.known:
		return worker.ErrStranger
	}
	return nil
}

// report takes what a worker has to say about a range.
func (b *boss) report(ctx context.Context, enter func()) error {
	if b.away != nil {
		select {
		case <-b.away:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.strange > 0 {
		b.strange--
		b.known = false
		return worker.ErrStranger
	}
	if b.gone {
		return worker.ErrGone
	}
	enter()
	return nil
}

func (b *boss) Note(ctx context.Context, name string, t *worker.Task, done int64) error {
	return b.Beat(ctx, name, t, done)
}

func (b *boss) DoneNext(ctx context.Context, _ string, t *worker.Task, d worker.Delivery) (next *worker.Task, err error) {
	err = b.report(ctx, func() {
		b.done[t.Range], b.holds = d.Part, nil
		if len(b.queue) > 0 {
			next, b.queue = b.queue[0], b.queue[1:]
			b.holds = next
		}
	})
	return next, err
}

func (b *boss) Done(ctx context.Context, _ string, t *worker.Task, d worker.Delivery) error {
	return b.report(ctx, func() { b.done[t.Range], b.holds = d.Part, nil })
}

func (b *boss) Failed(ctx context.Context, _ string, t *worker.Task, f worker.Failure) error {
	return b.report(ctx, func() { b.failed[t.Range] = f })
}

// state is a copy, for the test's goroutine.
func (b *boss) state() boss {
	b.mu.Lock()
	defer b.mu.Unlock()
	return boss{known: b.known, hellos: append([]uint32{}, b.hellos...), byes: b.byes, beats: b.beats, done: maps.Clone(b.done), failed: maps.Clone(b.failed)}
}

// An engine renders sound, each range as long as the test says.
type engine struct {
	render.Engine
	takes func(ctx context.Context, progress func(int64)) error // before the sound; nil: nothing
}

func (e engine) Sound(ctx context.Context, s *render.Scene, span render.Span, out string, progress func(int64)) ([]string, error) {
	if err := e.takes(ctx, progress); err != nil {
		return nil, err
	}
	return e.Engine.Sound(ctx, s, span, out, progress)
}

// A shop is one worker at work in a bubble of time.
type shop struct {
	*worker.Worker
	t      *testing.T
	boss   *boss
	dir    string
	cancel context.CancelCauseFunc
	ended  chan error
}

const project = `<project><version>190219</version><url>p.ove</url><folders/><media/><sequences>
<sequence id="1" folder="0" name="S" width="64" height="48" framerate="30" afreq="48000" alayout="3" open="1">
<clip id="1" enabled="1" name="c" clipin="0" in="0" out="30" track="-1" speed="1" type="0"><linked/>
<effect name="Render/Solid" enabled="1"/></clip></sequence></sequences></project>`

// newShop makes a worker with so many ranges waiting for it, all of a job without media.
func newShop(t *testing.T, ranges int, takes func(ctx context.Context, progress func(int64)) error) *shop {
	lib := media.NewLibrary("")
	t.Cleanup(func() { lib.Close() })
	s := &shop{t: t, dir: t.TempDir(), boss: newBoss(), ended: make(chan error, 1)}
	if err := os.WriteFile(filepath.Join(s.dir, "p.ove"), []byte(project), 0o600); err != nil {
		t.Fatal(err)
	}
	for n := range ranges {
		s.boss.queue = append(s.boss.queue, s.task(n+1))
	}
	if takes == nil {
		takes = func(context.Context, func(int64)) error { return nil }
	}
	s.Worker = &worker.Worker{
		Spec: worker.Spec{Name: "ada", Engines: []string{"builtin"}}, Master: s.boss,
		Engine: engine{builtin.New(lib, 1), takes}, Beats: time.Second,
	}
	return s
}

func (s *shop) task(n int) *worker.Task {
	digest := sha256.Sum256([]byte(project))
	span := render.Span{End: 30}
	return &worker.Task{Job: 1, Range: uint32(n), Sound: true, Span: span, Part: s.part(n), Plan: &render.Plan{
		Engine: "builtin", Project: filepath.Join(s.dir, "p.ove"), Digest: hex.EncodeToString(digest[:]),
		Sequence: 1, Span: span, FPS: 30, SoundRate: 48000,
	}}
}

func (s *shop) part(n int) string { return filepath.Join(s.dir, fmt.Sprintf("%d.wav", n)) }

// open begins work.
func (s *shop) open() {
	ctx, cancel := context.WithCancelCause(s.t.Context())
	s.cancel = cancel
	go func() { s.ended <- s.Run(ctx) }()
}

// files checks what lies in the folder beside the project.
func (s *shop) files(want ...string) {
	s.t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if e.Name() != "p.ove" {
			got = append(got, e.Name())
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.t.Errorf("files %v, want %v", got, want)
	}
}

func takes(d time.Duration) func(context.Context, func(int64)) error {
	return func(ctx context.Context, progress func(int64)) error {
		for n := range int64(d / time.Second) {
			select {
			case <-time.After(time.Second):
				progress(n + 1)
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	}
}

func TestRangesAreRenderedAndReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, 3, takes(5*time.Second))
		s.open()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		got := s.boss.state()
		if len(got.done) != 3 || len(got.failed) != 0 || got.beats < 12 {
			t.Errorf("%d done, %v failed, %d beats in 15 s", len(got.done), got.failed, got.beats)
		}
		if p := got.done[2]; p.Path != s.part(2) || p.Frames != 30 || len(p.SHA256) != 64 || p.Size == 0 {
			t.Errorf("part %+v", p)
		}
		s.files("1.wav", "2.wav", "3.wav")
		s.Drain()
		s.Drain() // and once more is no harm
		if err := <-s.ended; err != nil || s.boss.state().byes != 1 {
			t.Errorf("the end: %v, %d goodbyes", err, s.boss.state().byes)
		}
	})
}

func TestADrainedWorkerFinishesItsRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, 2, takes(time.Minute))
		s.open()
		time.Sleep(10 * time.Second)
		s.Drain()
		start := time.Now()
		err := <-s.ended
		got := s.boss.state()
		if err != nil || len(got.done) != 1 || got.byes != 1 || time.Since(start) != 50*time.Second {
			t.Errorf("%v, %d done, %d goodbyes, %v after the drain", err, len(got.done), got.byes, time.Since(start))
		}
	})
}

func TestADrainedWorkerDoesNotWaitForAMasterThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, 1, takes(time.Minute))
		s.boss.away = make(chan struct{})
		s.open()
		time.Sleep(70 * time.Second) // rendered, and nobody to take it
		s.Drain()
		start := time.Now()
		if err := <-s.ended; err != nil || time.Since(start) != 15*time.Second {
			t.Errorf("%v, %v after the drain", err, time.Since(start))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, 1, takes(time.Minute))
		s.boss.mute = true
		s.open()
		time.Sleep(time.Minute)
		s.Drain()
		start := time.Now()
		if err := <-s.ended; err != nil || time.Since(start) > time.Second {
			t.Errorf("%v, %v after the drain of a worker that was never heard", err, time.Since(start))
		}
	})
}

func TestAWorkerThatIsStoppedHandsItsRangeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, 1, takes(time.Minute))
		s.open()
		time.Sleep(10 * time.Second)
		stop := errors.New("stop")
		s.cancel(stop)
		err := <-s.ended
		got := s.boss.state()
		if !errors.Is(err, stop) || len(got.done)+len(got.failed) != 0 || got.byes != 1 {
			t.Errorf("%v, done %v, failed %v, %d goodbyes", err, got.done, got.failed, got.byes)
		}
		s.files()
	})
}

// office opens at an hour and closes at another, each day.
type office struct{ opens, closes int }

func (o office) Open(t time.Time) (bool, time.Time) {
	day := t.Truncate(24 * time.Hour)
	from, to := day.Add(time.Duration(o.opens)*time.Hour), day.Add(time.Duration(o.closes)*time.Hour)
	switch {
	case t.Before(from):
		return false, from
	case t.Before(to):
		return true, to
	}
	return false, from.Add(24 * time.Hour)
}

func TestHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which begins at midnight
		s := newShop(t, 2, takes(40*time.Minute))
		s.Hours = office{8, 9}
		s.open()
		time.Sleep(8*time.Hour - time.Second)
		synctest.Wait()
		if got := s.boss.state(); len(got.hellos) != 0 {
			t.Fatal("it has said hello before the hours")
		}
		// Two ranges of 40 minutes: the second is begun within the hours, and finished.
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		got := s.boss.state()
		if len(got.done) != 2 || got.known || got.byes != 1 {
			t.Errorf("after the hours: %d done, known %v, %d goodbyes", len(got.done), got.known, got.byes)
		}
		s.boss.add(s.task(3))
		time.Sleep(20 * time.Hour)
		synctest.Wait()
		if got := s.boss.state(); len(got.done) != 2 {
			t.Error("it has worked at night")
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if got := s.boss.state(); len(got.done) != 3 || len(got.hellos) != 2 {
			t.Errorf("the next day: %d done, %d hellos", len(got.done), len(got.hellos))
		}
		s.Drain()
		if err := <-s.ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAWorkerDrainedOutsideItsHoursEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, 1, nil)
		s.Hours = office{8, 9}
		s.open()
		time.Sleep(time.Hour)
		s.Drain()
		start := time.Now()
		if err := <-s.ended; err != nil || time.Since(start) != 0 || len(s.boss.state().done) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestARangeThatDoesNotMoveIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frozen := func(ctx context.Context, progress func(int64)) error {
			progress(7)
			<-ctx.Done()
			return errors.New("ffmpeg was killed")
		}
		s := newShop(t, 1, frozen)
		s.Stall = time.Minute
		s.open()
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if got := s.boss.state(); len(got.failed) != 0 {
			t.Errorf("given up too soon: %v", got.failed)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if f := s.boss.state().failed[1]; !strings.Contains(f.Reason, "no new frame for 1m0s after 7 frames") || f.Fatal {
			t.Errorf("the reason is %+v", f)
		}
		s.files()
		s.Drain()
		<-s.ended
	})
}

func TestASlowRangeThatMovesIsNotGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(_ context.Context, progress func(int64)) error {
			for n := range int64(10) {
				time.Sleep(50 * time.Second)
				progress(n + 1)
			}
			return nil
		}
		s := newShop(t, 1, slow)
		s.Stall = time.Minute
		s.open()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := s.boss.state(); len(got.done) != 1 {
			t.Errorf("failed: %v", got.failed)
		}
		s.Drain()
		<-s.ended
	})
}

func TestWhatNobodyNeedsIsStoppedAndDeleted(t *testing.T) {
	for name, when := range map[string]time.Duration{"in mid-range": 3 * time.Second, "at the report": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t, 1, takes(10*time.Second))
				poke := make(chan struct{}, 1)
				s.Beats, s.Poke = time.Hour, poke
				s.open()
				time.Sleep(when - time.Millisecond)
				s.boss.mu.Lock()
				s.boss.gone = true
				s.boss.mu.Unlock()
				if when < 10*time.Second {
					poke <- struct{}{} // without it, nothing is asked for an hour
				}
				time.Sleep(time.Second)
				synctest.Wait()
				got := s.boss.state()
				if len(got.done)+len(got.failed) != 0 {
					t.Errorf("done %v, failed %v", got.done, got.failed)
				}
				s.files()
				s.boss.mu.Lock()
				s.boss.gone = false
				s.boss.mu.Unlock()
				s.boss.add(s.task(2)) // it goes on with another
				time.Sleep(time.Minute)
				synctest.Wait()
				s.files("2.wav")
				s.Drain()
				<-s.ended
			})
		})
	}
}

func TestAMasterThatForgotTheWorkerHearsHelloWithItsRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, 1, takes(10*time.Second))
		s.open()
		time.Sleep(2500 * time.Millisecond)
		s.boss.mu.Lock()
		s.boss.known = false // a new master
		s.boss.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		got := s.boss.state()
		if fmt.Sprint(got.hellos) != "[0 1]" || len(got.done) != 1 {
			t.Errorf("hellos with ranges %v, %d done", got.hellos, len(got.done))
		}
		s.Drain()
		<-s.ended
	})
}

func TestAReportToAMasterThatForgotTheWorkerIsMadeAgain(t *testing.T) {
	for name, takes := range map[string]func(context.Context, func(int64)) error{
		"of a part":    nil,
		"of a failure": func(context.Context, func(int64)) error { return errors.New("broken") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t, 1, takes)
				s.boss.strange = 1
				s.open()
				time.Sleep(time.Minute)
				synctest.Wait()
				got := s.boss.state()
				if fmt.Sprint(got.hellos) != "[0 1]" || len(got.done)+len(got.failed) != 1 {
					t.Errorf("hellos with ranges %v, done %v, failed %v", got.hellos, got.done, got.failed)
				}
				s.Drain()
				<-s.ended
			})
		})
	}
}

func TestAReportWaitsForAMasterThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, 1, takes(10*time.Second))
		s.boss.away = make(chan struct{})
		s.open()
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := s.boss.state(); len(got.done) != 0 {
			t.Error("delivered to nobody")
		}
		s.files("1.wav")
		close(s.boss.away)
		synctest.Wait()
		if got := s.boss.state(); len(got.done) != 1 {
			t.Errorf("failed %v", got.failed)
		}
		s.Drain()
		<-s.ended
	})
}

func TestATaskThatCameWithAnAnswerGoesBackWhenItIsNotWantedAnyMore(t *testing.T) {
	for name, turn := range map[string]func(s *shop){"drained": func(s *shop) { s.Drain() }, "paused": func(s *shop) { s.Pause() }} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t, 2, takes(10*time.Second))
				s.boss.away = make(chan struct{})
				s.open()
				time.Sleep(20 * time.Second) // rendered; the report asks for more
				turn(s)
				close(s.boss.away)
				synctest.Wait()
				s.boss.mu.Lock()
				if len(s.boss.done) != 1 || len(s.boss.queue) != 1 || s.boss.queue[0].Range != 2 || s.boss.byes != 1 {
					t.Errorf("%d done, %d to do, %d goodbyes", len(s.boss.done), len(s.boss.queue), s.boss.byes)
				}
				s.boss.mu.Unlock()
				s.files("1.wav")
				s.Drain()
				<-s.ended
			})
		})
	}
}

func TestTroubleOfTheMasterIsToldAndPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, 1, nil)
		s.boss.trouble = []error{errors.New("out of order"), worker.ErrStranger, errors.New("still out of order")}
		var told []string
		s.Trouble = func(err error) { told = append(told, err.Error()) }
		s.open()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := s.boss.state(); fmt.Sprint(told) != "[out of order still out of order]" || len(got.done) != 1 {
			t.Errorf("told %q, %d done", told, len(got.done))
		}
		s.Drain()
		<-s.ended
	})
}

func TestAMasterWithNoMoreWorkSendsTheWorkerHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, 1, nil)
		s.boss.trouble = []error{worker.ErrClosed}
		s.open()
		if err := <-s.ended; err != nil {
			t.Error(err)
		}
	})
}

func TestWhatTheWorkerCannotDoIsAFailureWithTheReason(t *testing.T) {
	for name, c := range map[string]struct {
		breaks func(*shop)
		takes  func(context.Context, func(int64)) error
		want   string
		fatal  bool
	}{
		"a project that has changed": {breaks: func(s *shop) {
			_ = os.WriteFile(filepath.Join(s.dir, "p.ove"), []byte(project+" "), 0o600)
		}, want: "has changed"},
		"an engine that panics": {takes: func(context.Context, func(int64)) error { panic("oh") }, want: "panicked"},
		"a medium that is too short": {takes: func(context.Context, func(int64)) error {
			return fmt.Errorf("frame 3: %w", &media.ShortError{})
		}, want: "frame 3", fatal: true},
		"a folder that is not there": {breaks: func(s *shop) { s.boss.queue[0].Part = filepath.Join(s.dir, "no", "1.wav") }, want: "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t, 1, c.takes)
				if c.breaks != nil {
					c.breaks(s)
				}
				s.open()
				time.Sleep(time.Minute)
				synctest.Wait()
				f := s.boss.state().failed[1]
				if !strings.Contains(f.Reason, c.want) || f.Fatal != c.fatal {
					t.Errorf("failure %+v, want one with %q, fatal %v", f, c.want, c.fatal)
				}
				s.files()
				s.Drain()
				<-s.ended
			})
		})
	}
}
