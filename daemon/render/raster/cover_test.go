package raster

import (
	"fmt"
	"image"
	"math/rand/v2"
	"testing"
)

// literalBlur is the filter as the effects notes 9.5 say it, one byte after the other.
func literalBlur(alpha []int, w, h, radius int) {
	table := []int{16, 14, 10, 8, 6, 5, 5, 4, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2}
	a := 1
	if radius < len(table) {
		a = table[radius]
	}
	sweep := func(at func(i int) int, n int) {
		z := alpha[at(0)] * 16
		for i := 1; i < n; i++ {
			d := (16*alpha[at(i)] - z) * a
			if d < 0 {
				z -= -d / 16
			} else {
				z += d / 16
			}
			alpha[at(i)] = z / 16
		}
	}
	for x := range w {
		sweep(func(i int) int { return i*w + x }, h)
	}
	for y := range h {
		sweep(func(i int) int { return y*w + i }, w)
	}
	for x := range w {
		sweep(func(i int) int { return (h-1-i)*w + x }, h)
	}
	for y := range h {
		sweep(func(i int) int { return y*w + w - 1 - i }, w)
	}
}

func TestBlurAlphaIsTheLiteralFilter(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, radius := range []int{-1, 0, 1, 2, 3, 5, 7, 12, 17, 18, 1000} {
		t.Run(fmt.Sprint("radius ", radius), func(t *testing.T) {
			m := NewImage(37, 23)
			alpha := make([]int, len(m.Pix))
			for i := range m.Pix {
				m.Pix[i] = r.Uint32()
				if r.IntN(3) > 0 { // runs of nothing and of all
					m.Pix[i] = m.Pix[i]&0xffffff | uint32(i/50%2*255)<<24
				}
				alpha[i] = int(m.Pix[i] >> 24)
			}
			before := append([]uint32(nil), m.Pix...)
			if radius > 0 {
				literalBlur(alpha, m.W, m.H, radius)
			}
			m.BlurAlpha(image.Rect(-5, -5, 99, 99), radius)
			for i, p := range m.Pix {
				if int(p>>24) != alpha[i] || p&0xffffff != before[i]&0xffffff {
					t.Fatalf("pixel %d,%d is %08x of %08x, want alpha %02x", i%m.W, i/m.W, p, before[i], alpha[i])
				}
			}
		})
	}
	NewImage(0, 5).BlurAlpha(image.Rect(0, 0, 5, 5), 3)
}

// TestBlurAlphaReachesAsFarAsItMust: knowing where there is ink changes nothing.
func TestBlurAlphaReachesAsFarAsItMust(t *testing.T) {
	for radius := 1; radius < 20; radius++ {
		m := NewImage(400, 300)
		alpha := make([]int, len(m.Pix))
		ink := image.Rect(150, 120, 180, 130)
		for i := range m.Pix {
			if image.Pt(i%m.W, i/m.W).In(ink) {
				m.Pix[i], alpha[i] = 0xff<<24, 255
			}
		}
		literalBlur(alpha, m.W, m.H, radius)
		box := m.BlurAlpha(ink, radius)
		for i, p := range m.Pix {
			if int(p>>24) != alpha[i] || p != 0 && !image.Pt(i%m.W, i/m.W).In(box) {
				t.Fatalf("radius %d, box %v: pixel %d,%d is %d, want %d", radius, box, i%m.W, i/m.W, p>>24, alpha[i])
			}
		}
	}
}

func TestCoverMixesByCoverage(t *testing.T) {
	for _, c := range []struct {
		color, under uint32
		coverage     uint8
		want         uint32
	}{
		{0xff0000ff, 0, 255, 0xff0000ff},
		{0xff0000ff, 0xffffffff, 0, 0xffffffff},
		{0xff0000ff, 0, 128, 0x80000080},
		{0xff0000ff, 0xffff0000, 128, 0xff7f0080},
		{0x80000080, 0xffff0000, 255, 0xff7f0080},
		{0x80000080, 0xffffffff, 128, 0xffbfbfff},
	} {
		m := NewImage(3, 1)
		m.Pix[1] = c.under
		m.Cover(1, 0, []uint8{c.coverage}, c.color)
		if m.Pix[1] != c.want || m.Pix[0] != 0 || m.Pix[2] != 0 {
			t.Errorf("%08x over %08x at %d: %08x, want %08x", c.color, c.under, c.coverage, m.Pix[1], c.want)
		}
	}
}

func TestOverBoxTouchesTheBoxOnly(t *testing.T) {
	dst, src := NewImage(4, 4), NewImage(4, 4)
	src.FillRect(0, 0, 4, 4, 0xff112233)
	dst.OverBox(src, image.Rect(1, -5, 3, 2), 1)
	for i, p := range dst.Pix {
		x, y := i%4, i/4
		if want := x >= 1 && x < 3 && y < 2; (p != 0) != want {
			t.Errorf("pixel %d,%d = %08x", x, y, p)
		}
	}
	dst.OverBox(src, image.Rect(3, 0, 3, 4), 1)
	dst.OverBox(src, image.Rect(9, 9, 12, 12), 1)
	src.FillRect(0, 0, 4, 4, 0xff0000ff)
	dst.OverBox(src, image.Rect(0, 3, 1, 4), .5)
	if dst.Pix[12] != 0x80000080 {
		t.Errorf("half of red is %08x", dst.Pix[12])
	}
}

func TestTintKeepsAlpha(t *testing.T) {
	m := NewImage(2, 1)
	m.Pix[0], m.Pix[1] = 0x80ffffff, 0xff000000
	m.Tint(image.Rect(0, 0, 2, 1), Color(255, 0, 0, 255))
	if m.Pix[0] != 0x80000080 || m.Pix[1] != 0xff0000ff {
		t.Errorf("tinted to %08x, %08x", m.Pix[0], m.Pix[1])
	}
}

func BenchmarkBlurAlpha(b *testing.B) {
	m := NewImage(1920, 1080)
	m.FillRect(100, 100, 1800, 900, 0xff00ff00)
	b.ReportAllocs()
	for b.Loop() {
		m.BlurAlpha(image.Rect(0, 0, 1920, 1080), 6)
	}
}
