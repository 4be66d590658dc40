package master

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/ove"
)

// checkTarget refuses a film that could not be written in the end, or that would take the place
// of something it is made from: a project holiday.ove often lies beside its holiday.mp4.
func checkTarget(r *Request, project *ove.Project) error {
	preset, err := film.PresetByName(r.Preset)
	if err != nil {
		return err
	}
	if ext := strings.ToLower(filepath.Ext(r.Output)); !slices.Contains(preset.Containers, ext) {
		return fmt.Errorf("preset %s cannot be written as %q: use %s", preset.Name, ext, strings.Join(preset.Containers, ", "))
	}
	sources := []string{r.Project}
	for _, f := range project.Footage {
		sources = append(sources, project.Candidates(f, r.Project)...)
		if f.ProxyPath != "" {
			sources = append(sources, f.ProxyPath, filepath.Join(filepath.Dir(r.Project), f.ProxyPath))
		}
	}
	for _, target := range []string{r.Output, logPath(r.Output)} {
		info, err := os.Stat(target)
		switch {
		case err != nil:
			continue // nothing there to lose; whether it can be made is another question
		case !info.Mode().IsRegular():
			return fmt.Errorf("the film cannot be written to %s: something that is not a file has this name", target)
		}
		for _, s := range sources {
			if other, err := os.Stat(s); err == nil && os.SameFile(info, other) {
				return fmt.Errorf("the film would overwrite %s, which it is made from: choose another name with -o", target)
			}
		}
	}
	return nil
}

// checkFolder finds out whether a film can be written before hours are spent on it.
func checkFolder(output string) error {
	f, err := create(output)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the folder %s does not exist: make it, or choose another with -o", filepath.Dir(output))
	}
	if err != nil {
		return fmt.Errorf("films cannot be written there: %w", err)
	}
	f.discard()
	return nil
}

// logPath is where the log of a film lies.
func logPath(film string) string { return strings.TrimSuffix(film, filepath.Ext(film)) + ".log" }
