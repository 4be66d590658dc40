package builtin

import (
	"image/color"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/shader/keying"
)

// keyingEffects are Olive's "Keying" category (effects notes 6).
var keyingEffects = map[string]builder{
	"Keying/Chroma Key":   newChromaKey,
	"Keying/Color Finder": newColorFinder,
	"Keying/Despill":      newDespill,
	"Keying/Luma Key":     newLumaKey,
}

func newChromaKey(e *ove.Effect, env effectEnv) effect {
	k, b := &keying.Chroma{}, bind(e, env)
	b.choice(0, "mode", "0", &k.Mode)
	b.color(1, "key_color", color.NRGBA{G: 255, A: 255}, &k.Key)
	b.number(2, "tola", 5, &k.A)
	b.number(3, "tolb", 25, &k.B)
	return b.shader(k)
}

func newColorFinder(e *ove.Effect, env effectEnv) effect {
	k, b := &keying.Finder{}, bind(e, env)
	b.choice(0, "compo", "0", (*int)(&k.Component))
	b.number(1, "loc", 0, &k.Low)
	b.number(2, "hic", 100, &k.High)
	b.flag(3, "invert", false, &k.Invert)
	return b.shader(k)
}

func newDespill(e *ove.Effect, env effectEnv) effect {
	k, b := &keying.Despill{}, bind(e, env)
	b.choice(0, "channel", "1", &k.Channel)
	b.number(1, "factorIn", 100, &k.Factor)
	b.number(2, "balanceIn", 0, &k.Balance)
	return b.shader(k)
}

func newLumaKey(e *ove.Effect, env effectEnv) effect {
	k, b := &keying.Luma{}, bind(e, env)
	b.number(0, "loc", 0, &k.Low)
	b.number(1, "hic", 100, &k.High)
	b.flag(2, "invert", false, &k.Invert)
	return b.shader(k)
}
