package audio

import (
	"math"

	"olive-distributed/daemon/ove"
)

// tone is a sine. Its phase counts the samples that the voice has had: Olive counts from -2^31.
type tone struct {
	frequency, amount ove.Curve
	mix               ove.Steps
	rate              float64
	count             int32
}

// The rate is that of the clip's own sequence, even where the sound has another.
func newTone(e *ove.Effect, s setup) effect {
	return &tone{
		frequency: e.Curve(1, "frequency", 1000), amount: e.Curve(2, "amount", 25), mix: e.Steps(3, "mix", "1"),
		rate: float64(s.clip.Parent.AudioRate), count: math.MinInt32,
	}
}

func (g *tone) process(x []int16, t axis) {
	constant := g.frequency.Constant() && g.amount.Constant() && g.mix.Constant()
	var frequency, loudness float64
	var mix bool
	for i := 0; i < len(x); i += 2 {
		if frame := t.frame(i / 2); i == 0 || !constant {
			frequency, mix = g.frequency.At(frame), g.mix.Bool(frame)
			loudness = logv(g.amount.At(frame)*0.01) * math.MaxInt16
		}
		angle := 2 * math.Pi * float64(g.count) * frequency / g.rate
		y := trunc(math.Round(math.Sin(angle) * loudness))
		g.count++
		put(x, i, y, y, mix)
	}
}

// noise is even noise. The random numbers are a function of the clip, the effect and the number of
// samples that the voice has had, so they are the same wherever and however often they are made.
type noise struct {
	amount ove.Curve
	mix    ove.Steps
	key    uint64
	count  uint64
}

func newNoise(e *ove.Effect, s setup) effect {
	key := scramble(uint64(s.clip.Parent.ID)<<40 ^ uint64(s.clip.ID)<<8 ^ uint64(s.index))
	return &noise{amount: e.Curve(0, "amount", 20), mix: e.Steps(1, "mix", "1"), key: key}
}

func (g *noise) process(x []int16, t axis) {
	constant := g.amount.Constant() && g.mix.Constant()
	var loudness float64
	var mix bool
	for i := 0; i < len(x); i += 2 {
		if frame := t.frame(i / 2); i == 0 || !constant {
			loudness, mix = logv(g.amount.At(frame)*0.01), g.mix.Bool(frame)
		}
		random := scramble(g.key + g.count)
		g.count++
		left, right := int16(random), int16(random>>16)
		put(x, i, trunc(float64(left)*loudness), trunc(float64(right)*loudness), mix)
	}
}

// put adds a sample to the sound or replaces it.
func put(x []int16, i int, left, right int16, mix bool) {
	if mix {
		left, right = add(left, x[i]), add(right, x[i+1])
	}
	x[i], x[i+1] = left, right
}

// scramble is the output function of SplitMix64 (Steele, Lea and Flood 2014).
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
