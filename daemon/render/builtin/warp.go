package builtin

import (
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/shader/distort"
)

// warpEffects are the shaders of Olive's "Distort" category (effects notes 4).
var warpEffects = map[string]builder{
	"Distort/Bulge":   newBulge,
	"Distort/Crop":    newCrop,
	"Distort/Fisheye": newFisheye,
	"Distort/Flip":    newFlip,
	"Distort/Ripple":  newRipple,
	"Distort/Sphere":  newSphere,
	"Distort/Swirl":   newSwirl,
	"Distort/Tile":    newTile,
	"Distort/Wave":    newWave,
}

func newBulge(e *ove.Effect, env effectEnv) effect {
	k, b := &distort.Bulge{}, bind(e, env)
	b.number(0, "amount", 100, &k.Amount)
	b.number(1, "xoff", 0, &k.X)
	b.number(1, "yoff", 0, &k.Y)
	return b.shader(k)
}

func newCrop(e *ove.Effect, env effectEnv) effect {
	k, b := &distort.Crop{}, bind(e, env)
	b.number(0, "left", 0, &k.Left)
	b.number(1, "top", 0, &k.Top)
	b.number(2, "right", 0, &k.Right)
	b.number(3, "bottom", 0, &k.Bottom)
	b.number(4, "feather", 0, &k.Feather)
	b.flag(5, "invert", false, &k.Invert)
	return b.shader(k)
}

func newFisheye(e *ove.Effect, env effectEnv) effect {
	k, b := &distort.Fisheye{}, bind(e, env)
	b.number(0, "size", 100, &k.Size)
	return b.shader(k)
}

func newFlip(e *ove.Effect, env effectEnv) effect {
	k, b := &distort.Flip{}, bind(e, env)
	b.flag(0, "horiz", true, &k.Horizontal)
	b.flag(1, "vert", false, &k.Vertical)
	return b.shader(k)
}

func newRipple(e *ove.Effect, env effectEnv) effect {
	k, b := &distort.Ripple{}, bind(e, env)
	b.number(0, "speed", 100, &k.Speed)
	b.number(1, "intensity", 100, &k.Intensity)
	b.number(2, "frequency", 100, &k.Frequency)
	b.flag(3, "reverse", false, &k.Reverse)
	b.flag(4, "stretch", false, &k.Stretch)
	b.number(5, "xoff", 0, &k.X)
	b.number(5, "yoff", 0, &k.Y)
	b.clock = &k.Time
	return b.shader(k)
}

func newSphere(e *ove.Effect, env effectEnv) effect {
	k, b := &distort.Sphere{}, bind(e, env)
	b.number(0, "xoff", 0, &k.X)
	b.number(0, "yoff", 0, &k.Y)
	b.number(1, "scale", 75, &k.Scale)
	b.flag(2, "tile", true, &k.Tile)
	b.flag(3, "hide_edges", false, &k.HideEdges)
	b.flag(4, "stretch", true, &k.Stretched)
	return b.shader(k)
}

func newSwirl(e *ove.Effect, env effectEnv) effect {
	k, b := &distort.Swirl{}, bind(e, env)
	b.number(0, "radius", 200, &k.Radius)
	b.number(1, "angle", 10, &k.Angle)
	b.number(2, "center_x", 0, &k.X)
	b.number(2, "center_y", 0, &k.Y)
	return b.shader(k)
}

func newTile(e *ove.Effect, env effectEnv) effect {
	k, b := &distort.Tile{}, bind(e, env)
	b.number(0, "scale", 50, &k.Scale)
	b.number(1, "centerx", 0, &k.X)
	b.number(1, "centery", 0, &k.Y)
	b.flag(2, "mirrorx", false, &k.MirrorX)
	b.flag(3, "mirrory", false, &k.MirrorY)
	return b.shader(k)
}

func newWave(e *ove.Effect, env effectEnv) effect {
	k, b := &distort.Wave{}, bind(e, env)
	b.number(0, "frequency", 10, &k.Frequency)
	b.number(1, "intensity", 10, &k.Intensity)
	b.number(2, "evolution", 0, &k.Evolution)
	b.flag(3, "vertical", false, &k.Vertical)
	return b.shader(k)
}
