package ove

import (
	"bytes"
	"strings"
	"testing"
)

func TestRewriteTouchesOnlyWhatChanges(t *testing.T) {
	rename := func(tag *Tag) bool {
		if tag.Name() != "footage" {
			return false
		}
		tag.Set("url", "a & \"b\"")
		tag.Set("new", tag.Get("id")+tag.Get("none"))
		tag.Drop("old")
		return true
	}
	for name, c := range map[string]struct{ from, want string }{
		"an attribute":      {`<footage id="1" url="x"/>`, `<footage id="1" url="a &amp; &#34;b&#34;" new="1"/>`},
		"one that was not":  {`<footage id="1"></footage>`, `<footage id="1" url="a &amp; &#34;b&#34;" new="1"></footage>`},
		"one that goes":     {`<footage old="1" id="2"/>`, `<footage id="2" url="a &amp; &#34;b&#34;" new="2"/>`},
		"everything around": {"<?xml?><!-- a --> <clip  x='1' />\n<footage/>\t<y>&lt;</y>", "<?xml?><!-- a --> <clip  x='1' />\n<footage url=\"a &amp; &#34;b&#34;\" new=\"\"/>\t<y>&lt;</y>"},
	} {
		var got bytes.Buffer
		if err := Rewrite(&got, []byte(c.from), rename); err != nil || got.String() != c.want {
			t.Errorf("%s: %q, %v\nwant %q", name, got.String(), err, c.want)
		}
	}
	err := Rewrite(new(bytes.Buffer), []byte(`<footage/>`), func(tag *Tag) bool {
		tag.Set("url", "\x00")
		return true
	})
	if err == nil || !strings.Contains(err.Error(), "rename it") {
		t.Errorf("a path that XML cannot hold: %v", err)
	}
}

// Where nothing changes the copy is the original, and one that was written anew says the same.
func FuzzRewrite(f *testing.F) {
	for _, s := range []string{
		`<project><footage id="1" url="&lt;a"/></project>`, `<footage`, `<a b=c>`, "<a\nb='1'\t/>", `<a><![CDATA[<footage id="2"/>]]></a>`, `<a:b c:d="1"></a:b>`, "\ufeff<a/>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var same bytes.Buffer
		if err := Rewrite(&same, []byte(text), func(*Tag) bool { return false }); err == nil && same.String() != text {
			t.Errorf("%q became %q", text, same.String())
		}
		var anew bytes.Buffer
		var names []string
		if Rewrite(&anew, []byte(text), func(tag *Tag) bool { names = append(names, tag.Name()+"="+tag.Get("url")); return true }) != nil {
			return
		}
		var again []string
		err := Rewrite(new(bytes.Buffer), anew.Bytes(), func(tag *Tag) bool { again = append(again, tag.Name()+"="+tag.Get("url")); return false })
		if err != nil || strings.Join(names, "\n") != strings.Join(again, "\n") {
			t.Errorf("%q became %q (%v): tags %q, were %q", text, anew.String(), err, again, names)
		}
	})
}
