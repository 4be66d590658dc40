package media

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
)

// An Index lists the frames of one video stream in presentation order. It is read-only.
//
// An interlaced stream has two entries for each coded frame, its fields as Olive's
// deinterlacer shows them. Their PTS are in half units while TimeBase is the stream's, because
// Olive compares them so; such media therefore play at half speed.
type Index struct {
	Path          string
	Stream        int
	Codec, PixFmt string // PixFmt is ffmpeg's name for what the decoder delivers
	Width, Height int
	TimeBase      Rational // seconds per unit of PTS
	PTS           []int64  // sorted, one per shown frame
	Start         float64  // container start time in seconds
	Duration      float64  // container duration in seconds, +Inf for a still
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
	TimeBase Rational
	Start    float64
	PTS      []int64 // one per coded frame, in units of TimeBase
	Keys     []int   // frames where decoding can start, sorted
	Seeks    bool    // else decoding starts at the first frame, always
	Remuxed  bool
	Bottom   bool // bottom field first
}

func (p play) source() source { return source{path: p.Path, start: p.First, count: p.Count} }

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
	src, err := open(path, startNumber)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	key := fmt.Sprintf("%s\x00%d", src.key, stream)
	return l.indexes.do(ctx, l, key, func(ctx context.Context) (*Index, error) {
		if ix, ok := l.loadIndex(key); ok {
			return ix, nil
		}
		ix, err := l.index(ctx, src, stream, key)
		if err != nil {
			return nil, fmt.Errorf("index stream %d of %s: %w", stream, src.path, err)
		}
		l.save(key, indexExt, record{Index: ix, Play: ix.play})
		return ix, nil
	})
}

func (l *Library) index(ctx context.Context, src source, stream int, key string) (*Index, error) {
	file, err := l.probe(ctx, src)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(file.Streams, func(s Stream) bool { return s.Index == stream && s.Type == "video" })
	if i < 0 {
		return nil, errors.New("there is no such video stream")
	}
	s := survey{src: src, file: file, st: file.Streams[i], wary: !exactSeeks(file.Format) && src.count == 0}
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
	}
	return ix, nil
}

// exactSeeks lists the containers where a seek lands on the key frame before the time asked for,
// whatever the codec. In others it may land anywhere: those are remuxed.
func exactSeeks(format string) bool {
	return strings.HasPrefix(format, "mov,") || strings.HasPrefix(format, "matroska,")
}

// A survey is what is known of a stream before it is an Index.
type survey struct {
	src     source
	file    *File
	st      Stream
	wary    bool // the container's time stamps are often wrong
	packets []packet
	pts     []int64 // of the frames that can be seen, sorted
	head    shown   // the first of them
}

// look lists the frames: by their packets where these can be trusted, which costs no decoding,
// else by decoding everything once.
func (s *survey) look(ctx context.Context) error {
	if s.file.Still || s.st.Attached {
		return s.lookAtStill(ctx)
	}
	var first []shown // most media need no more; starting ffmpeg takes longer than this frame
	var firstErr error
	var early sync.WaitGroup
	if sure := !s.wary && !s.st.Interlaced; sure {
		early.Go(func() { first, firstErr = decodeShown(ctx, s.src, s.st.Index, 1) })
	}
	var err error
	s.packets, err = listPackets(ctx, s.src, s.st.Index)
	early.Wait()
	if err != nil {
		return err
	}
	if len(s.packets) == 0 {
		return errors.New("the stream has no frames")
	}
	if err := checkPromise(s.file.Format, s.st, s.packets); err != nil {
		return err
	}
	s.pts = shownPTS(s.packets)
	if s.pts == nil {
		return s.decode(ctx)
	}
	head, err := first, firstErr
	if n := headLength(s.packets, s.wary || s.st.Interlaced); n != 1 || first == nil && firstErr == nil {
		head, err = decodeShown(ctx, s.src, s.st.Index, n)
	}
	if err != nil {
		return err
	}
	s.head = head[0]
	if !s.agree(head) {
		return s.decode(ctx)
	}
	return nil
}

func (s *survey) lookAtStill(ctx context.Context) error {
	if s.st.PixFmt != "" && s.st.Width > 0 && s.st.Height > 0 { // ffprobe has decoded it to say so
		s.head, s.pts = shown{width: s.st.Width, height: s.st.Height, pixFmt: s.st.PixFmt}, []int64{0}
		return nil
	}
	head, err := decodeShown(ctx, s.src, s.st.Index, 1)
	if err == nil {
		s.head, s.pts = head[0], []int64{0}
	}
	return err
}

