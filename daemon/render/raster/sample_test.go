package raster_test

import (
	"hash/crc32"
	"math"
	"math/rand/v2"
	"testing"

	"olive-distributed/daemon/render/raster"
)

// scattered makes points of all kinds: regular and shrunk, far outside, at edges, no numbers.
func scattered(r *rand.Rand, w int) *raster.Points {
	p := &raster.Points{}
	p.Resize(w)
	step := math.Pow(2, 8*r.Float64()-3) / float64(w)
	for j := range 2 {
		for i := range p.U[j] {
			p.U[j][i], p.V[j][i] = float32(step*float64(i)-.1+.01*r.Float64()), float32(.3+step*float64(j)+.2*r.Float64())
			switch r.IntN(12) {
			case 0:
				p.U[j][i] = float32(r.NormFloat64() * 1e3)
			case 1:
				p.V[j][i] = float32(math.NaN())
			case 2:
				p.U[j][i], p.V[j][i] = float32(r.IntN(2)), 1
			case 3:
				p.U[j][i] = float32(math.Inf(1))
			}
		}
	}
	return p
}

func TestWarpIsASampleAtEachPoint(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 300 {
		tex := noise(1+r.IntN(50), 1+r.IntN(50), true)
		var s raster.Sampler
		s.Set(tex, true, 0x80102030)
		w := 1 + r.IntN(40)
		p := scattered(r, w)
		upper, lower := make([]uint32, w), make([]uint32, w)
		s.Warp(upper, lower, p)
		details := s.Details(p)
		for j, line := range [][]uint32{upper, lower} {
			for i, got := range line {
				if want := raster.Narrow(s.At(p.U[j][i], p.V[j][i], details[i/2])); got != want {
					t.Fatalf("%dx%d, line %d, pixel %d at (%v, %v), detail %#x: %08x, want %08x",
						tex.W, tex.H, j, i, p.U[j][i], p.V[j][i], details[i/2], got, want)
				}
			}
		}
	}
}

func TestASumIsMadeOfRoundedSamples(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 7))
	const sums = 9
	for range 2000 {
		tex := noise(1+r.IntN(50), 1+r.IntN(50), true)
		var s raster.Sampler
		s.Set(tex, true, 0x80102030)
		var p raster.Scattered
		var rg, ba, wantRG, wantBA [sums]uint64
		d, rough := raster.Detail(0), r.IntN(3)
		points := 1 + r.IntN(200)
		for range points {
			u, v := float32(1.1*r.Float64()-.05), float32(1.1*r.Float64()-.05)
			switch {
			case rough == 1 && r.IntN(30) == 0:
				u = float32(math.NaN())
			case rough == 2 && r.IntN(20) == 0, d == 0 && r.IntN(20) == 0:
				d = min(raster.Detail(r.IntN(600)), s.Detail(1e9, 0, 0, 0))
			case r.IntN(20) == 0:
				d = 0
			}
			sum := r.IntN(sums)
			x, y := s.At(u, v, d)
			for _, lane := range []struct {
				sums *[sums]uint64
				lane uint64
			}{{&wantRG, x}, {&wantBA, y}} {
				lane.sums[sum] += (lane.lane&math.MaxUint32+128)>>8 | (lane.lane>>32+128)>>8<<32
			}
			if p.Add(u, v, d, sum) {
				s.Sum(&p, rg[:], ba[:])
			}
		}
		s.Sum(&p, rg[:], ba[:])
		if rg != wantRG || ba != wantBA {
			t.Fatalf("sums of %d points of %dx%d = %x and %x, want %x and %x", points, tex.W, tex.H, rg, ba, wantRG, wantBA)
		}
	}
}

func TestASampleIsTheBilinearModel(t *testing.T) {
	tex := noise(23, 17, true)
	var s raster.Sampler
	s.Set(tex, false, 0)
	r := rand.New(rand.NewPCG(6, 6))
	for range 5000 {
		u, v := float32(1.4*r.Float64()-.2), float32(1.4*r.Float64()-.2)
		rg, ba := s.At(u, v, 0)
		want := reference(tex, float64(u), float64(v))
		for i, lane := range []uint64{rg & math.MaxUint32, rg >> 32, ba & math.MaxUint32, ba >> 32} {
			if got := float64(lane) / 65536; math.Abs(got-want[i]) > 2 { // fractions are in 1/256
				t.Fatalf("(%v, %v), channel %d = %v, want %v", u, v, i, got, want[i])
			}
		}
	}
}

func TestOutsideIsTheBorder(t *testing.T) {
	tex := noise(5, 4, true)
	var s raster.Sampler
	s.Set(tex, true, 0xff000000)
	for _, p := range [][2]float64{{-1, .5}, {2, .5}, {.5, -3}, {.5, 1e30}, {math.NaN(), .5}, {.5, math.Inf(-1)}} {
		for d := range raster.Detail(1000) {
			got := raster.Narrow(s.At(float32(p[0]), float32(p[1]), min(d, s.Detail(1e9, 0, 0, 0))))
			if d>>8 == 0 && got != 0xff000000 {
				t.Fatalf("%v at detail %#x = %08x, want opaque black", p, d, got)
			}
		}
	}
}

func TestTheDetailIsTheCheapLogarithm(t *testing.T) {
	nan := float32(math.NaN())
	tex := noise(64, 32, false)
	var s raster.Sampler
	s.Set(tex, true, 0)
	for _, test := range []struct {
		name           string
		ux, vx, uy, vy float32
		want           raster.Detail
	}{
		{"one texel a pixel is the picture", 1. / 64, 0, 0, 1. / 32, 0},
		{"magnified as well", .2 / 64, 0, 0, .3 / 32, 0},
		{"two texels are one level", 2. / 64, 0, 0, 1. / 32, 1 << 8},
		{"the longer side counts", 1. / 64, 0, 0, 4. / 32, 2 << 8},
		{"between powers it is linear in the square", 1.5 / 64, 0, 0, 0, (1 << 8) * 9 / 16 /* (1 + 1/8) / 2 */},
		{"the smallest mip is the last", 1e9, 0, 0, 0, 6 << 8},
		{"no number to the right does not count", nan, 0, 0, 2. / 32, 1 << 8},
		{"no number downwards takes the smallest", 2. / 64, 0, nan, 0, 6 << 8},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := s.Detail(test.ux, test.vx, test.uy, test.vy); got != test.want {
				t.Errorf("%#x, want %#x", got, test.want)
			}
		})
	}
}

// TestDrawsAreTheSameOnEveryMachine compares with checksums that were made on another kind of machine.
func TestDrawsAreTheSameOnEveryMachine(t *testing.T) {
	tex := noise(123, 97, true)
	r := rand.New(rand.NewPCG(7, 7))
	for i, want := range []uint32{0xdcce6b98, 0xfb49a9c8, 0x67fe54a1, 0x16171247} {
		c := raster.NewImage(160, 120)
		for range 20 {
			m := raster.Translate(40*r.Float64()-20, 40*r.Float64()-20).Mul(raster.Rotate(720 * r.Float64())).Mul(raster.Scale(2*r.Float64(), 3*r.Float64()))
			q := raster.Quad{{-60 - r.IntN(9), -50}, {60, -50 + r.IntN(9)}, {60 - r.IntN(9), 50}, {-60, 50 - r.IntN(9)}}
			draw(c, tex, q, m, 1, .3+r.Float64())
		}
		if got := crc32.ChecksumIEEE(c.Bytes()); got != want {
			t.Errorf("canvas %d: %#08x, want %#08x", i, got, want)
		}
	}
}
