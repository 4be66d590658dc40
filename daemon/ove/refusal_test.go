package ove_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"olive-distributed/daemon/ove"
)

// here marks the place in a bad file that the error has to name.
const here = "¦"

// clip is a clip with attributes that come after good ones for place and track.
func clip(attrs string) string { return `<clip id="5" in="0" out="10" track="-1" ` + attrs + `/>` }

// bad are files that Parse refuses, with the place it names and words of its message.
var bad = map[string]struct{ file, want string }{
	// The XML.
	"truncated in an element":   {head + `<clip id="0" in="0" out="1" track="0">` + here, "truncated"},
	"truncated in a tag":        {head + `<clip id="0" in=` + here, "truncated"},
	"truncated in a comment":    {head + `<!-- ` + here, "truncated"},
	"truncated in a cdata":      {head + `<![CDATA[ ` + here, "truncated"},
	"truncated in the last tag": {head + strings.TrimSuffix(tail, ">\n") + here, "truncated"},
	"mismatched end":            {head + here + `</clip>`, "<sequence> is closed by </clip>"},
	"second root":               {project() + here + `<project/>`, "something follows </project>"},
	"text behind the root":      {project() + here + "\nx", "something follows </project>"},
	"end without a start":       {project() + here + `</x>`, "</x> without <x>"},
	"unknown entity":            {head + here + `<clip name="&lol;"/>` + tail, "&"},
	"entity without an end":     {head + here + `<clip name="&amp"/>` + tail, "&"},
	"entity of a surrogate":     {head + here + `<clip name="&#xd800;"/>` + tail, "&"},
	"doctype":                   {here + `<!DOCTYPE project>` + project(), "DOCTYPE"},
	"entity bomb":               {"<?xml version=\"1.0\"?>\n" + here + `<!DOCTYPE lolz [<!ENTITY a "b"><!ENTITY c "&a;&a;">]>` + project(), "DOCTYPE"},
	"entity inside":             {head + here + `<!ENTITY a "b">` + tail, "DOCTYPE"},
	"control character":         {head + here + `<clip name="` + "\x01" + `"/>` + tail, "U+0001"},
	"not utf-8":                 {head + here + `<clip name="` + "\xff" + `"/>` + tail, "UTF-8"},
	"latin 1":                   {here + `<?xml version="1.0" encoding="ISO-8859-1"?>` + project(), "UTF-8"},
	"utf-16":                    {here + "\xff\xfe<\x00p\x00", "UTF-16"},
	"xml 1.1":                   {here + `<?xml version="1.1"?>` + project(), "not an Olive project"},
	"late declaration":          {head + here + `<?xml version="1.0"?>` + tail, "start of the file"},
	"attribute twice":           {head + here + clip(`in="4"`) + tail, "comes twice"},
	"attribute without quotes":  {head + here + clip(`speed=1`) + tail, "quotes"},
	"attributes without space":  {head + here + clip(`name="a"speed="1"`) + tail, "attributes"},
	"tag within a tag":          {head + here + clip(`name="<a>"`) + tail, "< within a tag"},
	"dashes in a comment":       {head + here + `<!-- a -- b -->` + tail, "comment"},
	"]]> in a text":             {`<project>` + here + ` ]]> </project>`, "]]>"},
	"too many attributes":       {head + here + `<x` + many(65, ` a%d=""`) + `/>` + tail, "64 attributes"},
	"too deep":                  {head + strings.Repeat("<x>", 61) + here + "<x>", "deeper than 64"},
	"too long a tag":            {head + here + `<x a="` + strings.Repeat("a", 8<<20) + `"/>`, "longer than 8 MiB"},
	"too long a name":           {head + here + clip(`name="`+strings.Repeat("a", 4097)+`"`) + tail, "name is longer than 4096"},
	"too long a url":            {`<project><url>` + here + strings.Repeat("a", 4097) + `</url></project>`, "longer than 4096"},

	// The project.
	"no version":          {`<project>` + here + `</project>`, "only version 190219"},
	"older version":       {`<project>` + here + `<version>190104</version></project>`, `"190104": only 190219 works`},
	"newer version":       {`<project>` + here + `<version> 191231 </version></project>`, `"191231": only 190219 works`},
	"footage id twice":    {footage(`id="1" url="a"/><footage name="b" url="b" id="2"/>` + here + `<footage id="1" url="c"`), "used twice"},
	"footage without url": {footage(here + `id="1"`), "url is missing"},
	"footage of no speed": {footage(here + `id="1" url="a" speed="0"`), `speed="0" is out of range`},

	// Sequences.
	"sequence id twice": {project(sequence(1, 25, "") + here + sequence(1, 30, "")), "used twice"},
	"no frame rate":     {seq(`width="1" height="1" afreq="48000"`), "framerate is missing"},
	"zero rate":         {seq(`width="1" height="1" afreq="48000" framerate="0"`), `framerate="0" is out of range`},
	"negative rate":     {seq(`width="1" height="1" afreq="48000" framerate="-25"`), "out of range"},
	"rate that is none": {seq(`width="1" height="1" afreq="48000" framerate="NaN"`), "not a number"},
	"endless rate":      {seq(`width="1" height="1" afreq="48000" framerate="inf"`), "out of range"},
	"absurd rate":       {seq(`width="1" height="1" afreq="48000" framerate="1001"`), "out of range"},
	"no width":          {seq(`width="0" height="1" afreq="48000" framerate="25"`), `width="0" is out of range`},
	"absurd width":      {seq(`width="16385" height="1" afreq="48000" framerate="25"`), "out of range"},
	"negative height":   {seq(`width="1" height="-1" afreq="48000" framerate="25"`), "out of range"},
	"height in words":   {seq(`width="1" height="tall" afreq="48000" framerate="25"`), "not a whole number"},
	"no audio rate":     {seq(`width="1" height="1" framerate="25" afreq="0"`), "afreq"},

	// Clips.
	"out before in":        {head + here + `<clip name="x" id="0" in="10" out="9" track="-1"/>` + tail, `<clip> "x": it ends (out=9) before it starts (in=10)`},
	"no in":                {head + here + `<clip out="9" track="-1"/>` + tail, "in is missing"},
	"1e18 frames":          {head + here + `<clip in="0" out="1000000000000000000" track="-1"/>` + tail, "out of range"},
	"1e18 in words":        {head + here + `<clip in="0" out="1e18" track="-1"/>` + tail, "not a whole number"},
	"more than an int64":   {head + here + `<clip in="0" out="99999999999999999999" track="-1"/>` + tail, "out of range"},
	"frames with decimals": {head + here + `<clip in="0" out="10.0" track="-1"/>` + tail, "not a whole number"},
	"zero speed":           {head + here + clip(`speed="0"`) + tail, "speed"},
	"negative speed":       {head + here + clip(`speed="-1"`) + tail, "speed"},
	"speed that is none":   {head + here + clip(`speed="nan"`) + tail, "speed"},
	"two sources":          {head + here + clip(`media="1" sequence="1"`) + tail, "at once"},
	"stream in words":      {head + here + clip(`media="1" stream="a"`) + tail, "stream"},

	// Nesting.
	"missing sequence": {head + here + clip(`name="x" sequence="4"`) + tail, `clip "x": it plays sequence 4, which the project does not hold`},
	"nested in itself": {head + here + clip(`sequence="1"`) + tail, `circle: "S" → "S"`},
	"circle of three": {project(
		sequence(1, 25, clip(`sequence="2"`)),
		sequence(2, 25, clip(`sequence="3"`)),
		sequence(3, 25, here+clip(`sequence="2"`))), `circle: "S2" → "S3" → "S2"`},
	"nested too deep":           {project(chain(65, 1)...), "deeper than 64"},
	"nested too deep, reversed": {project(reversed(chain(65, 1))...), "deeper than 64"},
	"nested 2^60 times":         {project(chain(60, 2)...), "multiply"},

	// Transitions.
	"negative length":            {head + clipWith(here+`<opening length="-1" name="/Cross Dissolve"/>`) + tail, `length="-1" is out of range`},
	"shared with nobody":         {head + clipWith(here+`<opening shared="9"/>`) + tail, "clip 9, which does not precede"},
	"shared with itself":         {head + clipWith(here+`<opening shared="5"/>`) + tail, "does not precede"},
	"shared with a later clip":   {head + clipWith(here+`<opening shared="6"/>`) + `<clip id="6" in="10" out="20" track="-1"><closing/></clip>` + tail, "does not precede"},
	"shared, but there is none":  {head + clip("") + `<clip id="6" in="10" out="20" track="-1">` + here + `<opening shared="5"/></clip>` + tail, "closing transition of clip 5, which has none"},
	"closing shared, none":       {head + clip("") + `<clip id="6" in="10" out="20" track="-1">` + here + `<closing shared="5"/></clip>` + tail, "opening transition of clip 5, which has none"},
	"shared by three":            {head + clipWith(`<closing/>`) + clipWithID(6, `<opening shared="5"/>`) + clipWithID(7, here+`<opening shared="5"/>`) + tail, "shared already"},
	"two openings":               {head + clipWith(`<opening/>`+here+`<opening/>`) + tail, "second opening"},
	"shared and another opening": {head + clipWith(`<closing/>`) + clipWithID(6, `<opening shared="5"/><closing/>`+here+`<opening/>`) + tail, "second opening"},

	// Effects.
	"key without a frame":    {head + effect(here+`<key value="1"/>`) + tail, "frame is missing"},
	"key of an unknown type": {head + effect(here+`<key value="1" frame="1" type="3"/>`) + tail, "type"},
	"handle that is none":    {head + effect(here+`<key value="1" frame="1" prehx="nan"/>`) + tail, "prehx"},
	"endless handle":         {head + effect(here+`<key value="1" frame="1" posthy="inf"/>`) + tail, "posthy"},
	"too many fields":        {head + clipWith(`<effect><row>`+many(256, `<field id="%d"/>`)+many(256, `<field value="%d"/>`)+here+`<field/></row></effect>`) + tail, "256 fields"},
	"too many rows":          {head + clipWith(`<effect>`+strings.Repeat("<row/>", 1024)+here+`<row/></effect>`) + tail, "1024 rows"},
}

