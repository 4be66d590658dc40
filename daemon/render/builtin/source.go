package builtin

import (
	"context"
	"errors"
	"fmt"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/render/raster"
)

// A source delivers decoded, premultiplied frames of one medium in the order of its clip.
type source struct {
	scene    *scene
	index    *media.Index
	clip     string // its name
	straight bool   // alpha must be multiplied in
	tex      raster.Texture
	at       int // frame in tex, -1 before the first
	version  int // counts the frames that tex has held

	first, last int // frames that the range begins and ends with; last < first: backwards
	reader      *media.Reader
	block       []*raster.Image // frames [blockAt, blockAt+len) of a medium played backwards
	blockAt     int
}

func newSource(sc *scene, ix *media.Index, clip string, premultiplied bool) *source {
	s := &source{scene: sc, index: ix, clip: clip, straight: ix.Alpha && !premultiplied, at: -1}
	s.tex.Resize(ix.Width, ix.Height)
	s.tex.Opaque = !ix.Alpha
	return s
}

// plan tells which frames the range will ask for first and last.
func (s *source) plan(first, last int) { s.first, s.last = first, last }

// frame returns frame i of the medium.
func (s *source) frame(ctx context.Context, i int) (*raster.Texture, error) {
	if i == s.at {
		return &s.tex, nil
	}
	var err error
	if s.last < s.first {
		err = s.backward(ctx, i)
	} else {
		err = s.forward(ctx, i)
	}
	if err != nil {
		return nil, err
	}
	s.at = i
	s.version++
	s.tex.Touch()
	return &s.tex, nil
}

func (s *source) forward(ctx context.Context, i int) error {
	if s.reader == nil || i < s.reader.Pos() {
		if err := s.reopen(ctx, i, max(s.last, i)-i+1); err != nil {
			return err
		}
	}
	if err := s.reader.Skip(i - s.reader.Pos()); err != nil {
		return err
	}
	return s.read(&s.tex.Image)
}

func (s *source) read(m *raster.Image) error {
	if err := s.reader.Next(m.Bytes()); err != nil {
		return err
	}
	if s.straight {
		m.Premultiply(0, m.H)
	}
	return nil
}

func (s *source) reopen(ctx context.Context, from, count int) error {
	if err := s.close(); err != nil {
		return err
	}
	r, err := s.scene.library.Open(ctx, s.index, from, count, media.ReadOptions{Threads: s.scene.threads, Damaged: s.damaged})
	s.reader = r
	return err
}

// damaged tells the user.
func (s *source) damaged(d media.Damage) {
	s.scene.note(fmt.Sprintf("clip %q shows what can be seen of a damaged medium: %s", s.clip, d))
}

// blockBytes bounds what a medium that runs backwards keeps decoded.
const blockBytes = 64 << 20

// backward decodes a block of frames that ends with i, and serves the following, earlier
// ones from it: decoders only run forwards.
func (s *source) backward(ctx context.Context, i int) error {
	if i < s.blockAt || i >= s.blockAt+len(s.block) {
		if err := s.fill(ctx, i); err != nil {
			return err
		}
	}
	s.tex.Image = *s.block[i-s.blockAt]
	return nil
}

func (s *source) fill(ctx context.Context, end int) error {
	size := min(max(blockBytes/(4*s.tex.W*s.tex.H), 2), 64)
	from := min(max(end-size+1, s.last), end)
	n := end - from + 1
	for len(s.block) < n {
		s.block = append(s.block, raster.NewImage(s.index.Width, s.index.Height))
	}
	s.block, s.blockAt = s.block[:n], from
	if err := s.reopen(ctx, from, n); err != nil {
		return err
	}
	var errs []error
	for _, m := range s.block {
		if err := s.read(m); err != nil {
			errs = append(errs, err)
			break
		}
	}
	return errors.Join(append(errs, s.close())...)
}

func (s *source) close() error {
	if s.reader == nil {
		return nil
	}
	r := s.reader
	s.reader = nil
	return r.Close()
}
