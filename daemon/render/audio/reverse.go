package audio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"olive-distributed/daemon/media/sound"
)

// reverse plays a medium backwards: it decodes what the clip needs once, forwards, into a
// temporary file that nobody else sees, and reads that from its end.
type reverse struct {
	ctx    context.Context
	stream *sound.Stream
	spec   sound.Spec
	lead   int64    // samples to pass over
	need   int64    // samples, those included
	file   *os.File // nil until the first chunk is wanted
	left   int64    // samples not yet played
	raw    []byte
	chunk  []int16
}

// newReverse plays length samples back from spec.Start, without the first lead ones.
func newReverse(ctx context.Context, stream *sound.Stream, spec sound.Spec, lead, length int64) *reverse {
	return &reverse{ctx: ctx, stream: stream, spec: spec, lead: lead, need: lead + length}
}

func (r *reverse) Lead() (int64, error) { return r.lead, nil }

// Next is a chunk of the size that Olive works on.
func (r *reverse) Next() ([]int16, error) {
	const size = 1024
	if r.file == nil {
		if err := r.decode(); err != nil {
			return nil, err
		}
	}
	n := min(size, r.left)
	if n == 0 {
		return nil, io.EOF
	}
	if r.raw == nil {
		r.raw, r.chunk = make([]byte, 4*size), make([]int16, 2*size)
	}
	r.left -= n
	raw := r.raw[:4*n]
	if _, err := r.file.ReadAt(raw, 4*r.left); err != nil {
		return nil, fmt.Errorf("read reversed sound: %w", err)
	}
	chunk := r.chunk[:2*n]
	for i := range chunk {
		from := 4*(n-1-int64(i/2)) + int64(2*(i%2))
		chunk[i] = int16(binary.LittleEndian.Uint16(raw[from:]))
	}
	return chunk, nil
}

// decode fills the file. What the medium does not have is silent.
func (r *reverse) decode() (err error) {
	perSecond := float64(r.spec.Rate) / r.spec.Tempo // samples of the result
	end := int64(math.Round(r.spec.Start * perSecond))
	r.left = max(0, min(r.need, end))
	r.spec.Start = float64(end-r.left) / perSecond
	if r.file, err = os.CreateTemp("", "olive-reverse-"); err != nil {
		return err
	}
	if err := errors.Join(os.Remove(r.file.Name()), r.file.Truncate(4*r.left)); err != nil {
		return err
	}
	reader, err := r.stream.Open(r.ctx, r.spec)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	var raw []byte
	for at := int64(0); at < r.left; {
		x, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		x = x[:min(int64(len(x)), 2*(r.left-at))]
		raw = encode(raw[:0], x)
		if _, err := r.file.WriteAt(raw, 4*at); err != nil {
			return fmt.Errorf("store reversed sound in %s: %w", os.TempDir(), err)
		}
		at += int64(len(x) / 2)
	}
	return nil
}

func (r *reverse) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
