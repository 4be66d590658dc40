package machine

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"olive-distributed/daemon/media/film"
)

// fakeTools puts programs of that text before the real ones.
func fakeTools(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range []string{"ffmpeg", "ffprobe"} {
		real, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		text := "#!/bin/sh\n" + script + "\nexec " + real + ` "$@"` + "\n"
		if err := os.WriteFile(filepath.Join(dir, tool), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestProbeIsRememberedAsLongAsItIsTrue(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "new", "machine.json")
	first, err := Probe(t.Context(), cache, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range film.Presets() {
		if sum, err := hex.DecodeString(first.Presets[p.Name]); err != nil || len(sum) != 32 {
			t.Errorf("preset %s: fingerprint %q, refused: %s", p.Name, first.Presets[p.Name], first.Refused[p.Name])
		}
	}
	if first.Speed <= 0 || first.Threads < 1 || first.Memory < 1<<20 {
		t.Errorf("speed %v, threads %d, memory %d", first.Speed, first.Threads, first.Memory)
	}
	text, err := os.ReadFile(cache)
	if err != nil {
		t.Fatal(err)
	}
	// The measured speed tells whether an answer was made anew.
	again := func() Spec {
		t.Helper()
		s, err := Probe(t.Context(), cache, 0)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := again(); !reflect.DeepEqual(s, first) {
		t.Errorf("remembered %+v\nwant %+v", s, first)
	}
	// One fingerprint is changed, as by a fault of the disk: the answer must be made anew.
	print := first.Presets["h264"]
	broken := strings.Replace(string(text), print, strings.Repeat("0", 64), 1)
	if err := os.WriteFile(cache, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	s := again()
	if !reflect.DeepEqual(s.Presets, first.Presets) {
		t.Errorf("made anew %v\nwant the same fingerprints %v", s.Presets, first.Presets)
	}
	if entries, err := os.ReadDir(filepath.Dir(cache)); err != nil || len(entries) != 1 {
		t.Errorf("beside the cache lies %v, %v", entries, err)
	}
}

func TestFaultyCachesAreNotBelieved(t *testing.T) {
	good := Spec{Threads: 2, Presets: map[string]string{"h264": "abc"}, Speed: 3}
	path := filepath.Join(t.TempDir(), "cache")
	save(path, "key", good)
	if s, ok := load(path, "key"); !ok || !reflect.DeepEqual(s, good) {
		t.Fatalf("saved %+v, loaded %+v, %v", good, s, ok)
	}
	if _, ok := load(path, "other"); ok {
		t.Error("another computer's answer is believed")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty": "", "cut short": string(text[:len(text)-5]), "another fingerprint": strings.Replace(string(text), "abc", "abd", 1),
		"no object": "[]", "no spec": `{"key":"key"}`,
		"a spec without presets": `{"key":"key","sum":"` + digest([]byte("{}")) + `","spec":{}}`,
	} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, ok := load(path, "key"); ok {
			t.Errorf("%s: %+v is believed", name, s)
		}
	}
}

func TestAnotherFFmpegShows(t *testing.T) {
	preset, err := film.PresetByName("h264")
	if err != nil {
		t.Fatal(err)
	}
	print := func() string {
		t.Helper()
		s, err := fingerprint(t.Context(), t.TempDir(), preset)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := print()
	if again := print(); again != first {
		t.Errorf("the same ffmpeg has fingerprints %s and %s", first, again)
	}
	path := os.Getenv("PATH")
	for what, script := range map[string]string{
		"an x264 that searches otherwise": `for a; do shift; [ "$a" = cpu-independent=1 ] && a=cpu-independent=1:me=dia; set -- "$@" "$a"; done`,
		"a decoder of other pictures":     `for a; do shift; case $a in *,format=rgba) a=negate,$a;; esac; set -- "$@" "$a"; done`,
	} {
		t.Setenv("PATH", path)
		fakeTools(t, script)
		if print() == first {
			t.Errorf("%s has the same fingerprint", what)
		}
	}
}

func TestAPresetThatFailsIsLeftOutWithTheReason(t *testing.T) {
	fakeTools(t, `for a; do case $a in libx264|libx265|libsvtav1|libvpx-vp9) echo "Unknown encoder '$a'" >&2; exit 1;; esac; done`)
	cache := filepath.Join(t.TempDir(), "cache")
	s, err := Probe(t.Context(), cache, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Presets) != 2 || s.Presets["lossless"] == "" || s.Presets["prores"] == "" || s.Speed != 0 || s.Threads != 1 {
		t.Errorf("presets %v, speed %v, threads %d", s.Presets, s.Speed, s.Threads)
	}
	if !strings.Contains(s.Refused["h264"], "Unknown encoder 'libx264'") || len(s.Refused) != 4 {
		t.Errorf("refused %v", s.Refused)
	}
	if _, err := os.Stat(cache); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refusal is remembered: %v", err)
	}
}

func TestWhatFailsTheWholeProbe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Probe(ctx, "", 0); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Probe(t.Context(), "", 0); !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), "apt install ffmpeg") {
		t.Errorf("no ffmpeg: %v", err)
	}
}

func TestIdentityChangesWithTheTools(t *testing.T) {
	id := func(threads int) string {
		t.Helper()
		s, err := identity(t.Context(), threads)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := id(2)
	if id(2) != first {
		t.Error("it changes on its own")
	}
	if id(1) == first {
		t.Error("other threads, the same identity")
	}
	fakeTools(t, ":")
	if id(2) == first {
		t.Error("another ffmpeg, the same identity")
	}
}

func TestLibrariesFindsTheEncoders(t *testing.T) {
	program, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal(err)
	}
	files, err := libraries(t.Context(), program)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(files, "\n")
	for _, want := range []string{"libx264", "libavcodec", "libc.so"} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is not among what ffmpeg loads:\n%s", want, all)
		}
	}
}
