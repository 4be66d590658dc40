package builtin

import (
	"image"
	"image/color"
	"math"

	"github.com/go-text/typesetting/font"

	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/raster/path"
	"olive-distributed/daemon/render/text"
	face "olive-distributed/daemon/render/text/font"
)

// ink paints outlines and glyphs. One goroutine at a time may use it.
type ink struct {
	setter *text.Setter
	path   path.Path
	mask   path.Mask
	stamps map[stampKey]*path.Mask
	size   int // bytes in stamps
	box    image.Rectangle
}

// A stampKey is all that a glyph's coverage depends on.
type stampKey struct {
	face *face.Face
	id   font.GID
	size int
	x, y uint8 // of the pen within its pixel, in 1/64
	hint bool
}

func newInk() *ink { return &ink{setter: text.NewSetter(), stamps: map[stampKey]*path.Mask{}} }

// begin forgets what has been touched.
func (k *ink) begin() { k.box = image.Rectangle{} }

// bandPixels bounds the coverage that is worked out at once.
const bandPixels = 1 << 22

// fill paints a path moved by (dx, dy).
func (k *ink) fill(dst *raster.Image, p *path.Path, dx, dy float64, c uint32) {
	step := max(bandPixels/max(dst.W, 1), 16)
	for y := 0; y < dst.H; y += step {
		k.mask.Fill(p, dx, dy, image.Rect(0, y, dst.W, min(y+step, dst.H)))
		k.stamp(dst, &k.mask, 0, 0, c)
	}
}

// stamp paints a mask moved by (dx, dy).
func (k *ink) stamp(dst *raster.Image, m *path.Mask, dx, dy int, c uint32) {
	r := image.Rect(m.X, m.Y, m.X+m.W, m.Y+m.H).Add(image.Pt(dx, dy))
	in := r.Intersect(image.Rect(0, 0, dst.W, dst.H))
	for y := in.Min.Y; y < in.Max.Y; y++ {
		at := (y-r.Min.Y)*m.W - r.Min.X
		dst.Cover(in.Min.X, y, m.Pix[at+in.Min.X:at+in.Max.X], c)
	}
	k.box = k.box.Union(in)
}

// outlines collects the shapes of glyphs as one path. Those that are far outside a picture of
// w x h, by more than margin, are left out.
func (k *ink) outlines(p *path.Path, glyphs []text.Glyph, w, h int, margin float64) {
	for i := range glyphs {
		if g := &glyphs[i]; near(g, 0, 0, w, h, margin) {
			k.setter.Outline(p, g, g.X, g.Y)
		}
	}
}

// near reports whether a glyph, moved by (dx, dy), may touch a picture of w x h or the margin
// around it. No glyph reaches farther from its pen than four times its size.
func near(g *text.Glyph, dx, dy float64, w, h int, margin float64) bool {
	far := margin + 4*float64(g.Size)
	x, y := g.X+dx, g.Y+dy
	return x > -far && y > -far && x < float64(w)+far && y < float64(h)+far
}

// glyph paints one glyph moved by whole pixels. Qt draws small letters from pictures in which the
// pen stands on quarters of a pixel, cut off.
func (k *ink) glyph(dst *raster.Image, g *text.Glyph, dx, dy int) {
	if !near(g, float64(dx), float64(dy), dst.W, dst.H, 0) {
		return
	}
	x, y := g.X, g.Y
	if g.Size < text.PathSize {
		x, y = math.Floor(x*4)/4, math.Floor(y+.5)
	}
	c := straight(g.Color)
	px, py := int(math.Floor(x)), int(math.Floor(y))
	key := stampKey{face: g.Face, id: g.ID, size: g.Size, hint: g.Hint, x: uint8((x - float64(px)) * 64), y: uint8((y - float64(py)) * 64)}
	fx, fy := float64(key.x)/64, float64(key.y)/64
	if g.Size > 512 { // too large to keep
		k.path.Reset()
		k.setter.Outline(&k.path, g, fx, fy)
		k.fill(dst, &k.path, float64(px+dx), float64(py+dy), c)
		return
	}
	m := k.stamps[key]
	if m == nil {
		m = k.newStamp(key, g, fx, fy)
	}
	k.stamp(dst, m, px+dx, py+dy, c)
}

// maxStamps is the memory, in bytes, that glyphs are kept in.
const maxStamps = 16 << 20

func (k *ink) newStamp(key stampKey, g *text.Glyph, fx, fy float64) *path.Mask {
	k.path.Reset()
	k.setter.Outline(&k.path, g, fx, fy)
	const far = 4096
	m := &path.Mask{}
	m.Fill(&k.path, 0, 0, image.Rect(-far, -far, far, far))
	m.Settle()
	if k.size += len(m.Pix) + 256; k.size > maxStamps {
		clear(k.stamps)
		k.size = len(m.Pix) + 256
	}
	k.stamps[key] = m
	return m
}

// page paints a page moved by whole pixels.
func (k *ink) page(dst *raster.Image, p *text.Page, dx, dy int) {
	for i := range p.Under {
		k.rect(dst, &p.Under[i], dx, dy)
	}
	for i := range p.Glyphs {
		k.glyph(dst, &p.Glyphs[i], dx, dy)
	}
	for i := range p.Dots {
		k.dot(dst, &p.Dots[i], dx, dy)
	}
	for i := range p.Over {
		k.rect(dst, &p.Over[i], dx, dy)
	}
}

func (k *ink) rect(dst *raster.Image, b *text.Box, dx, dy int) {
	k.path.Reset()
	k.path.Rect(b.X0, b.Y0, b.X1, b.Y1)
	k.fill(dst, &k.path, float64(dx), float64(dy), straight(b.Color))
}

func (k *ink) dot(dst *raster.Image, d *text.Dot, dx, dy int) {
	var p path.Path
	p.Circle(path.Point{X: d.X, Y: d.Y}, d.Radius)
	if d.Hollow {
		k.path.Reset()
		k.path.Stroke(&p, 1)
		p = k.path
	}
	k.fill(dst, &p, float64(dx), float64(dy), straight(d.Color))
}

// straight packs a straight colour.
func straight(c color.NRGBA) uint32 { return raster.Color(c.R, c.G, c.B, c.A) }
