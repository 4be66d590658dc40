package raster_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"olive-distributed/daemon/render/raster"
)

// canvas draws one layer of tex on a w x h canvas.
func canvas(t *testing.T, tex *raster.Texture, w, h int, q raster.Quad, m raster.Affine, tint, opacity float64) *raster.Image {
	t.Helper()
	c := raster.NewImage(w, h)
	draw(c, tex, q, m, tint, opacity)
	return c
}

func draw(c *raster.Image, tex *raster.Texture, q raster.Quad, m raster.Affine, tint, opacity float64) {
	var d raster.Draw
	d.Set(tex, q, raster.Viewport(c.W, c.H).Mul(m), tint, opacity)
	d.Rows(c, 0, c.H, make([]uint32, c.W))
}

// noise is an opaque picture, or a premultiplied one with random alpha.
func noise(w, h int, alpha bool) *raster.Texture {
	r := rand.New(rand.NewPCG(1, uint64(w*h)))
	t := &raster.Texture{Image: *raster.NewImage(w, h), Opaque: !alpha}
	for i := range t.Pix {
		a := uint8(255)
		if alpha {
			a = uint8(r.Uint32())
		}
		t.Pix[i] = raster.Color(uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), a)
	}
	return t
}

func channels(p uint32) [4]float64 {
	return [4]float64{float64(p & 255), float64(p >> 8 & 255), float64(p >> 16 & 255), float64(p >> 24)}
}

func TestColourIsPremultipliedToTheNearest(t *testing.T) {
	for a := range 256 {
		for v := range 256 {
			got := channels(raster.Color(uint8(v), 255, 0, uint8(a)))
			want := [4]float64{math.Round(float64(v*a) / 255), float64(a), 0, float64(a)}
			if got != want {
				t.Fatalf("Color(%d, 255, 0, %d) = %v, want %v", v, a, got, want)
			}
		}
	}
}

func TestOverRoundsTheProductAndClampsTheSum(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 20000 {
		src, dst := r.Uint32(), r.Uint32() // colour above alpha happens after shaders
		m := raster.NewImage(1, 1)
		m.Pix[0] = dst
		m.OverRect(0, 0, 1, 1, src)
		s, d, got := channels(src), channels(dst), channels(m.Pix[0])
		for c := range 4 {
			want := min(255, s[c]+math.Floor(d[c]*(255-s[3])/255+.5))
			if got[c] != want {
				t.Fatalf("%08x over %08x: channel %d = %v, want %v", src, dst, c, got[c], want)
			}
		}
	}
}

func TestWholePixelPlacementCopiesExactly(t *testing.T) {
	tex := noise(20, 10, true)
	c := canvas(t, tex, 40, 30, raster.Centred(20, 10), raster.Translate(3, -4), 1, 1)
	for y := range 30 {
		for x := range 40 {
			want := uint32(0)
			if u, v := x-(20-10+3), y-(15-5-4); u >= 0 && u < 20 && v >= 0 && v < 10 {
				want = tex.Row(v)[u]
			}
			if got := c.Row(y)[x]; got != want {
				t.Fatalf("pixel %d,%d = %08x, want %08x", x, y, got, want)
			}
		}
	}
}

// reference samples as the notes describe it, in floating point.
func reference(tex *raster.Texture, u, v float64) [4]float64 {
	s, r := u*float64(tex.W)-.5, v*float64(tex.H)-.5
	x, y := int(math.Floor(s)), int(math.Floor(r))
	fx, fy := s-float64(x), r-float64(y)
	var out [4]float64
	for _, tap := range []struct {
		x, y int
		w    float64
	}{{x, y, (1 - fx) * (1 - fy)}, {x + 1, y, fx * (1 - fy)}, {x, y + 1, (1 - fx) * fy}, {x + 1, y + 1, fx * fy}} {
		if tap.x < 0 || tap.y < 0 || tap.x >= tex.W || tap.y >= tex.H {
			continue
		}
		for i, c := range channels(tex.Row(tap.y)[tap.x]) {
			out[i] += c * tap.w
		}
	}
	return out
}

