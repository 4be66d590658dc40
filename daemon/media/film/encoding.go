// Package film makes films: encoding of frames into parts, verification of parts, joining.
//
// Whatever is written is checked as if a stranger had written it. A call that writes a file leaves a
// complete, synced file or none.
package film

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"olive-distributed/daemon/media/probe"
)

// A Colour is the way from the canvas's RGB to the film's YUV.
type Colour int

// The colours.
const (
	ColourTagged Colour = iota // BT.709 limited whatever the size, and tagged so
	ColourOlive                // BT.601 limited without any tag: Olive's own export
)

// ParseColour reads "bt709" or "olive".
func ParseColour(s string) (Colour, error) {
	switch s {
	case "bt709":
		return ColourTagged, nil
	case "olive":
		return ColourOlive, nil
	}
	return 0, fmt.Errorf("there is no colour %q: use bt709 or olive", s)
}

// String is what ParseColour reads.
func (c Colour) String() string {
	if c == ColourOlive {
		return "olive"
	}
	return "bt709"
}

// An Encoding is all that decides the bytes of a part. It is plain data, so that a plan can carry
// it to any worker: the same frames and Encoding give the same bytes wherever ffmpeg's version is
// the same.
type Encoding struct {
	Width     int            `json:"width"`
	Height    int            `json:"height"`
	Rate      probe.Rational `json:"rate"` // frames per second
	Preset    string         `json:"preset"`
	Colour    Colour         `json:"colour"`
	Args      []string       `json:"args,omitempty"`       // replace the preset's codec arguments, which only complete them
	AudioArgs []string       `json:"audio_args,omitempty"` // replace the preset's audio codec arguments
}

const (
	maxSide = 16384
	maxRate = 1000
)

// Validate refuses what cannot be encoded, and arguments that are not on the lists of codec
// options: an override comes from a stranger and must not name files, inputs, outputs or filters.
func (e Encoding) Validate() error {
	p, err := PresetByName(e.Preset)
	if err != nil {
		return err
	}
	if e.Width < 1 || e.Height < 1 || e.Width > maxSide || e.Height > maxSide {
		return fmt.Errorf("cannot encode %dx%d: sides are 1 to %d pixels", e.Width, e.Height, maxSide)
	}
	if e.Rate.Num < 1 || e.Rate.Den < 1 || e.Rate.Num > 1_000_000 || e.Rate.Den > 1_000_000 || e.Rate.Float64() > maxRate {
		return fmt.Errorf("cannot encode %s frames per second: the rate is above 0 and at most %d", e.Rate, maxRate)
	}
	if e.Colour != ColourTagged && e.Colour != ColourOlive {
		return fmt.Errorf("there is no colour %d", e.Colour)
	}
	if _, err := parseOptions(e.AudioArgs, audioOptions); err != nil {
		return fmt.Errorf("audio arguments: %w", err)
	}
	v, err := e.video(p)
	if err != nil {
		return fmt.Errorf("arguments for preset %s: %w", e.Preset, err)
	}
	return e.checkSize(v)
}

// checkSize asks for whole chroma samples.
func (e Encoding) checkSize(v options) error {
	format := pixFmts[v.get("pix_fmt")]
	if e.Width%format.stepX != 0 || e.Height%format.stepY != 0 {
		return fmt.Errorf("%s cannot hold %dx%d: make the sequence's size even, or use preset lossless", v.get("pix_fmt"), e.Width, e.Height)
	}
	return nil
}

// video is the complete list of codec options: the override's, completed by what the preset says
// about encoder, pixel format and threads.
func (e Encoding) video(p Preset) (options, error) {
	base, err := parseOptions(p.Video, videoOptions)
	if err != nil || len(e.Args) == 0 {
		return base, err
	}
	v, err := parseOptions(e.Args, videoOptions)
	if err != nil {
		return nil, err
	}
	if c := v.get("c"); c != "" && c != base.get("c") {
		return nil, fmt.Errorf("encoder %s is not the preset's (%s): choose another preset", c, base.get("c"))
	}
	for _, name := range []string{"c", "pix_fmt", "tag", "threads"} {
		if v.get(name) == "" && base.get(name) != "" {
			v = append(v, option{name, base.get(name)})
		}
	}
	for _, name := range []string{"x264-params", "x265-params", "svtav1-params"} {
		v.complete(name, base.get(name))
	}
	if _, ok := pixFmts[v.get("pix_fmt")]; !ok {
		return nil, fmt.Errorf("pixel format %s is not supported: use one of %s", v.get("pix_fmt"), pixFmtNames())
	}
	return v, nil
}

// VideoArgs are the ffmpeg arguments between the input and the name of a part. The Encoding must
// be valid.
func (e Encoding) VideoArgs() []string {
	p, err := PresetByName(e.Preset)
	if err != nil {
		return nil
	}
	v, err := e.video(p)
	if err != nil {
		return nil
	}
	args := append([]string{"-map", "0:v:0", "-vf", e.filter(v)}, v.args("v")...)
	if pixFmts[v.get("pix_fmt")].yuv && e.Colour == ColourTagged {
		args = append(args, "-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv")
	}
	// Nothing of date, host or library version goes into a part.
	args = append(args, "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact")
	args = append(args, e.timescaleArgs()...)
	return append(args, "-f", muxers[p.PartExt])
}

// filter converts the canvas. The flags make swscale give the same bytes with any instruction
// set, at no cost; without them AVX2 and SSE2 differ.
func (e Encoding) filter(v options) string {
	format := v.get("pix_fmt")
	switch {
	case !pixFmts[format].yuv:
		return "format=" + format
	case e.Colour == ColourOlive:
		return "scale=out_color_matrix=bt601:out_range=tv:flags=bilinear+bitexact,format=" + format
	}
	return "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_inp+bitexact,format=" + format +
		",setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
}

// muxers names ffmpeg's muxer for each extension.
var muxers = map[string]string{".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}

// timescaleArgs make mp4 and mov count in whole frames, in the header too, whose default is
// milliseconds.
func (e Encoding) timescaleArgs() []string {
	ticks := strconv.FormatInt(e.timescale(), 10)
	return []string{"-video_track_timescale", ticks, "-movie_timescale", ticks}
}

// timescale is a number of ticks per second that makes a frame a whole number of ticks.
func (e Encoding) timescale() int64 {
	scale := e.Rate.Num
	for scale < 10000 { // ffmpeg's own habit: some players want fine ticks
		scale *= 2
	}
	return scale
}

// step is the length of a frame in ticks.
func (e Encoding) step() int64 { return e.timescale() / e.Rate.Num * e.Rate.Den }

// at is the time of frame n in units of 1/unit seconds, rounded.
func (e Encoding) at(n, unit int64) int64 {
	hi, lo := bits.Mul64(uint64(n*e.Rate.Den), uint64(unit))
	lo, carry := bits.Add64(lo, uint64(e.Rate.Num)/2, 0)
	t, _ := bits.Div64(hi+carry, lo, uint64(e.Rate.Num))
	return int64(t)
}

// A pixFmt says what a pixel format asks of the picture.
type pixFmt struct {
	stepX, stepY int // sides are multiples of these
	yuv          bool
}

var pixFmts = map[string]pixFmt{
	"yuv420p": {2, 2, true}, "yuv420p10le": {2, 2, true},
	"yuv422p": {2, 1, true}, "yuv422p10le": {2, 1, true},
	"yuv444p": {1, 1, true}, "yuv444p10le": {1, 1, true},
	"bgr0": {1, 1, false}, "gbrp": {1, 1, false},
}

func pixFmtNames() string {
	var names []string
	for name := range pixFmts {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
