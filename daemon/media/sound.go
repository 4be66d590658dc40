package media

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Sound is one audio stream of a medium. It is read-only.
//
// Its seconds are those of the pictures beside it: a stream that starts late has silence before
// it. Where there are no pictures, 0 is the start of the sound itself.
type Sound struct {
	Path     string
	Stream   int
	Rate     int     // samples per second
	Duration float64 // of the container, in seconds, 0 when unknown

	src    source
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
// decoders need to get going. AAC has none, see [SoundSpec].
var piped = map[string]float64{
	"aac": 0, "ac3": 0.1, "dts": 0.1, "eac3": 0.1, "flac": 0, "mp1": 0.1, "mp2": 0.1, "mp3": 0.3, "opus": 0.1, "vorbis": 0.2,
}

// sampled are the containers where a seek finds any sample of PCM.
var sampled = []string{"wav", "w64", "aiff", "au", "caf"}

// Sound examines an audio stream. A stream beside pictures in a container that does not seek
// well is copied out once. A stream that is damaged somewhere is an error, here or when it is
// read; one that is only cut short ends there.
func (l *Library) Sound(ctx context.Context, path string, stream int) (*Sound, error) {
	src, err := open(path, 0)
	if err != nil {
		return nil, fmt.Errorf("sound: %w", err)
	}
	file, err := l.probe(ctx, src)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(file.Streams, func(s Stream) bool { return s.Index == stream && s.Type == "audio" })
	if i < 0 {
		return nil, fmt.Errorf("%s has no audio stream %d: was the file replaced by another?", path, stream)
	}
	if file.Streams[i].SampleRate <= 0 {
		return nil, fmt.Errorf("%s: ffprobe finds no sample rate in stream %d: the file is damaged, copy it again", path, stream)
	}
	codec := file.Streams[i].Codec
	s := &Sound{
		Path: path, Stream: stream, Rate: file.Streams[i].SampleRate, Duration: file.Duration,
		src: src, start: file.Start, seeks: exactSeeks(file.Format),
		route: routeTo(file.Format, codec), runUp: piped[codec], sums: codec == "flac",
		stream: strings.HasPrefix(file.Format, "mpeg"),
	}
	pictures := slices.ContainsFunc(file.Streams, func(s Stream) bool { return s.Type == "video" && !s.Attached })
	if err := s.examine(ctx, pictures); err != nil {
		return nil, fmt.Errorf("examine the sound of %s: %w", path, err)
	}
	if s.route == packets && !s.seeks && (pictures || s.stream) {
		if err := l.extract(ctx, s); err != nil {
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
func (s *Sound) examine(ctx context.Context, pictures bool) error {
	const limit = 1 << 20
	args := []string{
		"-v", "error", "-of", "json", "-select_streams", strconv.Itoa(s.Stream), "-read_intervals", "%+#32",
		"-show_entries", "stream=start_time:packet=duration_time",
	}
	var out bytes.Buffer
	if err := run(ctx, "ffprobe", append(args, s.src.input(0)...), new(tail), limited(limit, &out)); err != nil {
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
		s.packet = max(s.packet, seconds(packet.Duration))
	}
	if !pictures && len(p.Streams) > 0 {
		s.origin = max(0, seconds(p.Streams[0].Start))
	}
	return nil
}

// extractShift keeps the time stamps of a copy positive, which NUT demands; in seconds.
const extractShift = 100

// extract makes s play a copy of its stream without the pictures around it.
func (l *Library) extract(ctx context.Context, s *Sound) error {
	dir, err := l.remuxDir()
	if err != nil {
		return fmt.Errorf("folder for copied sound: %w", err)
	}
	path := cachePath(dir, fmt.Sprintf("%s\x00%d", s.src.key, s.Stream), ".nut")
	if _, err := os.Stat(path); err != nil {
		if err := writeExtract(ctx, s, path); err != nil {
			return err
		}
	}
	if s.src, err = open(path, 0); err != nil {
		return err
	}
	s.Stream, s.start, s.stream = 0, 0, false
	s.origin += extractShift
	return nil
}

func writeExtract(ctx context.Context, s *Sound, path string) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "sound-*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // gone after the rename
	if err := temp.Close(); err != nil {
		return err
	}
	if err := s.copyTo(ctx, temp.Name()); err != nil {
		if !s.stream || ctx.Err() != nil {
			return err
		}
		whole := *s
		whole.stream = false // leaves out what is damaged
		if again := whole.copyTo(ctx, temp.Name()); again != nil || !gapless(ctx, temp.Name()) {
			return err
		}
	}
	return os.Rename(temp.Name(), path)
}

func (s *Sound) copyTo(ctx context.Context, path string) error {
	args := append([]string{"-v", "error", "-nostdin", "-y", "-xerror", "-copyts"}, s.input()...)
	args = append(args, "-map", "0:"+strconv.Itoa(s.Stream), "-c", "copy", "-map_metadata", "-1",
		"-output_ts_offset", strconv.Itoa(extractShift), "-f", "nut", "file:"+path)
	var said tail
	err := run(ctx, "ffmpeg", args, &said, func(r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	})
	if strings.Contains(said.String(), "No space left") {
		return fmt.Errorf("%s: the disk is full, make room or set another cache folder: %w", filepath.Dir(path), err)
	}
	return err
}

// gapless reports whether the packets of a copied stream follow each other, so that none is missing
// but at the end.
func gapless(ctx context.Context, path string) bool {
	list, err := listPackets(ctx, source{path: path}, 0)
	for i := 1; i < len(list); i++ {
		if late := list[i].pts - list[i-1].pts - list[i-1].duration; late > list[i-1].duration/2 {
			return false
		}
	}
	return err == nil && len(list) > 0
}

// input gives ffmpeg's arguments to read the medium. A packet that is cut off makes it fail only
// where there can be more behind it.
func (s *Sound) input() []string {
	if s.stream {
		return s.src.input(0)
	}
	return append([]string{"-fflags", "+discardcorrupt"}, s.src.input(0)...)
}

// A SoundSpec says what a [SoundReader] delivers.
type SoundSpec struct {
	Rate      int     // samples per second
	Tempo     float64 // seconds of the medium in one second that is delivered, 0 = 1
	KeepPitch bool    // the tempo leaves the pitch as it is
	Start     float64 // second of the medium to start at
	// Cold starts AAC as Olive does after a seek: with the packet that holds Start and nothing
	// before it, so that it comes out damaged. Other codecs start near Start too, but with the
	// packets before it that they need. Otherwise the samples are the same as those of a reader
	// from second 0 on, and so is the time it takes to get there.
	Cold bool
}

// Limits of a tempo. Beyond them the resampler needs too much memory.
const (
	minTempo = 0.01
	maxTempo = 100
)

func (spec SoundSpec) validate() error {
	switch {
	case spec.Rate <= 0:
		return fmt.Errorf("%d samples per second", spec.Rate)
	case !(spec.Tempo >= minTempo && spec.Tempo <= maxTempo):
		return fmt.Errorf("the speed %g is none for sound: use %g to %g, or take the sound away", spec.Tempo, minTempo, float64(maxTempo))
	case math.IsNaN(spec.Start) || math.Abs(spec.Start) > 1e9:
		return fmt.Errorf("second %g is in no medium", spec.Start)
	}
	return nil
}

// filters convert to stereo, the rate and the tempo with what Olive puts into its own graph.
func (spec SoundSpec) filters() string {
	format := func(rate float64) string {
		return fmt.Sprintf("aformat=sample_fmts=s16:channel_layouts=stereo:sample_rates=%.0f", rate)
	}
	switch {
	case math.Abs(spec.Tempo-1)*1e12 <= min(spec.Tempo, 1): // Qt's qFuzzyCompare
		return format(float64(spec.Rate))
	case !spec.KeepPitch:
		return format(math.Round(float64(spec.Rate) / spec.Tempo))
	}
	base := 2.0
	if spec.Tempo <= 1 {
		base = 0.5
	}
	power := math.Log(spec.Tempo) / math.Log(base)
	times := math.Floor(power)
	chain := format(float64(spec.Rate)) + strings.Repeat(fmt.Sprintf(",atempo=%f", base), int(times))
	return chain + fmt.Sprintf(",atempo=%f", math.Pow(base, power-times))
}

// errNothing means that a stream has no sound from the wanted second on.
var errNothing = errors.New("nothing there")
