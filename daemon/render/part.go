package render

import (
	"context"
	"fmt"

	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/render/audio"
)

// Verify checks that the file is the part of span that the plan asks for, its pictures or its
// sound, and returns its description. It is cheap: nothing is decoded.
func (p *Plan) Verify(ctx context.Context, span Span, sound bool, path string) (film.Part, error) {
	if !sound {
		return film.VerifyPart(ctx, path, p.Encoding, span.Len())
	}
	if err := audio.Verify(path, p.SoundRate, audio.Samples(p.SoundRate, p.FPS, span.First, span.End)); err != nil {
		return film.Part{}, err
	}
	sum, size, err := film.Checksum(ctx, path)
	if err != nil {
		return film.Part{}, fmt.Errorf("verify sound: %w", err)
	}
	return film.Part{Path: path, Frames: span.Len(), Size: size, SHA256: sum}, nil
}
