package journal

import (
	"fmt"

	"olive-distributed/daemon/farm"
)

// A Report is what [Check] has found in a store that is whole.
type Report struct {
	Store    string // its random name
	Records  int    // of the log, behind the snapshot
	Events   uint64 // since the farm began
	Replayed uint64 // of these, behind the snapshot
	Covered  uint64 // of these, in the snapshot
	Bytes    int64  // of the snapshot and the log behind it
	Jobs     int
	Workers  int
	// Torn are ends of files that were never acknowledged; the next start drops them.
	Torn []string
}

// Check verifies a store that no master has open, and changes nothing in it. It reads every byte
// and folds the log. Errors are those of [Open]; an empty folder is [ErrNoStore].
func Check(dir string) (Report, error) {
	m, err := readMarker(dir)
	if err != nil {
		return Report{}, err
	}
	if !m.Ready {
		return Report{}, fmt.Errorf("%s: %w", dir, ErrNoStore)
	}
	l, err := lock(dir)
	if err != nil {
		return Report{}, err
	}
	defer func() { _ = l.Close() }()
	c, err := readStore(dir, m)
	if err == nil {
		err = c.fold(farm.Policy{})
	}
	if err != nil {
		return Report{}, err
	}
	r := Report{
		Store: m.Store, Records: c.log.records, Events: c.log.at.Events, Replayed: c.replay,
		Covered: c.head.Through.Events, Bytes: c.jobSize + c.log.bytes,
		Jobs: len(c.farm.Jobs()), Workers: len(c.farm.Workers()),
	}
	for _, torn := range c.torn {
		if torn != nil {
			r.Torn = append(r.Torn, torn.Error())
		}
	}
	return r, nil
}
