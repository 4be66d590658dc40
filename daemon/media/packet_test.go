package media

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

const sampleListing = `packet|stream_index=0|pts=0|dts=-1024|duration=512|flags=K_
packet|pts=-512|dts=N/A|duration=N/A|flags=_D
side_data|
packet|pts=1024|dts=0|flags=K_C|side_data|
|data_hash=murmur3:79c337db9fc1a448eb115d5c41bbdbeb

stream|index=0|codec_name=h264|time_base=1/12800
format|format_name=mov,mp4|duration=1.0
`

func TestAListingIsReadByItsFieldNames(t *testing.T) {
	var l listing
	if err := l.read(strings.NewReader(sampleListing)); err != nil {
		t.Fatal(err)
	}
	want := []packet{
		{pts: 0, dts: -1024, duration: 512, key: true},
		{pts: -512, dts: noPTS, discarded: true},
		{pts: 1024, dts: 0, key: true, corrupt: true},
	}
	if !slices.Equal(l.packets, want) {
		t.Errorf("packets %+v, want %+v", l.packets, want)
	}
	if len(l.sums) != 1 || l.sums[0][0] != 0x79 || l.sums[0][15] != 0xeb {
		t.Errorf("checksums %x", l.sums)
	}
	if len(l.streams) != 1 || l.streams[0]["codec_name"] != "h264" || l.format["duration"] != "1.0" {
		t.Errorf("streams %v, format %v", l.streams, l.format)
	}
}

func FuzzListing(f *testing.F) {
	f.Add([]byte(sampleListing))
	f.Add([]byte("packet|pts=99999999999999999999|flags="))
	f.Fuzz(func(t *testing.T, text []byte) {
		var l listing
		if l.read(bytes.NewReader(text)) == nil && len(l.packets) > 0 {
			headLength(l.packets, false)
			keyFrames(l.packets, shownPTS(l.packets))
		}
	})
}

const sampleShown = "[Parsed_showinfo_0 @ 0x55] [info] n:   1 pts:    512 pts_time:0.0333333 pos:     2773 fmt:yuv420p sar:1/1 s:320x180 i:T iskey:0 type:B "

func TestAShownFrameIsReadFromTheLog(t *testing.T) {
	got, ok := parseShown([]byte(sampleShown), shown{})
	if want := (shown{512, 320, 180, "yuv420p", true, false}); !ok || got != want {
		t.Errorf("got %+v, %t, want %+v", got, ok, want)
	}
	for _, line := range []string{
		"[info]     title           : " + sampleShown, // metadata of a hostile file
		"[Parsed_showinfo_0 @ 0x55] [info] color_range:tv color_space:bt709",
		"[Parsed_showinfo_0 @ 0x55] [info] n:   1 pts:    512",
	} {
		if got, ok := parseShown([]byte(line), shown{}); ok {
			t.Errorf("%q passed for a frame: %+v", line, got)
		}
	}
}

func FuzzShown(f *testing.F) {
	f.Add([]byte(sampleShown + "\n[x @ 0x1] [error] no frame!\n"))
	f.Add(bytes.Repeat([]byte("x"), 40<<10))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := newShownLog()
		l.read(bytes.NewReader(text))
		lines := bytes.Count(text, []byte("Parsed_showinfo"))
		for n := 0; ; n++ {
			if _, ok := l.pop(); !ok {
				break
			} else if n >= lines {
				t.Fatal("more frames than lines")
			}
		}
		if len(l.said.String()) > 4*tailLimit {
			t.Error("the tail grows without limit")
		}
	})
}

func FuzzHeaders(f *testing.F) {
	f.Add([]byte(`{"streams":[{"index":0,"codec_type":"video","r_frame_rate":"30/1","avg_frame_rate":"0/0","nb_frames":"12"}],"format":{"format_name":"gif","duration":"1e400"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := parseHeaders(source{path: "/x"}, text)
		if (err == nil) != (file != nil) {
			t.Errorf("file %v with error %v", file, err)
		}
	})
}
