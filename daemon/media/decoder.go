package media

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"sync"

	"olive-distributed/daemon/media/tool"
)

// A decoder is one run of ffmpeg that delivers consecutive frames.
type decoder struct {
	ix     *Index
	next   int     // the frame that read gives
	expect []int64 // the time stamp of each frame
	offset int64   // what is subtracted from them
	cmd    *exec.Cmd
	cancel context.CancelFunc
	out    io.ReadCloser
	log    *shownLog
	reads  sync.WaitGroup

	head      shown  // the picture that comes next,
	headed    bool   // when it is known
	complaint string // that came with the last head
}

// startDecoder decodes from coded frame at up to frame end of the index.
func startDecoder(ctx context.Context, ix *Index, at, end, threads int) (*decoder, error) {
	d := &decoder{ix: ix, next: at, expect: ix.play.PTS, log: newShownLog()}
	if ix.Interlaced {
		d.next, d.expect = 2*at, fieldTimes(ix.play.PTS)
	}
	if ix.play.Count > 0 {
		d.offset = int64(at)
	}
	ctx, d.cancel = context.WithCancel(ctx)
	var err error
	if d.cmd, err = tool.Command(ctx, "ffmpeg", ix.decodeArgs(at, end-d.next, threads)...); err != nil {
		d.cancel()
		return nil, err
	}
	if err := d.launch(); err != nil {
		d.cancel()
		return nil, err
	}
	return d, nil
}

func (d *decoder) launch() error {
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if d.out, err = d.cmd.StdoutPipe(); err != nil {
		return err
	}
	tool.Widen(d.out)
	if err := d.cmd.Start(); err != nil {
		return fmt.Errorf("start ffmpeg: %w", err)
	}
	d.reads.Go(func() { d.log.read(stderr) })
	return nil
}

// decodeArgs is the command line that decodes count pictures from coded frame at on. The
// conversion is Olive's: the stream's own matrix, BT.601 where it names none.
func (ix *Index) decodeArgs(at, count, threads int) []string {
	p := ix.play
	n := strconv.Itoa(threads)
	args := []string{"-v", "level+info", "-hide_banner", "-nostats", "-nostdin", "-copyts", "-filter_threads", n, "-threads", n, "-noautorotate"}
	if at > 0 && p.Count == 0 {
		// Between two frames: ffmpeg drops what lies before, and rounds to microseconds.
		// It counts from the container's start even with -copyts.
		t := (float64(p.PTS[at-1])+float64(p.PTS[at]))/2*p.TimeBase.Float64() - p.Start
		args = append(args, "-ss", strconv.FormatFloat(t, 'f', 6, 64))
	}
	filters := showinfo + ",format=rgba"
	if ix.Interlaced {
		parity := "0"
		if p.Bottom {
			parity = "1"
		}
		filters = "yadif=mode=3:parity=" + parity + "," + filters
	}
	args = append(args, p.source().Input(at)...)
	return append(args, "-map", "0:"+strconv.Itoa(p.Stream), "-vf", filters, "-fps_mode", "passthrough",
		"-frames:v", strconv.Itoa(count), "-f", "rawvideo", "pipe:1")
}

// peek looks at the picture that comes next. It is io.EOF when there is none.
func (d *decoder) peek() error {
	if d.headed {
		return nil
	}
	s, ok := d.log.pop()
	if !ok {
		return io.EOF
	}
	d.head, d.headed, d.complaint = s, true, s.complaint
	if s.width != d.ix.Width || s.height != d.ix.Height {
		return fmt.Errorf("the picture's size changes from %dx%d to %dx%d", d.ix.Width, d.ix.Height, s.width, s.height)
	}
	return nil
}

// early is negative when the picture that comes next is due after frame next, 0 when it is that.
func (d *decoder) early() int {
	if d.ix.Still {
		return 0
	}
	return cmp.Compare(d.expect[d.next]-d.offset, d.head.pts)
}

// take reads the picture that peek has seen.
func (d *decoder) take(dst []byte) error {
	d.headed = false
	if _, err := io.ReadFull(d.out, dst); err != nil {
		return io.EOF
	}
	return nil
}

// read delivers the next picture, or an error when it is not the one that was expected.
func (d *decoder) read(dst []byte) error {
	if err := d.peek(); err != nil {
		return err
	}
	if d.early() != 0 {
		return fmt.Errorf("time stamp %d came where %d was due", d.head.pts, d.expect[d.next]-d.offset)
	}
	if err := d.take(dst); err != nil {
		return err
	}
	d.next++
	return nil
}

// stop ends ffmpeg and tells what it complained about.
func (d *decoder) stop() string {
	d.cancel()
	_ = d.wait() // killed, or ended: the pictures were checked one by one
	return d.log.said.String()
}

// wait reaps ffmpeg. Only the first call knows how it ended.
func (d *decoder) wait() error {
	d.reads.Wait()
	return d.cmd.Wait()
}
