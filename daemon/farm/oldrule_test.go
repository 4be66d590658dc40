package farm_test

import (
	"math/rand/v2"
	"time"
)

// oldRule is how long the job would take with the rule of the program before this one: a worker gets
// 900 frames and up to 900 more by its share of all speed; when nothing is left, whoever asks gets a
// copy of a range that is still out, by chance; nobody is ever stopped.
func oldRule(frames int64, machines []*machine, chance *rand.Rand) time.Duration {
	type span struct {
		frames int64
		done   bool
	}
	type desk struct { // of a machine
		at    int // index of its range, -1: none
		until time.Duration
		count int
	}
	total := 0.0
	for _, m := range machines {
		total += m.speed
	}
	var spans []span
	open := 0
	desks := make([]desk, len(machines))
	for i := range desks {
		desks[i].at = -1
	}
	give := func(now time.Duration, i int) {
		m, d := machines[i], &desks[i]
		d.at = -1
		switch {
		case m.dead(epoch.Add(now)):
			d.until = 1<<63 - 1
			return
		case frames > 0:
			n := min(frames, int64(900+900*m.speed/total))
			frames -= n
			spans = append(spans, span{frames: n})
			open++
			d.at = len(spans) - 1
		default:
			var out []int
			for n, s := range spans {
				if !s.done {
					out = append(out, n)
				}
			}
			if len(out) == 0 {
				return
			}
			d.at = out[chance.IntN(len(out))]
		}
		d.until = now + m.startup + time.Duration(float64(spans[d.at].frames)/m.speed*float64(time.Second))
		if m.stall != nil {
			d.until += m.stall(d.count)
		}
		d.count++
	}
	for i := range machines {
		give(0, i)
	}
	for {
		next := 0
		for i := range desks {
			if desks[i].until < desks[next].until {
				next = i
			}
		}
		now := desks[next].until
		if s := &spans[desks[next].at]; !machines[next].dead(epoch.Add(now)) && !s.done {
			s.done = true
			open--
		}
		if frames == 0 && open == 0 {
			return now
		}
		give(now, next)
	}
}
