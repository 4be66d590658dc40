package media

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"olive-distributed/daemon/media/probe"
)

// An Index lists the frames of one video stream in presentation order. It is read-only.
//
// An interlaced stream has two entries for each coded frame, its fields as Olive's
// deinterlacer shows them, and TimeBase is half the stream's. (Olive forgets to halve it and so
// plays such media at half speed, which nobody wants.)
type Index struct {
	Path          string
	Stream        int
	Codec, PixFmt string // PixFmt is ffmpeg's name for what the decoder delivers
	Width, Height int
	TimeBase      probe.Rational // seconds per unit of PTS
	PTS           []int64        // sorted, one per shown frame
	Start         float64        // container start time in seconds
	Duration      float64        // container duration in seconds, +Inf for a still
	Still         bool
	Alpha         bool
	Interlaced    bool

	play play
}

// A play says how the decoder gets at the frames of an Index.
type play struct {
	Path     string // the medium itself or its remuxed copy
	Stream   int
	First    int // first number and
	Count    int // length of a run of pictures
	TimeBase probe.Rational
	Start    float64
	PTS      []int64 // one per coded frame, in units of TimeBase
	Keys     []int   // frames where decoding can start, sorted
	Seeks    bool    // else decoding starts at the first frame, always
	Remuxed  bool
	Bottom   bool // bottom field first
}

func (p play) source() probe.Source {
	return probe.Source{Path: p.Path, Start: p.First, Count: p.Count}
}

// At is the last i with PTS[i] <= pts, 0 if there is none (Olive's rule).
func (ix *Index) At(pts int64) int {
	i, _ := slices.BinarySearchFunc(ix.PTS, pts, func(have, want int64) int {
		if have <= want {
			return -1
		}
		return 1
	})
	return max(0, i-1)
}

// Pick is the frame that Olive shows at the given time of the medium, in seconds.
func (ix *Index) Pick(seconds float64) int {
	unit := ix.TimeBase.Float64()
	if ix.Still || unit == 0 || math.IsNaN(seconds) {
		return 0
	}
	pts := math.Round(seconds / unit) // half away from zero, as qRound64
	if pts >= math.MaxInt64 {
		return len(ix.PTS) - 1
	}
	return ix.At(int64(max(pts, math.MinInt64)))
}

// KeyBefore is the last frame at or before i from which decoding can start: playing backwards
// is cheapest in runs that begin at such frames.
func (ix *Index) KeyBefore(i int) int {
	if len(ix.play.Keys) == 0 {
		return 0
	}
	fields := 1
	if ix.Interlaced {
		fields = 2
	}
	k, found := slices.BinarySearch(ix.play.Keys, i/fields)
	if !found {
		k--
	}
	if k < 0 {
		return 0
	}
	return ix.play.Keys[k] * fields
}

// Video indexes one video stream. path may hold a printf pattern (seq_%03d.png); startNumber is
// then the first number. The index is the same however often and wherever it is made.
func (l *Library) Video(ctx context.Context, path string, stream, startNumber int) (*Index, error) {
	src, err := probe.Open(path, startNumber)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	key := fmt.Sprintf("%s\x00%d", src.Key, stream)
	return l.indexes.do(ctx, l, key, func(ctx context.Context) (*Index, error) {
		if ix, ok := l.loadIndex(key); ok {
			return ix, nil
		}
		ix, err := l.index(ctx, src, stream, key)
		if err != nil {
			return nil, fmt.Errorf("index stream %d of %s: %w", stream, src.Path, err)
		}
		l.save(key, indexExt, record{Index: ix, Play: ix.play})
		return ix, nil
	})
}

func (l *Library) index(ctx context.Context, src probe.Source, stream int, key string) (*Index, error) {
	file, err := l.Headers(ctx, src)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(file.Streams, func(s probe.Stream) bool { return s.Index == stream && s.Type == "video" })
	if i < 0 {
		return nil, errors.New("there is no such video stream")
	}
	s := survey{src: src, file: file, st: file.Streams[i], wary: !file.SeeksExactly() && src.Count == 0}
	if err := s.look(ctx); err != nil {
		return nil, err
	}
	ix := s.index()
	if !ix.Still && s.wary {
		if err := l.remux(ctx, &s, ix, key); err != nil {
			return nil, err
		}
	}
	if ix.Interlaced {
		ix.PTS = fieldTimes(ix.PTS)
		ix.TimeBase.Den *= 2
	}
	return ix, nil
}

// fieldTimes gives the times of both fields of each frame as yadif=mode=3 stamps them, in half
// units: 2*pts[i] and pts[i]+pts[i+1]. After the last frame it thinks of one more, a step later.
func fieldTimes(pts []int64) []int64 {
	fields := make([]int64, 0, 2*len(pts))
	for i, p := range pts {
		next := p + lastStep(pts)
		if i+1 < len(pts) {
			next = pts[i+1]
		}
		fields = append(fields, 2*p, p+next)
	}
	return fields
}

// hasAlpha says whether pictures in a pixel format can be transparent.
func hasAlpha(pixFmt string) bool {
	for _, prefix := range []string{"yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya8", "ya16", "ayuv", "vuya", "pal8"} {
		if strings.HasPrefix(pixFmt, prefix) {
			return true
		}
	}
	return false
}
