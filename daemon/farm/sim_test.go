package farm_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
)

// A machine is a simulated worker.
type machine struct {
	name    string
	speed   float64                   // frames/s
	startup time.Duration             // before the first frame of each range
	dies    time.Duration             // silently, so long after the start; 0: never
	stall   func(n int) time.Duration // extra time before its range n; nil: none
	id      farm.RangeID              // what it renders now
	sizes   []string                  // "225a" for each range it got
	begun   time.Time                 // first frame
	done    time.Time                 // last frame
}

// A simulation is one job on some machines, in virtual time.
type simulation struct {
	f        *farm.Farm
	now      time.Time
	machines []*machine
	sizes    []string // of all ranges in the order of their handing out
	joined   bool
}

// simulate runs the job to its join and returns how long that took.
func simulate(spec farm.JobSpec, machines ...*machine) (*simulation, time.Duration, error) {
	s := &simulation{f: farm.New(farm.Policy{}), now: epoch, machines: machines}
	_, _, err := s.f.Submit(s.now, spec)
	for _, m := range machines {
		_, helloErr := s.f.Hello(s.now, farm.WorkerSpec{Name: m.name}, farm.RangeID{})
		err = errors.Join(err, helloErr)
	}
	for tick := epoch; err == nil && !s.joined; {
		for _, m := range s.machines {
			err = errors.Join(err, s.turn(m, s.now.Equal(tick)))
		}
		if s.now.Equal(tick) {
			s.f.Expire(s.now)
			tick = tick.Add(time.Second)
		}
		if !s.joined {
			s.now = s.next(tick)
		}
		if s.now.Sub(epoch) > 1000*time.Hour {
			err = errors.New("the job does not end")
		}
	}
	return s, s.now.Sub(epoch), err
}

// dead says whether the machine has died by then.
func (m *machine) dead(then time.Time) bool { return m.dies > 0 && then.Sub(epoch) >= m.dies }

// next is when something happens again, at the latest at the tick.
func (s *simulation) next(tick time.Time) time.Time {
	for _, m := range s.machines {
		if m.id != (farm.RangeID{}) && m.done.After(s.now) && m.done.Before(tick) {
			tick = m.done
		}
	}
	return tick
}

// turn is what the machine does now.
func (s *simulation) turn(m *machine, beat bool) error {
	switch {
	case m.dead(s.now):
		return nil
	case m.id == (farm.RangeID{}):
		return s.ask(m)
	case !s.now.Before(m.done):
		events, err := s.f.Complete(s.now, m.name, m.id, farm.Result{})
		if err != nil {
			return err
		}
		s.joined = s.joined || events[0].Joins
		m.id = farm.RangeID{}
		for _, other := range s.machines {
			if slices.Contains(events[0].Stop, other.name) {
				other.id = farm.RangeID{}
			}
		}
		return s.ask(m)
	case beat:
		return s.f.Beat(s.now, m.name, m.id, int64(s.now.Sub(m.begun).Seconds()*m.speed))
	}
	return nil
}

func (s *simulation) ask(m *machine) error {
	a, _, err := s.f.Next(s.now, m.name)
	switch {
	case errors.Is(err, farm.ErrNoWork):
		return nil
	case err != nil:
		return err
	}
	m.id, m.begun = a.ID, s.now.Add(m.startup)
	if m.stall != nil {
		m.begun = m.begun.Add(m.stall(len(m.sizes)))
	}
	frames := a.End - a.First
	m.done = m.begun.Add(time.Duration(float64(frames) / m.speed * float64(time.Second)))
	m.sizes = append(m.sizes, fmt.Sprint(frames, m.name))
	s.sizes = append(s.sizes, fmt.Sprint(frames, m.name))
	return nil
}

// ideal is the time in which the machines would be done if they always rendered and nothing was lost.
func ideal(frames int64, machines []*machine) time.Duration {
	left, d := float64(frames), time.Duration(0)
	for step := 100 * time.Millisecond; left > 0; d += step {
		for _, m := range machines {
			if !m.dead(epoch.Add(d)) {
				left -= m.speed * step.Seconds()
			}
		}
	}
	return d
}

