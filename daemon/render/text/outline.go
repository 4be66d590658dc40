package text

import (
	"math"

	"github.com/go-text/typesetting/font/opentype"

	"olive-distributed/daemon/render/raster/path"
)

// slant is how far the synthetic italic leans, weight how much of a size the synthetic bold
// adds to strokes (FreeType's values).
const (
	slant  = .2
	weight = 1. / 24
)

// Outline adds a glyph's shape to p, moved so that its pen is at (x, y). Like FreeType it rounds
// the shape's points to 1/64 pixel. A glyph that is no outline adds nothing.
func (s *Setter) Outline(p *path.Path, g *Glyph, x, y float64) {
	outline, ok := s.face(g.Face).GlyphDataOutline(g.ID)
	if !ok {
		return
	}
	scale := float64(g.Size) * float64(pixel) / float64(max(g.Face.Units(), 1))
	at := func(a opentype.SegmentPoint) path.Point {
		px, py := float64(a.X), float64(a.Y)
		if g.Face.Slant {
			px += float64(py * slant)
		}
		return path.Point{
			X: x + math.Round(float64(px*scale))/float64(pixel),
			Y: y - math.Round(float64(py*scale))/float64(pixel),
		}
	}
	var own path.Path
	dst := p
	if g.Face.Embolden {
		dst = &own
	}
	for i := range outline.Segments {
		seg := &outline.Segments[i]
		switch seg.Op {
		case opentype.SegmentOpMoveTo:
			dst.MoveTo(at(seg.Args[0]))
		case opentype.SegmentOpLineTo:
			dst.LineTo(at(seg.Args[0]))
		case opentype.SegmentOpQuadTo:
			dst.QuadTo(at(seg.Args[0]), at(seg.Args[1]))
		case opentype.SegmentOpCubeTo:
			dst.CubeTo(at(seg.Args[0]), at(seg.Args[1]), at(seg.Args[2]))
		}
	}
	dst.Close()
	if g.Face.Embolden {
		p.Append(&own, path.Point{})
		p.Stroke(&own, float64(g.Size)*weight)
	}
}
