package config

import (
	"flag"
	"fmt"
	"os"
)

// Arguments reads the command line of a daemon, which has options and nothing else, and returns the path
// of its settings: what --config says, or usual. Without a file there are defaults, but one that was
// named must be there: a mistyped name would start another farm. Every error has been told on the
// output of flags; [flag.ErrHelp] means that only help was wanted.
func Arguments(flags *flag.FlagSet, args []string, usual string) (path string, err error) {
	flags.StringVar(&path, "config", usual, "configuration `FILE`")
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	if flags.NArg() > 0 {
		err = fmt.Errorf("%q: there is nothing to say but options", flags.Arg(0))
	}
	flags.Visit(func(f *flag.Flag) {
		if f.Name != "config" || err != nil {
			return
		}
		if _, missing := os.Stat(path); missing != nil {
			err = fmt.Errorf("read configuration: %w", missing)
		}
	})
	if err != nil {
		fmt.Fprintf(flags.Output(), "%s: %v\n", flags.Name(), err)
	}
	return path, err
}
