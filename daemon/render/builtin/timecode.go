package builtin

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"math"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/raster/path"
	"olive-distributed/daemon/render/text"
	"olive-distributed/daemon/render/text/font"
)

// timecode paints the time of the sequence or of the medium (effects notes 9.4).
type timecode struct {
	of, prepend      ove.Steps
	scale, opacity   ove.Curve
	offsetX, offsetY ove.Curve
	color, back      ove.ColorCurve
	layer            *layer
	finder           *font.Finder
	rate             float64 // of the medium
	stack            *font.Stack
	ink              *ink
	overlay          overlay[timecodeLook]
}

type timecodeLook struct {
	text        string
	size        int
	color, back color.NRGBA
	dx, dy      int
}

func newTimecode(e *ove.Effect, env effectEnv) effect {
	white, black := color.NRGBA{255, 255, 255, 255}, color.NRGBA{A: 255}
	return effect{pass: &timecode{
		of: e.Steps(0, "tc_selector", "true"), scale: e.Curve(1, "scale", 100),
		color: e.ColorCurve(2, "color", white), back: e.ColorCurve(3, "bgcolor", black), opacity: e.Curve(4, "bgalpha", 50),
		offsetX: e.Curve(5, "offsetx", 0), offsetY: e.Curve(5, "offsety", 0), prepend: e.Steps(6, "prepend", ""),
		layer: env.layer, finder: env.layer.stage.scene.fonts, ink: newInk(),
	}}
}

// timecodeFamily is what Olive asks for, whatever is installed.
const timecodeFamily = "Helvetica"

func (t *timecode) open(ctx context.Context) (err error) {
	if t.rate, err = t.layer.rate(ctx); err != nil {
		return err
	}
	runes := font.Runes{}
	runes.Add("0123456789:;- ")
	for s := range t.prepend.Values() {
		runes.Add(s)
	}
	t.stack, err = t.finder.Open(ctx, font.Query{Family: timecodeFamily}, runes)
	return err
}

func (t *timecode) constant() bool { return false }

func (t *timecode) run(in, out *raster.Texture, now moment, _ *shape) {
	f := float64(now.frame)
	look := timecodeLook{
		text: t.prepend.At(f) + t.clock(now), color: t.color.At(f), back: t.back.At(f),
		size: min(whole(math.Ceil(t.scale.At(f)*.01*float64(out.H/10))), text.MaxSize),
		dx:   whole(t.offsetX.At(f)), dy: whole(t.offsetY.At(f)),
	}
	look.back.A = uint8(min(max(math.Ceil(t.opacity.At(f)*2.55), 0), 255))
	t.overlay.run(t.layer, in, out, look, func(m *raster.Image) image.Rectangle {
		t.ink.begin()
		t.paint(m, &look)
		return t.ink.box
	})
}

func (t *timecode) paint(m *raster.Image, l *timecodeLook) {
	if l.size < 1 {
		return
	}
	line := t.ink.setter.Line(l.text, t.stack, l.size)
	x := m.W/2 - line.Width/2 + l.dx
	y := m.H - m.H/10 + l.dy
	box := image.Rect(x-line.Descent, y-line.Ascent, x+line.Width+line.Descent, y+line.Descent)
	m.OverRect(box.Min.X, box.Min.Y, box.Max.X, box.Max.Y, straight(l.back))
	t.ink.box = box.Intersect(image.Rect(0, 0, m.W, m.H))
	for i := range line.Glyphs {
		line.Glyphs[i].X += float64(x)
		line.Glyphs[i].Y += float64(y)
	}
	var p path.Path
	t.ink.outlines(&p, line.Glyphs, m.W, m.H, 0)
	t.ink.fill(m, &p, 0, 0, straight(l.color))
}

// clock is the time that is shown.
func (t *timecode) clock(now moment) string {
	switch of := t.of.At(float64(now.frame)); of {
	case "false", "0", "":
		seconds := float64(now.frame) / t.layer.clip.Parent.FPS
		return formatTimecode(ove.Frame(bounded(math.Round(seconds*t.rate))), t.rate)
	default:
		return formatTimecode(now.top, t.layer.stage.scene.Sequence.FPS)
	}
}

// formatTimecode writes a frame as Olive does by default: with frame numbers dropped at the
// rates that are 23.976, 29.97 or 59.94 to 1e-12, but not at 30000/1001.
func formatTimecode(frame ove.Frame, rate float64) string {
	colon := ":"
	for _, r := range [3]float64{23.976, 29.97, 59.94} {
		if math.Abs(rate-r) <= 1e-12*min(math.Abs(rate), r) {
			colon = ";"
			frame = dropped(frame, rate)
		}
	}
	base := max(ove.Frame(math.Round(bounded(rate))), 1)
	s := frame / base
	return fmt.Sprintf("%02d:%02d:%02d%s%02d", s/3600, s/60%60, s%60, colon, frame%base)
}

// dropped counts in the numbers that are left out at the start of every minute but each tenth.
func dropped(frame ove.Frame, rate float64) ove.Frame {
	drop := ove.Frame(math.Round(rate * .066666))
	ten := ove.Frame(math.Round(rate * 600))
	minute := ove.Frame(math.Round(rate))*60 - drop
	d, m := frame/ten, frame%ten
	frame += 9 * drop * d
	if m > drop {
		frame += drop * ((m - drop) / minute)
	}
	return frame
}

// rate is the frames per second of what the clip shows, by which Olive measures scrolling and
// the medium's time code.
func (l *layer) rate(ctx context.Context) (float64, error) {
	rate := l.clip.Parent.FPS
	switch c := l.clip; c.Kind {
	case ove.Nested:
		rate = c.Nested.FPS
	case ove.Media:
		path := ""
		if c.Footage != nil {
			path = l.stage.scene.Path(c.Footage)
		}
		if path == "" {
			break
		}
		medium, err := l.mediumRate(ctx, path)
		if err != nil {
			return 0, err
		}
		if medium > 0 {
			rate = medium
		}
		rate *= c.Footage.Speed
	case ove.Null:
	}
	if !(rate > 0) || math.IsInf(rate, 0) {
		rate = l.clip.Parent.FPS
	}
	return rate, nil
}

// mediumRate is 0 when the medium does not say.
func (l *layer) mediumRate(ctx context.Context, path string) (float64, error) {
	file, err := l.stage.scene.library.Probe(ctx, path)
	if err != nil {
		return 0, err
	}
	for _, s := range file.Streams {
		if s.Index == l.clip.Stream && s.Rate.Den != 0 {
			return s.Rate.Float64(), nil
		}
	}
	return 0, nil
}
