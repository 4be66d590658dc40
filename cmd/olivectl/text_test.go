package main

import (
	"bytes"
	"fmt"
	"testing"
)

// titles is a project full of texts: scrolling, keyframed, shadowed, over media and in a nest.
func titles(t testing.TB, dir string) string {
	row := func(id, value string) string { return fmt.Sprintf(`<row><field id="%s" value="%s"/></row>`, id, value) }
	keyed := func(id, a, b string) string {
		return fmt.Sprintf(`<row><field id="%[1]s" value=""><key value="%[2]s" frame="0" type="0"/><key value="%[3]s" frame="40" type="0"/></field></row>`, id, a, b)
	}
	const shadow = `<row><field id="shadow" value="1"/></row><row><field id="shadowcolor" value="#ff0000"/></row><row/><row><field id="shadowdistance" value="6"/></row><row><field id="shadowsoftness" value="4"/></row>`
	title := `<effect name="Render/Text" enabled="1">` + keyed("text", "one title", "another, קצר ולעניין") + row("font", "DejaVu Serif") + keyed("size", "8", "31") +
		keyed("color", "#ff0000", "#00ff00") + `<row/><row/><row/><row/>` + row("outline", "1") + row("outlinecolor", "#0000ff") + keyed("outlinewidth", "0", "7") + shadow + `</effect>`
	credits := func(scroll int) string {
		return `<effect name="Render/Rich Text" enabled="1">` +
			row("text", `&lt;body style=&quot;font-size:13pt; color:#ffffff&quot;&gt;&lt;center&gt;Some &lt;b&gt;credits&lt;/b&gt;&lt;/center&gt;&lt;ul&gt;&lt;li&gt;which &lt;u&gt;scroll&lt;/u&gt;&lt;li&gt;&lt;i&gt;for ever&lt;/i&gt;&lt;/ul&gt;`) +
			`<row/><row/><row/>` + row("autoscroll", fmt.Sprint(scroll)) + shadow + `</effect>`
	}
	const code = `<effect name="Render/Timecode" enabled="1"><row><field id="tc_selector" value="%s"/></row><row><field id="scale" value="130"/></row></effect>`
	null := func(id, track, in, out int, effects string) string {
		return fmt.Sprintf(`<clip id="%d" enabled="1" name="t%d" clipin="7" in="%d" out="%d" track="%d" speed="1"><linked/>%s</clip>`, id, id, in, out, -track, effects)
	}
	const dissolve = `<opening length="9" name="/Cross Dissolve" enabled="1"/>`
	main := video(0, 1, 0, 90, 3, 1, `speed="1.3"`, fmt.Sprintf(code, "false")) +
		null(1, 2, 5, 85, title+dissolve) + null(2, 3, 20, 90, credits(1)) + null(3, 4, 0, 60, credits(4)) +
		`<clip id="4" enabled="1" name="nest" clipin="4" in="30" out="80" track="-5" speed="1" type="2" sequence="2"><linked/>` + dissolve + `</clip>`
	nested := null(0, 1, 0, 80, fmt.Sprintf(code, "true")+title)
	return writeProject(t, dir, main, nested)
}

// TestTextsDoNotDependOnTheSplit: a text is the same whichever worker paints it, and whatever
// that worker has painted before.
func TestTextsDoNotDependOnTheSplit(t *testing.T) {
	dir := t.TempDir()
	makeMedia(t, dir)
	project := titles(t, dir)
	want := pictures(t, exportFilm(t, project, "--split", "never", "--workers", "1", "--threads", "1"))
	if len(want) != 90 {
		t.Fatalf("%d frames, want 90", len(want))
	}
	if bytes.Equal(want[40], want[41]) {
		t.Error("frames 40 and 41 are the same: nothing moves")
	}
	for _, args := range [][]string{
		{"--split", "7", "--workers", "3", "--threads", "2"},
		{"--split", "2", "--workers", "2", "--threads", "1"},
		{"--frames", "33:71"},
	} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			got, from := pictures(t, exportFilm(t, project, args...)), 0
			if args[0] == "--frames" {
				from = 33
			}
			if from == 0 && len(got) != len(want) || from > 0 && len(got) != 71-33 {
				t.Fatalf("%d frames", len(got))
			}
			for i := range got {
				if !bytes.Equal(got[i], want[from+i]) {
					t.Errorf("frame %d differs from the film that was not cut", from+i)
				}
			}
		})
	}
}

// TestTheTimeCodeRuns: the engine tells its stages the playhead.
func TestTheTimeCodeRuns(t *testing.T) {
	dir := t.TempDir()
	makeMedia(t, dir)
	clip := `<clip id="0" enabled="1" name="t" clipin="0" in="0" out="4" track="-1" speed="1"><linked/><effect name="Render/Timecode" enabled="1"><row><field id="tc_selector" value="true"/></row></effect></clip>`
	film := pictures(t, exportFilm(t, writeProject(t, dir, clip, "")))
	for i := range film {
		for j := range i {
			if bytes.Equal(film[i], film[j]) {
				t.Errorf("frames %d and %d show the same time", j, i)
			}
		}
	}
}