// decode replaces the packets' word by what really comes out of the decoder.
func (s *survey) decode(ctx context.Context) error {
	all, err := decodeShown(ctx, s.src, s.st.Index, 0)
	if err != nil {
		return err
	}
	s.head, s.pts = all[0], make([]int64, len(all))
	for i, f := range all {
		s.pts[i] = f.pts
		if f.pts == noPTS || i > 0 && f.pts < s.pts[i-1] {
			return fmt.Errorf("time stamps go backwards at frame %d: write the file anew with ffmpeg -i OLD -c copy NEW.mkv", i)
		}
	}
	return nil
}

// agree compares the first decoded frames with the list of packets. Frames that are missing at
// the very start (they refer to what was cut off) are taken out; any other difference is false.
func (s *survey) agree(head []shown) bool {
	skip, found := slices.BinarySearch(s.pts, head[0].pts)
	if !found || skip+len(head) > len(s.pts) {
		return false
	}
	s.pts = s.pts[skip:]
	for i, f := range head {
		if f.pts != s.pts[i] {
			return false
		}
	}
	return true
}

// shownPTS sorts the time stamps of the packets that are shown. It is nil when they cannot be
// trusted: missing, doubled, or running backwards as after a splice.
func shownPTS(packets []packet) []int64 {
	var pts []int64
	last := int64(noPTS)
	for _, p := range packets {
		if p.pts == noPTS || p.corrupt || p.dts != noPTS && p.dts < last {
			return nil
		}
		last = max(last, p.dts)
		if !p.discarded {
			pts = append(pts, p.pts)
		}
	}
	slices.Sort(pts)
	if len(slices.Compact(slices.Clone(pts))) != len(pts) {
		return nil
	}
	return pts
}

// headLength says how many frames to decode before the packets are trusted: one when the stream
// starts as it should; up to the third key frame when it starts in the middle of something, when
// the container is not to be trusted, or when there are fields, which may be packets of their own.
func headLength(packets []packet, wary bool) int {
	clean := packets[0].key && !wary
	keys := 0
	for i, p := range packets {
		if p.pts < packets[0].pts && !p.discarded {
			clean = false
		}
		if p.key {
			keys++
		}
		if keys == 3 || i == 600 {
			if clean {
				return 1
			}
			return i
		}
	}
	if clean {
		return 1
	}
	return 0
}

// index makes the Index of a medium that plays as it is.
func (s *survey) index() *Index {
	ix := &Index{
		Path: s.src.path, Stream: s.st.Index, Codec: s.st.Codec, PixFmt: s.head.pixFmt,
		Width: s.head.width, Height: s.head.height, TimeBase: s.st.TimeBase, PTS: s.pts,
		Start: s.file.Start, Duration: s.file.Duration, Still: s.file.Still || s.st.Attached,
		Alpha: hasAlpha(s.head.pixFmt), Interlaced: s.head.interlaced,
	}
	ix.play = play{
		Path: s.src.path, Stream: s.st.Index, First: s.src.start, Count: s.src.count,
		TimeBase: s.st.TimeBase, Start: s.file.Start, PTS: s.pts, Keys: keyFrames(s.packets, s.pts),
		Seeks: exactSeeks(s.file.Format) && strictly(s.pts), Bottom: s.head.bottomFirst,
	}
	switch {
	case ix.Still:
		ix.Duration, ix.Interlaced = math.Inf(1), false
	case ix.Duration <= 0:
		ix.Duration = float64(s.pts[len(s.pts)-1]-s.pts[0]+lastStep(s.pts)) * ix.TimeBase.Float64()
	}
	return ix
}

// keyFrames finds the key packets among the shown frames.
func keyFrames(packets []packet, pts []int64) []int {
	var keys []int
	for _, p := range packets {
		if i, found := slices.BinarySearch(pts, p.pts); found && p.key && !p.discarded {
			keys = append(keys, i)
		}
	}
	slices.Sort(keys)
	return keys
}

func strictly(pts []int64) bool {
	return slices.IsSortedFunc(pts, func(a, b int64) int { return cmp.Or(cmp.Compare(a, b), -1) })
}

func lastStep(pts []int64) int64 {
	if len(pts) < 2 {
		return 0
	}
	return pts[len(pts)-1] - pts[len(pts)-2]
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
