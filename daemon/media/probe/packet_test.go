package probe

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
	var l Listing
	if err := l.read(strings.NewReader(sampleListing)); err != nil {
		t.Fatal(err)
	}
	want := []Packet{
		{PTS: 0, DTS: -1024, Duration: 512, Key: true},
		{PTS: -512, DTS: NoPTS, Discarded: true},
		{PTS: 1024, DTS: 0, Key: true, Corrupt: true},
	}
	if !slices.Equal(l.Packets, want) {
		t.Errorf("packets %+v, want %+v", l.Packets, want)
	}
	if len(l.Sums) != 1 || l.Sums[0][0] != 0x79 || l.Sums[0][15] != 0xeb {
		t.Errorf("checksums %x", l.Sums)
	}
	if len(l.Streams) != 1 || l.Streams[0]["codec_name"] != "h264" || l.Format["duration"] != "1.0" {
		t.Errorf("streams %v, format %v", l.Streams, l.Format)
	}
}

func FuzzHeaders(f *testing.F) {
	f.Add([]byte(`{"streams":[{"index":0,"codec_type":"video","r_frame_rate":"30/1","avg_frame_rate":"0/0","nb_frames":"12"}],"format":{"format_name":"gif","duration":"1e400"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := parseHeaders(Source{Path: "/x"}, text)
		if (err == nil) != (file != nil) {
			t.Errorf("file %v with error %v", file, err)
		}
	})
}

func FuzzListing(f *testing.F) {
	f.Add([]byte(sampleListing))
	f.Add([]byte("packet|pts=99999999999999999999|flags="))
	f.Fuzz(func(t *testing.T, text []byte) {
		var l Listing
		if l.read(bytes.NewReader(text)) == nil && len(l.Sums) > len(l.Packets) {
			t.Errorf("%d checksums for %d packets", len(l.Sums), len(l.Packets))
		}
	})
}
