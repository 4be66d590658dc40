package farm_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"olive-distributed/daemon/farm"
)

// borders are the ends of a job's ranges of picture, when one worker after the other asks.
func borders(t rapid.TB, p farm.Policy, spec farm.JobSpec, workers ...string) []int64 {
	w := newWorld(t, p)
	w.submit(spec)
	w.hello(workers...)
	var ends []int64
	for turn := 0; w.job(1).State != farm.Joining; turn++ {
		name := workers[turn%len(workers)]
		a, events, err := w.f.Next(w.now, name)
		w.must(events, err)
		if a.Content != farm.Sound {
			ends = append(ends, a.End)
		}
		w.complete(name, 1, a.ID.Range)
	}
	w.check()
	return ends
}

func TestBorders(t *testing.T) {
	for name, c := range map[string]struct {
		spec    farm.JobSpec
		workers []string
		want    []int64
	}{
		"an explicit split is near-even":              {farm.JobSpec{End: 100, Split: 3}, []string{"a"}, []int64{33, 66, 100}},
		"sound does not count in a split":             {farm.JobSpec{End: 100, Split: 3, Sound: true}, []string{"a"}, []int64{33, 66, 100}},
		"the even borders of a split move to cuts":    {farm.JobSpec{First: 10, End: 310, Split: 3, Cuts: []int64{100, 235}}, []string{"a"}, []int64{100, 210, 310}},
		"a split has no more ranges than frames":      {farm.JobSpec{First: 7, End: 10, Split: 9}, []string{"a", "b"}, []int64{8, 9, 10}},
		"split 1 is one range whoever asks":           {farm.JobSpec{End: 90_000, Split: 1}, []string{"a", "b"}, []int64{90_000}},
		"one worker gets nine seconds at a time":      {farm.JobSpec{End: 675}, []string{"a"}, []int64{225, 450, 675}},
		"a border moves to a cut within a fifth":      {farm.JobSpec{End: 675, Cuts: []int64{200, 250, 425, 480}}, []string{"a"}, []int64{200, 425, 675}},
		"a border does not move farther":              {farm.JobSpec{End: 675, Cuts: []int64{179, 271}}, []string{"a"}, []int64{225, 450, 675}},
		"both of two workers start on a short job":    {farm.JobSpec{End: 220}, []string{"a", "b"}, []int64{55, 110, 165, 220}},
		"a job below the least length is one range":   {farm.JobSpec{End: 60}, []string{"a", "b", "c"}, []int64{60}},
		"a rest below the least length is not left":   {farm.JobSpec{End: 260}, []string{"a"}, []int64{260}},
		"a cut does not make a range or a rest short": {farm.JobSpec{End: 100, Cuts: []int64{45, 55}}, []string{"a", "b"}, []int64{50, 100}},
		"cuts in any order, twice, or outside are fine": {
			farm.JobSpec{First: 100, End: 775, Cuts: []int64{900, 300, -5, 300, 100, 775}}, []string{"a"}, []int64{300, 525, 775},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := borders(t, farm.Policy{}, c.spec, c.workers...); !slices.Equal(got, c.want) {
				t.Errorf("borders %v, want %v", got, c.want)
			}
		})
	}
}

func TestAPlanHasNoShortRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := farm.JobSpec{End: rapid.Int64Range(1, 5000).Draw(t, "frames"), FPS: 25}
		spec.Cuts = rapid.SliceOfN(rapid.Int64Range(0, spec.End), 0, 50).Draw(t, "cuts")
		p := farm.Policy{MinFrames: rapid.Int64Range(1, 100).Draw(t, "least")}
		workers := chaosNames[:rapid.IntRange(1, 5).Draw(t, "workers")]
		prev := int64(0)
		for _, end := range borders(t, p, spec, workers...) {
			if end-prev < min(p.MinFrames, spec.End) || end-prev > 25*60 {
				t.Fatalf("range [%d,%d)", prev, end)
			}
			prev = end
		}
		if prev != spec.End {
			t.Fatalf("plan ends at %d of %d", prev, spec.End)
		}
	})
}
