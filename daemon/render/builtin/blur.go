package builtin

import (
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/shader/blur"
)

// blurEffects are Olive's "Blur" category (effects notes 3).
var blurEffects = map[string]builder{
	"Blur/Box Blur":         newBoxBlur,
	"Blur/Directional Blur": newDirectionalBlur,
	"Blur/Gaussian Blur":    newGaussianBlur,
	"Blur/Radial Blur":      newRadialBlur,
}

func newBoxBlur(e *ove.Effect, env effectEnv) effect {
	k, b := &blur.Box{}, bind(e, env)
	b.number(0, "radius", 10, &k.Radius)
	b.flag(1, "horiz_blur", true, &k.Horizontal)
	b.flag(2, "vert_blur", true, &k.Vertical)
	return b.shader(k)
}

func newDirectionalBlur(e *ove.Effect, env effectEnv) effect {
	k, b := &blur.Directional{}, bind(e, env)
	b.number(0, "length", 10, &k.Length)
	b.number(1, "angle", 0, &k.Angle)
	return b.shader(k)
}

func newGaussianBlur(e *ove.Effect, env effectEnv) effect {
	k, b := &blur.Gaussian{}, bind(e, env)
	b.number(0, "sigma", 5.5, &k.Sigma)
	b.flag(1, "horiz_blur", true, &k.Horizontal)
	b.flag(2, "vert_blur", true, &k.Vertical)
	return b.shader(k)
}

func newRadialBlur(e *ove.Effect, env effectEnv) effect {
	k, b := &blur.Radial{}, bind(e, env)
	b.number(0, "radius", 100, &k.Radius)
	b.number(1, "center_x", 0, &k.X)
	b.number(1, "center_y", 0, &k.Y)
	return b.shader(k)
}
