package sound

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// A Spec says what a [Reader] delivers.
type Spec struct {
	Rate      int     // samples per second
	Tempo     float64 // seconds of the medium in one second that is delivered, 0 = 1
	KeepPitch bool    // the tempo leaves the pitch as it is
	Start     float64 // second of the medium to start at
	// Cold starts AAC as Olive does after a seek: with the packet that holds Start and nothing
	// before it, so that it comes out damaged. Other codecs start near Start too, but with the
	// packets before it that they need. Otherwise the samples are the same as those of a reader
	// from second 0 on, and so is the time it takes to get there.
	Cold bool
}

// Limits of a tempo. Beyond them the resampler needs too much memory.
const (
	minTempo = 0.01
	maxTempo = 100
)

func (spec Spec) validate() error {
	switch {
	case spec.Rate <= 0:
		return fmt.Errorf("%d samples per second", spec.Rate)
	case !(spec.Tempo >= minTempo && spec.Tempo <= maxTempo):
		return fmt.Errorf("the speed %g is none for sound: use %g to %g, or take the sound away", spec.Tempo, minTempo, float64(maxTempo))
	case math.IsNaN(spec.Start) || math.Abs(spec.Start) > 1e9:
		return fmt.Errorf("second %g is in no medium", spec.Start)
	}
	return nil
}

// filters convert to stereo, the rate and the tempo with what Olive puts into its own graph.
func (spec Spec) filters() string {
	format := func(rate float64) string {
		return fmt.Sprintf("aformat=sample_fmts=s16:channel_layouts=stereo:sample_rates=%.0f", rate)
	}
	switch {
	case math.Abs(spec.Tempo-1)*1e12 <= min(spec.Tempo, 1): // Qt's qFuzzyCompare
		return format(float64(spec.Rate))
	case !spec.KeepPitch:
		return format(math.Round(float64(spec.Rate) / spec.Tempo))
	}
	base := 2.0
	if spec.Tempo <= 1 {
		base = 0.5
	}
	power := math.Log(spec.Tempo) / math.Log(base)
	times := math.Floor(power)
	chain := format(float64(spec.Rate)) + strings.Repeat(fmt.Sprintf(",atempo=%f", base), int(times))
	return chain + fmt.Sprintf(",atempo=%f", math.Pow(base, power-times))
}

// errNothing means that a stream has no sound from the wanted second on.
var errNothing = errors.New("nothing there")