func TestMakespan(t *testing.T) {
	second := func(speed float64, name string) *machine {
		return &machine{name: name, speed: speed, startup: time.Second}
	}
	stalling := func(m *machine, every int) *machine {
		m.stall = func(n int) time.Duration { return time.Duration(n%every/(every-1)) * 30 * time.Second }
		return m
	}
	chancy := func(m *machine, seed uint64) *machine { // every 20th range takes up to 10 s more
		m.stall = func(n int) time.Duration {
			chance := rand.New(rand.NewPCG(seed, uint64(n)))
			if chance.IntN(20) > 0 {
				return 0
			}
			return time.Duration(chance.Int64N(int64(10 * time.Second)))
		}
		return m
	}
	for name, c := range map[string]struct {
		frames   int64
		most     float64
		machines []*machine
	}{
		"speeds 1 2 4 and one that dies end within 10 % of the ideal": {60_000, 1.1, []*machine{
			{name: "a", speed: 4}, {name: "b", speed: 8}, {name: "c", speed: 16}, {name: "d", speed: 8, dies: 1234 * time.Second},
		}},
		"speeds 1 2 4 8, stalls by chance, one that dies, a second's startup, and more than 20 ranges for each": {200_000, 1.05, []*machine{
			chancy(second(2, "a"), 1), chancy(second(4, "b"), 2), chancy(second(8, "c"), 3), chancy(second(16, "d"), 4),
			{name: "e", speed: 8, startup: time.Second, dies: 1000 * time.Second},
		}},
		"a short job with one that dies too": {5000, 1.1, []*machine{
			{name: "a", speed: 4}, {name: "b", speed: 8}, {name: "c", speed: 16}, {name: "d", speed: 8, dies: 100 * time.Second},
		}},
		"speeds 1 2 4 8 with a second's startup end within 5 % when there is much to do": {60_000, 1.05, []*machine{
			second(1, "a"), second(2, "b"), second(4, "c"), second(8, "d"),
		}},
		"stalls of half a minute in every tenth range cost little more than themselves": {90_000, 1.1, []*machine{
			stalling(second(2, "a"), 10), stalling(second(4, "b"), 10), stalling(second(8, "c"), 10), stalling(second(16, "d"), 10),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s, took, err := simulate(farm.JobSpec{End: c.frames, FPS: 25}, c.machines...)
			if err != nil {
				t.Fatal(err)
			}
			best := ideal(c.frames, c.machines)
			ratio := took.Seconds() / best.Seconds()
			var old time.Duration
			const tries = 100
			for seed := range uint64(tries) {
				old += oldRule(c.frames, c.machines, rand.New(rand.NewPCG(seed, 1))) / tries
			}
			t.Logf("%v with %d ranges, ideal %v: %.3f; by the old rule %.3f", took.Round(time.Second), len(s.sizes), best, ratio, old.Seconds()/best.Seconds())
			if ratio > c.most {
				t.Errorf("%.3f × ideal, want at most %.2f", ratio, c.most)
			}
		})
	}
}

func TestAMachineThatIsStuckIsOvertaken(t *testing.T) {
	fast := []*machine{{name: "a", speed: 5}, {name: "b", speed: 10}}
	stuck := &machine{name: "c", speed: 5, stall: func(n int) time.Duration { return time.Duration(n/5) * time.Hour }}
	s, took, err := simulate(farm.JobSpec{End: 10_000, FPS: 25}, fast[0], fast[1], stuck)
	if err != nil {
		t.Fatal(err)
	}
	if best := ideal(10_000, fast); took > best || len(stuck.sizes) != 6 {
		t.Errorf("%v in %v, without the stuck one ideally %v", took, s.sizes, best)
	}
}

func ExampleFarm_Next() {
	for _, c := range []struct {
		frames int64
		speeds []float64
	}{
		{220, []float64{5}},
		{220, []float64{5, 5}},
		{220, []float64{5, 5, 5, 5}},
		{3000, []float64{20}},
		{3000, []float64{20, 20}},
		{9000, []float64{5, 10, 20}},
	} {
		var machines []*machine
		for n, speed := range c.speeds {
			machines = append(machines, &machine{name: string(rune('a' + n)), speed: speed})
		}
		s, _, err := simulate(farm.JobSpec{End: c.frames, FPS: 25}, machines...)
		fmt.Println(c.frames, c.speeds, strings.Join(s.sizes, " "), err)
	}
	// Output:
	// 220 [5] 220a <nil>
	// 220 [5 5] 55a 55b 55a 55b <nil>
	// 220 [5 5 5 5] 55a 55b 55c 55d <nil>
	// 3000 [20] 225a 1200a 1200a 375a <nil>
	// 3000 [20 20] 225a 225b 637a 478b 358b 269a 202b 151a 113b 85a 64a 48b 48b 48a 49b <nil>
	// 9000 [5 10 20] 225a 225b 225c 1200c 600b 300a 1200c 600b 300a 1178c 421b 180a 335b 574c 102a 190b 327c 58a 54a 201c 72b 48a 55b 94c 59b 50c 63c 64a 64c <nil>
}
