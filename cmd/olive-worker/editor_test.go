package main

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"olive-distributed/daemon/config"
	"olive-distributed/daemon/worker"
)

func TestTheEditorIsAnnouncedWhenItWorks(t *testing.T) {
	dir := t.TempDir()
	editor := filepath.Join(dir, "olive-editor")
	build := exec.Command("go", "build", "-o", editor, "../../daemon/render/olive/testdata/editor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, c := range map[string]struct {
		editor, behaviour string
		allowed           []string
		want              []string
		says              string
	}{
		"it works":                     {editor, "", nil, []string{"builtin", "olive"}, "engine olive is here"},
		"it draws nothing":             {editor, "black", nil, []string{"builtin"}, "engine olive does not work"},
		"it is not there":              {editor + "-not", "", nil, []string{"builtin"}, ""},
		"it is not there, but must be": {editor + "-not", "", []string{"builtin", "olive"}, []string{"builtin"}, "is not installed"},
		"it is not allowed":            {editor, "", []string{"builtin"}, []string{"builtin"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(dir, "behaviour"), []byte(c.behaviour), 0o600); err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			spec := worker.Spec{Engines: []string{"builtin"}}
			cfg := config.Worker{Editor: c.editor, Engines: c.allowed, Cache: t.TempDir()}
			more, err := tryEditor(t.Context(), cfg, nil, &spec, slog.New(slog.NewTextHandler(&said, nil)))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(spec.Engines, c.want) || len(more) != len(c.want)-1 || len(spec.Presets) != len(more) {
				t.Errorf("engines %v, marks %v, %d more engines; want %v", spec.Engines, spec.Presets, len(more), c.want)
			}
			if got := said.String(); !strings.Contains(got, c.says) || c.says == "" && got != "" {
				t.Errorf("said %q, want %q", got, c.says)
			}
		})
	}
	cfg := config.Worker{Editor: editor + "-not", Engines: []string{"olive"}, Cache: t.TempDir()}
	if _, err := tryEditor(t.Context(), cfg, nil, &worker.Spec{}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a worker without any engine starts")
	}
}