func TestMagnifiedAndTurnedLayersFollowTheBilinearModel(t *testing.T) {
	tex := noise(23, 17, true)
	for name, m := range map[string]raster.Affine{
		"twice as large":    raster.Scale(2, 2),
		"turned 30 degrees": raster.Rotate(30).Mul(raster.Scale(1.7, 2.3)),
		"mirrored":          raster.Scale(-1.5, 1.5),
		"half a pixel off":  raster.Translate(.5, .25).Mul(raster.Scale(1.1, 1.1)),
	} {
		t.Run(name, func(t *testing.T) {
			c := canvas(t, tex, 80, 60, raster.Centred(tex.W-1, tex.H-1), m, 1, 1)
			toWorld := invert(raster.Viewport(80, 60).Mul(m))
			seen := 0
			for y := range 60 {
				for x := range 80 {
					px, py := toWorld.Apply(float64(x)+.5, float64(y)+.5)
					u, v := (px+11)/22, (py+8)/16
					if u < .001 || u > .999 || v < .001 || v > .999 {
						continue
					}
					seen++
					want, got := reference(tex, u, v), channels(c.Row(y)[x])
					for i := range 4 {
						if math.Abs(want[i]-got[i]) > 2 { // 1/256 steps on full-range noise
							t.Fatalf("pixel %d,%d channel %d = %v, want %.2f", x, y, i, got[i], want[i])
						}
					}
				}
			}
			if seen < 200 {
				t.Fatalf("only %d pixels compared", seen)
			}
		})
	}
}

func invert(m raster.Affine) raster.Affine {
	det := m.A*m.E - m.B*m.D
	r := raster.Affine{A: m.E / det, B: -m.B / det, D: -m.D / det, E: m.A / det}
	r.C, r.F = -(r.A*m.C + r.B*m.F), -(r.D*m.C + r.E*m.F)
	return r
}

func TestMinifiedLayersUseTheMipChain(t *testing.T) {
	// At exactly one quarter the level of detail is 2: each pixel is the mean of 4 x 4.
	tex := noise(64, 32, true)
	c := canvas(t, tex, 16, 8, raster.Centred(64, 32), raster.Scale(.25, .25), 1, 1)
	for y := range 8 {
		for x := range 16 {
			var want [4]float64
			for j := range 4 {
				for i := range 4 {
					for k, v := range channels(tex.Row(4*y + j)[4*x+i]) {
						want[k] += v / 16
					}
				}
			}
			got := channels(c.Row(y)[x])
			for k := range 4 {
				if math.Abs(got[k]-want[k]) > 1.3 {
					t.Fatalf("pixel %d,%d channel %d = %v, want %.2f", x, y, k, got[k], want[k])
				}
			}
		}
	}
}

func TestOddSizesShrinkWithoutLosingTheMean(t *testing.T) {
	tex := &raster.Texture{Image: *raster.NewImage(37, 21)}
	tex.FillRect(0, 0, 37, 21, 0xff405060)
	c := canvas(t, tex, 9, 5, raster.Centred(36, 20), raster.Scale(.125, .125), 1, 1)
	if got := c.Row(2)[4]; got != 0xff405060 {
		t.Errorf("middle of a flat picture = %08x, want ff405060", got)
	}
}

func TestTheEdgeOfATextureFadesOverHalfAPixel(t *testing.T) {
	tex := &raster.Texture{Image: *raster.NewImage(4, 4), Opaque: true}
	tex.FillRect(0, 0, 4, 4, 0xffffffff)
	c := canvas(t, tex, 16, 16, raster.Centred(4, 4), raster.Scale(4, 4), 1, 1)
	if got := c.Row(8)[0] >> 24; got < 155 || got > 164 { // texel coordinate -3/8
		t.Errorf("alpha at the left edge = %d, want 159 +- 4", got)
	}
	if got := c.Row(8)[2] >> 24; got != 255 {
		t.Errorf("alpha one half texel inside = %d, want 255", got)
	}
}

