package film

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"olive-distributed/daemon/media/probe"
)

// A Part is a verified part file. The sound of a film, a WAV file, is one too, without Extradata
// and Content.
type Part struct {
	Path      string `json:"path"`
	Frames    int64  `json:"frames"`
	Size      int64  `json:"size"`      // bytes
	SHA256    string `json:"sha256"`    // hex
	Extradata string `json:"extradata"` // hex; parts that differ here cannot be joined
	Content   string `json:"content"`   // hex; a digest of the coded frames, in whatever container
}

// VerifyPart checks that a part is what e and frames promise: codec, size, pixel format, tags, the
// exact number of frames from time 0 on in equal steps, a key frame first. It decodes nothing: whether
// the bytes are those that the worker wrote is told by SHA256, against the worker's report.
func VerifyPart(ctx context.Context, path string, e Encoding, frames int64) (Part, error) {
	part, err := verifyPart(ctx, path, e, frames)
	if err != nil {
		return Part{}, fmt.Errorf("part %s: %w", path, err)
	}
	return part, nil
}

func verifyPart(ctx context.Context, path string, e Encoding, frames int64) (Part, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Part{}, err
	}
	if most := e.most(frames); info.Size() > most {
		return Part{}, fmt.Errorf("it has %d bytes, which is more than %d frames can take", info.Size(), frames)
	}
	list, err := probe.List(ctx, path)
	if err != nil {
		return Part{}, err
	}
	if len(list.Streams) != 1 {
		return Part{}, fmt.Errorf("it has %d streams, want 1", len(list.Streams))
	}
	if err := e.checkVideo(list.Streams[0]); err != nil {
		return Part{}, err
	}
	if err := e.checkTimes(list.Streams[0], list.Packets, frames); err != nil {
		return Part{}, err
	}
	extradata, err := sampleEntry(path)
	if err != nil {
		return Part{}, err
	}
	sum, size, err := Checksum(ctx, path)
	if err != nil {
		return Part{}, err
	}
	return Part{Path: path, Frames: frames, Size: size, SHA256: sum, Extradata: extradata, Content: content(list.Sums)}, nil
}

// most is the size in bytes that no part of so many frames has: twice that of raw pictures with 16 bits
// in four channels. A file without end would take a verification without end.
func (e Encoding) most(frames int64) int64 {
	const header = 16 << 20
	return header + 16*frames*int64(e.Width)*int64(e.Height)
}

