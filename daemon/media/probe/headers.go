package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"olive-distributed/daemon/media/tool"
)

// A File is what the headers of a medium say.
type File struct {
	Path     string
	Format   string  // ffprobe's demuxer names, e.g. "mov,mp4,m4a,3gp,3g2,mj2"
	Start    float64 // container start time in seconds
	Duration float64 // container duration in seconds, +Inf for a still, 0 when unknown
	Still    bool
	Streams  []Stream
}

// A Stream is one stream of a File.
type Stream struct {
	Index         int
	Type          string // "video", "audio", "subtitle", "data"
	Codec, PixFmt string
	Width, Height int
	Rate          Rational // frames per second as Olive guesses it, 0/0 when unknown
	TimeBase      Rational
	Frames        int64 // that the header promises, 0 when it does not
	SampleRate    int
	Channels      int
	Interlaced    bool
	Attached      bool // cover art, not a film
}

// SeeksExactly is true of the containers where a seek lands on the key frame before the time asked for,
// whatever the codec. In others it may land anywhere.
func (f *File) SeeksExactly() bool {
	return strings.HasPrefix(f.Format, "mov,") || strings.HasPrefix(f.Format, "matroska,")
}

// Headers reads the headers of a medium.
func Headers(ctx context.Context, src Source) (*File, error) {
	file, err := headers(ctx, src)
	if err == nil && isAnimation(file.Format) {
		err = file.settleAnimation(ctx, src)
	}
	if err != nil {
		return nil, fmt.Errorf("probe %s: %w", src.Path, err)
	}
	return file, nil
}

// probed is ffprobe's answer in JSON.
type probed struct {
	Format struct {
		Name     string `json:"format_name"`
		Start    string `json:"start_time"`
		Duration string `json:"duration"`
	} `json:"format"`
	Streams []struct {
		Index       int    `json:"index"`
		Type        string `json:"codec_type"`
		Codec       string `json:"codec_name"`
		PixFmt      string `json:"pix_fmt"`
		Width       int    `json:"width"`
		Height      int    `json:"height"`
		RRate       string `json:"r_frame_rate"`
		AvgRate     string `json:"avg_frame_rate"`
		TimeBase    string `json:"time_base"`
		Frames      string `json:"nb_frames"`
		SampleRate  string `json:"sample_rate"`
		Channels    int    `json:"channels"`
		FieldOrder  string `json:"field_order"`
		Disposition struct {
			Attached int `json:"attached_pic"`
		} `json:"disposition"`
	} `json:"streams"`
}

// headers asks ffprobe for everything that File holds, but cannot tell an animation from a still.
func headers(ctx context.Context, src Source) (*File, error) {
	const limit = 16 << 20
	args := []string{
		"-v", "error", "-of", "json", "-show_entries", "format=format_name,start_time,duration" +
			":stream=index,codec_type,codec_name,pix_fmt,width,height,r_frame_rate,avg_frame_rate,time_base," +
			"nb_frames,sample_rate,channels,field_order:stream_disposition=attached_pic",
	}
	var out bytes.Buffer
	if err := tool.Run(ctx, "ffprobe", append(args, src.Input(0)...), new(tool.Tail), tool.Limited(limit, &out)); err != nil {
		if strings.Contains(err.Error(), "not on whitelist") || strings.Contains(err.Error(), "Invalid data found") {
			return nil, fmt.Errorf("%w: no film, picture or sound in a container that is opened here", ErrNotMedium)
		}
		return nil, err
	}
	return parseHeaders(src, out.Bytes())
}

func parseHeaders(src Source, text []byte) (*File, error) {
	var p probed
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("read ffprobe's answer: %w", err)
	}
	f := &File{
		Path: src.Path, Format: p.Format.Name,
		Start: Seconds(p.Format.Start), Duration: Seconds(p.Format.Duration),
		Still: src.Count == 0 && isPicture(p.Format.Name),
	}
	if f.Format == "image2" && src.Count == 0 && strings.Contains(src.Path, "%") {
		return nil, fmt.Errorf("%w: ffmpeg takes %% in a picture's name for a number: rename it", ErrNotMedium)
	}
	if f.Still {
		f.Duration = math.Inf(1)
	}
	for _, s := range p.Streams {
		if s.Codec == "svg" { // a program rather than a picture: it may name other files
			return nil, fmt.Errorf("%w: it is an SVG drawing: save it as PNG", ErrNotMedium)
		}
		f.Streams = append(f.Streams, Stream{
			Index: s.Index, Type: s.Type, Codec: s.Codec, PixFmt: s.PixFmt, Width: s.Width, Height: s.Height,
			Rate: guessRate(ParseRational(s.RRate), ParseRational(s.AvgRate)), TimeBase: ParseRational(s.TimeBase),
			Frames: int64(Number(s.Frames)), SampleRate: Number(s.SampleRate), Channels: s.Channels,
			Interlaced: isInterlaced(s.FieldOrder), Attached: s.Disposition.Attached != 0,
		})
	}
	return f, nil
}

// settleAnimation tells a film in a picture format from a still: only the packets know.
func (f *File) settleAnimation(ctx context.Context, src Source) error {
	packets, err := Packets(ctx, src, 0)
	if f.Still = len(packets) == 1; f.Still {
		f.Duration = math.Inf(1)
	} else if math.IsInf(f.Duration, 1) {
		f.Duration = 0
	}
	return err
}

func isAnimation(format string) bool {
	return format == "gif" || format == "apng" || format == "jpeg_pipe"
}

// isPicture says whether a demuxer reads single pictures.
func isPicture(format string) bool { return format == "image2" || strings.HasSuffix(format, "_pipe") }

func isInterlaced(fieldOrder string) bool {
	return fieldOrder == "tt" || fieldOrder == "bb" || fieldOrder == "tb" || fieldOrder == "bt"
}

// guessRate is av_guess_frame_rate, which Olive asks.
func guessRate(r, avg Rational) Rational {
	if r.Float64() > 210 && avg.Float64() > 0 && avg.Float64() < 70 {
		return avg
	}
	return r
}

// ParseRational reads "30000/1001"; whatever is no positive fraction is unknown.
func ParseRational(s string) Rational {
	num, den, ok := strings.Cut(s, "/")
	n, errN := strconv.ParseInt(num, 10, 64)
	d, errD := strconv.ParseInt(den, 10, 64)
	if !ok || errN != nil || errD != nil || n <= 0 || d <= 0 {
		return Rational{}
	}
	return Rational{n, d}
}

// Seconds reads a time as ffprobe writes it; whatever is no number is 0.
func Seconds(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// Number reads a count; whatever is none is 0.
func Number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
