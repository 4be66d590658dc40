package olive

import (
	"bytes"
	"strings"
	"testing"

	"olive-distributed/daemon/ove"
)

func TestRewrite(t *testing.T) {
	c := &changes{
		media: map[int]string{1: `/m/"a" & <b>'.mp4`, 2: "/m/b.mp4"}, proxies: map[int]string{2: "/p/b.mov"},
		sequence: 5, nowhere: "/nowhere",
	}
	for name, v := range map[string]struct{ from, want string }{
		"a medium that was found": {
			`<footage id="1" url="old&amp;.mp4" proxy="1" proxypath="p" speed='2'/>`,
			`<footage id="1" url="/m/&#34;a&#34; &amp; &lt;b&gt;&#39;.mp4" proxy="0" proxypath="" speed="2"/>`,
		},
		"a medium with a proxy":        {`<footage id="2" url="b" proxy="1" proxypath="x"><video id="0"/></footage>`, `<footage id="2" url="/m/b.mp4" proxy="1" proxypath="/p/b.mov"><video id="0"/></footage>`},
		"a medium that is left out":    {`<footage id="3" url="c"/>`, `<footage id="3" url="/nowhere" proxy="0" proxypath=""/>`},
		"the sequence of the plan":     {`<sequence id="5" name="&lt;">`, `<sequence id="5" name="&lt;" open="1">`},
		"another that was open":        {`<sequence open="0" id="6"/>`, `<sequence id="6"/>`},
		"a clip with pictures":         {"<clip  track='-1'\n enabled=\"1\" />", "<clip  track='-1'\n enabled=\"1\" />"},
		"a clip with sound":            {`<clip track="0" enabled="1">`, `<clip track="0" enabled="0">`},
		"an effect":                    {`<effect  name="Blur/Box Blur"/>`, `<effect  name="Blur/Box Blur"/>`},
		"a plug-in":                    {`<effect name="/VST Plugin 2.x" enabled="1">`, `<effect name="Left out/VST" enabled="1">`},
		"what is none of our business": {"<?xml version=\"1.0\"?>\n<!-- <footage id=\"1\"/> --><url>a&amp;b</url><![CDATA[<clip>]]>", "<?xml version=\"1.0\"?>\n<!-- <footage id=\"1\"/> --><url>a&amp;b</url><![CDATA[<clip>]]>"},
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := c.rewrite(&got, []byte(v.from)); err != nil {
				t.Fatal(err)
			}
			if got.String() != v.want {
				t.Errorf("got  %s\nwant %s", &got, v.want)
			}
		})
	}
}

func TestRewriteRefusesPathsThatAProjectCannotHold(t *testing.T) {
	for _, path := range []string{"/a\x01.mp4", "/a\xff.mp4"} {
		c := &changes{media: map[int]string{1: path}}
		if err := c.rewrite(new(bytes.Buffer), []byte(`<footage id="1"/>`)); err == nil || !strings.Contains(err.Error(), "rename it") {
			t.Errorf("%q: error %v", path, err)
		}
	}
}

func TestRewriteReportsBrokenXML(t *testing.T) {
	if err := (&changes{}).rewrite(new(bytes.Buffer), []byte(`<clip track="0`)); err == nil {
		t.Error("no error")
	}
}

// FuzzRewrite changes projects: a project stays one, with the changes and no others.
func FuzzRewrite(f *testing.F) {
	f.Add(`<project><version>190219</version><media><footage id="1" url="a"/></media><sequences>` +
		`<sequence id="5" width="2" height="2" framerate="25" afreq="48000"><clip id="0" track="0" in="0" out="3"><effect name="/VST Plugin 2.x"/></clip></sequence></sequences></project>`)
	f.Fuzz(func(t *testing.T, text string) {
		before, err := ove.Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		var b bytes.Buffer
		c := &changes{media: map[int]string{1: "/m/a&b.mp4"}, sequence: 5, nowhere: "/nowhere"}
		if err := c.rewrite(&b, []byte(text)); err != nil {
			return // as control characters of a project's names may be
		}
		after, err := ove.Parse(&b)
		if err != nil {
			t.Fatalf("%v, after rewriting %q", err, text)
		}
		if len(after.Sequences) != len(before.Sequences) || len(after.Footage) != len(before.Footage) {
			t.Fatalf("%d sequences and %d media became %d and %d", len(before.Sequences), len(before.Footage), len(after.Sequences), len(after.Footage))
		}
		for i, s := range after.Sequences {
			if s.Open != (s.ID == 5) || s.Length() != before.Sequences[i].Length() {
				t.Errorf("sequence %d: open %v, %d frames of %d", s.ID, s.Open, s.Length(), before.Sequences[i].Length())
			}
		}
		for _, m := range after.Footage {
			if want := map[bool]string{true: "/m/a&b.mp4", false: "/nowhere"}[m.ID == 1]; m.URL != want {
				t.Errorf("medium %d is at %q, want %q", m.ID, m.URL, want)
			}
		}
	})
}
