package html

import (
	"image/color"
	"strings"
)

// An element is an open tag: the style of what is in it.
type element struct {
	name   string
	style  Style
	box    box
	pre    bool // white space is kept
	hidden bool // nothing in it is shown
}

// box is what an element says about the blocks in it.
type box struct {
	align                    Align
	rtl                      bool
	top, bottom, left, right float64 // the element's own margins
	sides                    [2]float64
	indent                   int
	first                    float64
	height                   float64
	rule                     LineRule
	nowrap                   bool
	empty                    bool // -qt-paragraph-type:empty
	list                     Mark // of the items in it
	counter                  *int
	levels                   int // lists around
	listIndent               int // of the list, 0 for one more than around
}

// blocks are the elements that begin and end a paragraph, with their top and bottom margin.
var blocks = map[string][2]float64{
	"p": {12, 12}, "div": {}, "center": {}, "body": {}, "html": {}, "blockquote": {12, 12}, "pre": {12, 12},
	"h1": {18, 12}, "h2": {16, 12}, "h3": {14, 12}, "h4": {12, 12}, "h5": {12, 4}, "h6": {12, 4},
	"ul": {12, 12}, "ol": {12, 12}, "li": {}, "dl": {8, 8}, "dt": {}, "dd": {}, "address": {},
	"table": {}, "tr": {}, "td": {}, "th": {}, "tbody": {}, "thead": {}, "tfoot": {}, "caption": {}, "hr": {}, "head": {}, "title": {},
}

func isBlock(name string) bool { _, ok := blocks[name]; return ok }

// headings are the relative sizes of h1 to h6.
var headings = map[string]int{"h1": 3, "h2": 2, "h3": 1, "h4": 0, "h5": -1, "h6": -2}

// hidden are the elements whose text is not for reading.
var hidden = map[string]bool{"head": true, "title": true, "style": true, "script": true, "meta": true, "link": true, "template": true}

// void are the elements that have no content and no end.
var void = map[string]bool{"br": true, "hr": true, "img": true, "meta": true, "link": true, "input": true, "wbr": true, "col": true, "area": true, "base": true}

// child returns the element as its name makes it, inside parent.
func child(parent *element, name string) element {
	e := element{name: name, style: parent.style, box: parent.box, pre: parent.pre, hidden: parent.hidden || hidden[name]}
	e.box.top, e.box.bottom, e.box.left, e.box.right = 0, 0, 0, 0
	if m, ok := blocks[name]; ok {
		e.box.top, e.box.bottom, e.box.empty = m[0], m[1], false
		e.style.Background = color.NRGBA{} // a block's own is painted by nobody
	}
	e.inlineTag()
	e.blockTag()
	return e
}

// inlineTag is what the name says about letters.
func (e *element) inlineTag() {
	s := &e.style
	switch e.name {
	case "b", "strong", "th":
		s.Bold = true
	case "i", "em", "cite", "var", "dfn", "address":
		s.Italic = true
	case "u", "ins":
		s.Underline = true
	case "s", "strike", "del":
		s.Strike = true
	case "big":
		s.Step = 1
	case "small":
		s.Step = -1
	case "sub":
		s.Script = Sub
	case "sup":
		s.Script = Super
	case "tt", "code", "kbd", "samp", "pre":
		s.Family = "Courier New,courier,monospace"
	case "h1", "h2", "h3", "h4", "h5", "h6":
		s.Bold, s.Step = true, headings[e.name]
	}
}

// blockTag is what the name says about paragraphs.
func (e *element) blockTag() {
	b := &e.box
	switch e.name {
	case "center", "th":
		b.align = Center
	case "blockquote":
		b.left, b.right = IndentStep, IndentStep
	case "dd":
		b.left = 30
	case "pre":
		e.pre, b.nowrap = true, true
	case "ul", "ol":
		if b.levels++; b.levels > 1 {
			b.top, b.bottom = 0, 0
		}
		b.counter, b.listIndent = new(int), 0
		b.list = map[string]Mark{"ul": Disc, "ol": Decimal}[e.name]
	}
}

// attribute applies one attribute. Styles come last: see reader.open.
func (e *element) attribute(key, value string) {
	lower := strings.ToLower(strings.TrimSpace(value))
	switch key {
	case "align":
		e.box.setAlign(lower)
	case "dir":
		e.box.rtl = lower == "rtl"
	case "color":
		if c, ok := parseColor(value); ok && e.name == "font" {
			e.style.Color = c
		}
	case "face":
		if e.name == "font" {
			e.style.Family = value
		}
	case "size":
		e.fontTagSize(lower)
	case "text":
		if c, ok := parseColor(value); ok && e.name == "body" {
			e.style.Color = c
		}
	case "href":
		if e.name == "a" {
			e.style.Underline, e.style.Color = true, color.NRGBA{B: 255, A: 255}
		}
	case "type":
		e.box.list = listMark(value, e.box.list)
	case "start":
		if v, ok := number(lower, ""); ok && e.box.counter != nil && e.name == "ol" {
			*e.box.counter = int(v) - 1
		}
	case "nowrap":
		e.box.nowrap = true
	}
}

