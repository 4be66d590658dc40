package master_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/builtin"
	"olive-distributed/daemon/worker"
)

// A flawed engine renders as the built-in one does, but for what its fault makes of a picture
// range: fault gets the number of the call, from 1.
type flawed struct {
	render.Engine
	calls *atomic.Int64
	fault func(ctx context.Context, call int64, good render.Engine, s *render.Scene, span render.Span, out string, progress func(int64)) ([]string, error)
}

func (e *flawed) Video(ctx context.Context, s *render.Scene, span render.Span, out string, progress func(int64)) ([]string, error) {
	return e.fault(ctx, e.calls.Add(1), e.Engine, s, span, out, progress)
}

// A rig is a running master with its folders.
type rig struct {
	*master.Master
	t       *testing.T
	library *media.Library
	films   string
	scratch string
	project string
	mu      sync.Mutex
	events  []master.Event
}

const frames = 40

func newRig(t *testing.T, policy farm.Policy) *rig {
	t.Helper()
	r := &rig{t: t, library: media.NewLibrary(t.TempDir()), films: t.TempDir(), scratch: t.TempDir()}
	t.Cleanup(func() { r.library.Close() })
	r.project = filepath.Join(t.TempDir(), "p.ove")
	text := fmt.Sprintf(`<project><version>190219</version><url>p.ove</url><folders/><media/>
<sequences><sequence id="1" folder="0" name="S" width="64" height="48" framerate="25" afreq="48000" alayout="3" open="1">
<clip id="0" enabled="1" name="c" clipin="0" in="0" out="%d" track="-1" speed="1"><linked/><effect name="Render/Solid" enabled="1"><row/><row><field id="opacity" value="0"><key value="0" frame="0" type="0"/><key value="100" frame="40" type="0"/></field></row></effect></clip>
</sequence></sequences></project>`, frames)
	if err := os.WriteFile(r.project, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	r.Master, err = master.New(master.Config{
		Library: r.library, Engine: builtin.New(r.library, 1), Folder: r.scratch, Policy: policy, Observe: r.note,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.serve(func(ctx context.Context) { _ = r.Run(ctx) })
	return r
}

// serve runs f until the test ends, and waits for it.
func (r *rig) serve(f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var w sync.WaitGroup
	w.Go(func() { f(ctx) })
	r.t.Cleanup(func() {
		cancel()
		w.Wait()
	})
}

func (r *rig) note(e master.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// told returns the texts of the events of one kind.
func (r *rig) told(kind string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, e := range r.events {
		if e.Kind == kind {
			fmt.Fprintln(&b, e.Text)
		}
	}
	return b.String()
}

// hire starts a worker with the engine.
func (r *rig) hire(name string, e render.Engine) {
	w := &worker.Worker{Spec: specOf(name), Engine: e, Master: r.Master, Beats: 20 * time.Millisecond}
	r.serve(func(ctx context.Context) { _ = w.Run(ctx) })
}

func specOf(name string) worker.Spec {
	return worker.Spec{Name: name, Engines: []string{"builtin"}, Threads: 1}
}

// good is an engine without a fault.
func (r *rig) good() render.Engine { return builtin.New(r.library, 1) }

func (r *rig) submit(name string) uint32 {
	r.t.Helper()
	id, err := r.Submit(r.t.Context(), master.Request{Project: r.project, Output: filepath.Join(r.films, name), Preset: "lossless", Split: 4})
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// pictures decodes a film.
func pictures(t *testing.T, film string) []byte {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-i", film, "-map", "0:v", "-pix_fmt", "rgb24", "-f", "rawvideo", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// bare checks that a folder holds nothing, hidden files included.
func bare(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s was left in %s", e.Name(), dir)
	}
}

var patient = farm.Policy{Bench: time.Millisecond, MaxFailures: 8}

// reference is the film as it should be.
func reference(t *testing.T) []byte {
	t.Helper()
	r := newRig(t, patient)
	r.hire("honest", r.good())
	film, err := r.Wait(t.Context(), r.submit("film.mkv"))
	if err != nil {
		t.Fatal(err)
	}
	want := pictures(t, film.Path)
	if len(want) != frames*64*48*3 {
		t.Fatalf("%d bytes of pictures, want %d frames", len(want), frames)
	}
	return want
}

var errFault = errors.New("the fault of this test")

type fault = func(ctx context.Context, call int64, good render.Engine, s *render.Scene, span render.Span, out string, progress func(int64)) ([]string, error)

// once has the fault at the second picture range only.
func once(f fault) fault {
	return func(ctx context.Context, call int64, good render.Engine, s *render.Scene, span render.Span, out string, progress func(int64)) ([]string, error) {
		if call == 2 {
			return f(ctx, call, good, s, span, out, progress)
		}
		return good.Video(ctx, s, span, out, progress)
	}
}

func faults() map[string]fault {
	return map[string]fault{
		"an error in mid-range": func(_ context.Context, _ int64, _ render.Engine, _ *render.Scene, _ render.Span, out string, progress func(int64)) ([]string, error) {
			progress(3)
			_ = os.WriteFile(out, []byte("half a part"), 0o600)
			return nil, errFault
		},
		"one frame too few": func(ctx context.Context, _ int64, good render.Engine, s *render.Scene, span render.Span, out string, progress func(int64)) ([]string, error) {
			span.End--
			return good.Video(ctx, s, span, out, progress)
		},
		"one frame too many": func(ctx context.Context, _ int64, good render.Engine, s *render.Scene, span render.Span, out string, progress func(int64)) ([]string, error) {
			span.End++
			return good.Video(ctx, s, span, out, progress)
		},
		"a part that was cut off": func(ctx context.Context, _ int64, good render.Engine, s *render.Scene, span render.Span, out string, progress func(int64)) ([]string, error) {
			notes, err := good.Video(ctx, s, span, out, progress)
			if err != nil {
				return nil, err
			}
			info, err := os.Stat(out)
			if err != nil {
				return nil, err
			}
			return notes, os.Truncate(out, info.Size()/2)
		},
		"no part": func(context.Context, int64, render.Engine, *render.Scene, render.Span, string, func(int64)) ([]string, error) {
			return nil, nil
		},
		"a panic": func(context.Context, int64, render.Engine, *render.Scene, render.Span, string, func(int64)) ([]string, error) {
			panic("the fault of this test")
		},
		"a part that is no film": func(_ context.Context, _ int64, _ render.Engine, _ *render.Scene, _ render.Span, out string, _ func(int64)) ([]string, error) {
			return nil, os.WriteFile(out, bytes.Repeat([]byte{0x47}, 4096), 0o600)
		},
	}
}

func TestAFaultCostsItsRangeOnly(t *testing.T) {
	want := reference(t)
	for name, f := range faults() {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, patient)
			calls := &atomic.Int64{}
			for i := range 2 {
				r.hire(fmt.Sprintf("w%d", i), &flawed{r.good(), calls, once(f)})
			}
			film, err := r.Wait(t.Context(), r.submit("film.mkv"))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(pictures(t, film.Path), want) {
				t.Error("the film is not the right one")
			}
			if r.told("range-failed") == "" {
				t.Error("nothing is said of the failure")
			}
			bare(t, r.scratch)
		})
	}
}

func TestAFaultThatStaysIsOneErrorAndNoFilm(t *testing.T) {
	for name, f := range faults() {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, farm.Policy{Bench: time.Millisecond, MaxFailures: 2})
			r.hire("w", &flawed{r.good(), &atomic.Int64{}, f})
			if film, err := r.Wait(t.Context(), r.submit("film.mkv")); err == nil {
				t.Errorf("there is a film: %+v", film)
			}
			bare(t, r.films)
			bare(t, r.scratch)
		})
	}
}

