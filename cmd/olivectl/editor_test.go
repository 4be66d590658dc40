package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"olive-distributed/cmd/olivectl/exit"
)

// makeEditor builds the stand-in for the patched Olive editor, which plays medium 1 from frame 0 on.
func makeEditor(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "olive-editor")
	build := exec.Command("go", "build", "-o", program, "../../daemon/render/olive/testdata/editor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

func TestTheEditorsPicturesBecomeAFilmWithOurSound(t *testing.T) {
	dir, editor := t.TempDir(), makeEditor(t)
	makeMedia(t, dir)
	const beep = `<clip id="2" enabled="1" name="beep" clipin="0" in="0" out="60" track="0" media="1" stream="1"><linked/></clip>`
	project := writeProject(t, dir, video(1, 1, 0, 60, 0, 1, "", "")+beep, "")
	ours := filepath.Join(dir, "builtin.mov")
	exportFilm(t, project, "--preset", "h264", "-o", ours)
	for name, args := range map[string][]string{
		"as they are":  {"--colour", "olive", "--preset", "h264"},
		"encoded anew": {"--preset", "prores"},
	} {
		t.Run(name, func(t *testing.T) {
			film := filepath.Join(dir, strings.Fields(name)[0]+".mov")
			exportFilm(t, project, append(args, "--engine", "olive", "--editor", editor, "--split", "3", "-o", film)...)
			if got := len(pictures(t, film)); got != 60 {
				t.Errorf("%d pictures, want 60", got)
			}
			if args[0] == "--colour" && string(sound(t, film)) != string(sound(t, ours)) {
				t.Error("the sound is not that of the built-in engine")
			}
		})
	}
	calls, err := os.ReadFile(filepath.Join(filepath.Dir(editor), "calls"))
	if err != nil {
		t.Fatal(err)
	}
	for _, ask := range []string{"--export-start 0 --export-end 19", "--export-start 20 --export-end 39", "--export-start 40 --export-end 59"} {
		if n := strings.Count(string(calls), ask+" "); n != 2 {
			t.Errorf("the editor was asked %d times for %s, want once for each film:\n%s", n, ask, calls)
		}
	}
}

func TestAnExportWithoutTheEditorSaysSo(t *testing.T) {
	var out, said strings.Builder
	dir := t.TempDir()
	makeMedia(t, dir)
	project := writeProject(t, dir, video(1, 1, 0, 60, 0, 1, "", ""), "")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--engine", "olive", "--editor", "/nonexistent/editor"}, exit.Failed, "the patched Olive editor is not installed"},
		{[]string{"--engine", "none"}, exit.Refused, `there is no engine "none": use one of builtin, olive`},
	} {
		said.Reset()
		args := append([]string{"export", "--local", "--scratch", filepath.Join(dir, "scratch"), "-o", filepath.Join(dir, "film.mp4")}, c.args...)
		if code := run(t.Context(), append(args, project), &out, &said); code != c.code || !strings.Contains(said.String(), c.says) {
			t.Errorf("%q ended with %d: %s\nwant %d, about %q", c.args, code, said.String(), c.code, c.says)
		}
	}
}