// fontTagSize reads <font size="4"> and <font size="+1">: steps around 3.
func (e *element) fontTagSize(value string) {
	v, ok := number(value, "")
	if !ok || e.name != "font" {
		return
	}
	if !strings.HasPrefix(value, "+") && !strings.HasPrefix(value, "-") {
		v -= 3
	}
	e.style.Step = int(v)
}

func (b *box) setAlign(value string) {
	if a, ok := map[string]Align{"left": Left, "right": Right, "center": Center, "justify": Justify}[value]; ok {
		b.align = a
	}
}

// listMark reads the type of a list: an attribute's letter or a style's word.
func listMark(value string, was Mark) Mark {
	switch strings.TrimSpace(value) {
	case "1", "decimal":
		return Decimal
	case "a", "lower-alpha", "lower-latin":
		return LowerAlpha
	case "A", "upper-alpha", "upper-latin":
		return UpperAlpha
	case "i", "lower-roman":
		return LowerRoman
	case "I", "upper-roman":
		return UpperRoman
	case "disc":
		return Disc
	case "circle":
		return Circle
	case "square":
		return Square
	case "none":
		return NoMark
	}
	return was
}

// css applies one declaration.
func (e *element) css(property, value string) {
	e.style.css(property, value)
	b, lower := &e.box, strings.ToLower(value)
	set := func(dst *float64) {
		if v, ok := pixels(value); ok {
			*dst = v
		}
	}
	switch property {
	case "text-align":
		b.setAlign(lower)
	case "direction":
		b.rtl = lower == "rtl"
	case "white-space":
		e.pre = strings.HasPrefix(lower, "pre")
		b.nowrap = lower == "pre" || lower == "nowrap"
	case "list-style", "list-style-type":
		b.list = listMark(lower, b.list)
	case "display":
		e.hidden = e.hidden || lower == "none"
	}
	if !isBlock(e.name) {
		return
	}
	switch property {
	case "margin":
		b.margins(value)
	case "margin-top":
		set(&b.top)
	case "margin-bottom":
		set(&b.bottom)
	case "margin-left":
		set(&b.left)
	case "margin-right":
		set(&b.right)
	case "text-indent":
		set(&b.first)
	case "-qt-block-indent":
		if v, ok := number(value, ""); ok {
			b.indent = int(min(max(v, 0), 1000))
		}
	case "-qt-list-indent":
		if v, ok := number(value, ""); ok {
			b.listIndent = int(min(max(v, 0), 1000))
		}
	case "-qt-paragraph-type":
		b.empty = lower == "empty"
	case "line-height", "-qt-line-height-type":
		b.lineHeight(property, lower)
	}
}

// margins reads the shorthand of one to four lengths.
func (b *box) margins(value string) {
	var v []float64
	for f := range strings.FieldsSeq(value) {
		n, ok := pixels(f)
		if !ok || len(v) == 4 {
			return
		}
		v = append(v, n)
	}
	switch len(v) {
	case 1:
		b.top, b.right, b.bottom, b.left = v[0], v[0], v[0], v[0]
	case 2:
		b.top, b.right, b.bottom, b.left = v[0], v[1], v[0], v[1]
	case 3:
		b.top, b.right, b.bottom, b.left = v[0], v[1], v[2], v[1]
	case 4:
		b.top, b.right, b.bottom, b.left = v[0], v[1], v[2], v[3]
	}
}

func (b *box) lineHeight(property, value string) {
	if property == "-qt-line-height-type" {
		if r, ok := map[string]LineRule{"proportional": Proportional, "fixed": Fixed, "minimum": Minimum, "line-distance": Distance}[value]; ok {
			b.rule = r
		}
		return
	}
	if v, ok := number(value, "%"); ok {
		b.height, b.rule = v, Proportional
	} else if v, ok := number(value, "px"); ok {
		b.height = v
		if b.rule == Single || b.rule == Proportional {
			b.rule = Minimum
		}
	} else if v, ok := number(value, ""); ok {
		b.height = v
		if b.rule == Single {
			b.height, b.rule = v*100, Proportional
		}
	}
}
