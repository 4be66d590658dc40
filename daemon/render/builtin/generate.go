package builtin

import (
	"image"
	"image/color"
	"math"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/raster"
)

// renderEffects are Olive's "Render" category: they paint over the clip.
var renderEffects = map[string]builder{
	"Render/Solid":     newSolid,
	"Render/Text":      newTitle,
	"Render/Rich Text": newRichTitle,
	"Render/Timecode":  newTimecode,
}

// solid paints a colour, colour bars or a checkerboard (effects notes 9.1).
type solid struct {
	kind             ove.Steps
	opacity, checker ove.Curve
	color            ove.ColorCurve
	paint            raster.Texture
	layer            *layer
}

func newSolid(e *ove.Effect, env effectEnv) effect {
	return effect{pass: &solid{
		layer:   env.layer,
		kind:    e.Steps(0, "type", "0"),
		opacity: e.Curve(1, "opacity", 100),
		color:   e.ColorCurve(2, "color", color.NRGBA{R: 255, A: 255}),
		checker: e.Curve(3, "checker_size", 10),
	}}
}

func (s *solid) constant() bool {
	return s.kind.Constant() && s.opacity.Constant() && s.color.Constant() && s.checker.Constant()
}

func (s *solid) run(in, out *raster.Texture, now moment, _ *shape) {
	f := float64(now.frame)
	alpha := uint8(min(max(math.Round(s.opacity.At(f)*2.55), 0), 255))
	c := s.color.At(f)
	dst := out
	if in != nil {
		dst = &s.paint
		dst.Resize(out.W, out.H)
	}
	switch s.kind.Int(f) {
	case 1:
		bars(&dst.Image, alpha)
	case 2:
		checkerboard(&dst.Image, raster.Color(c.R, c.G, c.B, alpha), raster.Color(0, 0, 0, alpha), s.checker.At(f))
	default:
		dst.FillRect(0, 0, dst.W, dst.H, raster.Color(c.R, c.G, c.B, alpha))
	}
	if in != nil {
		copy(out.Pix, in.Pix)
		out.OverBox(&dst.Image, image.Rect(0, 0, out.W, out.H), s.layer.tint) // over a nest, its tint
	}
	out.Opaque = alpha == 255 || in != nil && in.Opaque
	out.Flat = in == nil && s.kind.Int(f) == 0
}

func checkerboard(m *raster.Image, odd, even uint32, size float64) {
	n := int(math.Ceil(size))
	if n < 1 { // Olive's own loop would not end
		n = 1
	}
	for y := 0; y < m.H; y += n {
		for x := 0; x < m.W; x += n {
			c := even
			if (x/n+y/n)%2 == 1 {
				c = odd
			}
			m.FillRect(x, y, x+n, y+n, c)
		}
	}
}

// Colours of the bars, left to right.
var (
	upperBars = [7]uint32{0xc0c0c0, 0xc0c000, 0x00c0c0, 0x00c000, 0xc000c0, 0xc00000, 0x0000c0}
	lowerBars = [7]uint32{0x0000c0, 0x131313, 0xc000c0, 0x131313, 0x00c0c0, 0x131313, 0xc0c0c0}
	footBars  = [4]uint32{0x00214c, 0xffffff, 0x32006a, 0x131313}
)

// bars paints SMPTE bars; rectangles that overlap are composited twice, as Olive does.
func bars(m *raster.Image, alpha uint8) {
	m.Clear(0, m.H)
	rect := func(x, y, w, h int, rgb uint32) {
		m.OverRect(x, y, x+w, y+h, raster.Color(uint8(rgb>>16), uint8(rgb>>8), uint8(rgb), alpha))
	}
	w, h := float64(m.W), float64(m.H)
	bw, h1, h2 := int(math.Ceil(w/7)), int(math.Ceil(h*2/3)), int(math.Ceil(h/12.5))
	y3 := h1 + h2
	h3 := m.H - y3
	for i := range 7 {
		x := i * bw
		switch i {
		case 5:
			third := bw / 3
			rect(x, y3, bw, h3, 0x1d1d1d)
			rect(x+third, y3, third, h3, 0x131313)
			rect(x, y3, third, h3, 0x090909)
		case 6:
			rect(x, y3, bw, h3, 0x131313)
		}
		rect(x, 0, bw, h1, upperBars[i])
		rect(x, h1, bw, h2, lowerBars[i])
	}
	tw := int(math.Round(5 * float64(bw) / 4))
	for i, c := range footBars {
		rect(i*tw, y3, tw, h3, c)
	}
}
