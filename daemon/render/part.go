package render

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

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
	f, err := os.Open(path)
	if err != nil {
		return film.Part{}, fmt.Errorf("verify sound: %w", err)
	}
	defer f.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, f)
	if err != nil {
		return film.Part{}, fmt.Errorf("verify sound: %w", err)
	}
	return film.Part{Path: path, Frames: span.Len(), Size: size, SHA256: hex.EncodeToString(hash.Sum(nil))}, nil
}
