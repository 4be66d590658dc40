package builtin

import (
	"context"
	"fmt"
	"runtime/debug"

	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/render/raster"
)

// An encoder takes frames. After an error from Write, and after Abort, Close is an error too.
type encoder interface {
	Write(frame []byte) error
	Close() error
	Abort()
}

var _ encoder = (*film.Writer)(nil)

// An output hands finished frames to the encoder while the next one is composed.
type output struct {
	w      encoder
	cancel context.CancelFunc // ends a Write that waits
	closed bool
	empty  chan *raster.Image
	full   chan *raster.Image
	failed chan struct{} // closed after err is set
	err    error
	done   chan struct{}
}

// newOutput feeds w, whose Write fails once cancel was called.
func newOutput(w encoder, cancel context.CancelFunc, width, height int) *output {
	o := &output{
		w: w, cancel: cancel, empty: make(chan *raster.Image, 2), full: make(chan *raster.Image, 2),
		failed: make(chan struct{}), done: make(chan struct{}),
	}
	for range cap(o.empty) {
		o.empty <- raster.NewImage(width, height)
	}
	go o.run()
	return o
}

// run feeds the encoder until there are no more frames, or one fails.
func (o *output) run() {
	defer close(o.done)
	for frame := range o.full {
		if err := o.write(frame); err != nil {
			o.err = err
			close(o.failed)
			return
		}
		o.empty <- frame
	}
}

// write turns a panic into an error: nobody could recover it in this goroutine.
func (o *output) write(frame *raster.Image) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the writer panicked, which is a bug in it: %v\n%s", p, debug.Stack())
		}
	}()
	return o.w.Write(frame.Bytes())
}

// free waits for a frame buffer.
func (o *output) free(ctx context.Context) (*raster.Image, error) {
	select {
	case f := <-o.empty:
		return f, nil
	case <-o.failed:
		return nil, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// put never blocks: full has room for every buffer there is.
func (o *output) put(f *raster.Image) { o.full <- f }

// close waits until the encoder has everything and has ended well.
func (o *output) close(ctx context.Context) error {
	o.closed = true
	close(o.full)
	<-o.done
	if o.err == nil {
		o.err = context.Cause(ctx)
	}
	if o.err != nil {
		o.w.Abort()
		return o.err
	}
	return o.w.Close()
}

// abort gives the part up, unless it has been closed.
func (o *output) abort() {
	if o.closed {
		return
	}
	o.closed = true
	o.cancel()
	close(o.full)
	<-o.done
	o.w.Abort()
}
