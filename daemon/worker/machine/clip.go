package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/media/probe"
)

const (
	clipWidth, clipHeight = 320, 180
	clipFrames            = 30 // more than any preset's run of B-frames, with a cut inside

	benchPreset             = "h264"
	benchWidth, benchHeight = 1920, 1080
	benchFrames             = 24
)

var rate = probe.Rational{Num: 25, Den: 1}

// fingerprint encodes, verifies and decodes a clip in dir, and hashes all bytes.
func fingerprint(ctx context.Context, dir string, p film.Preset) (string, error) {
	e := film.Encoding{Width: clipWidth, Height: clipHeight, Rate: rate, Preset: p.Name}
	path := filepath.Join(dir, "clip-"+p.Name+p.PartExt)
	defer os.Remove(path)
	if err := encode(ctx, e, path, clipFrames, 1); err != nil {
		return "", err
	}
	if _, err := film.VerifyPart(ctx, path, e, clipFrames); err != nil {
		return "", err
	}
	sum := sha256.New()
	if err := hashFile(sum, path); err != nil {
		return "", fmt.Errorf("read clip: %w", err)
	}
	err := decode(ctx, path, 1, clipFrames, func(frame []byte) error {
		sum.Write(frame)
		return nil
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

func hashFile(sum hash.Hash, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(sum, f)
	return err
}

// encode writes a clip of n frames.
func encode(ctx context.Context, e film.Encoding, path string, n, threads int) error {
	w, err := film.NewWriter(ctx, e, path, threads)
	if err != nil {
		return err
	}
	defer w.Abort()
	frame := make([]byte, 4*e.Width*e.Height)
	for i := range n {
		paint(frame, e.Width, i)
		if err := w.Write(frame); err != nil {
			return err
		}
	}
	return w.Close()
}

// decode hands the frames of a clip to use, in a buffer that is used again.
func decode(ctx context.Context, path string, threads, want int, use func(frame []byte) error) error {
	library := media.NewLibrary("")
	defer library.Close()
	ix, err := library.Video(ctx, path, 0, 0)
	if err != nil {
		return err
	}
	if len(ix.PTS) != want {
		return fmt.Errorf("decode %s: it has %d frames, want %d", path, len(ix.PTS), want)
	}
	r, err := library.Open(ctx, ix, 0, want, media.ReadOptions{Threads: threads})
	if err != nil {
		return err
	}
	defer r.Close()
	frame := make([]byte, 4*ix.Width*ix.Height)
	for range want {
		if err := r.Next(frame); err != nil {
			return err
		}
		if err := use(frame); err != nil {
			return err
		}
	}
	return nil
}

// paint fills frame n: slopes that move in different directions, a square that moves on its own, a
// strip of noise, and a cut after two thirds of the clip. It only uses integers.
func paint(frame []byte, width, n int) {
	noise := uint32(n)*2654435761 + 1
	for i := range len(frame) / 4 {
		x, y := i%width, i/width
		r, g, b := byte((x+3*n)/4), byte((y-2*n)/3), byte((x+y+n)/6)
		if n >= clipFrames*2/3 {
			r, g, b = b, r, 255-g
		}
		if sx, sy := x-width/4-7*n, y-width/8; sx >= 0 && sx < width/8 && sy >= 0 && sy < width/8 {
			r, g, b = 230, byte(sx), 40
		}
		if y < width/32 {
			noise = noise*1664525 + 1013904223
			r, g, b = byte(noise>>24), byte(noise>>16), byte(noise>>20)
		}
		frame[4*i], frame[4*i+1], frame[4*i+2], frame[4*i+3] = r, g, b, 255
	}
}

// speed decodes a film and encodes it again, as the export of a cut film does, and returns frames
// per second.
func speed(ctx context.Context, dir string, threads int) (float64, error) {
	source, result := filepath.Join(dir, "bench.mp4"), filepath.Join(dir, "bench-out.mp4")
	defer os.Remove(source)
	defer os.Remove(result)
	e := film.Encoding{
		Width: benchWidth, Height: benchHeight, Rate: rate, Preset: benchPreset,
		Args: []string{"-preset", "ultrafast", "-crf", "20"},
	}
	if err := encode(ctx, e, source, benchFrames, threads); err != nil {
		return 0, err
	}
	start := time.Now()
	e.Args = nil
	w, err := film.NewWriter(ctx, e, result, threads)
	if err != nil {
		return 0, err
	}
	defer w.Abort()
	if err := decode(ctx, source, threads, benchFrames, w.Write); err != nil {
		return 0, err
	}
	if err := w.Close(); err != nil {
		return 0, err
	}
	return benchFrames / time.Since(start).Seconds(), nil
}
