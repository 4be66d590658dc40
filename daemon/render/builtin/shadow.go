package builtin

import (
	"image/color"
	"math"

	"olive-distributed/daemon/ove"
)

// shadowFields are the six rows about a shadow that Olive's texts have.
type shadowFields struct {
	on                                 ove.Steps
	color                              ove.ColorCurve
	angle, distance, softness, opacity ove.Curve
}

// newShadowFields reads the rows from row on; defaults are angle, distance, softness, opacity.
func newShadowFields(e *ove.Effect, row int, defaults [4]float64) shadowFields {
	return shadowFields{
		on: e.Steps(row, "shadow", "0"), color: e.ColorCurve(row+1, "shadowcolor", color.NRGBA{A: 255}),
		angle: e.Curve(row+2, "shadowangle", defaults[0]), distance: e.Curve(row+3, "shadowdistance", defaults[1]),
		softness: e.Curve(row+4, "shadowsoftness", defaults[2]), opacity: e.Curve(row+5, "shadowopacity", defaults[3]),
	}
}

func (s *shadowFields) constant() bool {
	return s.on.Constant() && s.color.Constant() && s.angle.Constant() && s.distance.Constant() &&
		s.softness.Constant() && s.opacity.Constant()
}

// A shadow is one appearance of a shadow; the zero shadow is none.
type shadow struct {
	on     bool
	paint  uint32      // premultiplied colour at its opacity
	color  color.NRGBA // opaque
	dx, dy int
	soft   int // radius
}

func (s *shadowFields) at(f float64) shadow {
	if !s.on.Bool(f) {
		return shadow{}
	}
	sin, cos := math.Sincos(bounded(s.angle.At(f)) * math.Pi / 180)
	distance := math.Floor(bounded(s.distance.At(f)))
	c := s.color.At(f)
	c.A = 255
	faded := c
	faded.A = uint8(math.Round(255 * min(max(s.opacity.At(f)/100, 0), 1)))
	return shadow{
		on: true, color: c, paint: straight(faded), soft: max(whole(math.Floor(bounded(s.softness.At(f)))), 0),
		dx: whole(math.Round(cos * distance)), dy: whole(math.Round(sin * distance)),
	}
}
