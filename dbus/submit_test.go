package dbus_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	godbus "github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"olive-distributed/dbus"
)

func TestSubmit(t *testing.T) {
	f := newFake()
	serveMaster(t, f)
	member := clientAs(t, "member")
	uid, _, _ := ids(t, "member")
	path := project(t, 0o644)
	options := dbus.Options{
		Output: filepath.Join(filepath.Dir(path), "film.mp4"), Sequence: "s", First: 3, End: 5, Preset: "hevc", Colour: "709",
		VideoArgs: []string{"-crf", "1"}, AudioArgs: []string{"-b", "2"}, Split: 4, Priority: -2,
		IgnoreUnsupported: true, IgnoreMissing: true, Resume: true,
	}
	id, err := member.Submit(t.Context(), path, options)
	if err != nil {
		t.Fatal(err)
	}
	last, content := f.got()
	if content != "<project/>" || last.Project != path || last.Caller.UID != uid || len(last.Caller.Groups) != 2 {
		t.Errorf("the master got %q and %+v", content, last)
	}
	got, want := last.Options, options
	if strings.Join(got.VideoArgs, " ") != "-crf 1" || strings.Join(got.AudioArgs, " ") != "-b 2" {
		t.Errorf("arguments %v, %v", got.VideoArgs, got.AudioArgs)
	}
	got.VideoArgs, got.AudioArgs, want.VideoArgs, want.AudioArgs = nil, nil, nil, nil
	if got.Output != want.Output || got.Sequence != "s" || got.First != 3 || got.End != 5 || got.Preset != "hevc" || got.Colour != "709" ||
		got.Split != 4 || got.Priority != -2 || !got.IgnoreUnsupported || !got.IgnoreMissing || !got.Resume {
		t.Errorf("options %+v, want %+v", got, want)
	}
	if j, err := member.Job(t.Context(), id); err != nil || j.Owner != uid || j.Project != path {
		t.Errorf("Job(%d) = %+v, %v", id, j, err)
	}
}

// TestNobodyReadsByTheMaster has members submit what they may not read; the master could.
func TestNobodyReadsByTheMaster(t *testing.T) {
	f := newFake()
	serveMaster(t, f)
	member := clientAs(t, "member")
	secret := project(t, 0o600) // root's
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, dbus.ErrAccessDenied) {
			t.Errorf("%s: got %v, want it refused", what, err)
		}
		if did := f.done(); len(did) > 0 {
			t.Errorf("%s: refused, and yet the master was told to %q", what, did)
		}
	}
	_, err := member.Submit(t.Context(), secret, dbus.Options{})
	refused("a closed file", err)
	link := filepath.Join(filepath.Dir(secret), "link.ove")
	if err := os.Symlink(secret, link); err != nil {
		t.Fatal(err)
	}
	_, err = member.Submit(t.Context(), link, dbus.Options{})
	refused("a link to it", err)
	_, err = member.Submit(t.Context(), project(t, 0o644), dbus.Options{Output: "/etc/film.mp4"})
	refused("a film in a closed folder", err)
	ids, skipped, err := member.SubmitFolder(t.Context(), filepath.Dir(secret), dbus.Options{})
	if err != nil || len(ids) != 0 || len(skipped) != 2 || !strings.Contains(skipped[0].Reason, "you may not read") {
		t.Errorf("a folder of them: %v, %v, %v", ids, skipped, err)
	}
	for what, flags := range map[string]int{"a path only": unix.O_PATH, "open for writing": unix.O_WRONLY} {
		file := os.NewFile(uintptr(open(t, project(t, 0o666), flags)), "/x.ove")
		_, err := member.SubmitFile(t.Context(), file, dbus.Options{})
		refused(what, err)
		file.Close()
	}
	dir := os.NewFile(uintptr(open(t, "/tmp", unix.O_RDONLY)), "/x.ove")
	defer dir.Close()
	_, err = member.SubmitFile(t.Context(), dir, dbus.Options{})
	refused("a folder as a project", err)
}

func open(t *testing.T, path string, flags int) int {
	t.Helper()
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// TestSubmitFd hands over a file of which the master could not know by its path.
func TestSubmitFd(t *testing.T) {
	f := newFake()
	serveMaster(t, f)
	member := clientAs(t, "member")
	path := project(t, 0o600)
	before := descriptors(t)
	for range 20 {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := member.SubmitFile(t.Context(), file, dbus.Options{}); err != nil {
			t.Fatal(err)
		}
		file.Close()
		if last, content := f.got(); content != "<project/>" || last.Project != path {
			t.Fatalf("the master got %q of %s", content, last.Project)
		}
	}
	until(t, "the end of the descriptors", func() bool { return descriptors(t) <= before })
	// Without the option, the path is that of the file.
	conn := dialAs(t, "member")
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := call(t.Context(), conn, dbus.MasterName, "/org/olive/Master1", "org.olive.Master1.Manager", "SubmitFd", false, godbus.UnixFD(file.Fd()), map[string]godbus.Variant{}); err != nil {
		t.Errorf("without a path: %v", err)
	}
	if last, _ := f.got(); last.Project != path {
		t.Errorf("without a path the project is %s, want %s", last.Project, path)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestSubmitFolder(t *testing.T) {
	f := newFake()
	serveMaster(t, f)
	path := project(t, 0o644)
	dir := filepath.Dir(path)
	for _, name := range []string{"b.ove", ".hidden.ove", "b.ove~", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ids, refused, err := clientAs(t, "member").SubmitFolder(t.Context(), dir, dbus.Options{Output: dir})
	did := f.done()
	if err != nil || len(ids) != 2 || len(refused) != 0 || len(did) != 2 || did[0] != "submit "+filepath.Join(dir, "b.ove") || did[1] != "submit "+path {
		t.Errorf("SubmitFolder = %v, %v, %v; the master did %q", ids, refused, err, did)
	}
	if last, _ := f.got(); last.Output != dir+"/" {
		t.Errorf("output %q, want the folder", last.Output)
	}
}
