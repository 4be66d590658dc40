package builtin

import (
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/shader/stylize"
)

// stylizeEffects are Olive's "Stylize" category (effects notes 7).
var stylizeEffects = map[string]builder{
	"Stylize/Chromatic Aberration": newAberration,
	"Stylize/Cross Stitch":         newCrossStitch,
	"Stylize/Emboss":               newEmboss,
	"Stylize/Pixelate":             newPixelate,
	"Stylize/Posterize":            newPosterize,
	"Stylize/Toonify":              newToonify,
	"Stylize/Vignette":             newVignette,
	"Stylize/Volumetric Light":     newLight,
}

func newAberration(e *ove.Effect, env effectEnv) effect {
	k, b := &stylize.Aberration{}, bind(e, env)
	b.number(0, "red_amount", 350, &k.Red)
	b.number(1, "green_amount", -40, &k.Green)
	b.number(2, "blue_amount", -250, &k.Blue)
	return b.shader(k)
}

func newCrossStitch(e *ove.Effect, env effectEnv) effect {
	k, b := &stylize.CrossStitch{}, bind(e, env)
	b.number(0, "stitching_size", 6, &k.Size)
	b.flag(1, "invert", false, &k.Invert)
	return b.shader(k)
}

func newEmboss(e *ove.Effect, env effectEnv) effect {
	k, b := &stylize.Emboss{}, bind(e, env)
	b.number(0, "contrast100", 50, &k.Contrast)
	b.number(1, "level", 1, &k.Level)
	b.flag(2, "hslmode", false, &k.HSL)
	b.flag(3, "invert", false, &k.Invert)
	return b.shader(k)
}

func newPixelate(e *ove.Effect, env effectEnv) effect {
	k, b := &stylize.Pixelate{}, bind(e, env)
	b.number(0, "pixels_x", 16, &k.X)
	b.number(1, "pixels_y", 9, &k.Y)
	b.flag(2, "bypass", false, &k.Bypass)
	return b.shader(k)
}

func newPosterize(e *ove.Effect, env effectEnv) effect {
	k, b := &stylize.Posterize{}, bind(e, env)
	b.number(0, "numColors", 8, &k.Colors)
	b.number(1, "gamma_cent", 60, &k.Gamma)
	return b.shader(k)
}

func newToonify(e *ove.Effect, env effectEnv) effect {
	k, b := &stylize.Toonify{}, bind(e, env)
	b.number(0, "colors", 12, &k.Colors)
	b.number(1, "sat_levels", 4, &k.SatLevels)
	b.number(2, "bri_levels", 4, &k.BriLevels)
	b.number(3, "edge_thres", 20, &k.Edge)
	b.number(4, "edge_thres2", 5, &k.Edge2)
	return b.shader(k)
}

func newVignette(e *ove.Effect, env effectEnv) effect {
	k, b := &stylize.Vignette{}, bind(e, env)
	b.number(0, "lensRadiusX", 45, &k.Size)
	b.number(1, "lensRadiusY", 38, &k.Softness)
	b.flag(2, "circular", false, &k.Circular)
	b.number(3, "centerX", 0, &k.X)
	b.number(3, "centerY", 0, &k.Y)
	b.flag(4, "invert", false, &k.Invert)
	return b.shader(k)
}

func newLight(e *ove.Effect, env effectEnv) effect {
	k, b := &stylize.Light{}, bind(e, env)
	b.number(0, "amount", 100, &k.Amount)
	return b.shader(k)
}
