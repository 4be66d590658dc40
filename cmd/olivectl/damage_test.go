package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestADamagedMediumIsExportedAndTold plays a medium of which some KB are noise: the film is made, the same
// whoever renders it, and both the log and the terminal say what is wrong with it.
func TestADamagedMediumIsExportedAndTold(t *testing.T) {
	dir := t.TempDir()
	makeMedia(t, dir)
	path := filepath.Join(dir, "a.mp4")
	medium, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	state := uint32(3)
	for i := range 4000 {
		state = state*1664525 + 1013904223
		medium[len(medium)/2+i] = byte(state >> 24)
	}
	if err := os.WriteFile(path, medium, 0o600); err != nil {
		t.Fatal(err)
	}
	project := writeProject(t, dir, video(0, 1, 0, 120, 10, 1, `speed="1"`, ""), "")
	export := func(args ...string) (frames [][]byte, log string) {
		film := filepath.Join(t.TempDir(), "film.mkv")
		args = append([]string{"export", "--local", "--preset", "lossless", "--scratch", t.TempDir(), "-o", film}, args...)
		var stdout, stderr bytes.Buffer
		if code := run(context.Background(), append(args, project), &stdout, &stderr); code != 0 {
			t.Fatalf("exit code %d\n%s", code, &stderr)
		}
		text, err := os.ReadFile(strings.TrimSuffix(film, ".mkv") + ".log")
		if err != nil {
			t.Fatal(err)
		}
		for where, said := range map[string]string{"the log": string(text), "the terminal": stderr.String()} {
			if !strings.Contains(said, `clip "v0"`) || strings.Count(said, path+" is damaged near 2") != 1 {
				t.Errorf("%s does not tell of the damage once:\n%s", where, said)
			}
		}
		return pictures(t, film), string(text)
	}
	want, _ := export("--split", "never", "--workers", "1", "--threads", "1")
	if len(want) != 120 {
		t.Fatalf("%d frames, want 120", len(want))
	}
	got, _ := export("--split", "7", "--workers", "2", "--threads", "3")
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("frame %d depends on who renders it", i)
		}
	}
}
