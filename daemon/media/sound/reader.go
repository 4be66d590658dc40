package sound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
)

// A Reader streams 16-bit stereo sound in chunks as ffmpeg's filters deliver them. Not for
// concurrent use.
type Reader struct {
	ctx    context.Context
	sound  *Stream
	spec   Spec
	chain  *chain
	begin  float64
	failed error // what Begin found
	begun  bool
	ended  error // what Next found
	skip   int64 // samples still to drop, negative: silence still to give
	quiet  []int16
}

// Open starts reading. The decoder lives until Close or the end of ctx. The answer comes before
// the decoder has said anything, so several can be opened in advance.
func (s *Stream) Open(ctx context.Context, spec Spec) (*Reader, error) {
	if spec.Tempo == 0 {
		spec.Tempo = 1
	}
	if err := spec.validate(); err != nil {
		return nil, fmt.Errorf("decode the sound of %s: %w", s.Path, err)
	}
	r := &Reader{ctx: ctx, sound: s, spec: spec}
	var err error
	if r.chain, err = s.launch(ctx, spec, s.seeks); err != nil {
		return nil, fmt.Errorf("decode the sound of %s: %w", s.Path, err)
	}
	return r, nil
}

// Begin is the second of the medium at which the packet began that gave the first chunk. A cold
// reader of AAC, FLAC or PCM begins at a packet near Start, perhaps behind it when the sound does;
// all others begin at Start. After the end of the sound it answers io.EOF.
func (r *Reader) Begin() (float64, error) {
	if r.begun {
		return r.begin, r.failed
	}
	r.begun = true
	begin, err := r.chain.begin()
	tick := 1 / float64(r.sound.Rate)
	if r.chain.seeked && (err == nil && begin > r.sound.origin+r.spec.Start+tick || errors.Is(err, errNothing)) {
		// The seek may have gone too far. Nothing is lost when it has not.
		r.chain.stop()
		if r.chain, err = r.sound.launch(r.ctx, r.spec, false); err == nil {
			begin, err = r.chain.begin()
		}
	}
	r.begin = begin - r.sound.origin
	if !r.sound.cold(r.spec) {
		r.skip = int64(math.Round((r.spec.Start - r.chain.first + r.sound.origin) / r.spec.Tempo * float64(r.spec.Rate)))
		r.begin = r.spec.Start
	}
	switch {
	case errors.Is(err, errNothing):
		r.failed = io.EOF
	case err != nil:
		r.failed = r.wrap(err)
	}
	return r.begin, r.failed
}

// Next is the next chunk, left and right in turn. It belongs to the caller until the next
// call. After the last one it answers io.EOF; a decoder that gave up is another error.
func (r *Reader) Next() ([]int16, error) {
	if _, err := r.Begin(); err != nil {
		return nil, err
	}
	if r.ended != nil {
		return nil, r.ended
	}
	if r.skip < 0 {
		return r.silence(), nil
	}
	for {
		chunk, err := r.chain.next()
		if err != nil {
			r.ended = r.wrap(err)
			return nil, r.ended
		}
		n := min(r.skip, int64(len(chunk)/2))
		r.skip -= n
		if chunk = chunk[2*n:]; len(chunk) > 0 {
			return chunk, nil
		}
	}
}

// cold reports whether the first chunk is passed on as it is.
func (s *Stream) cold(spec Spec) bool { return spec.Cold && s.route != whole && s.runUp == 0 }

func (r *Reader) silence() []int16 {
	const most = 4096
	n := min(-r.skip, most)
	r.skip += n
	if r.quiet == nil {
		r.quiet = make([]int16, 2*most)
	}
	clear(r.quiet)
	return r.quiet[:2*n]
}

func (r *Reader) wrap(err error) error {
	switch cause := context.Cause(r.ctx); {
	case errors.Is(err, io.EOF):
		return io.EOF
	case cause != nil:
		err = cause
	}
	return fmt.Errorf("decode the sound of %s (stream %d): %w", r.sound.Path, r.sound.Index, err)
}

// Close ends the decoder and waits for it.
func (r *Reader) Close() error {
	if r.chain != nil {
		r.chain.stop()
	}
	return nil
}