// content is the digest of a run of coded frames.
func content(sums []probe.PacketSum) string {
	hash := sha256.New()
	for _, s := range sums {
		hash.Write(s[:])
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// A ContentError means that a film does not hold the frames of a part as they were when the part was
// verified: the part's file, or the film's, has changed since.
type ContentError struct {
	Part  int // its number in the film
	Path  string
	First int64 // its first frame in the film
}

func (e *ContentError) Error() string {
	return fmt.Sprintf("the frames from %d on are not those of part %d (%s) as it was verified: "+
		"its file has changed since, or the disk is faulty; render it again", e.First, e.Part, e.Path)
}

// VerifyFilm checks a joined film in the same way, that its coded frames are those of the parts, bit by
// bit ([*ContentError]), and that its sound (when it has one) starts with it, has no hole and is as
// long. Matroska rounds times to milliseconds; in mp4 and mov they are exact.
func VerifyFilm(ctx context.Context, path string, e Encoding, parts []Part, audio bool) error {
	if err := e.verifyFilm(ctx, path, parts, audio); err != nil {
		return fmt.Errorf("film %s: %w", path, err)
	}
	return nil
}

func (e Encoding) verifyFilm(ctx context.Context, path string, parts []Part, audio bool) error {
	frames := frameCount(parts)
	list, err := probe.List(ctx, path)
	if err != nil {
		return err
	}
	want := []string{"video"}
	if audio {
		want = append(want, "audio")
	}
	var have []string
	for _, s := range list.Streams {
		have = append(have, s["codec_type"])
	}
	if !slices.Equal(have, want) {
		return fmt.Errorf("it has the streams %v, want %v", have, want)
	}
	if err := e.checkVideo(list.Streams[0]); err != nil {
		return err
	}
	if err := e.checkTimes(list.Streams[0], list.Of(0), frames); err != nil {
		return err
	}
	if err := checkContent(list.SumsOf(0), parts); err != nil {
		return err
	}
	length := float64(e.at(frames, 1e6)) / 1e6
	if audio {
		if err := checkSound(list.Streams[1], list.Of(1), length); err != nil {
			return err
		}
	}
	tolerance := 2e-6
	if isMatroska(list.Format["format_name"]) {
		tolerance = 0.03 // it counts Opus's lead-in and whole packets
	}
	if have := probe.Seconds(list.Format["duration"]); math.Abs(have-length) > tolerance {
		return fmt.Errorf("it lasts %.6f s, want %.6f", have, length)
	}
	return nil
}

func frameCount(parts []Part) int64 {
	var n int64
	for _, p := range parts {
		n += p.Frames
	}
	return n
}

// checkContent compares the coded frames of a film with what is known of its parts. There are as
// many as in the parts.
func checkContent(sums []probe.PacketSum, parts []Part) error {
	var done int64
	for i, p := range parts {
		if content(sums[done:done+p.Frames]) != p.Content {
			return &ContentError{Part: i, Path: p.Path, First: done}
		}
		done += p.Frames
	}
	return nil
}

func isMatroska(format string) bool {
	return strings.HasPrefix(format, "matroska") || format == "webm"
}

// codecs names what each encoder writes.
var codecs = map[string]string{
	"libx264": "h264", "libx265": "hevc", "libsvtav1": "av1", "prores_ks": "prores", "libvpx-vp9": "vp9", "ffv1": "ffv1",
}

// checkVideo compares a stream's parameters with the plan.
func (e Encoding) checkVideo(stream map[string]string) error {
	if err := e.Validate(); err != nil {
		return err
	}
	p, err := PresetByName(e.Preset)
	if err != nil {
		return err
	}
	v, err := e.video(p)
	if err != nil {
		return err
	}
	want := map[string]string{
		"codec_name": codecs[v.get("c")], "pix_fmt": v.get("pix_fmt"),
		"width": strconv.Itoa(e.Width), "height": strconv.Itoa(e.Height),
	}
	if pixFmts[v.get("pix_fmt")].yuv {
		tag := "bt709"
		if e.Colour == ColourOlive {
			tag = "unknown"
		}
		want["color_space"], want["color_primaries"], want["color_transfer"] = tag, tag, tag
	}
	for key, value := range want {
		if stream[key] != value {
			return fmt.Errorf("its %s is %q, want %q", key, stream[key], value)
		}
	}
	return nil
}

// checkTimes wants exactly frames packets, the first a key frame at 0, in steps of one frame.
func (e Encoding) checkTimes(stream map[string]string, packets []probe.Packet, frames int64) error {
	if int64(len(packets)) != frames {
		return fmt.Errorf("it has %d frames, want %d", len(packets), frames)
	}
	unit := probe.ParseRational(stream["time_base"])
	if frames < 1 || unit.Num != 1 {
		return fmt.Errorf("it has %d frames in units of %s s", frames, unit)
	}
	if !packets[0].Key {
		return errors.New("its first frame is not a key frame")
	}
	slack := int64(0)
	if unit.Den%e.Rate.Num != 0 { // Matroska's milliseconds
		slack = 1
	}
	packets = slices.Clone(packets)
	slices.SortFunc(packets, func(a, b probe.Packet) int { return cmp.Compare(a.PTS, b.PTS) })
	for i, p := range packets {
		if want := e.at(int64(i), unit.Den); p.Discarded || p.PTS < want-slack || p.PTS > want+slack {
			return fmt.Errorf("frame %d is shown at %d/%d s, want %d", i, p.PTS, unit.Den, want)
		}
	}
	return nil
}

// checkSound wants sound from 0 to the film's end without a hole. The first and the last packet may
// reach over the edge, as AAC's lead-in does.
func checkSound(stream map[string]string, packets []probe.Packet, length float64) error {
	const rounding = 0.0025 // Matroska's milliseconds, twice
	if len(packets) == 0 {
		return errors.New("its sound is empty")
	}
	unit := probe.ParseRational(stream["time_base"]).Float64()
	slack := rounding
	for _, p := range packets {
		slack = max(slack, float64(p.Duration)*unit+rounding)
	}
	for i, p := range packets[1:] {
		before := packets[i]
		if hole := float64(p.PTS-before.PTS-before.Duration) * unit; math.Abs(hole) > rounding {
			return fmt.Errorf("its sound has a hole of %.3f s at %.3f s", hole, float64(p.PTS)*unit)
		}
	}
	first, last := packets[0], packets[len(packets)-1]
	if start := float64(first.PTS) * unit; math.Abs(start) > slack {
		return fmt.Errorf("its sound starts at %.3f s", start)
	}
	if end := float64(last.PTS+last.Duration) * unit; math.Abs(end-length) > slack {
		return fmt.Errorf("its sound ends at %.3f s, its picture at %.3f", end, length)
	}
	return nil
}

// Checksum reads the whole file and returns its SHA-256, hex, and its size in bytes; ctx ends it early.
func Checksum(ctx context.Context, path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	hash := sha256.New()
	size, err = io.CopyBuffer(struct{ io.Writer }{hash}, readerWith(ctx, f), make([]byte, 1<<20))
	if err != nil {
		return "", 0, fmt.Errorf("checksum of %s: %w", filepath.Base(path), err)
	}
	return hex.EncodeToString(hash.Sum(nil)), size, nil
}

// readerWith fails between two reads once ctx has ended.
func readerWith(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := context.Cause(ctx); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
