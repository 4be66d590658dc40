package listing

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

var update = flag.Bool("update", false, "write the files in testdata anew")

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// view is a farm in which everything happens at the same time.
func view() dbus.View {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	return dbus.View{
		Jobs: []dbus.Job{
			{ID: 3, Name: "done.ove", Project: "/p/done.ove", State: farm.Done, Progress: 1, FramesTotal: 60, FramesDone: 60, Submitted: ago(time.Hour), Started: ago(time.Hour), Ended: ago(time.Minute), Owner: 1 << 31, Output: "/films/done.mp4", Crew: 2},
			{
				ID: 4, Name: "holiday.ove", Project: "/p/holiday.ove", State: farm.Running, Progress: .25, FramesTotal: 400, FramesDone: 100, Speed: 12.34, ExpectedEnd: now.Add(24 * time.Second),
				Submitted: ago(time.Minute), Started: ago(time.Second), Owner: 0, Output: "/films/holiday.mp4", Priority: -5, Crew: 2,
				Ranges: []dbus.Range{{Number: 0, Content: dbus.Sound, First: 0, End: 400, State: farm.Completed, Workers: []string{"ada"}}, {Number: 1, Content: dbus.Picture, First: 0, End: 240, State: farm.Ongoing, Workers: []string{"ada", "bob"}}, {Number: 2, Content: dbus.Picture, First: 240, End: 400, State: farm.Pending, Workers: nil}},
			},
			{ID: 5, Name: "alone.ove", State: farm.Queued, FramesTotal: 10, Submitted: ago(time.Second), Output: "/films/alone.mp4"},
			{ID: 6, Name: "red\x1b[31m.ove", State: farm.Failed, FramesTotal: 10, Submitted: ago(time.Minute), Ended: ago(time.Second), Output: "/films/x.mp4", Error: "disk full", Crew: 1},
			{ID: 7, Name: "paused.ove", State: farm.Paused, FramesTotal: 10, FramesDone: 9, Submitted: ago(time.Second), Output: "/films/paused.mp4", Crew: 1},
		},
		Workers: []dbus.Member{
			{Name: "ada", State: dbus.Rendering, Engines: []string{"builtin"}, Threads: 4, Speed: 8.2, Job: 4, Range: dbus.HeldRange{Number: 1, Content: dbus.Picture, First: 0, End: 240}, FramesDone: 100, LastSeen: now, CertificateEnds: now.Add(time.Hour)},
			{Name: "bob", State: dbus.Rendering, Threads: 2, Job: 4, Range: dbus.HeldRange{Number: 0, Content: dbus.Sound, End: 400}, LastSeen: now, CertificateEnds: now.Add(-time.Hour), Failures: 2},
			{Name: "dan", State: dbus.Drained, Threads: 2, LastSeen: now},
			{Name: "dora", State: dbus.Draining, Threads: 2, Job: 4, Range: dbus.HeldRange{Number: 1, Content: dbus.Picture, First: 0, End: 240}, FramesDone: 20, LastSeen: now},
			{Name: "eve", State: dbus.Away, Revoked: true, CertificateEnds: now.Add(time.Hour)},
			{Name: "local", State: dbus.Waiting},
			{Name: "new", State: dbus.Unseen, CertificateEnds: now.Add(time.Hour)},
		},
		Degraded: "no space left",
	}
}

// TestListingsAreAsPromised compares each listing with its file: those of JSON are an interface.
func TestListingsAreAsPromised(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	local := time.Local
	time.Local = time.UTC
	defer func() { time.Local = local }()
	v := view()
	here := dbus.WorkerStatus{Name: "ada", Master: "studio:7480", Status: dbus.Rendering, Threads: 1, FramesDone: 3, Current: dbus.CurrentRange{Job: 4, Number: 1, Content: dbus.Picture, First: 0, End: 240}}
	log := []dbus.LogEntry{{Time: now, Event: "note", Text: "two\nlines\x07"}}
	h := HereOf(&here)
	status := &Status{MasterOf(&v, "1.2"), &h}
	for file, write := range map[string]func(io.Writer) error{
		"list.txt":     func(w io.Writer) error { return WriteJobs(w, &v, now) },
		"list.json":    func(w io.Writer) error { return JSON(w, JobsOf(&v, now)) },
		"show.txt":     func(w io.Writer) error { return WriteJob(w, &v.Jobs[1], log, now) },
		"failed.txt":   func(w io.Writer) error { return WriteJob(w, &v.Jobs[3], nil, now) },
		"workers.txt":  func(w io.Writer) error { return WriteWorkers(w, &v, now) },
		"workers.json": func(w io.Writer) error { return JSON(w, WorkersOf(&v)) },
		"status.txt":   func(w io.Writer) error { return WriteStatus(w, status) },
		"status.json":  func(w io.Writer) error { return JSON(w, status) },
		"nobody.txt": func(w io.Writer) error {
			if err := WriteJobs(w, &dbus.View{}, now); err != nil {
				return err
			}
			return WriteWorkers(w, &dbus.View{}, now)
		},
		"nobody.json": func(w io.Writer) error {
			if err := JSON(w, JobsOf(&dbus.View{}, now)); err != nil {
				return err
			}
			return JSON(w, WorkersOf(&dbus.View{}))
		},
	} {
		t.Run(file, func(t *testing.T) {
			var got bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", file)
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("got\n%s\nwant\n%s", &got, want)
			}
		})
	}
}
