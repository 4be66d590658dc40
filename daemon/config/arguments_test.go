package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestArguments(t *testing.T) {
	there := filepath.Join(t.TempDir(), "there.toml")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	usual := filepath.Join(t.TempDir(), "usual.toml") // is not there
	for name, c := range map[string]struct {
		args []string
		want string
		says string // of what is told; "": all is well
	}{
		"no options, and no file":     {nil, usual, ""},
		"a file that is there":        {[]string{"--config", there}, there, ""},
		"a file that was mistyped":    {[]string{"--config", there + "x"}, "", "daemon: read configuration: stat"},
		"the usual file, by its name": {[]string{"--config", usual}, "", "usual.toml"},
		"a word":                      {[]string{"start"}, "", `daemon: "start": there is nothing to say but options`},
		"an unknown option":           {[]string{"--fast"}, "", "-fast"},
		"help":                        {[]string{"--help"}, "", "configuration FILE"},
	} {
		var told strings.Builder
		flags := flag.NewFlagSet("daemon", flag.ContinueOnError)
		flags.SetOutput(&told)
		got, err := Arguments(flags, c.args, usual)
		if c.says == "" && (err != nil || got != c.want || told.Len() > 0) {
			t.Errorf("%s: %q, %v, told %q", name, got, err, &told)
		}
		if c.says != "" && (err == nil || !strings.Contains(told.String(), c.says)) {
			t.Errorf("%s: %v, told %q, want %q", name, err, &told, c.says)
		}
		if name == "help" && !errors.Is(err, flag.ErrHelp) {
			t.Errorf("help: %v", err)
		}
	}
}
