package render

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"olive-distributed/daemon/ove"
)

// aScene is one of a project with a medium, which lies at the path.
func aScene(t *testing.T) (s *Scene, path string) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "m.mp4")
	project := filepath.Join(dir, "p.ove")
	text := fmt.Sprintf(`<project><version>190219</version><url>p.ove</url><folders/><media><footage id="1" folder="0" name="m" url="%s" duration="1000000" using_inout="0" in="0" out="0" speed="1" alphapremul="0" startnumber="0" proxy="0" proxypath=""><video id="0" width="64" height="48" framerate="30" infinite="0"/></footage></media><sequences>
<sequence id="1" folder="0" name="S" width="64" height="48" framerate="30" afreq="48000" alayout="3" open="1"></sequence></sequences></project>`, path)
	if err := errors.Join(os.WriteFile(path, []byte("pictures"), 0o600), os.WriteFile(project, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	_, digest, err := ReadProject(project)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Describe(&ove.Footage{ID: 1, Name: "m"}, path, false)
	if err != nil {
		t.Fatal(err)
	}
	p := &Plan{Project: project, Digest: digest, Sequence: 1, Media: []Medium{m}}
	if s, err = p.Open(); err != nil {
		t.Fatal(err)
	}
	return s, path
}

// twin puts another file at the path that has the size and the time of the one that lies there.
func twin(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	other := path + ".twin"
	if err := errors.Join(os.WriteFile(other, []byte("SECRETS!"), 0o600), os.Chtimes(other, info.ModTime(), info.ModTime()), os.Rename(other, path)); err != nil {
		t.Fatal(err)
	}
}

func TestAMediumMustStayWhatItWas(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(t *testing.T, s *Scene, path string)
		want    string // "": it is the same
	}{
		"nothing happens":       {func(*testing.T, *Scene, string) {}, ""},
		"it is written to":      {func(_ *testing.T, _ *Scene, path string) { _ = os.WriteFile(path, []byte("more pictures"), 0o600) }, "has changed"},
		"it is deleted":         {func(_ *testing.T, _ *Scene, path string) { _ = os.Remove(path) }, "not there any more"},
		"a twin takes its name": {func(t *testing.T, _ *Scene, path string) { twin(t, path) }, "was replaced by another file"},
		"a twin, as seen through another path or by another machine": {func(t *testing.T, s *Scene, path string) {
			twin(t, path)
			s.Plan.Media[0].Place = "0123456789abcdef:1:2"
		}, ""},
		"it is renamed and back, with other rights": {func(_ *testing.T, _ *Scene, path string) {
			_ = errors.Join(os.Rename(path, path+"x"), os.Chmod(path+"x", 0o640), os.Rename(path+"x", path))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, path := aScene(t)
			c.happens(t, s, path)
			err := s.Unchanged()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestWhatIsJudgedIsWhatWasExamined exchanges a medium between the look at it and the judgement.
func TestWhatIsJudgedIsWhatWasExamined(t *testing.T) {
	s, path := aScene(t)
	r := Report{Media: []MediaUse{{media: s.Plan.Media}}}
	judge := func(file string) (device, inode uint64, err error) {
		var st syscall.Stat_t
		err = syscall.Stat(file, &st)
		return uint64(st.Dev), st.Ino, err
	}
	if err := r.Judge(judge); err != nil {
		t.Fatal(err)
	}
	twin(t, path)
	if err := r.Judge(judge); err == nil || !strings.Contains(err.Error(), "was replaced while") {
		t.Errorf("a medium that was replaced: %v", err)
	}
	refusal := errors.New("not for you")
	if err := r.Judge(func(string) (uint64, uint64, error) { return 0, 0, refusal }); !errors.Is(err, refusal) {
		t.Errorf("a medium that is refused: %v", err)
	}
}

func TestPlacesDoNotChangeAPlansFingerprint(t *testing.T) {
	s, _ := aScene(t)
	before, had := s.Plan.Fingerprint(), s.Plan.Media[0].Place
	s.Plan.Media[0].Place = ""
	if had == "" || s.Plan.Fingerprint() != before {
		t.Error("the same plan has another fingerprint after a restart")
	}
}
