package html

import (
	"strings"

	"golang.org/x/net/html"
)

// A reader builds a document from tags and text.
type reader struct {
	doc    Document
	stack  []element
	deeper int // elements open beyond maxDepth
	rules  map[string]string
	sheet  bool // inside <style>

	block  *Block  // being written, nil between blocks
	empty  bool    // its line break says that it is an empty line
	letter bool    // the line has a letter, so that a space may follow
	space  bool    // the line ends with a space
	top    float64 // margin due above the next block
	item   bool    // the next block begins a list's item,
	mark   Mark    // of this mark
	number int     // and number
	runes  int
	spans  int
}

// Parse reads a document. Text without tags is one paragraph.
func Parse(text string) *Document {
	r := &reader{rules: map[string]string{}, stack: []element{{name: "", style: Default()}}}
	if len(text) > MaxBytes {
		text, r.doc.Cut = text[:MaxBytes], true
	}
	z := html.NewTokenizer(strings.NewReader(text))
	z.SetMaxBuf(MaxBytes)
	for !r.full() {
		kind := z.Next()
		if kind == html.ErrorToken { // the end, or a tag beyond the limit
			break
		}
		r.token(z, kind)
	}
	r.endBlock()
	return &r.doc
}

func (r *reader) full() bool {
	if r.runes >= MaxRunes || len(r.doc.Blocks) >= maxBlocks || r.spans >= maxSpans {
		r.doc.Cut = true
	}
	return r.runes >= MaxRunes || len(r.doc.Blocks) >= maxBlocks || r.spans >= maxSpans
}

func (r *reader) token(z *html.Tokenizer, kind html.TokenType) {
	switch kind {
	case html.TextToken:
		text := string(z.Text())
		if r.sheet {
			r.readSheet(text)
		} else if !r.in().hidden {
			r.text(text)
		}
	case html.StartTagToken, html.SelfClosingTagToken:
		r.open(z, kind == html.SelfClosingTagToken)
	case html.EndTagToken:
		name, _ := z.TagName()
		r.end(string(name))
	}
}

func (r *reader) in() *element { return &r.stack[len(r.stack)-1] }

// maxAttributes of one tag are looked at.
const maxAttributes = 64

func (r *reader) open(z *html.Tokenizer, closed bool) {
	tag, more := z.TagName()
	name := string(tag)
	r.autoClose(name)
	e := child(r.in(), name)
	var style string
	for i := 0; more && i < maxAttributes; i++ {
		var key, value []byte
		key, value, more = z.TagAttr()
		if string(key) == "style" {
			style = string(value)
		} else {
			e.attribute(string(key), string(value))
		}
	}
	declarations(r.rules[name], e.css)
	declarations(style, e.css)
	r.sheet = name == "style"
	switch name {
	case "br":
		r.lineBreak()
	case "hr":
		r.startBlock(&e)
		r.need()
		r.block.Rule = true
		r.endBlock()
	}
	if void[name] || closed && !isBlock(name) {
		return
	}
	if len(r.stack) > maxDepth {
		r.deeper++
		return
	}
	if isBlock(name) {
		r.startBlock(&e)
	}
	r.stack = append(r.stack, e)
}

// autoClose ends what a tag ends without saying so: a paragraph in a paragraph, an item in an
// item.
func (r *reader) autoClose(name string) {
	top := r.in().name
	switch {
	case isBlock(name) && top == "p" && name != "p" && name != "body" && name != "html":
		r.end("p")
	case name == top && (name == "p" || name == "li" || name == "td" || name == "th" || name == "tr" || name == "dd" || name == "dt"):
		r.end(name)
	}
}

