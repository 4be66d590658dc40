package master_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/bus/journal"
	"olive-distributed/daemon/master"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/render/builtin"
	"olive-distributed/daemon/worker"
)

const aSolid = `<effect name="Render/Solid" enabled="1"><row><field id="type" value="0"/></row><row><field id="opacity" value="100"/></row><row><field id="color" value="#3060c0"/></row></effect>`

func aClip(id, in, length int, what, rest string) string {
	return fmt.Sprintf(`<clip id="%d" enabled="1" name="c" clipin="0" in="%d" out="%d" track="-1" speed="1" %s><linked/>%s</clip>`, id, in, in+length, what, rest)
}

func aProject(media string, sequences ...string) []byte {
	return fmt.Appendf(nil, `<project><version>190219</version><url>p.ove</url><folders/><media>%s</media><sequences>%s</sequences></project>`, media, strings.Join(sequences, ""))
}

func aSequence(id int, clips string) string {
	return fmt.Sprintf(`<sequence id="%d" folder="0" name="S" width="16" height="16" framerate="30" afreq="48000" alayout="3"%s>%s</sequence>`,
		id, map[bool]string{true: ` open="1"`}[id == 1], clips)
}

// A project of some thousand clips can have a million cuts, since nests multiply.
func manyCuts() []byte {
	var inner, outer strings.Builder
	for i := range 2000 {
		inner.WriteString(aClip(i, 2*i, 2, `type="0"`, aSolid))
	}
	for i := range 600 {
		outer.WriteString(aClip(i, 4000*i, 4000, `type="2" sequence="2"`, ""))
	}
	return aProject("", aSequence(1, outer.String()), aSequence(2, inner.String()))
}

// manyMedia is a project with so many footages of one picture.
func manyMedia(t *testing.T, dir string, n int) []byte {
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, strings.Repeat("m", 200)+".png")
	if err := os.WriteFile(path, picture.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var footage, clips strings.Builder
	for i := range n {
		fmt.Fprintf(&footage, `<footage id="%d" folder="0" name="m" url="%s" duration="1" using_inout="0" in="0" out="0" speed="1" startnumber="0" proxy="0" proxypath=""><video id="0" width="2" height="2" framerate="0" infinite="1"/></footage>`, i+1, path)
		clips.WriteString(aClip(i, 10*i, 10, fmt.Sprintf(`type="0" media="%d" stream="0"`, i+1), ""))
	}
	return aProject(footage.String(), aSequence(1, clips.String()))
}

// What the journal cannot keep in one record would end it, and a project in the hot folder would then end each
// master that starts.
func TestAnEnormousProjectDoesNotEndTheMaster(t *testing.T) {
	dir, lib := t.TempDir(), media.NewLibrary("")
	t.Cleanup(func() { lib.Close() })
	j, state, err := journal.Open(t.Context(), journal.Config{Dir: filepath.Join(dir, "journal"), Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	m, err := master.New(master.Config{
		Library: lib, Engine: builtin.New(lib, 1), Folder: filepath.Join(dir, "jobs"), Policy: policy, Journal: j, Farm: state,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the master has ended: %v", err)
		}
		wait, done := context.WithTimeout(context.Background(), 10*time.Second)
		defer done()
		if err := j.Close(wait); err != nil {
			t.Error(err)
		}
	})
	submit := func(name string, data []byte) error {
		path := filepath.Join(dir, name+".ove")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := m.Submit(t.Context(), master.Request{Project: path, Output: filepath.Join(dir, name+".mkv"), Preset: "lossless"})
		return err
	}
	if err := submit("cuts", manyCuts()); err != nil {
		t.Errorf("a project with a million cuts: %v", err)
	}
	var refused *master.RefusedError
	if err := submit("media", manyMedia(t, dir, 8000)); !errors.As(err, &refused) || !strings.Contains(err.Error(), "8000 media") {
		t.Errorf("a project with 8000 media: %v, want a refusal that says so", err)
	}
	if err := submit("solid", []byte(solid(40))); err != nil {
		t.Errorf("the next project: %v", err)
	}
}

func TestAFarmOfOneProcessTakesAnEnormousProject(t *testing.T) {
	r := newRig(t, policy)
	path := filepath.Join(r.scratch, "media.ove")
	if err := os.WriteFile(path, manyMedia(t, r.scratch, 8000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Submit(t.Context(), master.Request{Project: path, Output: filepath.Join(r.films, "film.mkv"), Preset: "lossless"}); err != nil {
		t.Errorf("a project with 8000 media: %v", err)
	}
}

func TestAWorkerIsSentThePlanOfAJobOnce(t *testing.T) {
	w := newWire(t)
	path := filepath.Join(w.dir, "many.ove")
	if err := os.WriteFile(path, manyMedia(t, w.dir, 3000), 0o600); err != nil {
		t.Fatal(err)
	}
	big, err := w.m.Submit(t.Context(), master.Request{Project: path, Output: filepath.Join(w.dir, "many.mkv"), Preset: "lossless", Split: 4})
	if err != nil {
		t.Fatal(err)
	}
	c, ada := w.enter("ada")
	first := w.take(ada, "ada")
	if first.Job != big || len(first.Plan.Media) != 3000 {
		t.Fatalf("the first task is of job %d with %d media, want job %d with 3000", first.Job, len(first.Plan.Media), big)
	}
	var again worker.WorkAnswer
	if err := c.Request(t.Context(), worker.KindWork, worker.WorkMessage{Has: first.PlanSum}, &again); err != nil || again.Task == nil || again.Task.Plan != nil {
		t.Errorf("whoever has the plan is sent it again: %+v, %v", again.Task, err)
	}
	if second := w.take(ada, "ada"); second.ID() != first.ID() || len(second.Plan.Media) != 3000 {
		t.Errorf("the second answer is task %v with %d media, want %v with its plan", second.ID(), len(second.Plan.Media), first.ID())
	}
	if err := ada.Failed(t.Context(), "ada", first, worker.Failure{Reason: "enough", Fatal: true}); err != nil {
		t.Fatal(err)
	}
	small := w.submit(40)
	if task := w.take(ada, "ada"); task.Job != small || len(task.Plan.Media) != 0 {
		t.Errorf("the next task is of job %d with %d media, want job %d with its own plan", task.Job, len(task.Plan.Media), small)
	}
	if err := c.Request(t.Context(), worker.KindWork, worker.WorkMessage{Has: first.PlanSum}, &again); err != nil || again.Task.Plan == nil {
		t.Errorf("whoever has another plan is not sent this one: %+v, %v", again.Task, err)
	}
}
