package blur

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestADividerRoundsToNearest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	for range 100000 {
		by := 2 * uint64(1+r.IntN(1<<r.IntN(30)))
		n := r.Uint64N(255*by + 1)
		d := divideBy(by)
		if n > math.MaxUint32 {
			n %= math.MaxUint32
		}
		if got, want := d.round(n), uint32((2*n+by)/(2*by)); got != want {
			t.Fatalf("%d / %d = %d, want %d", n, by, got, want)
		}
	}
}
