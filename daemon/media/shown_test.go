package media

import (
	"bytes"
	"math"
	"testing"

	"olive-distributed/daemon/media/probe"
	"olive-distributed/daemon/media/tool"
)

const sampleShown = "[Parsed_showinfo_0 @ 0x55] [info] n:   1 pts:    512 pts_time:0.0333333 pos:     2773 fmt:yuv420p sar:1/1 s:320x180 i:T iskey:0 type:B "

func TestAShownFrameIsReadFromTheLog(t *testing.T) {
	got, ok := parseShown([]byte(sampleShown), shown{})
	if want := (shown{pts: 512, width: 320, height: 180, pixFmt: "yuv420p", interlaced: true}); !ok || got != want {
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
		if len(l.said.String()) > 4*tool.TailLimit {
			t.Error("the tail grows without limit")
		}
	})
}

func FuzzPackets(f *testing.F) {
	f.Add(int64(0), int64(-1), int64(2), int64(0), int64(1), int64(1), uint8(0b101))
	f.Add(int64(probe.NoPTS), int64(5), int64(5), int64(5), int64(-9), int64(math.MaxInt64), uint8(0xff))
	f.Fuzz(func(t *testing.T, p1, d1, p2, d2, p3, d3 int64, flags uint8) {
		packets := []probe.Packet{
			{PTS: p1, DTS: d1, Key: flags&1 != 0, Discarded: flags&8 != 0},
			{PTS: p2, DTS: d2, Key: flags&2 != 0, Discarded: flags&16 != 0},
			{PTS: p3, DTS: d3, Key: flags&4 != 0, Discarded: flags&32 != 0},
		}
		pts := shownPTS(packets)
		if n := headLength(packets, flags&64 != 0); n < 0 || n > len(packets) {
			t.Errorf("decode %d frames of %d", n, len(packets))
		}
		for _, k := range keyFrames(packets, pts) {
			if k >= len(pts) {
				t.Errorf("key frame %d of %d", k, len(pts))
			}
		}
	})
}