func TestNeighboursMeetWithoutGapOrOverlap(t *testing.T) {
	tex := &raster.Texture{Image: *raster.NewImage(8, 8)}
	tex.FillRect(0, 0, 8, 8, 0x01010101)
	r := rand.New(rand.NewPCG(3, 3))
	for range 200 {
		c := raster.NewImage(40, 40)
		s := .5 + 3*r.Float64()
		m := raster.Translate(r.Float64(), r.Float64()).Mul(raster.Rotate(float64(r.IntN(8) * 45))).Mul(raster.Scale(s, s))
		for _, q := range []raster.Quad{
			{{-4, -4}, {0, -4}, {0, 4}, {-4, 4}},
			{{0, -4}, {4, -4}, {4, 4}, {0, 4}},
		} {
			// A texture that is flat far beyond its edges, so that only coverage counts.
			draw(c, tex, q, m, 1, 1)
		}
		for i, p := range c.Pix {
			if p>>24 > 1 {
				t.Fatalf("scale %v: pixel %d is covered twice", s, i)
			}
		}
	}
}

func TestSkewedQuadsAreTwoTrianglesThatCoverEachPixelOnce(t *testing.T) {
	tex := &raster.Texture{Image: *raster.NewImage(8, 8)}
	tex.FillRect(0, 0, 8, 8, 0x01010101)
	c := canvas(t, tex, 60, 60, raster.Quad{{-20, -22}, {18, -11}, {25, 24}, {-9, 13}}, raster.Identity, 1, 1)
	covered := 0
	for i, p := range c.Pix {
		if p>>24 > 1 {
			t.Fatalf("pixel %d is covered twice", i)
		}
		covered += int(p >> 24)
	}
	if area := 1187; covered < area*9/10 || covered > area*11/10 {
		t.Errorf("%d pixels covered, want about %d", covered, area)
	}
}

func TestOpacityAndTintRoundOneAfterTheOther(t *testing.T) {
	tex := &raster.Texture{Image: *raster.NewImage(2, 2), Opaque: true}
	tex.FillRect(0, 0, 2, 2, 0xff0a65c9)
	c := raster.NewImage(2, 2)
	c.FillRect(0, 0, 2, 2, 0xff646464)
	draw(c, tex, raster.Centred(2, 2), raster.Identity, .3, .7)
	got := channels(c.Pix[0])
	src := channels(tex.Pix[0])
	for i := range 4 {
		s := math.Round(math.Round(src[i]*.3) * .7)
		a := math.Round(math.Round(255*.3) * .7)
		want := s + math.Round([]float64{100, 100, 100, 255}[i]*(255-a)/255)
		if got[i] != want {
			t.Errorf("channel %d = %v, want %v", i, got[i], want)
		}
	}
}

func TestFactorsOutsideZeroToOneAreClamped(t *testing.T) {
	tex := &raster.Texture{Image: *raster.NewImage(2, 2), Opaque: true}
	tex.FillRect(0, 0, 2, 2, 0xff102030)
	for opacity, want := range map[float64]uint32{2.5: 0xff102030, -1: 0, 0: 0} {
		if got := canvas(t, tex, 2, 2, raster.Centred(2, 2), raster.Identity, 1, opacity).Pix[0]; got != want {
			t.Errorf("opacity %v: %08x, want %08x", opacity, got, want)
		}
	}
	if got := canvas(t, tex, 2, 2, raster.Centred(2, 2), raster.Identity, 1, math.NaN()).Pix[0]; got != 0 {
		t.Errorf("opacity NaN draws %08x, want nothing", got)
	}
}

func TestExtremeMatricesDrawNothingAndDoNotPanic(t *testing.T) {
	tex := noise(5, 5, true)
	for _, m := range []raster.Affine{
		raster.Scale(0, 0), raster.Scale(math.NaN(), 1), raster.Scale(math.Inf(1), 1), raster.Scale(1e-300, 1e-300),
		raster.Scale(1e300, 1e300), raster.Translate(1e18, -1e18), raster.Scale(1e9, 1e-9), raster.Rotate(math.Inf(1)),
	} {
		canvas(t, tex, 33, 21, raster.Centred(5, 5), m, 1, 1)
	}
}

