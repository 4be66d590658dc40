package html

import (
	"fmt"
	"image/color"
	"strings"
	"testing"
	"unicode/utf8"
)

// show writes a document so that a table can hold it: a block a line, spans in [], what differs
// from the default behind them.
func show(d *Document) string {
	var out []string
	for _, b := range d.Blocks {
		var s strings.Builder
		fmt.Fprintf(&s, "%g", b.Top)
		if b.Align != Start {
			fmt.Fprintf(&s, " %s", map[Align]string{Left: "left", Right: "right", Center: "center", Justify: "justify"}[b.Align])
		}
		if b.RTL {
			s.WriteString(" rtl")
		}
		if b.Left != 0 || b.Right != 0 || b.Indent != 0 || b.FirstLine != 0 {
			fmt.Fprintf(&s, " margins %g,%g indent %d,%g", b.Left, b.Right, b.Indent, b.FirstLine)
		}
		if b.LineRule != Single {
			fmt.Fprintf(&s, " line %g/%d", b.LineHeight, b.LineRule)
		}
		if b.Mark != NoMark {
			fmt.Fprintf(&s, " mark %d/%d", b.Mark, b.Number)
		}
		if b.Rule {
			s.WriteString(" rule")
		}
		if b.NoWrap {
			s.WriteString(" nowrap")
		}
		for _, sp := range b.Spans {
			fmt.Fprintf(&s, " [%s]%s", strings.ReplaceAll(sp.Text, string(LineBreak), "¶"), look(&sp.Style))
		}
		out = append(out, s.String())
	}
	return strings.Join(out, "\n")
}

func look(s *Style) string {
	var w []string
	def := Default()
	add := func(on bool, format string, args ...any) {
		if on {
			w = append(w, fmt.Sprintf(format, args...))
		}
	}
	add(s.Size() != def.Size(), "%dpx", s.Size())
	add(s.Family != "", "%s", s.Family)
	add(s.Bold, "bold")
	add(s.Italic, "italic")
	add(s.Underline, "under")
	add(s.Overline, "over")
	add(s.Strike, "strike")
	add(s.Color != def.Color, "#%02x%02x%02x%02x", s.Color.R, s.Color.G, s.Color.B, s.Color.A)
	add(s.Background != color.NRGBA{}, "on #%02x%02x%02x", s.Background.R, s.Background.G, s.Background.B)
	add(s.Script == Sub, "sub")
	add(s.Script == Super, "super")
	add(s.Spacing != 0, "spaced %g", s.Spacing)
	return strings.Join(w, " ")
}

