package door_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// written writes a project into the hot folder in bursts, as a user with a slow disk or link would.
func (r *rig) written(name, text string, bursts int, pause time.Duration) (last time.Time) {
	r.t.Helper()
	as(r.t, "member", func() error {
		f, err := os.OpenFile(r.path("spool/incoming", name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for i := range bursts {
			if i > 0 {
				<-tick.C
			}
			if _, err := f.WriteString(text[i*len(text)/bursts : (i+1)*len(text)/bursts]); err != nil {
				return err
			}
		}
		last = time.Now()
		return f.Close()
	})
	return last
}

// accepted waits for one more job than before, and returns what it is called and how long that took.
func (r *rig) accepted(before int, since time.Time) (name string, took time.Duration) {
	r.t.Helper()
	r.until("the job", func() bool { return len(r.jobs()) > before })
	jobs := r.jobs()
	return jobs[before].Name, time.Since(since)
}

// slow drops a project in bursts of which each could be taken for the last one, and looks at what is taken.
func (r *rig) slow(name string, bursts int, pause time.Duration) time.Duration {
	r.t.Helper()
	before := len(r.jobs())
	text := strings.Replace(project(30, ""), "<folders/>", "<folders/>"+strings.Repeat("<!-- much to write -->\n", 5000), 1)
	last := r.written(name, text, bursts, pause)
	if n := len(r.jobs()); n != before {
		r.t.Errorf("%d jobs before the last write", n-before)
	}
	_, took := r.accepted(before, last)
	if data := r.appears("spool/processing/" + r.claim(name) + "/" + name); data != text {
		r.t.Errorf("taken with %d of %d bytes", len(data), len(text))
	}
	return took
}

// claim is the key of a drop, by its name.
func (r *rig) claim(name string) string {
	r.t.Helper()
	list, err := os.ReadDir(r.path("spool/processing"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, d := range list {
		if _, err := os.Lstat(r.path("spool/processing", d.Name(), name)); err == nil {
			return d.Name()
		}
	}
	r.t.Fatalf("%s is not taken", name)
	return ""
}

// TestDropsAreAccepted measures the way from the hot folder to a job of the assembled master. How fast it is
// depends on what else the machine does: BenchmarkDrop tells.
func TestDropsAreAccepted(t *testing.T) {
	r := newRig(t)
	r.appears("state/machine.json")
	r.drop("member", "renamed.ove", project(30, ""))
	if name, took := r.accepted(0, time.Now()); name != "renamed.ove" {
		t.Errorf("the job is called %q", name)
	} else {
		t.Logf("a rename was accepted after %v", took)
	}
	t.Logf("a plain copy was accepted %v after its last write", r.slow("copied.ove", 1, time.Second))
	t.Logf("a slow copy was accepted %v after its last write", r.slow("slow.ove", 4, 1900*time.Millisecond))
	r.mistakes()
}

// mistakes drops projects that cannot become films. What their logs say is for people: each names what is wrong,
// where, and what to do.
func (r *rig) mistakes() {
	r.t.Helper()
	before := len(r.jobs())
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"empty.ove":     {strings.ReplaceAll(project(30, ""), `out="30"`, `out="0"`), []string{`sequence "S" is empty`}},
		"missing.ove":   {project(30, r.path("nowhere.mp4")), []string{"nowhere.mp4", "not found", "spool/incoming/nowhere.mp4", "line 2", "drop a folder"}},
		"folder.ove":    {project(30, r.path("shared")), []string{"shared", "a folder"}},
		"effect.ove":    {strings.ReplaceAll(project(30, ""), "Render/Solid", "Render/Nonsense"), []string{"Nonsense", "not supported"}},
		"sequences.ove": {strings.NewReplacer("<sequence ", "<other ", "</sequence>", "</other>").Replace(project(30, "")), []string{"sequence"}},
		"no-film.ove":   {project(30, r.write("member", "shared/text.mp4", "this is text")), []string{"text.mp4"}},
	} {
		r.drop("member", name, c.text)
		log := r.appears("spool/failed/" + name + ".log")
		r.t.Logf("%s:\n%s", name, log)
		for _, want := range append(c.want, "Why:", "What to do:") {
			if !strings.Contains(log, want) {
				r.t.Errorf("the log of %s does not say %q:\n%s", name, want, log)
			}
		}
		if strings.Contains(log, "processing/") || strings.Contains(log, "export without them: --") {
			r.t.Errorf("the log of %s tells of what its reader has not done, nor can see:\n%s", name, log)
		}
	}
	if n := len(r.jobs()); n != before {
		r.t.Errorf("%d of them became jobs", n-before)
	}
	for name, make := range map[string]func(path string) error{
		"link.ove": func(path string) error { return os.Symlink("/etc/passwd", path) },
		"pair.ove": func(path string) error {
			return errors.Join(os.WriteFile(path+".tmp", []byte("x"), 0o644), os.Link(path+".tmp", path))
		},
	} {
		as(r.t, "member", func() error { return make(r.path("spool/incoming", name)) })
		if name == "link.ove" { // the other one may lose its second name for five minutes
			r.t.Logf("%s:\n%s", name, r.appears("spool/failed/"+name+".log"))
		}
	}
}

// BenchmarkDrop measures how long a project in the hot folder takes to be a job: twenty that are renamed
// there, one that is copied, and one that is written over a minute, in bursts.
func BenchmarkDrop(b *testing.B) {
	for b.Loop() {
		r := newRig(b)
		r.appears("state/machine.json")
		var renames time.Duration
		for n := range 20 {
			r.drop("member", fmt.Sprintf("renamed%d.ove", n), project(30, ""))
			_, took := r.accepted(n, time.Now())
			renames = max(renames, took)
		}
		b.ReportMetric(float64(renames.Milliseconds()), "rename-max-ms")
		b.ReportMetric(r.slow("copied.ove", 1, time.Second).Seconds(), "copy-s")
		b.ReportMetric(r.slow("slow.ove", 33, 1900*time.Millisecond).Seconds(), "minute-s")
	}
}
