package builtin

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"maps"
	"math"
	"slices"
	"strings"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/text"
	"olive-distributed/daemon/render/text/font"
	"olive-distributed/daemon/render/text/html"
)

// richTitle paints a document: Olive's "Rich Text" (effects notes 9.3).
type richTitle struct {
	text, upright, scroll ove.Steps
	padding, posX, posY   ove.Curve
	shadow                shadowFields
	layer                 *layer
	finder                *font.Finder
	rate                  float64 // of the medium, which measures scrolling
	fonts                 text.Fonts
	ink                   *ink
	overlay               overlay[richLook]

	page      *text.Page
	pageText  string
	pageWidth int
}

// Values of autoscroll.
const (
	scrollOff = iota
	scrollUp
	scrollDown
	scrollLeft
	scrollRight
)

// richMiddle is Olive's number for the middle, here both of Qt's flags.
const richMiddle = text.VCenter | text.HCenter

// A richLook is one appearance of a document.
type richLook struct {
	text   string
	width  int // of the document
	x, y   int // of its corner
	shadow shadow
}

func newRichTitle(e *ove.Effect, env effectEnv) effect {
	return effect{pass: &richTitle{
		text: richText(e), padding: e.Curve(1, "padding", 0),
		posX: e.Curve(2, "posx", 0), posY: e.Curve(2, "posy", 0),
		upright: e.Steps(3, "valign", "132"), scroll: e.Steps(4, "autoscroll", "0"),
		shadow: newShadowFields(e, 5, [4]float64{}),
		layer:  env.layer, finder: env.layer.stage.scene.fonts, ink: newInk(),
	}}
}

func richText(e *ove.Effect) ove.Steps { return e.Steps(0, "text", sampleDocument) }

// sampleDocument is what Olive puts in a new effect.
const sampleDocument = `<html><body style="color: #ffffff; font-size: 36pt;"><center>Sample Text</center></body></html>`

// open loads the fonts for every document that the effect shows.
func (t *richTitle) open(ctx context.Context) (err error) {
	t.rate, err = t.layer.rate(ctx)
	if err != nil {
		return err
	}
	t.fonts, err = openFonts(ctx, t.finder, t.needs())
	return err
}

func (t *richTitle) needs() map[font.Query]font.Runes {
	need := map[font.Query]font.Runes{}
	for s := range t.text.Values() {
		text.Needs(html.Parse(s), need)
	}
	return need
}

// asks are the fonts that the effect's text is set in.
func (t *richTitle) asks() []font.Query {
	list := slices.SortedFunc(maps.Keys(t.needs()), func(a, b font.Query) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), strings.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	})
	return slices.CompactFunc(list, func(a, b font.Query) bool { return a.Family == b.Family })
}

// maxFonts bounds the families of one effect; what is beyond is set in the default family.
const maxFonts = 256

func openFonts(ctx context.Context, finder *font.Finder, need map[font.Query]font.Runes) (text.Fonts, error) {
	fonts := text.Fonts{}
	for q, runes := range need {
		ask := q
		if len(fonts) >= maxFonts {
			ask.Family = ""
		}
		stack, err := finder.Open(ctx, ask, runes)
		if err != nil {
			return nil, err
		}
		fonts[q] = stack
	}
	return fonts, nil
}

func (t *richTitle) constant() bool {
	return t.text.Constant() && t.padding.Constant() && t.posX.Constant() && t.posY.Constant() && t.upright.Constant() &&
		t.scroll.Constant() && t.scroll.Int(0) == scrollOff && t.shadow.constant()
}

func (t *richTitle) run(in, out *raster.Texture, now moment, _ *shape) {
	look := t.look(now.frame, out.W, out.H)
	t.overlay.run(t.layer, in, out, look, func(m *raster.Image) image.Rectangle {
		t.ink.begin()
		if s := &look.shadow; s.on {
			t.ink.page(m, t.page, look.x+s.dx, look.y+s.dy)
			t.ink.box = m.BlurAlpha(t.ink.box, s.soft)
			m.Tint(t.ink.box, straight(s.color))
		}
		t.ink.page(m, t.page, look.x, look.y)
		return t.ink.box
	})
}

// look lays the document out, if it is another than before, and finds its place.
func (t *richTitle) look(frame ove.Frame, w, h int) richLook {
	f := float64(frame)
	padding := whole(math.Round(t.padding.At(f)))
	l := richLook{text: t.text.At(f), width: w - 2*padding, shadow: t.shadow.at(f)}
	if t.page == nil || t.pageText != l.text || t.pageWidth != l.width {
		t.page = t.ink.setter.Rich(html.Parse(l.text), t.fonts, l.width)
		t.pageText, t.pageWidth = l.text, l.width
	}
	l.x, l.y = whole(math.Round(t.posX.At(f)+float64(padding))), whole(math.Round(t.posY.At(f)+float64(padding)))
	room := h - 2*padding
	switch scroll := t.scroll.Int(f); scroll {
	case scrollUp, scrollDown:
		l.y += travel(t.progress(frame), scroll == scrollUp, t.page.Height, h)
		return l
	case scrollLeft, scrollRight:
		l.x += travel(t.progress(frame), scroll == scrollLeft, t.page.Width, w)
	}
	switch text.Edge(t.upright.Int(f)) {
	case richMiddle:
		l.y += room/2 - t.page.Height/2
	case text.Bottom:
		l.y += room - t.page.Height
	}
	return l
}

// progress is how much of the clip has passed. Olive counts the clip's frames at the
// sequence's rate, and its length at the medium's.
func (t *richTitle) progress(frame ove.Frame) float64 {
	c := t.layer.clip
	seconds := float64(frame) / c.Parent.FPS
	return (seconds - float64(c.ClipIn)/t.rate) / (float64(c.Out-c.In) / t.rate)
}

// travel is where a document that moves through the picture is: from before its edge to behind
// the other one, or back.
func travel(progress float64, back bool, document, picture int) int {
	if back {
		progress = 1 - progress
	}
	return whole(math.Round(float64(-document) + float64(progress*float64(picture+document))))
}
