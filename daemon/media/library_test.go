package media

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTheCacheDropsWhatNobodyUses(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{
		"old.index": 200 * time.Hour, "old.mkv": 200 * time.Hour, "new.index": time.Hour, "a stranger's.txt": 2000 * time.Hour,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	library(t, dir)
	for name, want := range map[string]bool{"old.index": false, "old.mkv": false, "new.index": true, "a stranger's.txt": true} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s is there: %t, want %t", name, err == nil, want)
		}
	}
}

func TestAStillCostsOneChildBeforeItIsDecoded(t *testing.T) {
	path := generate(t, filepath.Join(t.TempDir(), "a.png"), "-frames:v", "1")
	cache := t.TempDir()
	first := library(t, cache)
	if _, err := first.Probe(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "")
	second := library(t, cache) // as another process would
	f, err := second.Probe(t.Context(), path)
	if err != nil || !f.Still {
		t.Fatalf("the headers were asked for again: %v", err)
	}
	if ix, err := second.Video(t.Context(), path, 0, 0); err != nil || !ix.Still || ix.Width != 96 || ix.PixFmt != "rgb24" {
		t.Errorf("the index of a still needs more than its headers: %+v, %v", ix, err)
	}
}
