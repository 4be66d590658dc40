package film

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"olive-distributed/daemon/media/probe"
	"olive-distributed/daemon/media/tool"
)

// ErrEntangled is the answer of [Adopt] when a film has more frames than the part may have and
// cannot be cut there without decoding: frames that stay refer to some that go.
var ErrEntangled = errors.New("the frames behind the part's end cannot be cut off without encoding")

// Adopt makes a part, without encoding, of the first frames of a film that another program has
// encoded as e says. Sound is left out. The frames must follow each other in equal steps, whose
// length may be about right: a program that rounds 30000/1001 to 29.97 is forgiven, and the part
// gets the exact times. After an error no part is left.
func Adopt(ctx context.Context, path string, e Encoding, frames int64, part string) error {
	args, err := adoptArgs(ctx, path, e, frames)
	if err == nil {
		err = writePart(ctx, append(args, "file:"+part), part)
	}
	if err != nil {
		return fmt.Errorf("make a part of %s: %w", path, err)
	}
	return nil
}

func writePart(ctx context.Context, args []string, part string) error {
	cmd, err := tool.Command(ctx, "ffmpeg", args...)
	if err != nil {
		return err
	}
	var said tool.Tail
	cmd.Stderr = &said
	if err = cmd.Run(); err != nil {
		err = said.Wrap(fmt.Errorf("ffmpeg: %w", tool.Reason(ctx, err)))
	} else {
		err = syncFile(part)
	}
	if err != nil {
		_ = os.Remove(part)
	}
	return err
}

// adoptArgs examines the film and returns ffmpeg's command line but for the part's name.
func adoptArgs(ctx context.Context, path string, e Encoding, frames int64) ([]string, error) {
	l, err := probe.List(ctx, path)
	if err != nil {
		return nil, err
	}
	video := slices.IndexFunc(l.Streams, func(s map[string]string) bool { return s["codec_type"] == "video" })
	if video < 0 {
		return nil, errors.New("it has no picture")
	}
	if err := e.checkVideo(l.Streams[video]); err != nil {
		return nil, err
	}
	first, length, err := regular(l.Of(video), frames)
	if err != nil {
		return nil, err
	}
	p, err := PresetByName(e.Preset)
	if err != nil {
		return nil, err
	}
	// The number of a frame is its time over the step, which is known best from all of them. The
	// filter counts in its output's time base from the start.
	ticks := probe.ParseRational(l.Streams[video]["time_base"]).Float64() * float64(e.timescale())
	rate := float64(frames-1) / (float64(max(length, 1)) * ticks)
	step := e.step()
	times := fmt.Sprintf("time_base=1/%d:pts=round((PTS-%.3f)*%.12g)*%d:dts=(N-2)*%d:duration=%d",
		e.timescale(), float64(first)*ticks, rate, step, step, step)
	args := []string{
		"-v", "error", "-nostdin", "-xerror", "-y", "-protocol_whitelist", "file", "-copyts", "-i", "file:" + path,
		"-map", "0:" + strconv.Itoa(video), "-c", "copy", "-frames:v", strconv.FormatInt(frames, 10), "-bsf:v", "setts=" + times,
		"-map_metadata", "-1", "-map_metadata:s:v", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-avoid_negative_ts", "disabled",
	}
	return append(append(args, e.timescaleArgs()...), "-f", muxers[p.PartExt]), nil
}

// regular checks that the first frames are a run that can stand on its own. It returns the time of
// the first frame, and from there to the last, in the stream's units.
func regular(packets []probe.Packet, frames int64) (first, length int64, err error) {
	if frames < 1 || int64(len(packets)) < frames {
		return 0, 0, fmt.Errorf("it has %d frames, want %d", len(packets), frames)
	}
	shown := slices.Clone(packets)
	slices.SortFunc(shown, func(a, b probe.Packet) int { return cmp.Compare(a.PTS, b.PTS) })
	first, last := shown[0].PTS, shown[frames-1].PTS
	length = last - first
	for i, p := range shown[:frames] {
		// Within half a step of its place; both sides times 2*(frames-1).
		off := 2 * ((p.PTS-first)*(frames-1) - int64(i)*length)
		if p.PTS == probe.NoPTS || p.Discarded || p.Corrupt || frames > 1 && (off >= length || -off >= length) {
			return 0, 0, fmt.Errorf("frame %d is not shown when it is due, at %d in a run from %d to %d", i, p.PTS, first, last)
		}
	}
	if !packets[0].Key || packets[0].PTS != first {
		return 0, 0, errors.New("its first frame is not a key frame")
	}
	for _, p := range packets[:frames] {
		if p.PTS > last {
			return 0, 0, ErrEntangled
		}
	}
	return first, length, nil
}
