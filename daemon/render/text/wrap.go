package text

import (
	"math"
	"unicode"

	otf "github.com/go-text/typesetting/font"

	"olive-distributed/daemon/render/text/font"
)

// A wrapper breaks a paragraph into lines.
type wrapper struct {
	text  []rune
	pen   []units // before each character
	start []bool  // a cluster begins here
	words []int   // ends of what must not be broken when it fits a line
}

func (s *Setter) wrapper(p *paragraph) *wrapper {
	w := &wrapper{text: p.text, pen: s.pens(p), start: make([]bool, len(p.text)+1)}
	for _, r := range s.shape(p, 0, len(p.text)) {
		w.start[r.start] = true
		for i := range r.glyphs {
			w.start[r.glyphs[i].TextIndex()] = true
		}
	}
	s.breaks.Init(p.text)
	for it := s.breaks.LineIterator(); it.Next(); {
		l := it.Line()
		w.words = append(w.words, l.Offset+len(l.Text))
	}
	return w
}

// next returns where the line that begins at from ends, its trailing spaces left out, and where
// the next one begins. A word that is wider than a line is broken anywhere.
func (w *wrapper) next(from int, room units, whole bool) (to, next int) {
	n := len(w.text)
	if whole {
		return w.trim(from, n), n
	}
	fits := from
	for len(w.words) > 0 {
		end := w.words[0]
		if end > from && w.pen[w.trim(from, end)]-w.pen[from] > room {
			break
		}
		fits, w.words = max(end, from), w.words[1:]
	}
	if fits > from {
		return w.trim(from, fits), fits
	}
	end := w.cluster(from)
	for end < n {
		more := w.cluster(end)
		if w.pen[more]-w.pen[from] > room {
			break
		}
		end = more
	}
	return w.trim(from, end), end
}

// cluster returns the end of the cluster that begins at i.
func (w *wrapper) cluster(i int) int {
	i++
	for i < len(w.text) && !w.start[i] {
		i++
	}
	return i
}

// trim leaves out spaces at the end of a line.
func (w *wrapper) trim(from, to int) int {
	for to > from && unicode.IsSpace(w.text[to-1]) && w.text[to-1] != 0xa0 {
		to--
	}
	return to
}

// stroke returns how far the middle of a face's underline lies below the baseline and how thick
// it is, in pixels, where Qt draws it: half a pixel below the next whole one, within the descent.
func (s *Setter) stroke(f *font.Face, size int) (under, thick float64) {
	face, scale := s.face(f), float64(size)/float64(max(f.Units(), 1))
	wide := float64(face.LineMetric(otf.UnderlineThickness))
	thick = math.Max(1, wide*scale)
	offset := (wide/2 - float64(face.LineMetric(otf.UnderlinePosition))) * scale
	under = math.Ceil(offset) + .5
	if descent := float64(s.metrics(f, size).descent); offset <= descent {
		under = min(under, descent-.5)
	}
	return under, thick
}
