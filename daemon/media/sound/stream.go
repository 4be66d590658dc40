// Package sound reads the sound of media: any audio stream from any second on, in stereo, at a rate and
// tempo of choice, with the samples that Olive has there.
//
// A reader delivers the same samples wherever it runs. A stream that is damaged somewhere is an error, one
// that is only cut short ends there.
package sound

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/media/probe"
	"olive-distributed/daemon/media/tool"
)

// A Stream is one audio stream of a medium. It is read-only.
//
// Its seconds are those of the pictures beside it: a stream that starts late has silence before
// it. Where there are no pictures, 0 is the start of the sound itself.
type Stream struct {
	Path     string
	Index    int
	Rate     int     // samples per second
	Duration float64 // of the container, in seconds, 0 when unknown

	src    probe.Source
	start  float64 // of the container
	origin float64 // what the stream's own clock shows at second 0
	packet float64 // seconds of the longest packet
	runUp  float64 // seconds that the decoder needs before its output is right
	route  route
	seeks  bool // a seek never lands behind the time asked for
	sums   bool // the codec has check sums that ffmpeg heeds only when asked to
	stream bool // a transmission: any packet may be damaged, in other containers only the last one
}

// A route is the way to the first sample.
type route int

const (
	// whole decodes the stream from its start each time.
	whole route = iota
	// direct lets ffmpeg seek: the container has samples, not packets.
	direct
	// packets has one ffmpeg find the first packet and another one decode from it.
	packets
)

// piped are the codecs whose packets survive the way through a NUT pipe, with the seconds that their
// decoders need to get going. AAC has none, see [Spec].
var piped = map[string]float64{
	"aac": 0, "ac3": 0.1, "dts": 0.1, "eac3": 0.1, "flac": 0, "mp1": 0.1, "mp2": 0.1, "mp3": 0.3, "opus": 0.1, "vorbis": 0.2,
}

// sampled are the containers where a seek finds any sample of PCM.
var sampled = []string{"wav", "w64", "aiff", "au", "caf"}

// Examine prepares an audio stream for reading. A stream beside pictures in a container that does not seek
// well is copied out once. A stream that is damaged somewhere is an error, here or when it is
// read; one that is only cut short ends there.
func Examine(ctx context.Context, l *media.Library, path string, stream int) (*Stream, error) {
	src, err := probe.Open(path, 0)
	if err != nil {
		return nil, fmt.Errorf("sound: %w", err)
	}
	file, err := l.Headers(ctx, src)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(file.Streams, func(s probe.Stream) bool { return s.Index == stream && s.Type == "audio" })
	if i < 0 {
		return nil, fmt.Errorf("%s has no audio stream %d: was the file replaced by another?", path, stream)
	}
	if file.Streams[i].SampleRate <= 0 {
		return nil, fmt.Errorf("%s: ffprobe finds no sample rate in stream %d: the file is damaged, copy it again", path, stream)
	}
	codec := file.Streams[i].Codec
	s := &Stream{
		Path: path, Index: stream, Rate: file.Streams[i].SampleRate, Duration: file.Duration,
		src: src, start: file.Start, seeks: file.SeeksExactly(),
		route: routeTo(file.Format, codec), runUp: piped[codec], sums: codec == "flac",
		stream: strings.HasPrefix(file.Format, "mpeg"),
	}
	pictures := slices.ContainsFunc(file.Streams, func(s probe.Stream) bool { return s.Type == "video" && !s.Attached })
	if err := s.examine(ctx, pictures); err != nil {
		return nil, fmt.Errorf("examine the sound of %s: %w", path, err)
	}
	if s.route == packets && !s.seeks && (pictures || s.stream) {
		if err := s.extract(ctx, l); err != nil {
			return nil, fmt.Errorf("copy the sound out of %s: %w", path, err)
		}
	}
	return s, nil
}

func routeTo(format, codec string) route {
	pcm := strings.HasPrefix(codec, "pcm_")
	_, pipes := piped[codec]
	switch {
	case pcm && slices.Contains(sampled, format):
		return direct
	case pcm || pipes:
		return packets
	}
	return whole
}

// examine asks for the start of the stream and the length of its packets.
func (s *Stream) examine(ctx context.Context, pictures bool) error {
	const limit = 1 << 20
	args := []string{
		"-v", "error", "-of", "json", "-select_streams", strconv.Itoa(s.Index), "-read_intervals", "%+#32",
		"-show_entries", "stream=start_time:packet=duration_time",
	}
	var out bytes.Buffer
	if err := tool.Run(ctx, "ffprobe", append(args, s.src.Input(0)...), new(tool.Tail), tool.Limited(limit, &out)); err != nil {
		return err
	}
	var p struct {
		Packets []struct {
			Duration string `json:"duration_time"`
		}
		Streams []struct {
			Start string `json:"start_time"`
		}
	}
	if err := json.Unmarshal(out.Bytes(), &p); err != nil {
		return fmt.Errorf("read ffprobe's answer: %w", err)
	}
	for _, packet := range p.Packets {
		s.packet = max(s.packet, probe.Seconds(packet.Duration))
	}
	if !pictures && len(p.Streams) > 0 {
		s.origin = max(0, probe.Seconds(p.Streams[0].Start))
	}
	return nil
}

// input gives ffmpeg's arguments to read the medium. A packet that is cut off makes it fail only
// where there can be more behind it.
func (s *Stream) input() []string {
	if s.stream {
		return s.src.Input(0)
	}
	return append([]string{"-fflags", "+discardcorrupt"}, s.src.Input(0)...)
}