func footage(attrs string) string {
	tag := "<footage "
	if rest, ok := strings.CutPrefix(attrs, here); ok {
		tag, attrs = here+tag, rest
	}
	return `<project><version>190219</version><media>` + tag + attrs + `/></media></project>`
}

func seq(attrs string) string { return project(here + `<sequence id="1" name="S" ` + attrs + `/>`) }

func clipWith(children string) string { return clipWithID(5, children) }

func clipWithID(id int, children string) string {
	return fmt.Sprintf(`<clip id="%d" name="c%d" in="%d" out="%d" track="-1">%s</clip>`, id, id, id*10, id*10+10, children)
}

func effect(keys string) string {
	return clipWith(`<effect name="E"><row><field id="f" value="1">` + keys + `</field></row></effect>`)
}

func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// chain is n sequences, each of which nests the next one some times.
func chain(n, times int) (sequences []string) {
	for i := range n {
		nested := fmt.Sprintf(`<clip in="0" out="10" track="-1" sequence="%d"/>`, i+2)
		if i == n-1 {
			nested = clip("")
		}
		sequences = append(sequences, sequence(i+1, 25, strings.Repeat(nested, times)))
	}
	return sequences
}

func reversed(s []string) (r []string) {
	for i := range s {
		r = append(r, s[len(s)-1-i])
	}
	return r
}

