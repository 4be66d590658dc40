package farm

import (
	"cmp"
	"time"
)

// A Policy holds the numbers behind the rules. A zero field means its default. Changing the policy
// of a farm that is restored is safe: events hold what was decided, not why.
type Policy struct {
	// Range is the length, in time of the timeline, of a range for a worker about which nothing
	// is known: 9 s. Parts of that length cost 0.1 % in size and at most 5 % in seeking.
	Range time.Duration
	// Longest bounds every range, in time of the timeline: 60 s.
	Longest time.Duration
	// Target is the time a range should take its worker once the worker has been measured: 60 s.
	Target time.Duration
	// MinFrames is the shortest range worth its start: 48. Only a job that is shorter, or an
	// explicit split, has shorter ones.
	MinFrames int64
	// Share is how much of its share of the uncut rest a worker gets at once: 0.5, at most 1. Less
	// evens out workers whose speeds differ or change, more costs fewer starts.
	Share float64
	// Snap is how far a border may move to meet a cut, as a share of its range: 0.2, at most 0.4.
	// A negative value never moves one.
	Snap float64

	// MaxFailures is how often a job must have failed, since its last completed range, before it
	// may be given up: 3.
	MaxFailures int
	// Bench is how long a worker gets nothing after a failure: 1 s, doubled for each further one in a row.
	Bench time.Duration
	// LongestBench bounds the doubling: 5 min.
	LongestBench time.Duration

	// LeaseTimeout is how long a worker may stay silent before it counts as lost: 5 s.
	LeaseTimeout time.Duration
	// StallTimeout is how long a worker may beat without one more frame before the range counts
	// as failed: 10 min. The worker's own watchdog should bite long before.
	StallTimeout time.Duration

	// CopyAfter is the age at which an ongoing range may get a second worker: 5 s.
	CopyAfter time.Duration
	// CopyGain says how much sooner than the holder the second worker must be expected to be
	// done: the holder's time left is more than CopyGain times the second's time; 1.25.
	CopyGain float64
}

func (p Policy) withDefaults() Policy {
	return Policy{
		Range:        cmp.Or(p.Range, 9*time.Second),
		Longest:      cmp.Or(p.Longest, time.Minute),
		Target:       cmp.Or(p.Target, time.Minute),
		MinFrames:    max(1, cmp.Or(p.MinFrames, 48)),
		Share:        min(max(0.05, cmp.Or(p.Share, 0.5)), 1),
		Snap:         min(max(0, cmp.Or(p.Snap, 0.2)), 0.4),
		MaxFailures:  cmp.Or(p.MaxFailures, 3),
		Bench:        cmp.Or(p.Bench, time.Second),
		LongestBench: cmp.Or(p.LongestBench, 5*time.Minute),
		LeaseTimeout: cmp.Or(p.LeaseTimeout, 5*time.Second),
		StallTimeout: cmp.Or(p.StallTimeout, 10*time.Minute),
		CopyAfter:    cmp.Or(p.CopyAfter, 5*time.Second),
		CopyGain:     max(1, cmp.Or(p.CopyGain, 1.25)),
	}
}

// bench is how long a worker waits after failing streak times in a row.
func (p Policy) bench(streak int) time.Duration {
	if streak == 0 {
		return 0
	}
	d := p.Bench
	for range streak - 1 {
		if d *= 2; d >= p.LongestBench {
			break
		}
	}
	return min(d, p.LongestBench)
}
