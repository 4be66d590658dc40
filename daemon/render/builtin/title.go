package builtin

import (
	"context"
	"image"
	"image/color"
	"math"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/raster/path"
	"olive-distributed/daemon/render/text"
	"olive-distributed/daemon/render/text/font"
)

// title paints a text of one style: Olive's "Text" (effects notes 9.2).
type title struct {
	text, font, across, upright, wrap ove.Steps
	size, padding, posX, posY         ove.Curve
	color                             ove.ColorCurve
	outline                           ove.Steps
	outlineColor                      ove.ColorCurve
	outlineWidth                      ove.Curve
	shadow                            shadowFields
	layer                             *layer
	finder                            *font.Finder
	stacks                            map[string]*font.Stack // by family
	ink                               *ink
	overlay                           overlay[titleLook]
}

// A titleLook is one appearance of a title.
type titleLook struct {
	text, family    string
	size            int // pixels, 0: nothing is shown
	color           color.NRGBA
	across, upright text.Edge
	wrap            bool
	padding         int
	x, y            float64
	outline         float64 // width, 0: none
	outlineColor    color.NRGBA
	shadow          shadow
}

func newTitle(e *ove.Effect, env effectEnv) effect {
	white, black := color.NRGBA{255, 255, 255, 255}, color.NRGBA{A: 255}
	return effect{pass: &title{
		text: e.Steps(0, "text", "Sample Text"), font: titleFont(e),
		size: e.Curve(2, "size", 48), color: e.ColorCurve(3, "color", white),
		across: e.Steps(4, "halign", "4"), upright: e.Steps(4, "valign", "128"),
		wrap: e.Steps(5, "wordwrap", "1"), padding: e.Curve(6, "padding", 0),
		posX: e.Curve(7, "posx", 0), posY: e.Curve(7, "posy", 0),
		outline: e.Steps(8, "outline", "0"), outlineColor: e.ColorCurve(9, "outlinecolor", black),
		outlineWidth: e.Curve(10, "outlinewidth", 20),
		shadow:       newShadowFields(e, 11, [4]float64{45, 5, 5, 80}),
		layer:        env.layer, finder: env.layer.stage.scene.fonts, ink: newInk(),
	}}
}

func titleFont(e *ove.Effect) ove.Steps { return e.Steps(1, "font", "") }

// maxFamilies bounds the fonts of one effect; what is beyond is set in the default family.
const maxFamilies = 64

// fontFamilies are the fonts that the effect asks for on some frame.
func fontFamilies(fields ove.Steps) []string {
	list := []string{""}
	seen := map[string]bool{"": true}
	for f := range fields.Values() {
		if !seen[f] && len(list) < maxFamilies {
			seen[f] = true
			list = append(list, f)
		}
	}
	return list
}

// open loads the fonts for every text that the effect shows.
func (t *title) open(ctx context.Context) error {
	runes := font.Runes{}
	for s := range t.text.Values() {
		runes.Add(s)
	}
	t.stacks = map[string]*font.Stack{}
	for _, family := range fontFamilies(t.font) {
		stack, err := t.finder.Open(ctx, font.Query{Family: family}, runes)
		if err != nil {
			return err
		}
		t.stacks[family] = stack
	}
	return nil
}

// asks are the fonts that the effect's text is set in.
func (t *title) asks() []font.Query {
	var list []font.Query
	for _, family := range fontFamilies(t.font)[1:] {
		list = append(list, font.Query{Family: family})
	}
	return list
}

func (t *title) constant() bool {
	return t.text.Constant() && t.font.Constant() && t.across.Constant() && t.upright.Constant() && t.wrap.Constant() &&
		t.size.Constant() && t.padding.Constant() && t.posX.Constant() && t.posY.Constant() && t.color.Constant() &&
		t.outline.Constant() && t.outlineColor.Constant() && t.outlineWidth.Constant() && t.shadow.constant()
}

func (t *title) look(f float64) titleLook {
	l := titleLook{
		text: t.text.At(f), family: t.font.At(f), size: pixelSize(t.size.At(f)), color: t.color.At(f),
		across: text.Edge(t.across.Int(f)), upright: text.Edge(t.upright.Int(f)), wrap: t.wrap.Bool(f),
		padding: whole(math.Round(t.padding.At(f))), x: bounded(t.posX.At(f)), y: bounded(t.posY.At(f)),
		shadow: t.shadow.at(f),
	}
	if t.outline.Bool(f) {
		l.outline, l.outlineColor = math.Ceil(bounded(t.outlineWidth.At(f))), t.outlineColor.At(f)
	}
	return l
}

// pixelSize turns points into the whole pixels of a screen of 96 dots per inch.
func pixelSize(points float64) int {
	if !(points > 0) {
		return 0
	}
	return min(max(whole(math.Round(math.Round(points)*96/72)), 1), text.MaxSize)
}

// farthest is how far from the picture things are moved, and how large they are made.
const farthest = 1 << 18

// bounded keeps a field's number within what pictures need; what is no number is 0.
func bounded(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return min(max(v, -farthest), farthest)
}

func whole(v float64) int { return int(bounded(v)) }

func (t *title) run(in, out *raster.Texture, now moment, _ *shape) {
	look := t.look(float64(now.frame))
	t.overlay.run(t.layer, in, out, look, func(m *raster.Image) image.Rectangle {
		t.ink.begin()
		t.paint(m, &look)
		return t.ink.box
	})
}

func (t *title) paint(m *raster.Image, l *titleLook) {
	if l.size == 0 {
		return
	}
	stack := t.stacks[l.family]
	if stack == nil {
		stack = t.stacks[""]
	}
	glyphs := t.ink.setter.Plain(text.Plain{
		Text: l.text, Fonts: stack, Size: l.size, Across: l.across, Upright: l.upright, Wrap: l.wrap,
		Width: m.W - 2*l.padding, Height: m.H - 2*l.padding,
	})
	x, y := l.x+float64(l.padding), l.y+float64(l.padding)
	for i := range glyphs {
		glyphs[i].X += x
		glyphs[i].Y += y
	}
	var p path.Path
	margin := l.outline + math.Abs(float64(l.shadow.dx)) + math.Abs(float64(l.shadow.dy))
	t.ink.outlines(&p, glyphs, m.W, m.H, margin)
	if s := &l.shadow; s.on {
		t.ink.fill(m, &p, float64(s.dx), float64(s.dy), s.paint)
		t.ink.box = m.BlurAlpha(t.ink.box, s.soft)
	}
	if l.outline > 0 {
		var pen path.Path
		pen.Stroke(&p, l.outline)
		t.ink.fill(m, &pen, 0, 0, straight(l.outlineColor))
	}
	t.ink.fill(m, &p, 0, 0, straight(l.color))
}
