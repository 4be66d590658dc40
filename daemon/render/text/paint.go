package text

import (
	"math"

	"golang.org/x/image/math/fixed"

	"olive-distributed/daemon/render/text/html"
)

// paint puts a line's glyphs and decorations in their place.
func (c *compositor) paint(g *setting, runs []run, x, top float64, m metrics, gap units) {
	pen := units(0)
	for i := range runs {
		r := &runs[i]
		st := g.styles[r.style.id]
		if gap > 0 {
			r.widen(g.p.text, gap)
		}
		from := x + pen.float()
		own := c.s.metrics(r.face, r.style.size)
		base := top + float64(m.ascent-raise(st.Script, own))
		n := len(c.Glyphs)
		c.Glyphs = r.place(c.Glyphs, from, base, st.Color)
		for j := range c.Glyphs[n:] {
			c.Glyphs[n+j].Hint = r.hint && r.style.size < PathSize
		}
		pen = r.move(pen)
		to := x + pen.float()
		if st.Background.A > 0 {
			c.Under = append(c.Under, Box{from, top, to, top + float64(m.height()), st.Background})
		}
		c.decorate(st, r, from, to, base)
	}
}

// widen stretches the spaces of a run.
func (r *run) widen(text []rune, gap units) {
	for i := range r.glyphs {
		if g := &r.glyphs[i]; text[g.TextIndex()] == ' ' {
			g.Advance += fixed.Int26_6(gap)
			r.advance += gap
		}
	}
}

// decorate draws lines under, over and through a run.
func (c *compositor) decorate(st *html.Style, r *run, x0, x1, base float64) {
	if !st.Underline && !st.Overline && !st.Strike {
		return
	}
	under, thick := c.s.stroke(r.style.stack.Main(), r.style.size)
	ascent := float64(c.s.metrics(r.style.stack.Main(), r.style.size).ascent)
	line := func(on bool, middle float64) {
		if on {
			y := math.Floor(middle - thick/2 + .5)
			c.Over = append(c.Over, Box{math.Floor(x0), y, math.Floor(x1), y + math.Floor(thick+.5), st.Color})
		}
	}
	line(st.Underline, base+under)
	line(st.Strike, base-ascent/3)
	line(st.Overline, base-ascent)
}
