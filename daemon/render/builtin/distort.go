package builtin

import (
	"math"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/raster"
)

var distortEffects = map[string]builder{
	"Distort/Corner Pin": newCornerPin,
	"Distort/Shake":      newShake,
	"Distort/Transform":  newTransform,
}

// transform places, scales, turns and fades a layer (effects notes 8.1).
type transform struct {
	posX, posY, scaleX, scaleY, rotation, anchorX, anchorY, opacity ove.Curve
	uniform                                                         ove.Steps
	midX, midY                                                      float64 // of the sequence, whole numbers
}

func newTransform(e *ove.Effect, env effectEnv) effect {
	seq := env.layer.stage.seq
	x, y := float64(seq.Width/2), float64(seq.Height/2)
	return effect{shape: &transform{
		posX: e.Curve(0, "posx", x), posY: e.Curve(0, "posy", y),
		scaleX: e.Curve(1, "scalex", 100), scaleY: e.Curve(1, "scaley", 100),
		uniform:  e.Steps(2, "uniformscale", "1"),
		rotation: e.Curve(3, "rotation", 0),
		anchorX:  e.Curve(4, "anchorx", 0), anchorY: e.Curve(4, "anchory", 0),
		opacity: e.Curve(5, "opacity", 100),
		midX:    x, midY: y,
	}}
}

func (t *transform) shape(s *shape, now moment) {
	f := float64(now.frame)
	ax, ay := int(math.Round(t.anchorX.At(f))), int(math.Round(t.anchorY.At(f)))
	for i := range s.quad {
		s.quad[i].X -= ax
		s.quad[i].Y -= ay
	}
	sx := t.scaleX.At(f) / 100
	sy := sx
	if !t.uniform.Bool(f) {
		sy = t.scaleY.At(f) / 100
	}
	s.matrix = s.matrix.
		Mul(raster.Translate(t.posX.At(f)-t.midX, t.posY.At(f)-t.midY)).
		Mul(raster.Rotate(t.rotation.At(f))).
		Mul(raster.Scale(sx, sy))
	s.opacity *= t.opacity.At(f) / 100
}