func TestParse(t *testing.T) {
	qt := func(body string) string {
		return `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.0//EN" "http://www.w3.org/TR/REC-html40/strict.dtd">
<html><head><meta name="qrichtext" content="1" /><title>t</title><style type="text/css">
p, li { white-space: pre-wrap; }
</style></head><body style=" font-family:'Ubuntu'; font-size:12pt; font-weight:400; font-style:normal;">
` + body + `</body></html>`
	}
	for name, c := range map[string]struct{ in, want string }{
		"nothing":                  {"", ""},
		"text without tags":        {"a b", "0 [a b]"},
		"entities":                 {"a &amp; b&#x21; &eacute;&nbsp;", "0 [a & b! é\u00a0]"},
		"an entity that is none":   {"a &zzz; &#xffffffff; b", "0 [a &zzz; \ufffd b]"},
		"white space collapses":    {"  a \n\t b  <b> c</b> ", "0 [a b ] [c]bold [ ]"},
		"a space keeps its style":  {"a <b>b</b>", "0 [a ] [b]bold"},
		"Olive's default":          {`<html><body style="color:#ffffff;font-size:36pt;"><center>Sample Text</center></body></html>`, "0 center [Sample Text]48px #ffffffff"},
		"what Qt writes":           {qt(`<p align="center" style=" margin-top:0px; margin-bottom:0px; margin-left:0px; margin-right:0px; -qt-block-indent:0; text-indent:0px;"><span style=" font-size:24pt; font-weight:600; color:#ff0000;">Big  red</span></p>`), "0 center [Big  red]32px 'Ubuntu' bold #ff0000ff"},
		"an empty line of Qt":      {qt(`<p style="-qt-paragraph-type:empty; margin-top:0px; margin-bottom:0px; font-size:20pt;"><br /></p><p style="margin-top:0px">x</p>`), "0\n0 [x]16px 'Ubuntu'"},
		"nested styles":            {"a<b>b<i>c<u>d</u></i></b>e", "0 [a] [b]bold [c]bold italic [d]bold italic under [e]"},
		"wrong nesting":            {"<b>a<i>b</b>c</i>d", "0 [a]bold [b]bold italic [cd]"},
		"tags left open":           {"<b>a<i>b", "0 [a]bold [b]bold italic"},
		"ends of nothing":          {"</b></p>a</i>", "0 [a]"},
		"paragraphs":               {"<p>a</p><p>b</p>c", "12 [a]\n12 [b]\n12 [c]"},
		"a paragraph in another":   {"<p>a<p>b", "12 [a]\n12 [b]"},
		"margins collapse":         {`<h1>a</h1><p style="margin-top:30px">b</p><div>c</div>`, "18 [a]24px bold\n30 [b]\n12 [c]"},
		"shorthand margins":        {`<p style="margin:1px 2px 3px 4px">a</p>b`, "1 margins 4,2 indent 0,0 [a]\n3 [b]"},
		"headings":                 {"<h1>a</h1><h2>b</h2><h3>c</h3><h4>d</h4><h5>e</h5><h6>f</h6>", "18 [a]24px bold\n16 [b]18px bold\n14 [c]14px bold\n12 [d]bold\n12 [e]10px bold\n12 [f]8px bold"},
		"line breaks":              {"a<br>b<br/> c<br />", "0 [a¶b¶c¶]"},
		"pre keeps white space":    {"<pre>a  b\n c</pre>", "12 nowrap [a  b¶ c]Courier New,courier,monospace"},
		"a rule":                   {"a<hr>b", "0 [a]\n0 rule\n0 [b]"},
		"alignment":                {`<p align=right>a</p><div style="text-align:justify">b</div><p align="odd" dir=rtl>c</p>`, "12 right [a]\n12 justify [b]\n12 rtl [c]"},
		"blockquote":               {"<blockquote>a<blockquote>b</blockquote></blockquote>", "12 margins 40,40 indent 0,0 [a]\n12 margins 80,80 indent 0,0 [b]"},
		"indents":                  {`<p style="text-indent:20px; -qt-block-indent:2">a</p>`, "12 margins 0,0 indent 2,20 [a]"},
		"a list":                   {"<ul><li>a</li><li>b<li>c</ul>d", "12 margins 0,0 indent 1,0 mark 1/1 [a]\n0 margins 0,0 indent 1,0 mark 1/2 [b]\n0 margins 0,0 indent 1,0 mark 1/3 [c]\n12 [d]"},
		"a numbered list":          {`<ol start="3" type="a"><li>a<p>more</p></li><li>b</li></ol>`, "12 margins 0,0 indent 1,0 mark 5/3 [a]\n12 margins 0,0 indent 1,0 [more]\n12 margins 0,0 indent 1,0 mark 5/4 [b]"},
		"a list in a list":         {"<ul><li>a<ol><li>b</ol></ul>", "12 margins 0,0 indent 1,0 mark 1/1 [a]\n0 margins 0,0 indent 2,0 mark 4/1 [b]"},
		"Qt's list":                {qt(`<ul style="margin-top: 0px; margin-bottom: 0px; -qt-list-indent: 2;"><li style=" margin-top:12px;">x</li></ul>`), "12 margins 0,0 indent 2,0 mark 1/1 [x]16px 'Ubuntu'"},
		"line height":              {`<p style="line-height:150%">a</p><p style="line-height:20px; -qt-line-height-type: fixed;">b</p><p style="line-height:20px">c</p><p style="line-height:1.5">d</p>`, "12 line 150/1 [a]\n12 line 20/2 [b]\n12 line 20/3 [c]\n12 line 150/1 [d]"},
		"the font tag":             {`<font color="#0f0" face="Arial" size="+2">a</font><font size=1>b</font><font size=99>c</font>`, "0 [a]18px Arial #00ff00ff [b]8px [c]29px"},
		"sizes":                    {`<span style="font-size:20px">a</span><span style="font-size:x-large">b</span><big>c</big><small>d</small>`, "0 [a]20px [b]18px [c]14px [d]10px"},
		"sub and sup":              {`<span style="font-size:30px">a<sub>b</sub><sup>c</sup></span>`, "0 [a]30px [b]20px sub [c]20px super"},
		"decorations":              {`<u>a</u><s>b</s><span style="text-decoration: underline overline line-through">c</span>`, "0 [a]under [b]strike [c]under over strike"},
		"a link":                   {`<a href="http://x">a</a><a name="x">b</a>`, "0 [a]under #0000ffff [b]"},
		"colours":                  {`<i style="color:#12345678">a</i><i style="color:rgb(1,2,300)">b</i><i style="color:rgba(1,2,3,0.5)">c</i><i style="color:DarkRed; background-color:#fff">d</i><i style="color:nonsense">e</i>`, "0 [a]italic #34567812 [b]italic #0102ffff [c]italic #01020380 [d]italic #8b0000ff on #ffffff [e]italic"},
		"weights":                  {`<i style="font-weight:599">a</i><i style="font-weight:bold">b</i><b style="font-weight:normal">c</b><i style="font-weight:x">d</i>`, "0 [a]italic [b]bold italic [c] [d]italic"},
		"the font shorthand":       {`<span style="font: italic bold 20px 'A B', C">a</span>`, "0 [a]20px 'A B', C bold italic"},
		"quotes hide semicolons":   {`<span style="font-family:'a;b'; color:red">a</span>`, "0 [a]'a;b' #ff0000ff"},
		"capitals":                 {`<i style="text-transform:uppercase">aé</i><i style="text-transform:capitalize">one two</i>`, "0 [AÉ]italic [One Two]italic"},
		"small capitals":           {`<span style="font-size:20px; font-variant:small-caps">Ab</span>`, "0 [A]20px [B]14px"},
		"spacing":                  {`<span style="letter-spacing:2px">a</span>`, "0 [a]spaced 2"},
		"a hidden element":         {`a<script>alert(1)</script><span style="display:none">x<b>y</b></span>b<!-- c -->`, "0 [ab]"},
		"a picture":                {`a<img src="file:///etc/passwd">b`, "0 [ab]"},
		"a table":                  {"<table><tr><th>a</th><td>b</td></tr><tr><td>c</td></tr></table>", "0 center [a]bold\n0 [b]\n0 [c]"},
		"sizes that are none":      {`<span style="font-size:-3pt">a</span><span style="font-size:nan">b</span><span style="font-size:NaNpx">c</span><span style="font-size:infpt">d</span><span style="font-size:0px">e</span>`, "0 [abcde]"},
		"a size beyond all":        {`<span style="font-size:1e30pt">a</span>`, "0 [a]4096px"},
		"a margin beyond all":      {`<p style="margin-top:1e300px; margin-left:nanpx">a</p>`, "100000 [a]"},
		"characters of no use":     {"a\x00\x01\r\u2029b", "0 [a b]"},
		"a comment that never end": {"a<!-- b", "0 [a]"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := show(Parse(c.in)); got != c.want {
				t.Errorf("Parse(%s)\n got %s\nwant %s", c.in, got, c.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	for name, in := range map[string]string{
		"much text":                          strings.Repeat("word ", 100_000),
		"many paragraphs":                    strings.Repeat("<p>a", 100_000),
		"deep nesting":                       strings.Repeat("<div><b>", 60_000) + "x",
		"entity flood":                       strings.Repeat("&amp;", 300_000),
		"many attributes":                    "<p " + strings.Repeat("a=1 ", 200_000) + ">x",
		"many styles":                        strings.Repeat("<b>a</b>b", 100_000),
		"many rules":                         "<style>" + strings.Repeat("p{color:red}", 80_000) + "</style><p>x",
		"a tag of a megabyte without an end": "a<p title='" + strings.Repeat("x", 1<<20),
		"many ends":                          strings.Repeat("<p>", 90) + strings.Repeat("</b>", 200_000),
		"many breaks":                        strings.Repeat("<br>", 200_000),
		"spaced breaks":                      strings.Repeat("<i><br>", 100_000),
	} {
		t.Run(name, func(t *testing.T) { checkLimits(t, Parse(in)) })
	}
}

func checkLimits(t *testing.T, d *Document) {
	t.Helper()
	runes, spans := 0, 0
	for _, b := range d.Blocks {
		for _, s := range b.Spans {
			spans++
			runes += utf8.RuneCountInString(s.Text)
			if px := s.Style.Size(); px < 1 || px > 4096 {
				t.Errorf("a size of %d pixels", px)
			}
		}
	}
	if runes > 4*MaxRunes || spans > 2*maxSpans || len(d.Blocks) > maxBlocks+1 {
		t.Errorf("%d runes, %d spans, %d blocks", runes, spans, len(d.Blocks))
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`<html><body style="color:#ffffff;font-size:36pt;"><center>Sample <b>Text</b></center></body></html>`,
		`<ul style="-qt-list-indent: 1;"><li style="margin:1px 2px">a<br/>b</li></ul><p align="right" dir=rtl>&#x5d0;`,
		`<style>p{color:red;font:italic 3px x}</style><p style="font-variant:small-caps;line-height:150%">x<sup>y`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkLimits(t, Parse(s)) })
}