// end closes the nearest element of that name and what is open in it.
func (r *reader) end(name string) {
	r.sheet = false
	if void[name] {
		return
	}
	if r.deeper > 0 {
		r.deeper--
		return
	}
	for i := len(r.stack) - 1; i > 0; i-- {
		if r.stack[i].name != name {
			continue
		}
		for len(r.stack) > i {
			e := r.in()
			if isBlock(e.name) {
				r.endBlock()
				r.top = max(r.top, e.box.bottom)
			}
			r.stack = r.stack[:len(r.stack)-1]
		}
		return
	}
}

// startBlock ends the block before and lets the next text begin one.
func (r *reader) startBlock(e *element) {
	r.endBlock()
	if e.hidden {
		return
	}
	r.top = max(r.top, e.box.top)
	e.box.sides[0] += e.box.left
	e.box.sides[1] += e.box.right
	r.empty = e.box.empty
	switch e.name {
	case "ul", "ol":
		r.item = false
		if e.box.listIndent == 0 {
			e.box.listIndent = e.box.levels
		}
		e.box.listIndent = min(e.box.listIndent, 1000)
	case "li":
		r.item = true
		if e.box.counter != nil {
			*e.box.counter++
			r.number = *e.box.counter
		}
		r.mark = e.box.list
	}
	if e.box.empty {
		r.begin(e)
	}
}

// begin starts a block in e.
func (r *reader) begin(e *element) {
	b := &e.box
	r.block = &Block{
		Style: e.style, Align: b.align, RTL: b.rtl, Top: r.top, Left: b.sides[0], Right: b.sides[1],
		Indent: b.indent, FirstLine: b.first, LineHeight: b.height, LineRule: b.rule, NoWrap: b.nowrap,
	}
	if b.levels > 0 {
		r.block.Indent += b.listIndent
	}
	if r.item {
		r.block.Mark, r.block.Number, r.item = r.mark, r.number, false
	}
	r.top = 0
}

// need makes sure that there is a block to write into.
func (r *reader) need() {
	if r.block == nil {
		r.begin(r.in())
	}
}

func (r *reader) endBlock() {
	b := r.block
	r.block, r.space, r.letter = nil, false, false
	if b == nil {
		return
	}
	r.empty = false
	b.Spans = merged(b.Spans)
	r.doc.Blocks = append(r.doc.Blocks, *b)
}

// merged joins neighbours of one style.
func merged(spans []Span) []Span {
	var out []Span
	for i := 0; i < len(spans); {
		var text strings.Builder
		j := i
		for ; j < len(spans) && spans[j].Style == spans[i].Style; j++ {
			text.WriteString(spans[j].Text)
		}
		out = append(out, Span{text.String(), spans[i].Style})
		i = j
	}
	return out
}

func (r *reader) lineBreak() {
	if r.in().hidden {
		return
	}
	if r.block != nil && r.empty && !r.letter {
		return // the break of an empty line is the line itself
	}
	r.need()
	r.add(string(LineBreak), &r.in().style)
	r.space, r.letter = false, false
}

// text adds text, collapsing white space unless it is to be kept.
func (r *reader) text(s string) {
	e := r.in()
	var b strings.Builder
	for _, c := range s {
		if r.runes >= MaxRunes {
			break
		}
		c = plain(c)
		if c == 0 {
			continue
		}
		white := c == ' ' || c == '\t' || c == '\n'
		switch {
		case e.pre && c == '\n' && r.block == nil: // between paragraphs
			continue
		case e.pre && c == '\n':
			c = LineBreak
		case !e.pre && white:
			if !r.letter || r.space {
				continue
			}
			c = ' '
		}
		r.need()
		b.WriteRune(c)
		r.runes++
		r.letter, r.space = c != LineBreak, c == ' '
	}
	if b.Len() > 0 {
		r.add(b.String(), &e.style)
	}
}

// add appends text of one style.
func (r *reader) add(text string, style *Style) {
	for _, part := range style.caps.apply(text) {
		s := *style
		s.smaller = part.small
		r.spans++
		r.block.Spans = append(r.block.Spans, Span{part.text, s})
	}
}
