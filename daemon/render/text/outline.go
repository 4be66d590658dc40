package text

import (
	"math"

	"github.com/go-text/typesetting/font/opentype"

	"olive-distributed/daemon/render/raster/path"
	"olive-distributed/daemon/render/text/font"
	"olive-distributed/daemon/render/text/hint"
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
	fit := s.fit(g, outline.Segments)
	scale := float64(g.Size) * float64(pixel) / float64(max(g.Face.Units(), 1))
	at := func(a opentype.SegmentPoint) path.Point {
		px, py := float64(a.X), float64(a.Y)
		if g.Face.Slant {
			px += float64(py * slant)
		}
		if g.Hint { // FreeType rounds what it hints to 1/64 pixel
			return path.Point{
				X: x + math.Round(float64(px*scale))/float64(pixel),
				Y: y - math.Round(fit.Y(py))/float64(pixel),
			}
		}
		return path.Point{X: x + float64(px*scale)/float64(pixel), Y: y - float64(py*scale)/float64(pixel)}
	}
	var own path.Path
	var pen path.Point
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
			if c, to := at(seg.Args[0]), at(seg.Args[1]); g.Hint {
				dst.QuadTo(c, to)
			} else { // paths of Qt have cubic curves only
				dst.CubeTo(toward(pen, c), toward(to, c), to)
			}
		case opentype.SegmentOpCubeTo:
			dst.CubeTo(at(seg.Args[0]), at(seg.Args[1]), at(seg.Args[2]))
		}
		pen = at(seg.Args[len(seg.ArgsSlice())-1])
	}
	dst.Close()
	if g.Face.Embolden {
		p.Append(&own, path.Point{})
		p.Stroke(&own, float64(g.Size)*weight)
	}
}

// toward is two thirds of the way from one point to another.
func toward(from, to path.Point) path.Point {
	return path.Point{X: from.X + float64((to.X-from.X)*2/3), Y: from.Y + float64((to.Y-from.Y)*2/3)}
}

// fit is how the glyph's heights move to whole pixels.
func (s *Setter) fit(g *Glyph, segments []opentype.Segment) (f hint.Fit) {
	if !g.Hint {
		return f
	}
	m := s.hints[g.Face]
	if m == nil {
		m = s.measure(g.Face)
		s.hints[g.Face] = m
	}
	return m.Fit(contours(segments), g.Size)
}

// measure takes a font's heights from its letters.
func (s *Setter) measure(f *font.Face) *hint.Metrics {
	face := s.face(f)
	return hint.New(f.Units(), func(r rune) hint.Outline {
		id, ok := face.NominalGlyph(r)
		if !ok {
			return nil
		}
		outline, _ := face.GlyphDataOutline(id)
		return contours(outline.Segments)
	})
}

// contours are the points of an outline, those of closed contours once.
func contours(segments []opentype.Segment) hint.Outline {
	var out hint.Outline
	var c []hint.Point
	flush := func() {
		if n := len(c); n > 1 && c[0].X == c[n-1].X && c[0].Y == c[n-1].Y {
			c = c[:n-1]
		}
		if len(c) > 0 {
			out = append(out, c)
		}
		c = nil
	}
	for i := range segments {
		seg := &segments[i]
		if seg.Op == opentype.SegmentOpMoveTo {
			flush()
		}
		args := seg.ArgsSlice()
		for j, a := range args {
			c = append(c, hint.Point{X: float64(a.X), Y: float64(a.Y), On: j == len(args)-1})
		}
	}
	flush()
	return out
}