func TestAFrameAllocatesNothing(t *testing.T) {
	tex := noise(300, 200, true)
	pool := raster.NewPool(2)
	defer pool.Close()
	b := newBands(tex, 320, 240, 2)
	n := testing.AllocsPerRun(20, func() {
		tex.Touch()
		b.d.Set(tex, raster.Centred(300, 200), raster.Viewport(320, 240).Mul(raster.Scale(.4, .4)), 1, .5)
		pool.Run(b.c.H, b)
	})
	if n != 0 {
		t.Errorf("%v allocations per frame, want none", n)
	}
}

func BenchmarkDraw1080p(b *testing.B) {
	for name, m := range map[string]raster.Affine{
		"copy":    raster.Identity,
		"rotated": raster.Rotate(10),
		"shrunk":  raster.Scale(.6, .6),
	} {
		for _, alpha := range []bool{false, true} {
			kind := map[bool]string{false: "opaque", true: "alpha"}[alpha]
			b.Run(name+"/"+kind, func(b *testing.B) {
				tex, c, line := noise(1920, 1080, alpha), raster.NewImage(1920, 1080), make([]uint32, 1920)
				var d raster.Draw
				b.SetBytes(4 * 1920 * 1080)
				for b.Loop() {
					tex.Touch()
					d.Set(tex, raster.Centred(1920, 1080), raster.Viewport(1920, 1080).Mul(m), 1, 1)
					d.Rows(c, 0, 1080, line)
				}
			})
		}
	}
}

func TestAFlatTextureLooksLikeAnyOther(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 100 {
		tex := &raster.Texture{Image: *raster.NewImage(1+r.IntN(60), 1+r.IntN(60))}
		tex.FillRect(0, 0, tex.W, tex.H, 0x80402010)
		m := raster.Translate(20*r.Float64(), 20*r.Float64()).Mul(raster.Rotate(float64(r.IntN(4) * 30))).Mul(raster.Scale(.1+r.Float64(), .1+r.Float64()))
		want := canvas(t, tex, 64, 64, raster.Centred(tex.W, tex.H), m, 1, .8)
		tex.Flat = true
		got := canvas(t, tex, 64, 64, raster.Centred(tex.W, tex.H), m, 1, .8)
		for i := range want.Pix {
			if got.Pix[i] != want.Pix[i] {
				t.Fatalf("%dx%d under %+v: pixel %d = %08x, want %08x", tex.W, tex.H, m, i, got.Pix[i], want.Pix[i])
			}
		}
	}
}

// TestVectorsGiveTheBytesOfPlainLoops draws layers of all kinds both ways.
func TestVectorsGiveTheBytesOfPlainLoops(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for range 300 {
		tex := noise(1+r.IntN(200), 1+r.IntN(90), r.IntN(2) == 0)
		m := raster.Translate(30*r.Float64(), 20*r.Float64()).Mul(raster.Rotate(float64(r.IntN(3)) * 200 * r.Float64())).Mul(raster.Scale(.1+2*r.Float64(), .1+2*r.Float64()))
		factors := []float64{1, r.Float64()}
		tint, opacity := factors[r.IntN(2)], factors[r.IntN(2)]
		var want *raster.Image
		raster.Plainly(func() {
			tex.Touch()
			want = canvas(t, tex, 150, 80, raster.Centred(tex.W, tex.H), raster.Identity, 1, .5)
			draw(want, tex, raster.Centred(tex.W, tex.H), m, tint, opacity)
		})
		tex.Touch()
		got := canvas(t, tex, 150, 80, raster.Centred(tex.W, tex.H), raster.Identity, 1, .5)
		draw(got, tex, raster.Centred(tex.W, tex.H), m, tint, opacity)
		for i := range want.Pix {
			if got.Pix[i] != want.Pix[i] {
				t.Fatalf("%dx%d under %+v: pixel %d = %08x, want %08x", tex.W, tex.H, m, i, got.Pix[i], want.Pix[i])
			}
		}
	}
}
