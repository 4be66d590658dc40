package media

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// noPTS stands for a time stamp that is not there.
const noPTS = math.MinInt64

// maxFrames bounds what a medium can make us remember: 50 hours at 60 frames per second.
const maxFrames = 50 * 3600 * 60

// A packet is one coded picture (or stretch of sound), in file order.
type packet struct {
	stream    int   // index, 0 when only one stream was asked for
	pts, dts  int64 // in units of the stream's time base, or noPTS
	duration  int64 // 0 when unknown
	key       bool  // decoding can start here
	discarded bool  // decoded but not shown: outside the edit list
	corrupt   bool
}

// listPackets lists the packets of one stream without decoding. A container that breaks off in the
// middle is an error, although ffprobe itself is content with what it found.
func listPackets(ctx context.Context, src source, stream int) ([]packet, error) {
	args := []string{
		"-v", "error", "-of", "compact", "-select_streams", strconv.Itoa(stream),
		"-show_entries", "packet=pts,dts,duration,flags",
	}
	var list listing
	var said tail
	err := run(ctx, "ffprobe", append(args, src.input(0)...), &said, list.read)
	if err == nil && strings.Contains(said.String(), "File ended prematurely") {
		err = said.wrap(errCutShort)
	}
	return list.packets, err
}

var errCutShort = errors.New("the file is cut short: copy it again")

// checkPromise compares what the header promises with what is there. Only mov and AVI count
// their frames; AVI counts dropped ones as well, so there the last time stamp is what tells.
func checkPromise(format string, st Stream, packets []packet) error {
	have, slack := int64(len(packets)), int64(0)
	switch {
	case st.Frames == 0 || len(packets) == 0:
		return nil
	case format == "avi":
		have, slack = packets[len(packets)-1].dts+1, 25
	case !strings.HasPrefix(format, "mov,"):
		return nil
	}
	if have+slack < st.Frames {
		return fmt.Errorf("%w (its header promises %d frames, %d are there)", errCutShort, st.Frames, have)
	}
	return nil
}

// A listing is ffprobe's answer in its compact form: a line for each packet, stream and format,
// "packet|pts=0|dts=-512|flags=K_". Lines of other sections are side data.
type listing struct {
	packets []packet
	sums    []packetSum // one for each packet, where ffprobe was asked for them
	streams []map[string]string
	format  map[string]string
}

func (l *listing) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		section, rest, _ := bytes.Cut(lines.Bytes(), []byte("|"))
		switch string(section) {
		case "packet":
			if len(l.packets) == maxFrames {
				return errors.New("more than 50 hours of frames in one file")
			}
			l.packets = append(l.packets, parsePacket(rest))
			l.addSum(rest)
		case "": // the rest of a packet that has side data
			l.addSum(rest)
		case "stream":
			if len(l.streams) == 1000 {
				return errors.New("more than 1000 streams in one file")
			}
			l.streams = append(l.streams, parseFields(rest))
		case "format":
			l.format = parseFields(rest)
		}
	}
	return lines.Err()
}

func (l *listing) addSum(line []byte) {
	if sum, ok := parseSum(line); ok && len(l.sums) < len(l.packets) {
		l.sums = append(l.sums, sum)
	}
}

// A packetSum tells one packet's bytes from all others.
type packetSum [16]byte

// sumHash is the fastest of ffprobe's hashes: 8 GB/s, where MD5 has 0.6.
const sumHash = "murmur3"

// parseSum reads "data_hash=murmur3:225671…".
func parseSum(line []byte) (sum packetSum, ok bool) {
	_, text, ok := bytes.Cut(line, []byte("data_hash="+sumHash+":"))
	if !ok || len(text) < hex.EncodedLen(len(sum)) {
		return sum, false
	}
	_, err := hex.Decode(sum[:], text[:hex.EncodedLen(len(sum))])
	return sum, err == nil
}

func parsePacket(line []byte) packet {
	p := packet{pts: noPTS, dts: noPTS}
	for field := range bytes.SplitSeq(line, []byte("|")) {
		key, value, _ := bytes.Cut(field, []byte("="))
		switch string(key) {
		case "stream_index":
			p.stream = number(string(value))
		case "pts":
			p.pts = stamp(value)
		case "dts":
			p.dts = stamp(value)
		case "duration":
			p.duration = max(0, stamp(value))
		case "flags":
			p.key, p.discarded = bytes.ContainsRune(value, 'K'), bytes.ContainsRune(value, 'D')
			p.corrupt = bytes.ContainsRune(value, 'C')
		}
	}
	return p
}

func parseFields(line []byte) map[string]string {
	fields := map[string]string{}
	for field := range strings.SplitSeq(string(line), "|") {
		key, value, _ := strings.Cut(field, "=")
		fields[key] = value
	}
	return fields
}

func stamp(text []byte) int64 {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return noPTS
	}
	return n
}
