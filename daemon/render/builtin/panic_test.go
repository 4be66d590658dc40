package builtin

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/media/probe"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/raster"
)

// bomb is an effect that panics at a frame, as one with a bug would, once the encoder has made its file.
type bomb struct {
	at   ove.Frame
	file string
}

func (bomb) constant() bool { return false }

func (b bomb) run(in, out *raster.Texture, now moment, _ *shape) {
	if now.frame == b.at {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for range 60_000 {
			if _, err := os.Stat(b.file); err == nil {
				panic("a bug")
			}
			<-tick.C
		}
	}
	copy(out.Pix, in.Pix)
}

func TestAnEffectThatPanicsLeavesNothingRunning(t *testing.T) {
	out := filepath.Join(t.TempDir(), "part.mp4")
	families = append(families, map[string]builder{"Test/Bomb": func(*ove.Effect, effectEnv) effect { return effect{pass: bomb{5, out}} }})
	defer func() { families = families[:len(families)-1] }()
	seq := project(t, sequence(1, 64, 48, clip(0, 1, 0, 20, "", solidXML("#804020", 100)+`<effect name="Test/Bomb" enabled="1"/>`))).Sequences[0]
	scene := &render.Scene{Sequence: seq, Plan: &render.Plan{Encoding: film.Encoding{
		Width: 64, Height: 48, Rate: probe.Rational{Num: 30, Den: 1}, Preset: "h264",
	}}}
	frames := int64(0)
	said := func() (said any) {
		defer func() { said = recover() }()
		_, err := New(nil, 2).Video(t.Context(), scene, render.Span{End: 20}, out, func(n int64) { frames = n })
		t.Errorf("the panic was lost: %v", err)
		return nil
	}()
	if said != "a bug" || frames != 5 {
		t.Errorf("panic %v after %d frames, want the effect's after 5", said, frames)
	}
	if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the part is still there: %v", err) // only an encoder that was waited for has removed it
	}
}

// faulty is an encoder that panics at a frame, and tells whether it was ended.
type faulty struct {
	left    int
	aborted bool
}

func (f *faulty) Write([]byte) error {
	if f.left--; f.left < 0 {
		panic("a bug in the encoder")
	}
	return nil
}
func (f *faulty) Close() error { return nil }
func (f *faulty) Abort()       { f.aborted = true }

func TestAWriterThatPanicsIsAnError(t *testing.T) {
	f := &faulty{left: 3}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := newOutput(f, cancel, 16, 16)
	var err error
	for range 10 {
		var frame *raster.Image
		if frame, err = o.free(ctx); err != nil {
			break
		}
		o.put(frame)
	}
	err = errors.Join(err, o.close(ctx))
	if err == nil || !strings.Contains(err.Error(), "a bug in the encoder") || !f.aborted {
		t.Errorf("%v, aborted: %t; want the panic as an error and the part given up", err, f.aborted)
	}
	o.abort() // after close it does nothing
}