func TestParseRefuses(t *testing.T) {
	for name, c := range bad {
		t.Run(name, func(t *testing.T) {
			before, after, marked := strings.Cut(c.file, here)
			p, err := ove.Parse(strings.NewReader(before + after))
			e, ok := errors.AsType[*ove.Error](err)
			if !ok || p != nil {
				t.Fatalf("Parse = %v, %v, want an *Error", p, err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("Parse: %v, want something about %s", err, c.want)
			}
			line, column := strings.Count(before, "\n")+1, len(before)-strings.LastIndex(before, "\n")
			if marked && (e.Line != line || e.Column != column) {
				t.Errorf("Parse: %v, want line %d, column %d", err, line, column)
			}
		})
	}
}

// foreign are files that are no projects of Olive 0.1 at all.
var foreign = map[string]struct {
	file string
	want error
}{
	"Olive 0.2":              {`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<olive version="230220"><project/></olive>`, ove.ErrOlive02},
	"Olive 0.2, packed":      {"OVEC\x00\x00\x00\x01", ove.ErrOlive02},
	"empty file":             {"", ove.ErrNotProject},
	"white space only":       {" \n\t", ove.ErrNotProject},
	"declaration only":       {`<?xml version="1.0"?>`, ove.ErrNotProject},
	"a film":                 {"\x00\x00\x00\x20ftypisom", ove.ErrNotProject},
	"zeros":                  {strings.Repeat("\x00", 9<<20), ove.ErrNotProject},
	"one byte":               {"O", ove.ErrNotProject},
	"text":                   {"hello, world", ove.ErrNotProject},
	"text, then a project":   {"hello" + project(), ove.ErrNotProject},
	"shell script":           {"#!/bin/sh\ncat < a > b\n", ove.ErrNotProject},
	"other XML":              {`<mlt><playlist/></mlt>`, ove.ErrNotProject},
	"web page":               {`<!DOCTYPE html><html></html>`, ove.ErrNotProject},
	"root that breaks off":   {`<proj`, ove.ErrNotProject},
	"line of /etc/shadow":    {"root:*:19000:0:99999:7:::\n", ove.ErrNotProject},
	"project in another tag": {`<a><project/></a>`, ove.ErrNotProject},
}

func TestParseKnowsForeignFiles(t *testing.T) {
	for name, c := range foreign {
		t.Run(name, func(t *testing.T) {
			p, err := ove.Parse(strings.NewReader(c.file))
			if _, ok := errors.AsType[*ove.Error](err); !ok || p != nil || !errors.Is(err, c.want) {
				t.Errorf("Parse = %v, %v, want an *Error that is %v", p, err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "root:") {
				t.Errorf("Parse shows the file: %v", err)
			}
		})
	}
	if _, err := ove.Parse(strings.NewReader(project())); err != nil {
		t.Errorf("Parse = %v, want a project", err)
	}
}

// repeat reads as the same text n times, without needing memory for it.
type repeat struct {
	text string
	n    int
	rest string
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.n == 0 {
			return 0, io.EOF
		}
		r.n--
		r.rest = r.text
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func TestParseLimitsWhatItReads(t *testing.T) {
	comment := "<!--" + strings.Repeat("x", 1<<19) + "-->"
	open := head + `<clip in="0" out="1" track="-1"><effect><row><field id="f">`
	for name, c := range map[string]struct {
		start string
		body  repeat
		want  string
	}{
		"size of the file": {head, repeat{text: comment, n: 128}, "larger than 64 MiB"},
		"keyframes":        {open, repeat{text: `<key frame="1" value=""/>`, n: 500_001}, "more than 500000 keyframes"},
		"folders":          {`<project><version>190219</version><folders>`, repeat{text: `<folder/>`, n: 100_001}, "more than 100000 folders"},
		"white space":      {head, repeat{text: strings.Repeat(" ", 1<<20), n: 9}, "longer than 8 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ove.Parse(io.MultiReader(strings.NewReader(c.start), &c.body))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Parse = %v, want something about %s", err, c.want)
			}
		})
	}
}
