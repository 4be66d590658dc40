package olive_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/media/probe"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/builtin"
	"olive-distributed/daemon/render/olive"
)

var standIn string // the program

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "olive-stand-in-")
	if err != nil {
		panic(err)
	}
	standIn = filepath.Join(dir, "olive-editor")
	build := exec.Command("go", "build", "-o", standIn, "./testdata/editor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build the stand-in: %v: %s", err, out))
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// A world is an editor, and a scene that it can render.
type world struct {
	t      *testing.T
	dir    string
	engine *olive.Engine
	plan   *render.Plan
	out    string
}

const (
	width, height = 96, 64
	length        = 40 // frames of the medium and the sequence
)

func grey(frame int) int { return 30 + 5*frame }

func newWorld(t *testing.T, behaviour string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	for _, dir := range []string{"editor", "temp", "out", "media"} {
		if err := os.Mkdir(filepath.Join(w.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(standIn, w.editor()); err != nil {
		t.Fatal(err)
	}
	w.behave(behaviour)
	w.out = filepath.Join(w.dir, "out", "part.mp4.tmp")
	library := media.NewLibrary("")
	t.Cleanup(func() { library.Close() })
	w.engine = olive.New(builtin.New(library, 1), olive.Options{
		Editor: w.editor(), Folder: filepath.Join(w.dir, "temp"), Startup: 20 * time.Second, PerFrame: time.Millisecond, Idle: 5 * time.Second,
	})
	w.plan = w.makePlan()
	return w
}

func (w *world) editor() string { return filepath.Join(w.dir, "editor", "olive-editor") }

func (w *world) behave(words string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, "editor", "behaviour"), []byte(words), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// calls are the command lines so far.
func (w *world) calls() []string {
	data, _ := os.ReadFile(filepath.Join(w.dir, "editor", "calls"))
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

var encoding = film.Encoding{Width: width, Height: height, Rate: probe.Rational{Num: 30000, Den: 1001}, Preset: "h264", Colour: film.ColourOlive}

// makePlan writes a medium whose frames can be told apart, and a project in which it cannot be
// found where it says, with another sequence open.
func (w *world) makePlan() *render.Plan {
	w.t.Helper()
	medium := filepath.Join(w.dir, "media", `"medium" & <more>.mp4`)
	writer, err := film.NewWriter(w.t.Context(), encoding, medium, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	for n := range length {
		frame := []byte(strings.Repeat(string([]byte{byte(grey(n))}), 4*width*height))
		if err := writer.Write(frame); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		w.t.Fatal(err)
	}
	sequence := func(id int, open string) string {
		return fmt.Sprintf(`<sequence id="%d" name="S%d" width="%d" height="%d" framerate="29.9700000000" afreq="48000"%s>
<clip id="0" enabled="1" name="c" clipin="0" in="0" out="%d" track="-1" type="0" media="7" stream="0"/>
</sequence>`, id, id, width, height, open, length)
	}
	text := `<?xml version="1.0" encoding="UTF-8"?>
<project><version>190219</version><media><footage id="7" name="m" url="gone.mp4"/></media><sequences>` +
		sequence(3, "") + strings.ReplaceAll(sequence(4, ` open="1"`), `media="7"`, `media="8"`) + `</sequences></project>`
	project := filepath.Join(w.dir, "p.ove")
	if err := os.WriteFile(project, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	info, err := os.Stat(medium)
	if err != nil {
		w.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	return &render.Plan{
		Engine: "olive", Project: project, Digest: hex.EncodeToString(sum[:]), Sequence: 3, Span: render.Span{End: length},
		Media:    []render.Medium{{Footage: 7, Path: medium, Size: info.Size(), Modified: info.ModTime().UnixNano()}},
		Encoding: encoding, FPS: 29.97, SoundRate: 48000,
	}
}

// video renders a range, and verifies the part as a worker does.
func (w *world) video(ctx context.Context, span render.Span) error {
	w.t.Helper()
	scene, err := w.plan.Open()
	if err != nil {
		w.t.Fatal(err)
	}
	last := int64(0)
	_, err = w.engine.Video(ctx, scene, span, w.out, func(done int64) {
		if done <= last || done > span.Len() {
			w.t.Errorf("progress went from %d to %d of %d", last, done, span.Len())
		}
		last = done
	})
	if err != nil {
		return err
	}
	if last != span.Len() {
		w.t.Errorf("progress ended at %d of %d", last, span.Len())
	}
	_, err = w.plan.Verify(ctx, span, false, w.out)
	return err
}

// pictures compares the part with what is due.
func (w *world) pictures(span render.Span) {
	w.t.Helper()
	out, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-i", w.out, "-vf", "scale=1:1:flags=area,format=gray", "-f", "rawvideo", "-").Output()
	if err != nil {
		w.t.Fatal(err)
	}
	for i, got := range out {
		want := 16 + grey(int(span.First)+i)*219/255 // limited range is what gray keeps, or full
		full := grey(int(span.First) + i)
		if d, f := int(got)-want, int(got)-full; min(max(d, -d), max(f, -f)) > 3 {
			w.t.Errorf("frame %d has grey %d, want %d or %d", i, got, want, full)
		}
	}
}

// nothingLeft finds what a run has left behind.
func (w *world) nothingLeft() {
	w.t.Helper()
	entries, err := os.ReadDir(filepath.Join(w.dir, "temp"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		w.t.Errorf("%s is left", e.Name())
	}
	procs, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range procs {
		if exe, err := os.Readlink(p); err == nil && strings.HasPrefix(exe, w.dir) {
			w.t.Errorf("%s still runs", p)
		}
	}
}

var middle = render.Span{First: 10, End: 22}

func TestVideo(t *testing.T) {
	for name, c := range map[string]struct {
		trial, behaviour string // while it is tried out, and afterwards
		span             render.Span
		preset           string
		calls            int // for the range
	}{
		"an end that is included":                          {"", "", middle, "h264", 1},
		"an end that is not":                               {"exclusive", "exclusive", middle, "h264", 1},
		"another editor than was tried":                    {"", "exclusive", middle, "h264", 2},
		"a single frame":                                   {"", "", render.Span{First: 39, End: 40}, "h264", 1},
		"the whole sequence":                               {"", "", render.Span{End: length}, "h264", 1},
		"a frame too many that nothing needs":              {"", "extra no-b", render.Span{End: length}, "h264", 1},
		"a frame too many that must be decoded":            {"", "extra entangles", render.Span{First: 10, End: 13}, "h264", 2},
		"a frame too many, encoded anew":                   {"", "extra", middle, "lossless", 1},
		"encoded anew":                                     {"", "", middle, "lossless", 1},
		"much to say":                                      {"", "flood", middle, "h264", 1},
		"a child that stays":                               {"", "grandchild", middle, "h264", 1},
		"a child that stays and leaves the group":          {"", "escaped-grandchild", middle, "h264", 1},
		"only an X server will do":                         {"needs-x", "needs-x", middle, "h264", 1},
		"only an X server will do, and a child that stays": {"needs-x grandchild", "needs-x grandchild", middle, "h264", 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.trial)
			if _, err := w.engine.Try(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := len(w.calls())
			w.behave(c.behaviour)
			w.plan.Encoding.Preset = c.preset
			if err := w.video(t.Context(), c.span); err != nil {
				t.Fatal(err)
			}
			if got := len(w.calls()) - before; got != c.calls {
				t.Errorf("the editor ran %d times, want %d: %q", got, c.calls, w.calls())
			}
			w.pictures(c.span)
			w.nothingLeft()
		})
	}
}

func TestVideoFails(t *testing.T) {
	for behaviour, says := range map[string]string{
		"spin":       "was not ready after",
		"dialog":     "did nothing for 5s",
		"crash":      "segmentation fault; it said: about to crash",
		"no-file":    "wrote no part.mp4; it said: project could not be read",
		"wrong-size": "64x64 pixels, want 96x64",
		"truncated":  "its film cannot be used",
		"elsewhere":  "wrote no part.mp4",
		"short":      "wrote 7 frames where 12 were asked for",
	} {
		t.Run(behaviour, func(t *testing.T) {
			w := newWorld(t, "")
			if _, err := w.engine.Try(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.behave(behaviour)
			err := w.video(t.Context(), middle)
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("error %v, want one about %q", err, says)
			}
			if _, err := os.Stat(w.out); err == nil {
				t.Error("a part is left")
			}
			w.nothingLeft()
		})
	}
}

func TestTryRefuses(t *testing.T) {
	for behaviour, says := range map[string]string{
		"black":   "does not draw",
		"no-file": "wrote no part.mp4",
		"crash":   "segmentation fault",
	} {
		t.Run(behaviour, func(t *testing.T) {
			w := newWorld(t, behaviour)
			_, err := w.engine.Try(t.Context())
			if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "xvfb") {
				t.Errorf("error %v, want one about %q on both displays", err, says)
			}
			w.nothingLeft()
			w.behave("")
			if _, err := w.engine.Try(t.Context()); err != nil {
				t.Errorf("it works now: %v", err)
			}
		})
	}
	w := newWorld(t, "")
	engine := olive.New(nil, olive.Options{Editor: w.editor() + "-of-nobody"})
	if _, err := engine.Try(t.Context()); !errors.Is(err, olive.ErrNoEditor) {
		t.Errorf("error %v, want ErrNoEditor", err)
	}
}

func TestMarksTellEditorsApart(t *testing.T) {
	marks := map[string]bool{}
	for range 2 {
		w := newWorld(t, "")
		trial, err := w.engine.Try(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		marks[trial.Mark] = true
		if trial.Late || trial.Display != olive.Offscreen {
			t.Errorf("found %+v", trial)
		}
	}
	if len(marks) != 1 {
		t.Errorf("the same editor has the marks %v", marks)
	}
	w := newWorld(t, "no-b") // another encoder
	trial, err := w.engine.Try(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if marks[trial.Mark] {
		t.Error("an editor whose parts do not join with the others' has their mark")
	}
}

func TestVideoEndsWithItsContext(t *testing.T) {
	w := newWorld(t, "")
	if _, err := w.engine.Try(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := len(w.calls())
	w.behave("spin")
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("nobody needs it")
	ended := make(chan error)
	go func() { ended <- w.video(ctx, middle) }()
	for len(w.calls()) == before {
		select {
		case err := <-ended:
			t.Fatalf("it ended before it began: %v", err)
		default:
		}
	}
	cancel(gone)
	if err := <-ended; !errors.Is(err, gone) {
		t.Errorf("error %v, want the context's cause", err)
	}
	w.nothingLeft()
}
