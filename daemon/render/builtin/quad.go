package builtin

import (
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader/distort"
	"olive-distributed/daemon/render/trig"
)

// cornerPin moves the corners of a layer, and warps its picture accordingly (effects notes 8.2).
type cornerPin struct {
	binding
	offsets [4]struct{ x, y ove.Curve } // in the order of a quad's corners
	kernel  distort.CornerPin
	shaken  bool // a shake before it changes the quad's size by a pixel now and then
}

func newCornerPin(e *ove.Effect, env effectEnv) effect {
	p := &cornerPin{binding: *bind(e, env)}
	for row, c := range [4]struct {
		corner int
		id     string
	}{{0, "topleft"}, {1, "topright"}, {3, "bottomleft"}, {2, "bottomright"}} {
		p.offsets[c.corner].x = e.Curve(row, c.id+"x", 0)
		p.offsets[c.corner].y = e.Curve(row, c.id+"y", 0)
	}
	p.flag(4, "perspective", true, &p.kernel.Perspective)
	p.shader(&p.kernel)
	for _, before := range env.layer.effects {
		if _, ok := before.shape.(*shake); ok {
			p.shaken = true
		}
	}
	return effect{shape: p, pass: p}
}

func (p *cornerPin) shape(s *shape, now moment) {
	f := float64(now.frame)
	for i := range s.quad {
		s.quad[i].X = moved(s.quad[i].X, p.offsets[i].x.At(f))
		s.quad[i].Y = moved(s.quad[i].Y, p.offsets[i].y.At(f))
	}
}

// moved adds to a coordinate of a corner. Corners are whole numbers: fractions are cut off.
func moved(at int, by float64) int {
	const limit = 1 << 30
	if by != by {
		return at
	}
	return int(min(max(float64(at)+by, -limit), limit))
}

func (p *cornerPin) run(in, out *raster.Texture, now moment, s *shape) {
	for i, to := range [4]*[2]float64{&p.kernel.TopLeft, &p.kernel.TopRight, &p.kernel.BottomRight, &p.kernel.BottomLeft} {
		*to = [2]float64{float64(s.quad[i].X), float64(s.quad[i].Y)}
	}
	p.binding.run(in, out, now, s)
}

// constant implements pass. Anchors move all corners alike, which the picture does not show.
func (p *cornerPin) constant() bool {
	for i := range p.offsets {
		if !p.offsets[i].x.Constant() || !p.offsets[i].y.Constant() {
			return false
		}
	}
	return !p.shaken && p.binding.constant()
}

// shake moves and turns a layer at random (effects notes 8.3). Olive draws the numbers anew each
// time it loads a project; here they follow from the clip and the place of the effect in it, so
// that all workers shake alike.
type shake struct {
	intensity, rotation, frequency ove.Curve
	random                         [30]float64 // -1 to 1
}

func newShake(e *ove.Effect, env effectEnv) effect {
	k := &shake{
		intensity: e.Curve(0, "intensity", 25),
		rotation:  e.Curve(1, "rotation", 10),
		frequency: e.Curve(2, "frequency", 5),
	}
	seed := splitMix(uint64(env.layer.clip.ID)<<32 ^ uint64(env.index))
	for i := range k.random {
		k.random[i] = float64(seed.next()>>11)/(1<<52) - 1
	}
	return effect{shape: k}
}

func (k *shake) shape(s *shape, now moment) {
	f := float64(now.frame)
	tau := now.seconds * k.frequency.At(f)
	var sum [3]float64 // x, y, angle
	for i := 0; i < len(k.random); i += 2 {
		sin, _ := trig.Sincos((tau + k.random[i]) * k.random[i+1])
		sum[i/2%3] += sin
	}
	strength := k.intensity.At(f) / 5
	for i := range s.quad {
		s.quad[i].X = moved(s.quad[i].X, float64(sum[0]*strength))
		s.quad[i].Y = moved(s.quad[i].Y, float64(sum[1]*strength))
	}
	s.matrix = s.matrix.Mul(raster.Rotate(sum[2] * k.rotation.At(f) / 50))
}

// splitMix is the generator SplitMix64 (Steele, Lea, Flood 2014): the state is the seed.
type splitMix uint64

func (s *splitMix) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
