package media

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"olive-distributed/daemon/media/probe"
	"olive-distributed/daemon/media/tool"
)

// A shown frame is what ffmpeg's showinfo filter says about a decoded picture.
type shown struct {
	pts           int64 // or probe.NoPTS
	width, height int
	pixFmt        string
	interlaced    bool
	bottomFirst   bool
	complaint     string // the first that the decoder had since the frame before, "" for none
}

// showinfo passes pictures on as they are and logs a line for each.
const showinfo = "showinfo=checksum=0"

// parseShown reads one log line. Lines of metadata never start like this, whatever is in them.
// The name of last's pixel format is used again where it is the same.
func parseShown(line []byte, last shown) (shown, bool) {
	if !bytes.HasPrefix(line, []byte("[Parsed_showinfo_")) || !bytes.Contains(line, []byte("] n:")) {
		return shown{}, false
	}
	var s shown
	var fields int
	s.pts = probe.NoPTS
	if v, ok := after(line, " pts:"); ok {
		s.pts = probe.Stamp(v)
		fields++
	}
	if v, ok := after(line, " fmt:"); ok {
		if s.pixFmt = last.pixFmt; string(v) != s.pixFmt {
			s.pixFmt = string(v)
		}
		fields++
	}
	if v, ok := after(line, " s:"); ok {
		w, h, _ := bytes.Cut(v, []byte("x"))
		s.width, s.height = probe.Number(string(w)), probe.Number(string(h))
		fields++
	}
	if v, ok := after(line, " i:"); ok {
		s.interlaced, s.bottomFirst = string(v) != "P", string(v) == "B"
		fields++
	}
	return s, fields == 4
}

// after is the word that follows key; blanks may lie between them.
func after(line []byte, key string) ([]byte, bool) {
	_, rest, ok := bytes.Cut(line, []byte(key))
	rest = bytes.TrimLeft(rest, " ")
	if i := bytes.IndexByte(rest, ' '); i >= 0 {
		rest = rest[:i]
	}
	return rest, ok && len(rest) > 0
}

// A shownLog reads ffmpeg's messages: frames go to a queue, complaints to a tail.
// It needs -v level+info.
type shownLog struct {
	said      tool.Tail
	last      shown
	complaint string // since the last frame

	mu    sync.Mutex
	more  sync.Cond
	queue []shown
	first int // queue[first:] is waiting
	ended bool
}

func newShownLog() *shownLog {
	l := &shownLog{}
	l.more.L = &l.mu
	return l
}

// read consumes r to its end.
func (l *shownLog) read(r io.Reader) {
	in := bufio.NewReaderSize(r, 16<<10)
	for {
		line, err := in.ReadSlice('\n')
		l.line(line)
		for errors.Is(err, bufio.ErrBufferFull) { // a dump of side data: nothing in it is ours
			_, err = in.ReadSlice('\n')
		}
		if err != nil {
			break
		}
	}
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.more.Broadcast()
}

func (l *shownLog) line(line []byte) {
	if s, ok := parseShown(line, l.last); ok {
		l.last = s
		s.complaint, l.complaint = l.complaint, ""
		l.push(s)
		return
	}
	for _, level := range []string{"[error] ", "[fatal] ", "[panic] "} {
		if bytes.Contains(line, []byte(level)) {
			_, _ = l.said.Write(bytes.Replace(line, []byte(level), nil, 1))
			l.complain(line)
		}
	}
	// ffmpeg's own word for pictures that a decoder has marked, and the decoders' for what they make up.
	if bytes.Contains(line, []byte("corrupt decoded frame")) || bytes.Contains(line, []byte("concealing ")) {
		l.complain(line)
	}
}

// speaker is who says a line: "[h264 @ 0x5581] [error] ". The address is another each time.
var speaker = regexp.MustCompile(`\[[a-z]+\] |@ 0x[0-9a-f]+`)

// complain keeps the first complaint before a frame. A decoder complains of a picture before it is
// shown, however many threads it has.
func (l *shownLog) complain(line []byte) {
	const most = 160
	if l.complaint == "" {
		text := speaker.ReplaceAllString(strings.ToValidUTF8(strings.TrimSpace(string(line)), "?"), "")
		l.complaint = strings.ToValidUTF8(text[:min(len(text), most)], "")
	}
}

func (l *shownLog) push(s shown) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first > 0 && len(l.queue) == cap(l.queue) {
		l.queue = l.queue[:copy(l.queue, l.queue[l.first:])]
		l.first = 0
	}
	l.queue = append(l.queue, s)
	l.more.Signal()
}

// pop waits for the next frame; false means that there is none.
func (l *shownLog) pop() (shown, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.first == len(l.queue) && !l.ended {
		l.more.Wait()
	}
	if l.first == len(l.queue) {
		return shown{}, false
	}
	l.first++
	return l.queue[l.first-1], true
}

// decodeShown decodes the first count frames of a stream (all when count is 0) and lists them.
// The slow but certain way to learn what there is to see.
func decodeShown(ctx context.Context, src probe.Source, stream, count int) ([]shown, error) {
	args := append([]string{"-v", "level+info", "-nostats", "-nostdin", "-copyts", "-noautorotate"}, src.Input(0)...)
	args = append(args, "-map", "0:"+strconv.Itoa(stream), "-vf", showinfo, "-fps_mode", "passthrough")
	if count > 0 {
		args = append(args, "-frames:v", strconv.Itoa(count))
	}
	cmd, err := tool.Command(ctx, "ffmpeg", append(args, "-f", "null", "-")...)
	if err != nil {
		return nil, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	log := newShownLog()
	log.read(stderr)
	if err := cmd.Wait(); err != nil {
		return nil, log.said.Wrap(fmt.Errorf("ffmpeg: %w", tool.Reason(ctx, err)))
	}
	if len(log.queue) == 0 {
		return nil, log.said.Wrap(errors.New("not a single frame decodes"))
	}
	return log.queue, nil
}
