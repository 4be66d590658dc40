package sound

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"olive-distributed/daemon/media/probe"
	"olive-distributed/daemon/media/tool"
)

// A chain is one ffmpeg that decodes, or two, where the first finds the packets.
type chain struct {
	cancel context.CancelFunc
	cmds   []*exec.Cmd // that run, the decoder last
	said   []*tool.Tail
	seeked bool

	marks  *os.File
	rate   float64 // of the time stamps in marks
	offset float64 // what was taken from them, in seconds
	first  float64 // second of the first frame that went into the filters
	out    *bufio.Reader
	headed bool // the header of the AVI is behind us
	buf    []byte
	chunk  []int16
}

// launch starts the children on the way that suits the spec.
func (s *Stream) launch(ctx context.Context, spec Spec, seeks bool) (*chain, error) {
	c := &chain{rate: float64(s.Rate)}
	ctx, c.cancel = context.WithCancel(ctx)
	at := s.origin + spec.Start
	var feed *exec.Cmd
	var decode []string
	var err error
	switch {
	case s.route == direct && (spec.Cold || spec.Tempo == 1 && spec.Rate == s.Rate):
		sample := max(0, math.Round(at*c.rate)) // to which ffmpeg rounds the microseconds
		decode = append([]string{"-noaccurate_seek", "-ss", micro(sample/c.rate - s.start)}, s.input()...)
	case s.route == packets && spec.Cold:
		var args []string
		args, c.offset, c.seeked = s.feedArgs(at, seeks)
		if feed, err = c.command(ctx, args); err != nil {
			return nil, err
		}
		decode = []string{"-f", "nut", "-i", "pipe:0"}
	default:
		decode = s.input()
	}
	stream := s.Index
	if feed != nil {
		stream = 0
	}
	args := []string{"-v", "error", "-nostdin", "-xerror", "-copyts", "-threads", "1", "-filter_threads", "1"}
	if s.sums {
		args = append(args, "-err_detect", "crccheck+explode")
	}
	args = append(args, decode...)
	args = append(args, "-map", "0:"+strconv.Itoa(stream), "-af", markIn+spec.filters()+markOut,
		"-c:a", "pcm_s16le", "-map_metadata", "-1", "-f", "avi", "pipe:1")
	decoder, err := c.command(ctx, args)
	if err != nil {
		return nil, err
	}
	if err := c.start(feed, decoder); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// feedArgs copies the packets from the one on that holds second at. Its time stamps lack offset.
func (s *Stream) feedArgs(at float64, seeks bool) (args []string, offset float64, seeked bool) {
	const margin = 5 // seconds of interleaving between sound and pictures
	rate := float64(s.Rate)
	// The earliest time stamp that a packet with this sample can have.
	first := math.Round(at*rate) - math.Round(s.packet*rate) + 1 - math.Round(s.runUp*rate)
	offset = first / rate
	args = []string{"-v", "error", "-nostdin", "-xerror", "-copyts", "-abort_on", "empty_output"}
	if t := offset - margin - s.start; seeks && t > 0 {
		args, seeked = append(args, "-ss", micro(t)), true
	}
	args = append(args, s.input()...)
	return append(args, "-map", "0:"+strconv.Itoa(s.Index), "-c", "copy", "-copypriorss:a", "0",
		"-map_metadata", "-1", "-ss", micro(offset), "-f", "nut", "pipe:1"), offset, seeked
}

func micro(seconds float64) string { return strconv.FormatFloat(seconds, 'f', 6, 64) }

// The marks tell on descriptor 3 the time stamps of the frames that go into the filters until
// the first one comes out.
const (
	markIn  = `ametadata=add:key=in:value=1,ametadata=print:key=in:file=pipe\\:3:direct=1:enable=lt(n\,64),`
	markOut = `,ametadata=add:key=out:value=1,ametadata=print:key=out:file=pipe\\:3:direct=1:enable=lt(n\,1)`
)

func (c *chain) command(ctx context.Context, args []string) (*exec.Cmd, error) {
	cmd, err := tool.Command(ctx, "ffmpeg", args...)
	if err != nil {
		c.cancel()
		return nil, err
	}
	said := new(tool.Tail)
	cmd.Stderr = said
	c.said = append(c.said, said)
	return cmd, nil
}

// start connects the children and starts them.
func (c *chain) start(feed, decoder *exec.Cmd) error {
	marks, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	defer theirs.Close()
	c.marks = marks
	decoder.ExtraFiles = []*os.File{theirs}
	out, err := decoder.StdoutPipe()
	if err != nil {
		return err
	}
	tool.Widen(out)
	c.out = bufio.NewReaderSize(out, 64<<10)
	if feed != nil {
		read, write, err := os.Pipe()
		if err != nil {
			return err
		}
		defer read.Close()
		defer write.Close()
		feed.Stdout, decoder.Stdin = write, read
		if err := feed.Start(); err != nil {
			return fmt.Errorf("start ffmpeg: %w", err)
		}
		c.cmds = append(c.cmds, feed)
	}
	if err := decoder.Start(); err != nil {
		return fmt.Errorf("start ffmpeg: %w", err)
	}
	c.cmds = append(c.cmds, decoder)
	return nil
}

// begin waits for the first chunk and answers the time stamp of the frame that brought it, or
// errNothing when none comes.
func (c *chain) begin() (float64, error) {
	lines := bufio.NewScanner(c.marks)
	last, pts := int64(probe.NoPTS), int64(probe.NoPTS)
	for lines.Scan() {
		switch line := lines.Text(); {
		case line == "in=1":
			if last == probe.NoPTS {
				c.first = c.offset + float64(pts)/c.rate
			}
			last = pts
		case line == "out=1" && last == probe.NoPTS:
			return 0, errors.New("the stream has no time stamps: write the file anew with ffmpeg -i OLD -c copy NEW.mkv")
		case line == "out=1":
			return c.offset + float64(last)/c.rate, nil
		case strings.HasPrefix(line, "frame:"):
			pts = parseMark(line)
		}
	}
	if err := c.end(); err != nil {
		return 0, err
	}
	return 0, errNothing
}

// parseMark reads the time stamp in "frame:0    pts:1024    pts_time:0.0213333".
func parseMark(line string) int64 {
	_, rest, _ := strings.Cut(line, " pts:")
	field, _, _ := strings.Cut(rest, " ")
	return probe.Stamp([]byte(field))
}

// next reads a chunk: what one frame of the filters became in AVI, whose chunks keep the frames apart.
func (c *chain) next() ([]int16, error) {
	if !c.headed {
		if err := c.header(); err != nil {
			return nil, err
		}
	}
	for {
		var head [8]byte
		if _, err := io.ReadFull(c.out, head[:]); err != nil {
			return nil, c.broken(err)
		}
		size := int(binary.LittleEndian.Uint32(head[4:]))
		if string(head[:4]) != "00wb" {
			if _, err := c.out.Discard(size + size&1); err != nil {
				return nil, c.broken(err)
			}
			continue
		}
		const most = 64 << 20
		if size > most {
			return nil, fmt.Errorf("ffmpeg sent a chunk of %d bytes", size)
		}
		if err := c.read(size + size&1); err != nil {
			return nil, c.broken(err)
		}
		return decodeSamples(&c.chunk, c.buf[:size]), nil
	}
}

func (c *chain) read(size int) error {
	if cap(c.buf) < size {
		c.buf = make([]byte, size)
	}
	c.buf = c.buf[:size]
	_, err := io.ReadFull(c.out, c.buf)
	return err
}

// header passes over everything before the chunks. The lists' sizes are not to be relied on in a pipe.
func (c *chain) header() error {
	c.headed = true
	last := uint32(0)
	for last != 'm'<<24|'o'<<16|'v'<<8|'i' {
		b, err := c.out.ReadByte()
		if err != nil {
			return c.broken(err)
		}
		last = last<<8 | uint32(b)
	}
	return nil
}

func decodeSamples(dst *[]int16, src []byte) []int16 {
	n := len(src) / 4 * 2 // whole pairs
	if cap(*dst) < n {
		*dst = make([]int16, n)
	}
	samples := (*dst)[:n]
	for i := range samples {
		samples[i] = int16(binary.LittleEndian.Uint16(src[2*i:]))
	}
	return samples
}

// broken tells the end of the sound, which is io.EOF, from a decoder that gave up.
func (c *chain) broken(err error) error {
	if e := c.end(); e != nil && !errors.Is(e, errNothing) {
		return e
	}
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return fmt.Errorf("ffmpeg broke off: %w", err)
}

// end waits for the children, which have closed their pipes, and tells what went wrong.
func (c *chain) end() error {
	errs := c.wait()
	for i, err := range errs {
		switch said := c.said[i].String(); {
		case strings.Contains(said, "Empty output"): // -abort_on; the decoder had nothing to decode
			return errNothing
		case strings.Contains(said, "File ended prematurely"), strings.Contains(said, "partial file"): // Matroska, mov
			return errors.New("the file is cut short, copy it again")
		case err == nil || i < len(errs)-1 && strings.Contains(said, "Broken pipe"): // the decoder's fault
		default:
			return c.said[i].Wrap(fmt.Errorf("ffmpeg: %w", err))
		}
	}
	return nil
}

// wait reaps the children, once.
func (c *chain) wait() []error {
	errs := make([]error, 0, len(c.cmds))
	for _, cmd := range c.cmds {
		errs = append(errs, cmd.Wait())
	}
	c.cmds = nil
	c.cancel()
	if c.marks != nil {
		_ = c.marks.Close()
	}
	return errs
}

// stop kills the children that still run.
func (c *chain) stop() {
	c.cancel()
	c.wait()
}
