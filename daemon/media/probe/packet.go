package probe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"olive-distributed/daemon/media/tool"
)

// NoPTS stands for a time stamp that is not there.
const NoPTS = math.MinInt64

// maxFrames bounds what a medium can make us remember: 50 hours at 60 frames per second.
const maxFrames = 50 * 3600 * 60

// A Packet is one coded picture (or stretch of sound), in file order.
type Packet struct {
	Stream    int   // index, 0 when only one stream was asked for
	PTS, DTS  int64 // in units of the stream's time base, or NoPTS
	Duration  int64 // 0 when unknown
	Key       bool  // decoding can start here
	Discarded bool  // decoded but not shown: outside the edit list
	Corrupt   bool
}

// Packets lists the packets of one stream without decoding. A container that breaks off in the
// middle is an error, although ffprobe itself is content with what it found.
func Packets(ctx context.Context, src Source, stream int) ([]Packet, error) {
	args := []string{
		"-v", "error", "-of", "compact", "-select_streams", strconv.Itoa(stream),
		"-show_entries", "packet=pts,dts,duration,flags",
	}
	var list Listing
	var said tool.Tail
	err := tool.Run(ctx, "ffprobe", append(args, src.Input(0)...), &said, list.read)
	if err == nil && strings.Contains(said.String(), "File ended prematurely") {
		err = said.Wrap(ErrCutShort)
	}
	return list.Packets, err
}

var ErrCutShort = errors.New("the file is cut short: copy it again")

// CheckPromise compares what the header promises with what is there. Only mov and AVI count
// their frames; AVI counts dropped ones as well, so there the last time stamp is what tells.
func CheckPromise(format string, st Stream, packets []Packet) error {
	have, slack := int64(len(packets)), int64(0)
	switch {
	case st.Frames == 0 || len(packets) == 0:
		return nil
	case format == "avi":
		have, slack = packets[len(packets)-1].DTS+1, 25
	case !strings.HasPrefix(format, "mov,"):
		return nil
	}
	if have+slack < st.Frames {
		return fmt.Errorf("%w (its header promises %d frames, %d are there)", ErrCutShort, st.Frames, have)
	}
	return nil
}
