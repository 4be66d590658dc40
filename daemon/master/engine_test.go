package master_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/builtin"
	"olive-distributed/daemon/worker"
)

// other is an engine under another name.
type other struct{ render.Engine }

func (other) Name() string { return "other" }

// hireWith starts a worker with a second engine, of the build that the mark names.
func (r *rig) hireWith(name, mark string, e render.Engine) {
	w := &worker.Worker{
		Spec:   worker.Spec{Name: name, Engines: []string{"builtin", "other"}, Presets: []string{mark}, Threads: 1},
		Engine: r.good(), More: []render.Engine{e}, Master: r.Master, Beats: 20 * time.Millisecond,
	}
	r.serve(func(ctx context.Context) { _ = w.Run(ctx) })
}

func TestAJobIsRenderedByTheEngineItNamesInOneBuild(t *testing.T) {
	r := &rig{t: t, library: media.NewLibrary(""), films: t.TempDir(), scratch: t.TempDir()}
	t.Cleanup(func() { r.library.Close() })
	r.project = newRig(t, farm.Policy{}).project
	var err error
	r.Master, err = master.New(master.Config{
		Library: r.library, Engine: builtin.New(r.library, 1), More: []render.Engine{other{builtin.New(r.library, 1)}}, Folder: r.scratch, Observe: r.note,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.serve(func(ctx context.Context) { _ = r.Run(ctx) })

	var used atomic.Int64
	count := func(ctx context.Context, _ int64, good render.Engine, s *render.Scene, span render.Span, out string, progress func(int64)) ([]string, error) {
		used.Add(1)
		return good.Video(ctx, s, span, out, progress)
	}
	wrong := func(context.Context, int64, render.Engine, *render.Scene, render.Span, string, func(int64)) ([]string, error) {
		t.Error("a build that is not the others' was asked")
		return nil, errors.New("the wrong build")
	}
	r.hireWith("ada", "other@1", other{&flawed{r.good(), &atomic.Int64{}, count}})
	r.hireWith("bob", "other@1", other{&flawed{r.good(), &atomic.Int64{}, count}})
	r.hireWith("eve", "other@0", other{&flawed{r.good(), &atomic.Int64{}, wrong}})
	r.hire("dan", r.good())
	for {
		v, err := r.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Workers) == 4 {
			break
		}
	}
	id, err := r.Submit(t.Context(), master.Request{Project: r.project, Output: filepath.Join(r.films, "f.mkv"), Preset: "lossless", Engine: "other", Split: 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Wait(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if used.Load() < 4 {
		t.Errorf("the engine was asked %d times, want 4", used.Load())
	}
	_, err = r.Submit(t.Context(), master.Request{Project: r.project, Output: filepath.Join(r.films, "g.mkv"), Preset: "lossless", Engine: "none"})
	var refused *master.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "use one of builtin, other") {
		t.Errorf("error %v, want a refusal that names the engines", err)
	}
}
