package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ReadOptions of Open. The pictures do not depend on them.
type ReadOptions struct {
	Threads int // decoder threads, 0 = 1
	// Damaged is told, while Next or Skip runs, of places where the medium is damaged. It gives the
	// same on every machine. nil: nobody listens.
	Damaged func(Damage)
}

// A Reader streams frames of an Index in presentation order. Every picture's time stamp is
// compared with the index, so a wrong one never gets out. Not for concurrent use.
type Reader struct {
	ctx      context.Context
	ix       *Index
	opt      ReadOptions
	pos, end int
	try      int      // how often decoding was started further back
	dec      *decoder // nil until the next picture is wanted
	care     *care    // how the frames around pos are decoded, nil for the fast way
	scratch  []byte
}

// A ShortError means that a medium does not deliver a frame which its index promises.
type ShortError struct {
	Path   string
	Frame  int    // the first that is missing
	Frames int    // how many the index promises
	Said   string // ffmpeg's complaints
}

func (e *ShortError) Error() string {
	said := ""
	if e.Said != "" {
		said = " (" + e.Said + ")"
	}
	return fmt.Sprintf("%s: frame %d of %d does not decode%s: the file is damaged or cut short, copy it again or mend it with ffmpeg -i OLD -c copy NEW.mkv",
		e.Path, e.Frame, e.Frames, said)
}

// Unwrap lets errors.Is find io.ErrUnexpectedEOF.
func (e *ShortError) Unwrap() error { return io.ErrUnexpectedEOF }

// Open starts decoding exactly the frames [from, from+count) of ix. The decoder lives until Close
// or the end of ctx.
func (l *Library) Open(ctx context.Context, ix *Index, from, count int, opt ReadOptions) (*Reader, error) {
	if from < 0 || count < 0 || from+count > len(ix.PTS) {
		return nil, fmt.Errorf("%s: frames [%d,%d) asked for, there are %d", ix.Path, from, from+count, len(ix.PTS))
	}
	r := &Reader{ctx: ctx, ix: ix, opt: opt, pos: from, end: from + count}
	if count > 0 {
		if err := r.start(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Pos is the index of the frame that Next gives.
func (r *Reader) Pos() int { return r.pos }

// Next fills dst (Width*Height*4 bytes) with the next frame: straight, not premultiplied RGBA,
// rows top down. After the last frame of the range it answers io.EOF.
func (r *Reader) Next(dst []byte) error {
	if r.pos >= r.end {
		return io.EOF
	}
	if size := r.ix.Width * r.ix.Height * 4; len(dst) != size {
		return fmt.Errorf("a frame of %s has %d bytes, the buffer %d", r.ix.Path, size, len(dst))
	}
	for {
		err := r.next(dst)
		if err == nil {
			r.pos++
			return nil
		}
		if cause := context.Cause(r.ctx); cause != nil {
			return fmt.Errorf("decode %s: %w", r.ix.Path, cause)
		}
		if !errors.Is(err, errDamaged) && !r.further() {
			return err
		}
	}
}

// next reads up to frame pos and leaves it in dst.
func (r *Reader) next(dst []byte) error {
	if r.care != nil && r.pos >= r.care.end {
		r.stop()
		r.care = nil
	}
	if r.dec == nil {
		if err := r.start(); err != nil {
			return err
		}
	}
	if r.care != nil {
		return r.careful(dst)
	}
	for {
		got := r.dec.next
		err := r.dec.read(dst)
		if r.dec.complaint != "" {
			r.takeCare()
			return errDamaged
		}
		if err != nil {
			return r.missing(err)
		}
		if got == r.pos {
			return nil
		}
	}
}

// Skip passes over n frames.
func (r *Reader) Skip(n int) error {
	const worth = 48 // frames decode in the time that a new decoder needs to start
	target := min(r.pos+max(0, n), r.end)
	if r.dec == nil || r.ix.play.Seeks && r.ix.KeyBefore(target)-r.pos > worth {
		r.stop()
		r.pos, r.try = target, 0
		return nil
	}
	if r.scratch == nil {
		r.scratch = make([]byte, r.ix.Width*r.ix.Height*4)
	}
	for r.pos < target {
		if err := r.Next(r.scratch); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the decoder and waits for it.
func (r *Reader) Close() error {
	r.stop()
	r.pos = r.end
	return nil
}

func (r *Reader) stop() {
	if r.dec != nil {
		r.dec.stop()
		r.dec = nil
	}
}

// further starts the decoder anew further back: seeking may have landed behind the frame, or
// on a key frame that is none. The last try is the start of the stream.
func (r *Reader) further() bool {
	r.stop()
	if r.care != nil || r.try == 2 || r.entry() == 0 {
		return false
	}
	r.try++
	return true
}

// entry is the coded frame where decoding starts.
func (r *Reader) entry() int {
	at := r.pos
	if r.ix.Interlaced {
		at = max(0, at/2-1) // a field depends on the frame before its own
	}
	switch {
	case r.try == 0 && (r.ix.play.Seeks || r.ix.play.Count > 0):
		return at
	case r.try == 1 && r.ix.play.Seeks:
		k, _ := slices.BinarySearch(r.ix.play.Keys, at+1)
		if k >= 3 {
			return r.ix.play.Keys[k-3]
		}
	}
	return 0
}

func (r *Reader) start() error {
	if r.care != nil {
		return r.startCareful()
	}
	dec, err := startDecoder(r.ctx, r.ix, r.entry(), r.end, max(1, r.opt.Threads))
	if err != nil {
		return fmt.Errorf("decode %s: %w", r.ix.Path, err)
	}
	r.dec = dec
	return nil
}

// missing says why there is no frame: the medium has none, or ffmpeg failed, which may have many
// reasons and need not happen again.
func (r *Reader) missing(err error) error {
	if errors.Is(err, io.EOF) {
		if exit := r.dec.wait(); exit != nil {
			return r.dec.log.said.Wrap(fmt.Errorf("decode %s: ffmpeg ended before frame %d: %w", r.ix.Path, r.pos, exit))
		}
	}
	said := r.dec.stop()
	if said == "" && !errors.Is(err, io.EOF) {
		said = err.Error()
	}
	return &ShortError{Path: r.ix.Path, Frame: r.pos, Frames: len(r.ix.PTS), Said: said}
}
