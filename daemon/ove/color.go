package ove

import (
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/image/colornames"
)

// A ColorCurve is a colour over time: a colour field with its keys compiled. Between keys it is
// always linear, whatever their type, and opaque. It is immutable; the zero ColorCurve is transparent.
type ColorCurve struct {
	value color.NRGBA // without keys
	knots []colorKnot
}

type colorKnot struct {
	frame Frame
	value color.NRGBA
}

// at is the frame of the key.
func (k colorKnot) at() Frame { return k.frame }

// ColorCurve returns the colour field id of a row, counted from 0, or def for ever when the effect
// has no such field. A text that names no colour counts as black.
func (e *Effect) ColorCurve(row int, id string, def color.NRGBA) ColorCurve {
	field := e.field(row, id)
	switch {
	case field == nil:
		return ColorCurve{value: def}
	case len(field.Keys) == 0:
		return ColorCurve{value: toColor(field.Value)}
	}
	var c ColorCurve
	for _, k := range sorted(field.Keys) {
		c.knots = append(c.knots, colorKnot{k.Frame, toColor(k.Value)})
	}
	return c
}

// At is the colour at a frame of the clip's axis ([Clip.EffectFrame]).
func (c ColorCurve) At(frame float64) color.NRGBA {
	if len(c.knots) == 0 {
		return c.value
	}
	a, b := around(c.knots, round(frame))
	if a == b {
		return a.value
	}
	t := progress(frame, a.frame, b.frame)
	return color.NRGBA{
		R: mixChannel(a.value.R, b.value.R, t),
		G: mixChannel(a.value.G, b.value.G, t),
		B: mixChannel(a.value.B, b.value.B, t),
		A: math.MaxUint8,
	}
}

// Constant reports whether the colour is the same on all frames.
func (c ColorCurve) Constant() bool {
	return !slices.ContainsFunc(c.knots, func(k colorKnot) bool {
		return k.value != c.knots[0].value || len(c.knots) > 1 && k.value.A != math.MaxUint8
	})
}

func mixChannel(a, b uint8, t float64) uint8 {
	return uint8(min(max(round(mix(float64(a), float64(b), t)), 0), math.MaxUint8))
}

// toColor reads a colour as Qt does: #rgb, #rrggbb, #aarrggbb, #rrrgggbbb, #rrrrggggbbbb, or an SVG
// name in any case and with any spaces. Everything else is black.
func toColor(s string) color.NRGBA {
	if digits, ok := strings.CutPrefix(s, "#"); ok {
		return hexColor(digits)
	}
	name := strings.ToLower(strings.ReplaceAll(s, " ", ""))
	if name == "transparent" {
		return color.NRGBA{}
	}
	if c, ok := colornames.Map[name]; ok {
		return color.NRGBA(c)
	}
	return color.NRGBA{A: math.MaxUint8}
}

func hexColor(digits string) color.NRGBA {
	black := color.NRGBA{A: math.MaxUint8}
	alpha := uint64(math.MaxUint8)
	width := len(digits) / 3
	switch len(digits) {
	case 8:
		n, err := strconv.ParseUint(digits[:2], 16, 8)
		if err != nil {
			return black
		}
		alpha, digits, width = n, digits[2:], 2
	case 3, 6, 9, 12:
	default:
		return black
	}
	var rgb [3]uint8
	for i := range rgb {
		n, err := strconv.ParseUint(digits[i*width:(i+1)*width], 16, 16)
		if err != nil {
			return black
		}
		switch width {
		case 1:
			n *= 0x11
		default:
			n >>= 4 * (width - 2)
		}
		rgb[i] = uint8(n)
	}
	return color.NRGBA{rgb[0], rgb[1], rgb[2], uint8(alpha)}
}
