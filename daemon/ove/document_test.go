package ove_test

import (
	"fmt"
	"strings"
	"testing"

	"olive-distributed/daemon/ove"
)

// The parts of a project as Olive writes it; what comes between head and tail lies in sequence 1.
const (
	head = `<?xml version="1.0" encoding="UTF-8"?>
<project>
    <version>190219</version>
    <media>
        <footage id="1" folder="0" name="a.mp4" url="a.mp4" duration="4000000" speed="1"/>
    </media>
    <sequences>
        <sequence id="1" folder="0" name="S" width="640" height="360" framerate="30.0000000000" afreq="48000" alayout="3" open="1">
`
	tail = `        </sequence>
    </sequences>
</project>
`
)

// parse reads a whole project that must be good.
func parse(t testing.TB, file string) *ove.Project {
	t.Helper()
	p, err := ove.Parse(strings.NewReader(file))
	if err != nil {
		t.Fatalf("Parse = %v, want a project, of\n%s", err, file)
	}
	return p
}

// clips reads a project whose only sequence holds these clips.
func clips(t testing.TB, content string) []*ove.Clip {
	t.Helper()
	return parse(t, head+content+tail).Sequences[0].Clips
}

// sequence is the XML of a sequence with its clips.
func sequence(id int, rate float64, content string) string {
	return fmt.Sprintf(`<sequence id="%d" name="S%d" width="320" height="180" framerate="%g" afreq="48000">%s</sequence>`,
		id, id, rate, content)
}

// project is the XML of a project with sequences.
func project(sequences ...string) string {
	return `<project><version>190219</version><sequences>` + strings.Join(sequences, "\n") + `</sequences></project>`
}

// long is a project of n clips with a Transform each, as Olive writes them, on two tracks.
func long(n int) string {
	var b strings.Builder
	b.WriteString(head)
	for i := range n {
		fmt.Fprintf(&b, `<clip id="%d" enabled="1" name="a.mp4" clipin="0" in="%d" out="%d" track="-%d" r="128" g="128" b="192" `+
			`autoscale="0" speed="1.0000000000" maintainpitch="0" reverse="0" type="0" media="1" stream="0">`+
			`<linked/><effect name="Distort/Transform"><row><field id="posx" value="320"/></row></effect></clip>`+"\n",
			i, i/2*10, i/2*10+10, i%2+1)
	}
	b.WriteString(tail)
	return b.String()
}