func TestAnEngineThatHangsIsGivenUp(t *testing.T) {
	p := patient
	p.StallTimeout = 3 * time.Second
	r := newRig(t, p)
	hang := once(func(ctx context.Context, _ int64, _ render.Engine, _ *render.Scene, _ render.Span, _ string, _ func(int64)) ([]string, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	r.hire("w", &flawed{r.good(), &atomic.Int64{}, hang})
	film, err := r.Wait(t.Context(), r.submit("film.mkv"))
	if err != nil {
		t.Fatal(err)
	}
	if got := len(pictures(t, film.Path)); got != frames*64*48*3 {
		t.Errorf("%d bytes of pictures", got)
	}
}

// TestAPartThatChangedAfterItsReport plays a worker by hand: what it delivers is not what it
// has described.
func TestAPartThatChangedAfterItsReport(t *testing.T) {
	want := reference(t)
	r := newRig(t, patient)
	ctx := t.Context()
	id := r.submit("film.mkv")
	if err := r.Hello(ctx, specOf("liar"), nil); err != nil {
		t.Fatal(err)
	}
	task, err := r.Next(ctx, "liar")
	for err == nil && task.Sound { // its first may be the sound: give that back
		if err = r.Failed(ctx, "liar", task, worker.Failure{Reason: errFault.Error()}); err == nil {
			task, err = r.Next(ctx, "liar")
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	scene, err := task.Plan.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.good().Video(ctx, scene, task.Span, task.Part, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	part, err := task.Plan.Verify(ctx, task.Span, false, task.Part)
	if err != nil {
		t.Fatal(err)
	}
	part.SHA256 = strings.Repeat("0", 64)
	if err := r.Done(ctx, "liar", task, worker.Delivery{Part: part}); err != nil {
		t.Fatal(err)
	}
	if said := r.told("range-failed"); !strings.Contains(said, "checksum") {
		t.Errorf("the part was not refused: %q", said)
	}
	if err := r.Goodbye(ctx, "liar"); err != nil {
		t.Fatal(err)
	}
	r.hire("honest", r.good())
	film, err := r.Wait(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pictures(t, film.Path), want) {
		t.Error("the film is not the right one")
	}
}

func TestWhatAnEngineNotesIsInTheLog(t *testing.T) {
	r := newRig(t, patient)
	hostile := "a note that clears\x1b[2J the screen\nand is " + strings.Repeat("long ", 1000)
	for i := range 2 {
		r.hire(fmt.Sprintf("w%d", i), &flawed{r.good(), &atomic.Int64{}, func(ctx context.Context, _ int64, good render.Engine, s *render.Scene, span render.Span, out string, progress func(int64)) ([]string, error) {
			notes, err := good.Video(ctx, s, span, out, progress)
			return append(notes, "a.mp4 is damaged", fmt.Sprintf("frames from %d on are fine", span.First), hostile), err
		}})
	}
	id := r.submit("film.mkv")
	if _, err := r.Wait(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	log, err := r.Log(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	notes := map[string]int{}
	for _, e := range log {
		if e.Kind == "note" {
			notes[e.Text]++
			if len(e.Text) > 1000 || strings.ContainsAny(e.Text, "\x1b\n") || e.Worker == "" || e.End == 0 {
				t.Errorf("a note of %d bytes: %+v", len(e.Text), e)
			}
		}
	}
	if notes["a.mp4 is damaged"] != 1 || notes["frames from 0 on are fine"] != 1 || len(notes) < 4 {
		t.Errorf("the log has the notes %v, want each once", notes)
	}
}

func TestAWorkerThatLeavesGivesItsRangeBack(t *testing.T) {
	r := newRig(t, patient)
	id := r.submit("film.mkv")
	if err := r.Hello(t.Context(), specOf("guest"), nil); err != nil {
		t.Fatal(err)
	}
	task, err := r.Next(t.Context(), "guest")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Goodbye(t.Context(), "guest"); err != nil {
		t.Fatal(err)
	}
	r.hire("honest", r.good())
	if _, err := r.Wait(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := r.Done(t.Context(), "guest", task, worker.Delivery{Part: film.Part{Path: task.Part}}); err == nil {
		t.Error("a report of a worker that had left was taken")
	}
}

func TestSubmitRefuses(t *testing.T) {
	r := newRig(t, patient)
	ask := func(change func(*master.Request)) error {
		q := master.Request{Project: r.project, Output: filepath.Join(r.films, "film.mp4")}
		change(&q)
		_, err := r.Submit(t.Context(), q)
		return err
	}
	for name, c := range map[string]struct {
		change func(*master.Request)
		says   string
	}{
		"a container that does not fit":  {func(q *master.Request) { q.Output = filepath.Join(r.films, "film.avi") }, ".avi"},
		"a folder that is not there":     {func(q *master.Request) { q.Output = filepath.Join(r.films, "no", "film.mp4") }, "does not exist"},
		"a name that a folder has":       {func(q *master.Request) { q.Output = folder(t, "film.mp4") }, "not a file"},
		"a log in the place of a folder": {func(q *master.Request) { q.Output = strings.TrimSuffix(folder(t, "film.log"), ".log") + ".mp4" }, "not a file"},
		"an unknown preset":              {func(q *master.Request) { q.Preset = "betamax" }, "betamax"},
		"frames beyond the end":          {func(q *master.Request) { q.Frames = &render.Span{First: 5, End: frames + 1} }, "frames 5 to 41"},
		"a sequence that is not there":   {func(q *master.Request) { q.Sequence = "T" }, "T"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := ask(c.change); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one about %q", err, c.says)
			}
			bare(t, r.films)
		})
	}
}

// folder makes a folder of that name.
func folder(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}
