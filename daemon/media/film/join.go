package film

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"olive-distributed/daemon/media/probe"
	"olive-distributed/daemon/media/tool"
)

// A JoinSpec says what Join makes of what.
type JoinSpec struct {
	Parts    []Part // in order, as they were verified
	Audio    *Part  // a WAV file as long as the film, with its checksum; nil for none
	Encoding Encoding
	Output   string            // the film's name: its extension decides the container
	Into     string            // the existing file that is filled; to give it its name is the caller's
	Metadata map[string]string // e.g. title; keys are lower-case words
}

// Join makes one film of the parts, without decoding them, encodes the sound once for the whole,
// and verifies the film: a part or sound that has changed since it was verified is found here at
// the latest. It fills a file that is there already, so that the caller decides when
// the film gets its name; after an error what is in the file is worth nothing.
func Join(ctx context.Context, spec JoinSpec) error {
	if err := spec.join(ctx); err != nil {
		return fmt.Errorf("join %d parts to %s: %w", len(spec.Parts), spec.Output, err)
	}
	return nil
}

func (s JoinSpec) join(ctx context.Context) error {
	if err := s.check(); err != nil {
		return err
	}
	return s.fill(ctx, s.Into)
}

// fill writes the film to an existing file and verifies it.
func (s JoinSpec) fill(ctx context.Context, path string) error {
	args, err := s.args(path)
	if err != nil {
		return err
	}
	var soundErr error
	var sound sync.WaitGroup
	sound.Go(func() { soundErr = s.checkSound(ctx) })
	err = runJoin(ctx, args, s.script())
	sound.Wait()
	if err = cmp.Or(err, soundErr); err != nil {
		return err
	}
	return VerifyFilm(ctx, path, s.Encoding, s.Parts, s.Audio != nil)
}

// checkSound compares the sound with its checksum: in the film it is encoded, so nothing could be
// compared there.
func (s JoinSpec) checkSound(ctx context.Context) error {
	if s.Audio == nil {
		return nil
	}
	sum, size, err := Checksum(ctx, s.Audio.Path)
	if err == nil && (sum != s.Audio.SHA256 || size != s.Audio.Size) {
		err = fmt.Errorf("%s has changed since it was verified, or the disk is faulty; render the sound again", s.Audio.Path)
	}
	return err
}

var metadataKey = regexp.MustCompile(`^[a-z_]{1,64}$`)

// check refuses what cannot become one film.
func (s JoinSpec) check() error {
	if err := s.Encoding.Validate(); err != nil {
		return err
	}
	if len(s.Parts) == 0 {
		return errors.New("there are no parts")
	}
	for key, value := range s.Metadata {
		if !metadataKey.MatchString(key) || strings.ContainsRune(value, 0) {
			return fmt.Errorf("metadata %q cannot be written", key)
		}
	}
	if s.Audio != nil {
		if _, err := probe.Open(s.Audio.Path, 0); err != nil {
			return fmt.Errorf("sound: %w", err)
		}
	}
	first := ""
	for i, part := range s.Parts {
		if part.Frames < 1 || strings.ContainsAny(part.Path, "\n\r") {
			return fmt.Errorf("part %q with %d frames", part.Path, part.Frames)
		}
		entry, err := sampleEntry(part.Path)
		if err != nil {
			return fmt.Errorf("part %d: %w", i, err)
		}
		if first == "" {
			first = entry
		}
		if entry != first {
			return fmt.Errorf("part %d (%s) was encoded otherwise than part 0: another ffmpeg made it, render it again", i, part.Path)
		}
	}
	return nil
}

func (s JoinSpec) frames() int64 { return frameCount(s.Parts) }

// script is the concat demuxer's list. Each duration is the difference of two rounded times, so
// that a thousand parts are no more off than one. The parts were verified: with their decoders
// out of reach, ffmpeg does not decode the start of each once more (35 ms each at 1080p).
func (s JoinSpec) script() string {
	var b strings.Builder
	b.WriteString("ffconcat version 1.0\n")
	var done int64
	for _, part := range s.Parts {
		from := s.Encoding.at(done, 1e6)
		done += part.Frames
		length := s.Encoding.at(done, 1e6) - from
		fmt.Fprintf(&b, "file 'file:%s'\noption codec_whitelist none\nduration %d.%06d\n",
			strings.ReplaceAll(absolute(part.Path), "'", `'\''`), length/1e6, length%1e6)
	}
	return b.String()
}

// decodeTimes gives each packet its decoding time anew: two frames ahead of showing, as B
// pyramids need, x264's and x265's most. A part of one or two frames does not know that, so its
// times would overlap with its neighbours'.
func (s JoinSpec) decodeTimes(ext string) string {
	ticks := strconv.FormatInt(s.Encoding.step(), 10)
	if isMatroska(muxers[ext]) {
		ticks = fmt.Sprintf("1000*%d/%d", s.Encoding.Rate.Den, s.Encoding.Rate.Num)
	}
	return "setts=pts=PTS:dts=(N-2)*" + ticks
}

