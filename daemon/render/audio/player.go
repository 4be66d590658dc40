package audio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"olive-distributed/daemon/media/sound"
	"olive-distributed/daemon/ove"
)

// A source delivers the sound of a clip before its effects, in chunks that the player may
// change, and io.EOF at the end.
type source interface {
	// Lead is how many samples of the first chunks lie before the clip's start; when
	// negative, how many the sound starts late. io.EOF means that there is no sound at all.
	Lead() (int64, error)
	Next() ([]int16, error)
	Close() error
}

// A player is a voice that is being played.
type player struct {
	voice   *voice
	clock   clock
	source  source
	levels  []level
	fades   []fade
	started bool
	done    bool
	at      int64   // sample of the timeline where chunk goes
	chunk   []int16 // what is left of the last one
	lead    int64   // samples still to pass over
}

// A level is a clip with effects: the one that sounds, then the nests around it.
type level struct {
	effects []effect
	fps     float64
	offset  float64 // its clip time less that of the level below, in seconds
}

// player opens a voice. It is nil when there is nothing to hear.
func (r *renderer) player(ctx context.Context, v *voice) (*player, error) {
	p := &player{voice: v, clock: r.clock, at: v.start}
	var err error
	if v.clip.Kind == ove.Null {
		p.source = &silence{lead: v.lead}
	} else if p.source, err = r.footage(ctx, v); p.source == nil || err != nil {
		return nil, err
	}
	c := v.clip
	if c.Kind == ove.Media {
		p.fades = fades(c)
	}
	p.levels = append(p.levels, level{effects: r.opt.effects(c), fps: c.Parent.FPS})
	for i := len(v.nests) - 1; i >= 0; i-- {
		n := v.nests[i]
		offset := float64(c.TimelineIn()-c.TrueClipIn()) / c.Parent.FPS
		p.levels = append(p.levels, level{effects: r.opt.effects(n), fps: n.Parent.FPS, offset: offset})
		c = n
	}
	return p, nil
}

// mix adds what sounds from sample at on to block.
func (p *player) mix(block []int16, at int64) error {
	end := min(at+int64(len(block)/2), p.voice.end)
	for !p.done && p.at < end {
		if len(p.chunk) == 0 {
			if err := p.load(); err != nil {
				return err
			}
			continue
		}
		n := min(int64(len(p.chunk)/2), end-p.at)
		if skip := at - p.at; skip < n {
			skip = max(0, skip)
			mix(block[2*(p.at+skip-at):], p.chunk[2*skip:2*n])
		}
		p.chunk = p.chunk[2*n:]
		p.at += n
	}
	return nil
}

func mix(dst, src []int16) {
	for i, x := range src {
		dst[i] = add(dst[i], x)
	}
}

// over reports whether nothing more will sound.
func (p *player) over() bool { return p.done || p.at >= p.voice.end }

func (p *player) close() error { return p.source.Close() }

// load gets the next chunk and works on it.
func (p *player) load() error {
	if !p.started {
		p.started = true
		lead, err := p.source.Lead()
		if err != nil {
			return p.ended(err)
		}
		p.lead = max(0, lead)
		p.at += max(0, -lead)
	}
	for {
		x, err := p.source.Next()
		if err != nil {
			return p.ended(err)
		}
		n := int64(len(x) / 2)
		if p.lead >= n {
			p.lead -= n
			continue
		}
		p.process(x)
		p.chunk, p.lead = x[2*p.lead:], 0
		return nil
	}
}

func (p *player) ended(err error) error {
	p.done = true
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// process applies the effects to a whole chunk, of which p.lead samples will not be heard. Olive
// takes the time of the first audible sample for that of the first one.
func (p *player) process(x []int16) {
	v, n := p.voice, len(x)/2
	c := v.clip
	start := p.clock.seconds(p.at) + float64(c.TrueClipIn())/c.Parent.FPS - float64(v.in)/p.clock.fps
	for i, level := range p.levels {
		start += level.offset
		end := start + float64(n)/p.clock.rate
		t := newAxis(start, end, n, level.fps)
		for _, fx := range level.effects {
			fx.process(x, t)
		}
		if i == 0 {
			for _, f := range p.fades {
				f.process(x, start, end)
			}
		}
	}
}

// silence is the source of a clip without a medium.
type silence struct {
	lead  int64
	chunk []int16
}

func (s *silence) Lead() (int64, error) { return s.lead, nil }

func (s *silence) Next() ([]int16, error) {
	const size = 2048
	if s.chunk == nil {
		s.chunk = make([]int16, 2*size)
	}
	clear(s.chunk)
	return s.chunk, nil
}

func (s *silence) Close() error { return nil }

// footage opens the source of a clip that plays a medium. It is nil when the medium is over
// before the clip starts.
func (r *renderer) footage(ctx context.Context, v *voice) (source, error) {
	stream, err := r.sound(ctx, v.clip)
	if err != nil {
		return nil, err
	}
	length := farFrame
	if stream.Duration > 0 {
		length = v.clip.MediaLength(stream.Duration)
		v.limit(r.clock, length)
	} else if v.clip.Reverse {
		return nil, fmt.Errorf("%s does not tell its length, so it cannot play backwards: write it anew with ffmpeg -i OLD -c copy NEW.mkv", stream.Path)
	}
	if v.end <= v.start {
		return nil, nil
	}
	second := mediaSecond(v, length)
	spec := sound.Spec{Rate: r.rate, Tempo: v.clip.Speed * v.clip.Footage.Speed, KeepPitch: v.clip.MaintainPitch, Start: second}
	if v.clip.Reverse {
		return newReverse(ctx, stream, spec, v.lead, v.end-v.start), nil
	}
	spec.Cold = true
	reader, err := stream.Open(ctx, spec)
	if err != nil {
		return nil, err
	}
	return &forward{Reader: reader, spec: spec, lead: v.lead}, nil
}

// mediaSecond is the second of the medium with which a voice starts (renderfunctions.cpp:684-701).
func mediaSecond(v *voice, mediaLength ove.Frame) float64 {
	c := v.clip
	frame := c.EffectFrame(v.playhead)
	if c.Reverse {
		frame = mediaLength - frame - 1
	}
	return float64(frame) / c.Parent.FPS * c.Speed * c.Footage.Speed
}

// forward is a medium that plays as usual.
type forward struct {
	*sound.Reader
	spec sound.Spec
	lead int64
}

// Lead follows Olive, which measures the way from the packet to the start in samples of the
// result although the sound between them passes at the clip's speed.
func (f *forward) Lead() (int64, error) {
	begin, err := f.Begin()
	return f.lead + int64(math.Round((f.spec.Start-begin)*float64(f.spec.Rate))), err
}
