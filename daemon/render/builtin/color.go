package builtin

import (
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/shader/grade"
)

// colorEffects are Olive's "Color" category (effects notes 5).
var colorEffects = map[string]builder{
	"Color/Color Correction":          newCorrection,
	"Color/Hue/Saturation/Brightness": newHSB,
	"Color/Invert":                    newInvert,
	"Color/Noise":                     newNoise,
}

func newCorrection(e *ove.Effect, env effectEnv) effect {
	k, b := &grade.Correction{}, bind(e, env)
	b.number(0, "temperature", 6600, &k.Temperature)
	b.number(1, "tint", 0, &k.Tint)
	b.number(2, "exposure", 0, &k.Exposure)
	b.number(3, "contrast", 100, &k.Contrast)
	b.number(4, "highlights", 0, &k.Highlights)
	b.number(5, "shadows", 0, &k.Shadows)
	b.number(6, "whites", 100, &k.Whites)
	b.number(7, "blacks", 100, &k.Blacks)
	b.number(8, "saturation", 100, &k.Saturation)
	return b.shader(k)
}

func newHSB(e *ove.Effect, env effectEnv) effect {
	k, b := &grade.HSB{}, bind(e, env)
	b.number(0, "hue", 0, &k.Hue)
	b.number(1, "saturation", 100, &k.Saturation)
	b.number(2, "brightness", 100, &k.Brightness)
	return b.shader(k)
}

func newInvert(e *ove.Effect, env effectEnv) effect {
	k, b := &grade.Invert{}, bind(e, env)
	b.number(0, "amount", 100, &k.Amount)
	return b.shader(k)
}

func newNoise(e *ove.Effect, env effectEnv) effect {
	k, b := &grade.Noise{}, bind(e, env)
	b.number(0, "amount", 20, &k.Amount)
	b.flag(1, "color", false, &k.Color)
	b.flag(2, "blend", true, &k.Blend)
	b.clock = &k.Time
	return b.shader(k)
}
