package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheMountersSettingsAreRoots(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("files of other users are made here: run the tests as root")
	}
	for name, c := range map[string]struct {
		mode os.FileMode
		uid  int
		text string
		says string // "": it is taken
	}{
		"root's":                    {0o644, 0, "port = 7000", ""},
		"another user's":            {0o644, 1000, "port = 7000", "it belongs to user 1000 and must be root's"},
		"the group may write":       {0o664, 0, "port = 7000", "its mode is 0664 and others than root may write it"},
		"everybody may write":       {0o646, 0, "port = 7000", "its mode is 0646"},
		"a port that is none":       {0o644, 0, "port = 70000", "mounter.toml:1:8: port is 70000: must be from 1 to 65535"},
		"an option of the mount":    {0o644, 0, "options = \"suid\"", "mounter.toml:1:1: there is no setting options"},
		"another server":            {0o644, 0, "host = \"10.0.0.1\"", "there is no setting host"},
		"never to wait":             {0o644, 0, "timeout = \"0s\"", "must be from 1s to 5m"},
		"text and mode, both wrong": {0o666, 0, "port = 0", "its mode is 0666"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "mounter.toml")
			if err := errors.Join(os.WriteFile(path, []byte(c.text), 0o600), os.Chmod(path, c.mode), os.Chown(path, c.uid, 0)); err != nil {
				t.Fatal(err)
			}
			m, err := LoadMounter(path)
			if c.says == "" && (err != nil || m != Mounter{Port: 7000, Timeout: 30 * time.Second, Idle: time.Minute}) {
				t.Errorf("got %+v, %v", m, err)
			}
			if c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
	if m, err := LoadMounter(filepath.Join(t.TempDir(), "none")); err != nil || m != defaultMounter() {
		t.Errorf("without a file: %+v, %v", m, err)
	}
}