// args is ffmpeg's command line; the script comes on its standard input.
func (s JoinSpec) args(output string) ([]string, error) {
	ext := strings.ToLower(filepath.Ext(s.Output))
	p, err := PresetByName(s.Encoding.Preset)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(p.Containers, ext) {
		return nil, fmt.Errorf("preset %s cannot be written as %q: use %s", p.Name, ext, strings.Join(p.Containers, ", "))
	}
	args := []string{
		"-v", "error", "-nostdin", "-xerror", "-y", "-protocol_whitelist", "file,pipe",
		"-f", "concat", "-safe", "0", "-auto_convert", "0", "-i", "pipe:0",
	}
	if s.Audio == nil {
		args = append(args, "-map", "0:v:0")
	} else {
		codec, err := s.soundCodec(p, ext)
		if err != nil {
			return nil, err
		}
		args = append(args, s.soundInput()...)
		args = append(args, "-map", "0:v:0", "-map", "1:a:0")
		args = append(args, codec...)
		if slices.Contains(codec, "libopus") && isMatroska(muxers[ext]) {
			// Matroska keeps Opus's lead-in beside the time stamps: they start at 0.
			args = append(args, "-bsf:a", "setts=pts=PTS-STARTPTS:dts=DTS-STARTDTS")
		}
	}
	args = append(args, "-c:v", "copy", "-map_metadata", "-1", "-fflags", "+bitexact", "-avoid_negative_ts", "disabled")
	if codec := codecs[p.encoder()]; codec == "h264" || codec == "hevc" {
		args = append(args, "-bsf:v", s.decodeTimes(ext))
	}
	for _, key := range slices.Sorted(maps.Keys(s.Metadata)) {
		args = append(args, "-metadata", key+"="+s.Metadata[key])
	}
	if ext == ".mp4" || ext == ".mov" {
		args = append(args, s.Encoding.timescaleArgs()...)
		args = append(args, "-moov_size", strconv.FormatInt(s.headerSize(), 10))
	}
	if isMatroska(muxers[ext]) {
		// Its checksums cost as much time as the copying; every frame is compared anyway.
		args = append(args, "-write_crc32", "0")
	}
	return append(args, "-f", muxers[ext], "file:"+output), nil
}

// soundInput cuts the sound where the picture ends: padding would make the film longer.
func (s JoinSpec) soundInput() []string {
	length := s.Encoding.at(s.frames(), 1e6)
	return []string{
		"-protocol_whitelist", "file", "-format_whitelist", "wav,w64",
		"-t", fmt.Sprintf("%d.%06d", length/1e6, length%1e6), "-i", "file:" + absolute(s.Audio.Path),
	}
}

// soundCodec is the override, or what the preset says for the container.
func (s JoinSpec) soundCodec(p Preset, ext string) ([]string, error) {
	preset := p.Audio[ext]
	if len(s.Encoding.AudioArgs) == 0 {
		return preset, nil
	}
	opts, err := parseOptions(s.Encoding.AudioArgs, audioOptions)
	if err != nil {
		return nil, err
	}
	if opts.get("c") == "" {
		opts = append(options{{"c", preset[1]}}, opts...)
	}
	return opts.args("a"), nil
}

// absolute is the path from the root; without a working directory it stays as it is.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// headerSize is room for the table of frames at the front of the file, so that a film plays while
// it loads without being written twice. It is ample: 24 bytes for a frame are the worst case.
func (s JoinSpec) headerSize() int64 {
	length := s.Encoding.at(s.frames(), 1)
	return 64<<10 + s.frames()*32 + (length+1)*3000
}

// runJoin runs ffmpeg with the script. It complains about each decoder that it was denied.
func runJoin(ctx context.Context, args []string, script string) error {
	cmd, err := tool.Command(ctx, "ffmpeg", args...)
	if err != nil {
		return err
	}
	var said tool.Tail
	cmd.Stdin = strings.NewReader(script)
	cmd.Stderr = &without{&said, "not on whitelist 'none'", nil}
	if err := cmd.Run(); err != nil {
		return said.Wrap(fmt.Errorf("ffmpeg: %w", tool.Reason(ctx, err)))
	}
	return nil
}

// A without passes on all lines but those with a certain text.
type without struct {
	w    io.Writer
	text string
	part []byte
}

func (w *without) Write(p []byte) (int, error) {
	n := len(p)
	for line := range strings.Lines(string(append(w.part, p...))) {
		if !strings.HasSuffix(line, "\n") && len(line) < tool.TailLimit {
			w.part = []byte(line)
			return n, nil
		}
		w.part = nil
		if !strings.Contains(line, w.text) && !strings.Contains(line, "Last message repeated") {
			if _, err := io.WriteString(w.w, line); err != nil {
				return 0, err
			}
		}
	}
	w.part = nil
	return n, nil
}
