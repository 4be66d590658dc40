package builtin

import (
	"image/color"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader"
)

// A binding connects the fields of a shader effect to the parameters of its kernel, and is the
// pass that runs it. Values are used as they stand in the project: Olive's limits bind only its
// controls (effects notes 1.2).
type binding struct {
	effect  *ove.Effect
	env     effectEnv
	kernel  shader.Kernel
	numbers []number
	flags   []flag
	choices []choice
	colors  []colored
	clock   *float32 // seconds of the clip
}

type number struct {
	curve ove.Curve
	to    *float32
}

type flag struct {
	steps ove.Steps
	to    *bool
}

type choice struct {
	steps ove.Steps
	to    *int
}

type colored struct {
	curve ove.ColorCurve
	to    *[3]float32
}

func bind(e *ove.Effect, env effectEnv) *binding { return &binding{effect: e, env: env} }

func (b *binding) number(row int, id string, def float64, to *float32) {
	b.numbers = append(b.numbers, number{b.effect.Curve(row, id, def), to})
}

func (b *binding) flag(row int, id string, def bool, to *bool) {
	text := map[bool]string{false: "0", true: "1"}[def]
	b.flags = append(b.flags, flag{b.effect.Steps(row, id, text), to})
}

func (b *binding) choice(row int, id, def string, to *int) {
	b.choices = append(b.choices, choice{b.effect.Steps(row, id, def), to})
}

func (b *binding) color(row int, id string, def color.NRGBA, to *[3]float32) {
	b.colors = append(b.colors, colored{b.effect.ColorCurve(row, id, def), to})
}

// shader completes the effect.
func (b *binding) shader(k shader.Kernel) effect {
	b.kernel = k
	return effect{pass: b}
}

// set gives the kernel its parameters.
func (b *binding) set(now moment) {
	f := float64(now.frame)
	for i := range b.numbers {
		*b.numbers[i].to = float32(b.numbers[i].curve.At(f))
	}
	for i := range b.flags {
		*b.flags[i].to = b.flags[i].steps.Bool(f)
	}
	for i := range b.choices {
		*b.choices[i].to = b.choices[i].steps.Int(f)
	}
	for i := range b.colors {
		c := b.colors[i].curve.At(f)
		*b.colors[i].to = [3]float32{float32(c.R) / 255, float32(c.G) / 255, float32(c.B) / 255}
	}
	if b.clock != nil {
		*b.clock = float32(now.seconds)
	}
}

func (b *binding) run(in, out *raster.Texture, now moment, _ *shape) {
	b.set(now)
	b.env.layer.stage.scene.runner.Run(b.kernel, out, in)
}

func (b *binding) constant() bool {
	for i := range b.numbers {
		if !b.numbers[i].curve.Constant() {
			return false
		}
	}
	for i := range b.flags {
		if !b.flags[i].steps.Constant() {
			return false
		}
	}
	for i := range b.choices {
		if !b.choices[i].steps.Constant() {
			return false
		}
	}
	for i := range b.colors {
		if !b.colors[i].curve.Constant() {
			return false
		}
	}
	return b.clock == nil
}
