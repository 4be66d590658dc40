package builtin

import (
	"context"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/raster"
)

// An effect is one entry of a clip's list, compiled. It changes the layer's shape, its
// picture, or both; shape comes first.
type effect struct {
	shape shaper
	pass  pass
}

// A shaper changes where and how the layer is drawn.
type shaper interface {
	shape(s *shape, now moment)
}

// A pass makes a new picture from the one so far. in is nil when the clip has none; out has
// the layer's size and undefined pixels. It spreads its work over the scene's pool itself.
type pass interface {
	run(in, out *raster.Texture, now moment, s *shape)
	// constant says that the result only depends on in.
	constant() bool
}

// An opener is a pass that must get something from outside, such as fonts, before it can run.
type opener interface {
	open(ctx context.Context) error
}

// A moment is the time at which effects are evaluated.
type moment struct {
	frame   ove.Frame // of the clip
	seconds float64   // frame at the sequence's rate
	top     ove.Frame // playhead of the outermost sequence
}

// effectEnv is what an effect may know of its surroundings.
type effectEnv struct {
	layer *layer
	index int // of the effect in the clip
}

type builder func(e *ove.Effect, env effectEnv) effect

// families holds every effect by its name in the project. To add one, add it to the map of
// its family's file.
var families = []map[string]builder{blurEffects, distortEffects, warpEffects, colorEffects, keyingEffects, stylizeEffects, renderEffects}

func registry(name string) builder {
	for _, f := range families {
		if b := f[name]; b != nil {
			return b
		}
	}
	return nil
}

func known(name string) bool { return registry(name) != nil }
