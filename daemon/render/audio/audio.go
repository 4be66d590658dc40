// Package audio is the sound of a timeline.
//
// [Render] decodes, filters and mixes as Olive 0.1 does, in 16 bits, and writes a WAV file. It
// either writes exactly the samples that were asked for or returns an error that names medium
// and clip; a failed call leaves an unfinished file for the caller to delete. A medium whose
// sound ends before its clip does is silent from there on; one that does not decode is an error.
//
// A clip always plays from its own start on, whatever the range, so a range of a timeline sounds
// exactly as the same samples of the whole. Olive's range exports do not.
package audio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/media/sound"
	"olive-distributed/daemon/ove"
)

// Options of [Render] and [Silent].
type Options struct {
	Library  *media.Library
	Path     func(*ove.Footage) string // the medium's file, "" when it is missing: its clips are silent
	Progress func(done, total int64)   // samples; nil: nobody wants to know
	Skip     func(*ove.Effect) bool    // effects to leave out, besides those that are not [Known]; nil: none
}

// Render writes the sound of the frames [from, to) of seq to the new or empty file out: a WAV of
// 16-bit stereo at the sequence's rate, RF64 when it is longer than 4 GiB. Its first sample
// is number floor(from / fps * rate) of the timeline, where Olive puts the frame; its length is
// that of the pictures in whole samples, see [Samples].
func Render(ctx context.Context, seq *ove.Sequence, from, to ove.Frame, out string, opt Options) (err error) {
	r, err := newRenderer(seq, from, to, opt)
	if err != nil {
		return fmt.Errorf("sound of %q: %w", seq.Name, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		err = errors.Join(err, r.close())
	}()
	w, err := createWave(out, seq.AudioRate, r.total)
	if err != nil {
		return fmt.Errorf("sound of %q: %w", seq.Name, err)
	}
	if err := errors.Join(r.run(ctx, w), w.close()); err != nil {
		return fmt.Errorf("sound of %q: %w", seq.Name, err)
	}
	return nil
}

// Silent reports whether nothing can sound in the frames [from, to): no audio clip plays a medium
// or has an effect that makes sound of its own.
func Silent(seq *ove.Sequence, from, to ove.Frame, opt Options) bool {
	r, err := newRenderer(seq, from, to, opt)
	return err == nil && len(r.voices) == 0
}

// A renderer mixes the voices of one range.
type renderer struct {
	opt    Options
	clock  clock
	rate   int
	first  int64 // sample of the timeline with which the range starts
	total  int64
	voices []*voice // by start
	opened int      // how many of them have been
	active []*player
	sounds map[soundKey]*sound.Stream
}

type soundKey struct {
	path   string
	stream int
}

func newRenderer(seq *ove.Sequence, from, to ove.Frame, opt Options) (*renderer, error) {
	clock := newClock(seq)
	r := &renderer{
		opt: opt, clock: clock, rate: seq.AudioRate, sounds: map[soundKey]*sound.Stream{},
		first: clock.sample(from), total: Samples(seq.AudioRate, seq.FPS, from, to),
	}
	s := score{clock: clock, opt: opt, first: r.first, end: r.first + r.total}
	if err := s.add(seq, nil, 0, farFrame); err != nil {
		return nil, err
	}
	r.voices = s.voices
	slices.SortStableFunc(r.voices, func(a, b *voice) int { return cmp.Compare(a.start, b.start) })
	return r, nil
}

// blockSize is the number of samples that are mixed at a time.
const blockSize = 1 << 14

// run mixes block by block.
func (r *renderer) run(ctx context.Context, w *waveWriter) error {
	block := make([]int16, 2*blockSize)
	for done := int64(0); done < r.total; {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n := min(blockSize, r.total-done)
		block = block[:2*n]
		clear(block)
		if err := r.mix(ctx, block, r.first+done); err != nil {
			return err
		}
		if err := w.write(block); err != nil {
			return err
		}
		done += n
		if r.opt.Progress != nil {
			r.opt.Progress(done, r.total)
		}
	}
	return nil
}

// mix adds everything that sounds from sample at on to block.
func (r *renderer) mix(ctx context.Context, block []int16, at int64) error {
	if err := r.open(ctx, at+int64(len(block)/2)); err != nil {
		return err
	}
	for _, p := range r.active {
		if err := p.mix(block, at); err != nil {
			return fmt.Errorf("%v: %w", p.voice, err)
		}
	}
	var err error
	r.active = slices.DeleteFunc(r.active, func(p *player) bool {
		over := p.over()
		if over {
			err = errors.Join(err, p.close())
		}
		return over
	})
	return err
}

// ahead is the number of voices opened before their time, because a decoder takes long to start.
const ahead = 2

// open starts the voices that sound before sample end, and a few more.
func (r *renderer) open(ctx context.Context, end int64) error {
	early := 0
	for _, p := range r.active {
		if p.voice.start >= end {
			early++
		}
	}
	for ; r.opened < len(r.voices); r.opened++ {
		v := r.voices[r.opened]
		if v.start >= end {
			if early == ahead {
				return nil
			}
			early++
		}
		if err := r.play(ctx, v); err != nil {
			return fmt.Errorf("%v: %w", v, err)
		}
	}
	return nil
}

// play opens a voice and puts it where Olive would mix it: the sum of several loud sounds depends
// on their order, which is that of the file.
func (r *renderer) play(ctx context.Context, v *voice) error {
	p, err := r.player(ctx, v)
	if p == nil || err != nil {
		return err
	}
	i, _ := slices.BinarySearchFunc(r.active, p, func(a, b *player) int { return cmp.Compare(a.voice.order, b.voice.order) })
	r.active = slices.Insert(r.active, i, p)
	return nil
}

// close ends the decoders.
func (r *renderer) close() error {
	var err error
	for _, p := range r.active {
		err = errors.Join(err, p.close())
	}
	r.active = nil
	return err
}

// sound examines the stream of a clip, each stream once.
func (r *renderer) sound(ctx context.Context, c *ove.Clip) (*sound.Stream, error) {
	key := soundKey{r.opt.Path(c.Footage), c.Stream}
	if s, ok := r.sounds[key]; ok {
		return s, nil
	}
	s, err := sound.Examine(ctx, r.opt.Library, key.path, key.stream)
	if err == nil {
		r.sounds[key] = s
	}
	return s, err
}
