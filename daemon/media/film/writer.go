package film

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"

	"olive-distributed/daemon/media/tool"
)

// A Writer encodes frames into one part. Not for concurrent use.
type Writer struct {
	path   string
	size   int // bytes of a frame
	frames int
	cmd    *exec.Cmd
	ctx    context.Context
	cancel context.CancelFunc
	in     io.WriteCloser
	said   tool.Tail
	err    error // the first
	closed bool
}

// NewWriter starts an encoder that creates path, whatever its extension. threads limits the
// conversion to YUV; the encoder's own threads are part of the Encoding.
func NewWriter(ctx context.Context, e Encoding, path string, threads int) (*Writer, error) {
	if err := e.Validate(); err != nil {
		return nil, fmt.Errorf("encode %s: %w", path, err)
	}
	w := &Writer{path: path, size: e.Width * e.Height * 4}
	w.ctx, w.cancel = context.WithCancel(ctx)
	if err := w.start(e, threads); err != nil {
		w.cancel()
		return nil, fmt.Errorf("encode %s: %w", path, err)
	}
	return w, nil
}

func (w *Writer) start(e Encoding, threads int) (err error) {
	args := []string{
		"-v", "error", "-nostdin", "-xerror", "-y", "-filter_threads", strconv.Itoa(max(1, threads)),
		"-f", "rawvideo", "-pixel_format", "rgb0", "-video_size", fmt.Sprintf("%dx%d", e.Width, e.Height),
		"-framerate", e.Rate.String(), "-i", "pipe:0",
	}
	args = append(append(args, e.VideoArgs()...), "file:"+w.path)
	if w.cmd, err = tool.Command(w.ctx, "ffmpeg", args...); err != nil {
		return err
	}
	w.cmd.Stderr = &w.said
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return err
	}
	tool.Widen(w.in)
	return w.cmd.Start()
}

// Write hands over one frame of RGBA (alpha is ignored) and returns as soon as it is in the pipe,
// so the caller composes the next one while the encoder works.
func (w *Writer) Write(frame []byte) error {
	if w.err != nil || w.closed {
		return errors.Join(w.err, errors.New("write after the end"))
	}
	if len(frame) != w.size {
		return fmt.Errorf("encode %s: frame %d has %d bytes, want %d", w.path, w.frames, len(frame), w.size)
	}
	if _, err := w.in.Write(frame); err != nil {
		w.fail(err)
		return w.err
	}
	w.frames++
	return nil
}

// fail ends the encoder and keeps what it said.
func (w *Writer) fail(err error) {
	_ = w.in.Close()
	if waitErr := w.cmd.Wait(); waitErr != nil {
		err = waitErr // it knows better than "broken pipe"
	}
	w.closed = true
	w.err = w.said.Wrap(fmt.Errorf("encode %s: ffmpeg ended at frame %d: %w", w.path, w.frames, tool.Reason(w.ctx, err)))
	w.cancel()
	_ = os.Remove(w.path)
}

// Close waits for the encoder and syncs the file. After an error no file is left.
func (w *Writer) Close() error {
	if w.closed {
		return w.err
	}
	w.closed = true
	defer w.cancel()
	err := errors.Join(w.in.Close(), w.cmd.Wait())
	if err == nil {
		err = syncFile(w.path)
	}
	if err != nil {
		w.err = w.said.Wrap(fmt.Errorf("encode %s: after %d frames: %w", w.path, w.frames, tool.Reason(w.ctx, err)))
		_ = os.Remove(w.path)
	}
	return w.err
}

// Abort kills the encoder and removes the file. After Close it does nothing.
func (w *Writer) Abort() {
	if w.closed {
		return
	}
	w.closed = true
	w.err = fmt.Errorf("encode %s: aborted", w.path)
	w.cancel()
	_ = w.in.Close()
	_ = w.cmd.Wait()
	_ = os.Remove(w.path)
}

// syncFile makes a file, or the entries of a folder, durable.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
