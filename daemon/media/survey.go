package media

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"olive-distributed/daemon/media/probe"
)

// A survey is what is known of a stream before it is an Index.
type survey struct {
	src     probe.Source
	file    *probe.File
	st      probe.Stream
	wary    bool // the container's time stamps are often wrong
	packets []probe.Packet
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
	s.packets, err = probe.Packets(ctx, s.src, s.st.Index)
	early.Wait()
	if err != nil {
		return err
	}
	if len(s.packets) == 0 {
		return errors.New("the stream has no frames")
	}
	if err := probe.CheckPromise(s.file.Format, s.st, s.packets); err != nil {
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
		if f.pts == probe.NoPTS || i > 0 && f.pts < s.pts[i-1] {
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
func shownPTS(packets []probe.Packet) []int64 {
	var pts []int64
	last := int64(probe.NoPTS)
	for _, p := range packets {
		if p.PTS == probe.NoPTS || p.Corrupt || p.DTS != probe.NoPTS && p.DTS < last {
			return nil
		}
		last = max(last, p.DTS)
		if !p.Discarded {
			pts = append(pts, p.PTS)
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
func headLength(packets []probe.Packet, wary bool) int {
	clean := packets[0].Key && !wary
	keys := 0
	for i, p := range packets {
		if p.PTS < packets[0].PTS && !p.Discarded {
			clean = false
		}
		if p.Key {
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
		Path: s.src.Path, Stream: s.st.Index, Codec: s.st.Codec, PixFmt: s.head.pixFmt,
		Width: s.head.width, Height: s.head.height, TimeBase: s.st.TimeBase, PTS: s.pts,
		Start: s.file.Start, Duration: s.file.Duration, Still: s.file.Still || s.st.Attached,
		Alpha: hasAlpha(s.head.pixFmt), Interlaced: s.head.interlaced,
	}
	ix.play = play{
		Path: s.src.Path, Stream: s.st.Index, First: s.src.Start, Count: s.src.Count,
		TimeBase: s.st.TimeBase, Start: s.file.Start, PTS: s.pts, Keys: keyFrames(s.packets, s.pts),
		Seeks: s.file.SeeksExactly() && strictly(s.pts), Bottom: s.head.bottomFirst,
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
func keyFrames(packets []probe.Packet, pts []int64) []int {
	var keys []int
	for _, p := range packets {
		if i, found := slices.BinarySearch(pts, p.PTS); found && p.Key && !p.Discarded {
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
